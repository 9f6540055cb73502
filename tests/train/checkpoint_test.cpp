#include "ramer/train/checkpoint.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "ramer/model/early_fusion.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;
using Large = Model<recipe::Ramer, backend::Cpu, Double>;

namespace {

/// Another recipe of the same build.
struct Other : recipe::Ramer {
  static constexpr const char* name = "other";
};

/// A file's contents, to be changed and written again.
struct Contents {
  struct Entry {
    io::DType dtype;
    std::vector<Index> shape;
    std::string bytes;
  };
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;

  explicit Contents(const std::filesystem::path& path) {
    const auto file = io::SafetensorsFile::open(path);
    metadata = file.metadata();
    for (const auto& t : file.tensors()) {
      const auto bytes = file.bytes(t.name);
      tensors[t.name] = {t.dtype, t.shape, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
    }
  }
  void write(const std::filesystem::path& path) const {
    io::SafetensorsWriter writer;
    for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
    for (const auto& [name, t] : tensors) writer.add(name, t.dtype, t.shape, t.bytes.data());
    writer.write(path);
  }
  void edit(const std::string& key, const std::function<void(io::Json&)>& change) {
    io::Json json = io::parse_json(metadata.at(key));
    change(json);
    metadata[key] = io::dump_json(json, -1);
  }
};

/// A model that has been trained a little, saved as a selected model and as a run's state.
struct Saved {
  Folder folder{"checkpoint"};
  data::Dataset data = small_data(60);
  data::SplitSamples split = data::split_samples(data);
  Small model = small_model(data);
  std::filesystem::path path = folder.path() / "model.safetensors", state = folder.path() / "resume" / "state.safetensors";

