// Every setting that is out of range is refused by name, wherever it comes from.
#include <doctest/doctest.h>

#include "ramer/io/json.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/train/trainer_config.hpp"
#include "train/support.hpp"

using namespace ramer;
using ramer::testing::message_of;

namespace {

struct Settings {
  wiring::RamerConfig<recipe::Ramer> model;
  encoder::CtcAlignmentConfig alignment;
  wiring::TailorConfig<recipe::Tailor> tailor;
  wiring::EarlyFusionConfig fusion;
  train::TrainerConfig train;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("model", self.model, "RAMer");
    field("alignment", self.alignment, "alignment of unaligned input");
    field("tailor", self.tailor, "TAILOR");
    field("fusion", self.fusion, "early fusion");
    field("train", self.train, "training");
  }
};

struct Row {
  const char* key;
  std::vector<const char*> wrong, right;
  const char* expected;
};

const char* const kRate = "at least 0 and below 1";
const char* const kSize = "1 to 2147483647";
const std::vector<Row> kRows{
    {"model.encoder.hidden", {"1", "0", "-8", "3000000000"}, {"2", "8192"}, "2 to 2147483647"},
    {"model.encoder.heads", {"0", "-1"}, {"1", "16"}, kSize},
    {"model.encoder.inner", {"0"}, {"1"}, kSize},
    {"model.encoder.personality_layers", {"-1", "1001"}, {"0", "3"}, "0 to 1000"},
    {"model.encoder.recompute", {"-1", "5"}, {"0", "4"}, "0 to 4"},
    {"model.encoder.dropout", {"1", "-0.1", "inf", "-inf"}, {"0", "0.999"}, kRate},
    {"model.projection.generator_dropout", {"1"}, {"0.5"}, kRate},
    {"model.projection.specificity_dropout", {"1"}, {"0.5"}, kRate},
    {"model.adversary.dropout", {"1"}, {"0.5"}, kRate},
    {"model.auxiliary.scale", {"0", "-1", "inf"}, {"0.25", "2"}, "more than 0"},
    {"model.adversary.reversal", {"inf"}, {"-1", "0", "10"}, "a finite number"},
    {"model.reconstruction.latent", {"0"}, {"1"}, kSize},
    {"model.prototypes.momentum", {"1.01", "-0.01"}, {"0", "1"}, "0 to 1"},
    {"model.contrast.temperature", {"0", "-1", "inf"}, {"1e-3"}, "more than 0"},
    {"model.contrast.queue", {"0", "-1"}, {"1", "8192"}, kSize},
    {"model.shuffle.sample_stacks", {"0"}, {"1"}, kSize},
    {"model.shuffle.modality_stacks", {"0"}, {"1"}, kSize},
    {"model.shuffle.rounds", {"-1"}, {"0", "3"}, "0 to 1000"},
    {"model.weights.cls_alpha", {"-1", "inf"}, {"0"}, "at least 0"},
    {"model.weights.rec_gamma", {"-1e-09"}, {"0"}, "at least 0"},
    {"model.weights.orthogonality", {"-1"}, {"5e-6"}, "at least 0"},
    {"model.common_semantic_dropout", {"1"}, {"0"}, kRate},
    {"model.threshold", {"-0.1", "1.1"}, {"0", "1"}, "0 to 1"},
    {"alignment.length", {"0", "-1"}, {"1", "500"}, kSize},
    {"alignment.layers", {"0", "1001"}, {"1", "3"}, "1 to 1000"},
    {"tailor.encoder.hidden", {"1"}, {"2"}, "2 to 2147483647"},
    {"tailor.encoder.heads", {"0"}, {"1"}, kSize},
    {"tailor.encoder.inner", {"0"}, {"1"}, kSize},
    {"tailor.encoder.personality_layers", {"-1"}, {"0"}, "0 to 1000"},
    {"tailor.encoder.recompute", {"-1", "5"}, {"0", "4"}, "0 to 4"},
    {"tailor.encoder.dropout", {"1"}, {"0"}, kRate},
    {"tailor.projection.common_dropout", {"1"}, {"0"}, kRate},
    {"tailor.projection.private_dropout", {"1"}, {"0"}, kRate},
    {"tailor.fusion.layers", {"-1"}, {"0"}, "0 to 1000"},
    {"tailor.fusion.dropout", {"1"}, {"0"}, kRate},
    {"tailor.fusion.places", {"-1"}, {"0", "60"}, "0 to 2147483647"},
    {"tailor.fusion.positions", {"-1"}, {"0", "60"}, "0 to 2147483647"},
    {"tailor.decoder.layers", {"-1"}, {"0"}, "0 to 1000"},
    {"tailor.decoder.dropout", {"1"}, {"0"}, kRate},
    {"tailor.adversary.dropout", {"1"}, {"0"}, kRate},
    {"tailor.adversary.reversal", {"inf"}, {"-1", "0"}, "a finite number"},
    {"tailor.weights.orthogonality", {"-1"}, {"0"}, "at least 0"},
    {"tailor.head_dropout", {"1"}, {"0"}, kRate},
    {"tailor.common_semantic_dropout", {"1"}, {"0"}, kRate},
    {"tailor.threshold", {"-1", "2"}, {"1"}, "0 to 1"},
    {"fusion.hidden", {"0"}, {"1"}, kSize},
    {"fusion.layers", {"-1"}, {"0"}, "0 to 1000"},
    {"fusion.dropout", {"1"}, {"0"}, kRate},
    {"fusion.threshold", {"2"}, {"1"}, "0 to 1"},
    {"train.epochs", {"0", "-1"}, {"1"}, "at least 1"},
    {"train.batch", {"0", "3000000000"}, {"1"}, kSize},
    {"train.patience", {"-1"}, {"0"}, "at least 0"},
    {"train.threshold", {"-0.5", "2"}, {"0", "1", "null"}, "0 to 1"},
    {"train.checkpoint_every", {"-1"}, {"0"}, "at least 0"},
    {"train.ahead", {"0", "1001"}, {"1"}, "1 to 1000"},
    {"train.device_data", {"-1"}, {"0"}, "at least 0"},
    {"train.missing.rate", {"-0.1", "1.1"}, {"0", "1"}, "0 to 1"},
    {"train.missing.person", {"-1"}, {"0"}, "at least 0"},
    {"train.optimizer.rate", {"-1", "inf"}, {"0"}, "at least 0"},
    {"train.optimizer.beta1", {"1"}, {"0"}, kRate},
    {"train.optimizer.beta2", {"1"}, {"0"}, kRate},
    {"train.optimizer.epsilon", {"0"}, {"1e-12"}, "more than 0"},
    {"train.optimizer.decay", {"-1"}, {"0"}, "at least 0"},
    {"train.optimizer.clip_global", {"-1"}, {"0"}, "at least 0"},
    {"train.optimizer.clip_tensor", {"-1"}, {"0"}, "at least 0"},
    {"train.optimizer.warmup", {"1.5"}, {"0", "1"}, "0 to 1"},
};

