// Models for unaligned input: modalities of a sample with different numbers of tokens.
#include <doctest/doctest.h>

#include "model/sample_batch.hpp"
#include "model/unaligned_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

struct Unaligned : recipe::Ramer {
  static constexpr const char* name = "unaligned";
  using Alignment = encoder::CtcAlignment;
};
using TestModel = Model<Unaligned, backend::Reference, Double>;

/// The audio's raw rows need no position: there are fewer than the batches below have.
Schema make_schema() {
  Schema s;
  s.modalities = {{"text", 3, 5}, {"audio", 2, 2}};
  s.labels = {"a", "b"};
  return s;
}

TestModel::Config make_config() {
  TestModel::Config config;
  config.encoder.hidden = 4, config.encoder.heads = 2, config.encoder.inner = 3, config.encoder.layers = {1};
  config.reconstruction.latent = 3;
  config.contrast.queue = 16;
  config.alignment.length = 3;
  return config;
}

std::vector<double> predict(const TestModel& model, const Batch& batch) {
  Workspace<TestModel> workspace;
  std::vector<double> scores;
  model.predict(batch, workspace, scores);
  return scores;
}

train::OptimizerConfig fast() {
  train::OptimizerConfig c;
  c.schedule = train::Schedule::Constant;
  c.rate = 1e-2;
  return c;
}

TEST_CASE("training reaches the alignment, and a sample's prediction does not depend on its batch") {
  const Batch batch = test::make_unaligned({});
  TestModel model(make_schema(), make_config(), backend::Reference{});
  train::Stepper<TestModel> stepper(model, fast(), 1);
  const double first = stepper.run(batch, 0, 0).total;
  int alignment = 0;
  for (const auto* p : model.parameters()) {
    if (!p->name.starts_with("alignment.")) continue;
    CHECK(p->name.starts_with("alignment.audio.position.layer."));  // the text stays as it is
    CHECK(stepper.gradients().slot(p->number).written);
    ++alignment;
  }
  CHECK(alignment == 8);
  double last = 0;
  for (std::uint64_t step = 1; step < 80; ++step) last = stepper.run(batch, step, 0).total;
  CHECK(last < 0.8 * first);

  const auto all = predict(model, batch);
  for (Index b = 0; b < batch.size; ++b) {
    const auto alone = predict(model, test::pick(batch, {b}));
    CHECK(alone == std::vector<double>(all.begin() + 2 * b, all.begin() + 2 * b + 2));
  }
  Batch moved = test::make_unaligned({});
  moved.modalities[1].features[0] += 1;
  CHECK(predict(model, moved) != all);  // the first audio row of the first sample has an influence
}

TEST_CASE("a missing modality is missing, whether its tokens are not there or not available") {
  const Batch absent = test::make_unaligned({{3, 1, 4, 2}, {9, 0, 5, 0}}),
              unavailable = test::make_unaligned({{3, 1, 4, 2}, {9, -2, 5, -7}});
  for (const auto missing : {encoder::Missing::PresentOnly, encoder::Missing::All}) {
    auto config = make_config();
    config.missing = missing;
    std::vector<double> totals;
    std::vector<std::vector<double>> scores;
    for (const Batch* batch : {&absent, &unavailable}) {
      TestModel model(make_schema(), config, backend::Reference{});
      train::Stepper<TestModel> stepper(model, fast(), 1);
      for (std::uint64_t step = 0; step < 3; ++step) totals.push_back(stepper.run(*batch, step, 0).total);
      scores.push_back(predict(model, *batch));
      TestModel::Plan plan;
      model.module().build_plan(plan, *batch, false, RandomStream());
      CHECK(plan.any_missing == (missing == encoder::Missing::PresentOnly));
    }
    for (std::size_t step = 0; step < 3; ++step) {
      CHECK(std::isfinite(totals[step]));
      CHECK(totals[step] == totals[step + 3]);
    }
    CHECK(scores[0] == scores[1]);
  }
}

TEST_CASE("an unavailable token among others changes nothing") {
  const Batch batch = test::make_unaligned({});
  Batch longer = batch;
  ModalityBatch& m = longer.modalities[1];
  m.available.insert(m.available.begin() + 4, 0);  // in the middle of the first sample
  m.features.insert(m.features.begin() + 8, 2, 0.0f);
  for (auto* column : {&m.person, &m.segment, &m.position}) column->insert(column->begin() + 4, 0);
  for (std::size_t b = 1; b < m.offsets.size(); ++b) ++m.offsets[b];
  const TestModel model(make_schema(), make_config(), backend::Reference{});
  CHECK(predict(model, longer) == predict(model, batch));
}

TEST_CASE("what cannot be aligned, and who is aligned to whom") {
  Schema schema = make_schema();
  schema.has_target = true;
  CHECK_THROWS_AS(TestModel(schema, make_config(), backend::Reference{}), ConfigError);
  CHECK_THROWS_AS(predict(TestModel(make_schema(), make_config(), backend::Reference{}), test::make_unaligned({{9}, {1}})),
                  DataError);

  const auto aligned = [](const std::string& reference) {
    auto config = make_config();
    config.alignment.reference = reference;
    TestModel model(make_schema(), config, backend::Reference{});
    std::string names;
    for (const auto* p : model.parameters()) {
      if (p->name.find(".position.layer.0.weight_ih") != std::string::npos)
        names += p->name.substr(0, p->name.find('.', 10));
    }
    return names;
  };
  CHECK(aligned("text") == "alignment.audio");
  CHECK(aligned("audio") == "alignment.text");
  CHECK(aligned("none of these") == "alignment.audio");
}

TEST_CASE("settings of the alignment are those of recipes that have one") {
  const auto keys = [](auto config) {
    std::string list;
    decltype(config)::fields(
        config, [&](std::string_view name, auto&, std::string_view, const auto&...) { list += std::string(name) + " "; });
    return list;
  };
  CHECK(keys(TestModel::Config()).find("alignment ") != std::string::npos);
  CHECK(keys(wiring::RamerConfig<recipe::CaratUnaligned>()).find("alignment ") != std::string::npos);
  CHECK(keys(wiring::RamerConfig<recipe::Carat>()).find("alignment") == std::string::npos);
  CHECK(wiring::RamerConfig<recipe::CaratUnaligned>().alignment.length == 50);
  CHECK(wiring::RamerConfig<recipe::CaratUnaligned>().weights.shuffled == 0.1);  // else as Carat
}

}  // namespace