  Saved() {
    train::TrainerConfig config = small_training(2);
    config.selection = train::Selection::Last;
    train::Trainer<Small>(model, data, split, config).run(folder);
  }
  std::string load_error(const std::filesystem::path& file) const {
    return message_of([&] { train::load_model<recipe::Ramer, backend::Cpu>(file, backend::Cpu(1)); });
  }
  /// What loading says once the file was changed.
  std::string refusal(const std::function<void(Contents&)>& change) const {
    Contents contents(path);
    change(contents);
    const auto file = folder.path() / "changed.safetensors";
    contents.write(file);
    const std::string message = load_error(file);
    CHECK_MESSAGE(has(message, file.string()), message);
    return message;
  }
};

template <class A, class B>
bool same_parameters(A& a, B& b) {
  bool same = a.parameters().size() == b.parameters().size();
  for (std::size_t i = 0; same && i < a.parameters().size(); ++i) {
    const auto& p = *a.parameters()[i];
    const auto& q = *b.parameters()[i];
    same = p.name == q.name && p.extents == q.extents;
    for (Index k = 0; same && k < p.size(); ++k) same = static_cast<double>(p.value(k)) == static_cast<double>(q.value(k));
  }
  return same;
}

}  // namespace

TEST_CASE("Saved and loaded: the same model") {
  Saved saved;
  auto loaded = train::load_model<recipe::Ramer, backend::Cpu>(saved.path, backend::Cpu(1));
  CHECK(same_parameters(saved.model, loaded));
  const auto &s = saved.model.state(), &t = loaded.state();
  for (std::size_t m = 0; m < 3; ++m)
    CHECK(std::memcmp(s.prototypes[m].data(), t.prototypes[m].data(),
                      sizeof(float) * static_cast<std::size_t>(s.prototypes[m].size())) == 0);
  CHECK(std::memcmp(s.queue.rows.data(), t.queue.rows.data(),
                    sizeof(float) * static_cast<std::size_t>(s.queue.rows.size())) == 0);
  CHECK(std::memcmp(s.queue.ids.data(), t.queue.ids.data(),
                    sizeof(std::int32_t) * static_cast<std::size_t>(s.queue.ids.size())) == 0);
  CHECK(s.queue.pointer() == t.queue.pointer());
  CHECK(loaded.schema().labels == saved.model.schema().labels);
  CHECK(io::to_json(loaded.config()) == io::to_json(saved.model.config()));

  // The bytes depend on the model alone.
  const auto again = saved.folder.path() / "again.safetensors";
  train::save_model(again, loaded, train::open_checkpoint(saved.path).run);
  CHECK(bytes_of(again) == bytes_of(saved.path));

  const std::span<const std::int32_t> test(saved.split.test);
  CHECK(train::predict(loaded, saved.data, test).scores == train::predict(saved.model, saved.data, test).scores);
  // A run's state is a model too.
  auto from_state = train::load_model<recipe::Ramer, backend::Cpu>(saved.state, backend::Cpu(1));
  CHECK(same_parameters(from_state, loaded));
}

TEST_CASE("The header, whatever the recipe") {
  Saved saved;
  const train::Checkpoint c = train::open_checkpoint(saved.path);
  CHECK(c.kind == "model");
  CHECK_FALSE(c.resumable());
  CHECK(c.recipe == "ramer");
  CHECK(c.precision == "float");
  CHECK(c.library == train::kLibraryVersion);
  CHECK(c.schema.labels == saved.data.label_names());
  REQUIRE(c.schema.modalities.size() == 3);
  CHECK(c.schema.modalities[1].name == "audio");
  CHECK(c.schema.modalities[1].width == 9);
  CHECK(c.schema.modalities[1].positions == 12);
  CHECK(c.schema.personality_width == 5);
  CHECK(c.schema.has_target);
  CHECK(c.config["encoder"]["hidden"] == 16);
  CHECK(c.run.epoch == 2);
  CHECK(c.run.seed == 42);
  CHECK(train::open_checkpoint(saved.state).resumable());
  for (const char* name : {"state.prototypes.audio.positive", "state.prototypes.text.negative", "state.queue.rows",
                           "state.queue.ids", "state.queue.pointer", "encoder.text.input.weight"})
    CHECK(c.file.find(name) != nullptr);
  for (const auto& t : c.file.tensors()) CHECK_FALSE(t.name.starts_with("optimizer."));
}

TEST_CASE("Float checkpoints in double models and back") {
  Saved saved;
  auto large = train::load_model<recipe::Ramer, backend::Cpu, Double>(saved.path, backend::Cpu(1));
  CHECK(same_parameters(saved.model, large));
  const std::span<const std::int32_t> test(saved.split.test);
  const auto a = train::predict(saved.model, saved.data, test), b_of_float = a;
  const auto b = train::predict(large, saved.data, test);
  REQUIRE(a.scores.size() == b.scores.size());
  for (std::size_t k = 0; k < a.scores.size(); ++k)
    CHECK(static_cast<double>(a.scores[k]) == doctest::Approx(b.scores[k]).epsilon(1e-4));
  const auto file = saved.folder.path() / "large.safetensors";
  train::save_model(file, large, {});
  CHECK(train::open_checkpoint(file).precision == "double");
  auto small = train::load_model<recipe::Ramer, backend::Cpu>(file, backend::Cpu(1));
  CHECK(same_parameters(saved.model, small));

  // What a float cannot hold is refused.
  large.parameters()[0]->value(0) = 1e300;
  train::save_model(file, large, {});
  CHECK(has(saved.load_error(file), "element 0 = inf; expected a finite number"));
  large.parameters()[0]->value(0) = std::numeric_limits<double>::quiet_NaN();
  const std::string before = bytes_of(file);
  CHECK(has(message_of([&] { train::save_model(file, large, {}); }), "element 0 = nan"));
  CHECK(bytes_of(file) == before);
}

TEST_CASE("In double: a resumed run ends with the same bytes") {
  const auto data = small_data(60);
  const auto split = data::split_samples(data);
  train::TrainerConfig config = small_training(2);
  const auto run = [&](const std::filesystem::path& folder, std::uint64_t stop_at, bool resume) {
    Large model(
        train::make_schema(data),
        [] {
          Large::Config c;
          io::from_json(io::to_json(small_config()), c);
          return c;
        }(),
        backend::Cpu(1), resume ? 8 : 3);
    train::Trainer<Large> trainer(model, data, split, config);
    std::uint64_t steps = 0;
    trainer.callbacks.on_step = [&](const train::StepEvent& e) { steps = e.step; };
    trainer.callbacks.stop_requested = [&] { return stop_at > 0 && steps >= stop_at; };
    return resume ? trainer.resume(folder) : trainer.run(folder);
  };
  Folder whole("double_whole"), folder("double");
  run(whole, 0, false);
  run(folder, 3, false);
  run(folder, 0, true);
  CHECK(RunBytes(whole).whole());
  CHECK((RunBytes(folder) == RunBytes(whole)));
  // Bit for bit means: not in another precision.
  Small model = small_model(data);
  train::Trainer<Small> trainer(model, data, split, config);
  CHECK(has(message_of([&] { trainer.resume(folder); }), "in precision double; it cannot go on in float"));
}

TEST_CASE("Other recipes, schemas and labels are refused, and nothing is half loaded") {
  Saved saved;
  const auto checkpoint = train::open_checkpoint(saved.path);
  CHECK(has(message_of([&] { train::load_model<Other, backend::Cpu>(checkpoint, backend::Cpu(1)); }),
            "recipe 'ramer'; expected 'other'"));

  const auto refused = [&](Schema schema, Small::Config config, const std::string& expected) {
    Small model(std::move(schema), config, backend::Cpu(1), 5), same(model.schema(), config, backend::Cpu(1), 5);
    const std::string message = message_of([&] { train::load_into(checkpoint, model); });
    CHECK_MESSAGE(has(message, expected), message);
    CHECK(has(message, saved.path.string()));
    CHECK(same_parameters(model, same));
  };
  Schema schema = train::make_schema(saved.data);
  const Small::Config config = small_config();
  Schema s = schema;
  std::swap(s.labels[0], s.labels[1]);
  refused(s, config, "labels ");
  s = schema;
  s.labels.pop_back();
  refused(s, config, "labels ");
  s = schema;
  std::swap(s.modalities[0], s.modalities[1]);
  refused(s, config, "modalities text (10), audio (9), visual (8); expected audio (9), text (10), visual (8)");
  s = schema;
  s.modalities[2].name = "vision";
  refused(s, config, "expected text (10), audio (9), vision (8)");
  s = schema;
  s.personality_width = 0;
  refused(s, config, "personality of width 5; expected 0");
  s = schema;
  s.modalities[2].positions = 13;
  refused(s, config, "tensor 'encoder.visual.position' has shape (12, 16); expected (13, 16)");
  Small::Config c = config;
  c.encoder.hidden = 32;
  refused(schema, c, "; expected (");
  c = config;
  c.encoder.layers = {2};
  refused(schema, c, "no tensor 'encoder.text.layer.1.");
  c = config;
  c.contrast.queue = 64;
  refused(schema, c, "tensor 'state.queue.rows' has shape (32, ");
}

TEST_CASE("Wrong tensors are named") {
  Saved saved;
  const std::string name = "label_attention.audio.weight", first = saved.model.parameters()[0]->name;
  const auto& any = *saved.model.parameters()[0];
  std::string message = saved.refusal([&](Contents& c) { c.tensors.erase(first); });
  CHECK(has(message, "no tensor '" + first + "'; expected one of shape " + io::shape_text(any.extents)));
  message = saved.refusal([&](Contents& c) { c.tensors["surplus"] = c.tensors.at(first); });
  CHECK(has(message, "tensor 'surplus' of shape"));
  message = saved.refusal([&](Contents& c) { c.tensors.at(first).shape.push_back(1); });
  CHECK(has(message, "tensor '" + first + "' has shape"));
  message = saved.refusal([&](Contents& c) { c.tensors.at(first).dtype = io::DType::kI32; });
  CHECK(has(message, "tensor '" + first + "' is I32; expected F32 or F64"));
  message = saved.refusal([&](Contents& c) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(c.tensors.at(first).bytes.data() + 4, &nan, 4);
  });
  CHECK(has(message, "tensor '" + first + "': element 1 = nan"));
  message = saved.refusal([](Contents& c) { c.tensors.erase("state.prototypes.text.positive"); });
  CHECK(has(message, "no tensor 'state.prototypes.text.positive'"));
  // A model has no moments.
  message = saved.refusal([&](Contents& c) { c.tensors["optimizer.first." + first] = c.tensors.at(first); });
  CHECK(has(message, "tensor 'optimizer.first." + first + "'"));
}