/// {"a": {"b": value}} of "a.b".
io::Json nested(const std::string& key, io::Json value) {
  std::string pointer = "/" + key;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  io::Json json = io::Json::object();
  json[io::Json::json_pointer(pointer)] = std::move(value);
  return json;
}

/// As JSON has it: infinities are text.
io::Json number(const std::string& text) {
  return text.find("inf") != std::string::npos ? io::Json(text) : io::parse_json(text);
}

}  // namespace

TEST_CASE("every number out of range is refused by its full key") {
  const std::string before = io::dump_json(io::to_json(Settings{}));
  for (const Row& row : kRows) {
    const std::string key = row.key;
    for (const std::string wrong : row.wrong) {
      const std::string message = key + ": expected " + row.expected + ", found " + wrong;
      CAPTURE(message);
      Settings s;
      CHECK(message_of([&] { io::set_option(s, key + "=" + wrong); }) == message);
      CHECK(message_of([&] { io::from_json(nested(key, number(wrong)), s); }) == message);
      CHECK(io::dump_json(io::to_json(s)) == before);
    }
    for (const std::string right : row.right) {
      CAPTURE(key + "=" + right);
      Settings s;
      CHECK(message_of([&] { io::set_option(s, key + "=" + right); }).empty());
      CHECK(message_of([&] { io::from_json(nested(key, number(right)), s); }).empty());
    }
    Settings s;
    CHECK(message_of([&] { io::set_option(s, key + "=nan"); }).starts_with(key + ": "));
  }
}

TEST_CASE("every number has a range, but for the seed") {
  for (const io::Option& option : io::describe(Settings{})) {
    const bool is_number = option.type.starts_with("number") || option.type.starts_with("integer");
    if (!is_number || option.key == "train.seed") continue;
    CAPTURE(option.key);
    CHECK(option.type.find(", ") != std::string::npos);
    const bool tested = std::any_of(kRows.begin(), kRows.end(), [&](const Row& row) { return row.key == option.key; });
    CHECK((tested || option.key.find(".weights.") != std::string::npos));
  }
}

TEST_CASE("lists: each number") {
  Settings s;
  CHECK(message_of([&] { io::set_option(s, "model.encoder.layers=1,-1,2"); }) ==
        "model.encoder.layers[1]: expected 0 to 1000, found -1");
  CHECK(message_of([&] { io::set_option(s, "model.encoder.layers=6,4,4"); }).empty());
}

TEST_CASE("what must fit together is asked when it is used, not while it is being set") {
  Settings s;
  io::set_option(s, "model.encoder.hidden=60");
  CHECK(message_of([&] { checked(s); }) == "model.encoder.heads: expected a divisor of hidden = 60, found 8");
  io::set_option(s, "model.encoder.heads=6");
  CHECK(message_of([&] { checked(s); }).empty());
}

TEST_CASE("a model refuses what was set by hand") {
  using Fusion = Model<recipe::EarlyFusion, backend::Cpu>;
  const data::Dataset data = ramer::testing::small_data(60);
  Fusion::Config config;
  config.dropout = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_of([&] { Fusion(train::make_schema(data), config, backend::Cpu(1)); }) ==
        "model.dropout: expected at least 0 and below 1, found nan");
}