TEST_CASE("Hostile numbers are refused before they are used") {
  Saved saved;
  const auto set_i64 = [](Contents::Entry& t, std::size_t at, std::int64_t value) {
    std::memcpy(t.bytes.data() + 8 * at, &value, 8);
  };
  // Classes index sums in the contrastive kernel; the pointer indexes the queue.
  for (const std::int64_t id : {std::int64_t{24}, std::int64_t{-2}, std::int64_t{1} << 40}) {
    const std::string message = saved.refusal([&](Contents& c) { set_i64(c.tensors.at("state.queue.ids"), 5, id); });
    CHECK(has(message, "tensor 'state.queue.ids': element 5 = " + std::to_string(id) + "; expected -1 to 23"));
  }
  for (const std::int64_t at : {-1, 32}) {
    const std::string message = saved.refusal([&](Contents& c) { set_i64(c.tensors.at("state.queue.pointer"), 0, at); });
    CHECK(has(message, "tensor 'state.queue.pointer': element 0 = " + std::to_string(at)));
  }
  const auto config = [&](auto change) { return saved.refusal([&](Contents& c) { c.edit("config", change); }); };
  CHECK(has(config([](io::Json& j) { j["encoder"]["hidden"] = 1'000'000; }), "; expected (1000000"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["hidden"] = 2'000'000'000; }), "tensor too large"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["hidden"] = std::int64_t{1} << 40; }),
            "config.encoder.hidden: expected 2 to "));
  CHECK(has(config([](io::Json& j) { j["encoder"]["layers"] = {1'000'000'000}; }),
            "config.encoder.layers[0]: expected 0 to 1000"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["layers"] = {1000}; }), "more tensors than the file has"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["hidden"] = -16; }), "found -16"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["heads"] = 0; }),
            "config.encoder.heads: expected 1 to 2147483647, found 0"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["heads"] = 3; }),
            "config.encoder.heads: expected a divisor of hidden = 16, found 3"));
  CHECK(has(config([](io::Json& j) { j["contrast"]["queue"] = 2'000'000'000; }),
            "tensor 'state.queue.ids' has shape (32); expected (2000000000)"));
  CHECK(has(config([](io::Json& j) { j["reconstruction"]["latent"] = 2'000'000'000; }), "; expected ("));
  CHECK(has(config([](io::Json& j) { j["encoder"]["heads"] = "two"; }), "config.encoder.heads"));
  CHECK(has(config([](io::Json& j) { j["encoder"]["heds"] = 2; }), "heds"));
  CHECK(has(config([](io::Json& j) { j["contrast"]["queue"] = -1; }), "-1"));
  CHECK(has(config([](io::Json& j) { j = io::Json::array(); }), "metadata 'config' is no JSON object"));
  const auto schema = [&](auto change) { return saved.refusal([&](Contents& c) { c.edit("schema", change); }); };
  CHECK(has(schema([](io::Json& j) { j["modalities"][0]["width"] = std::int64_t{1} << 60; }),
            "schema.modalities[0].width: expected 1 to "));
  CHECK(has(schema([](io::Json& j) { j["modalities"][0]["width"] = -5; }),
            "schema.modalities[0].width: expected 1 to 2147483647, found -5"));
  CHECK(has(schema([](io::Json& j) { j["modalities"][0]["width"] = 2'000'000'000; }), "; expected ("));
  CHECK(has(schema([](io::Json& j) { j["modalities"][0]["positions"] = 2'000'000'000; }), "; expected (2000000000, 16)"));
  CHECK(has(schema([](io::Json& j) { j["modalities"][0]["positions"] = 0; }),
            "schema.modalities[0].positions: expected 1 to"));
  CHECK(has(schema([](io::Json& j) { j["modalities"][1]["name"] = "text"; }), "modality 'text' is unnamed or there twice"));
  CHECK(has(schema([](io::Json& j) { j["labels"] = io::Json::array(); }), "without labels"));
  CHECK(has(schema([](io::Json& j) { j["personality_width"] = -1; }), "schema.personality_width: expected 0 to"));
  // Within bounds and yet another model: the tensors tell, before the model is built.
  CHECK(has(config([](io::Json& j) { j["encoder"]["hidden"] = 4096; }), "; expected ("));
  const auto metadata = [&](const std::string& key, const std::string& value) {
    return saved.refusal([&](Contents& c) { c.metadata[key] = value; });
  };
  CHECK(has(metadata("format", "ramer.dataset"), "format is 'ramer.dataset'"));
  CHECK(has(metadata("version", "2"), "version is '2'"));
  CHECK(has(metadata("kind", "thing"), "kind is 'thing'"));
  CHECK(has(metadata("recipe", "carat"), "recipe 'carat'; expected 'ramer'"));
  CHECK(has(metadata("config", "{"), "metadata 'config'"));
  CHECK(has(saved.refusal([](Contents& c) { c.metadata.erase("schema"); }), "no metadata 'schema'"));
}

TEST_CASE("Settings larger than any tensor are no reason to refuse a file") {
  const auto data = small_data(60);
  Small::Config config = small_config();
  config.contrast.queue = 9000;
  config.shuffle.sample_stacks = 1'000'000;
  Small model(train::make_schema(data), config, backend::Cpu(1));
  Folder folder("large_settings");
  std::filesystem::create_directories(folder.path());
  const auto file = folder.path() / "model.safetensors";
  train::save_model(file, model, {});
  const auto loaded = train::load_model<recipe::Ramer, backend::Cpu>(file, backend::Cpu(1));
  CHECK(loaded.config().contrast.queue == 9000);
  CHECK(loaded.config().shuffle.sample_stacks == 1'000'000);

  // Positions that no tensor of this recipe has.
  Schema schema;
  schema.modalities = {{"text", 3, 100'000}};
  schema.labels = {"joy"};
  Model<recipe::EarlyFusion, backend::Cpu> fusion(schema, {}, backend::Cpu(1));
  train::save_model(file, fusion, {});
  CHECK(train::load_model<recipe::EarlyFusion, backend::Cpu>(file, backend::Cpu(1)).schema().modalities[0].positions ==
        100'000);
}

TEST_CASE("Cut files and files with changed bytes: an error, or a whole model; never anything else") {
  Saved saved;
  const std::string whole = bytes_of(saved.path);
  const auto file = saved.folder.path() / "broken.safetensors";
  const auto write = [&](const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; };
  for (std::size_t k = 0; k < 40; ++k) {
    write(whole.substr(0, whole.size() * k / 40));
    CHECK_FALSE(saved.load_error(file).empty());
  }
  write(whole.substr(0, whole.size() - 1));
  CHECK_FALSE(saved.load_error(file).empty());
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  const RandomStream stream(5, 6);
  for (std::uint64_t k = 0; k < 200; ++k) {
    std::string bytes = whole;
    bytes[stream.below(k, 8 + header)] = static_cast<char>(stream.word(k, 77));
    write(bytes);
    saved.load_error(file);  // what is not an Error, or a fault, fails the test
  }
}

TEST_CASE("A changed state is refused as a whole") {
  Saved saved;
  train::TrainerConfig config = small_training(2);
  config.selection = train::Selection::Last;
  const auto refusal = [&](const std::function<void(Contents&)>& change) {
    Folder copy("state");
    std::filesystem::copy(saved.folder.path(), copy.path(), std::filesystem::copy_options::recursive);
    Contents contents(saved.state);
    change(contents);
    contents.write(copy.path() / "resume" / "state.safetensors");
    Small model = small_model(saved.data, 1, 21), same = small_model(saved.data, 1, 21);
    train::Trainer<Small> trainer(model, saved.data, saved.split, config);
    const std::string message = message_of([&] { trainer.resume(copy); });
    CHECK(same_parameters(model, same));
    CHECK(bytes_of(copy.path() / "model.safetensors") == bytes_of(saved.path));
    return message;
  };
  const std::string first = saved.model.parameters()[0]->name;
  CHECK(has(refusal([&](Contents& c) { c.tensors.erase("optimizer.second." + first); }),
            "no tensor 'optimizer.second." + first));
  CHECK(has(refusal([&](Contents& c) { c.tensors.erase("selected." + first); }), "no tensor 'selected." + first));
  CHECK(has(refusal([&](Contents& c) { c.tensors.erase("progress.sums"); }), "no tensor 'progress.sums'"));
  CHECK(has(refusal([&](Contents& c) { c.tensors["optimizer.third"] = c.tensors.at(first); }), "tensor 'optimizer.third'"));
  const auto progress = [&](auto change) { return refusal([&](Contents& c) { c.edit("progress", change); }); };
  CHECK(has(progress([](io::Json& j) { j["batch"] = 1000; }), "batch 1000"));
  CHECK(has(progress([](io::Json& j) { j["epoch"] = 1; }), "history of 2"));
  CHECK(has(progress([](io::Json& j) { j["terms"] = {"total"}; }), "0 batches done of an epoch, but sums of 1 terms"));
  CHECK(has(progress([](io::Json& j) { j["batch"] = 1; }), "1 batches done of an epoch, but sums of 0 terms"));
  CHECK(has(progress([](io::Json& j) { j["selected_epoch"] = 3; }), "epoch 3 selected of 2"));
  CHECK(has(progress([&](io::Json& j) { j["optimizer_steps"].erase(first); }), "no optimizer step count for '" + first));
  CHECK(has(progress([](io::Json& j) { j["data"]["fingerprint"] = 1; }), "other data: fingerprint 1"));
}
