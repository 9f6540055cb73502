// Models for unaligned input: modalities of a sample with different numbers of tokens.
#include <doctest/doctest.h>

#include "model/sample_batch.hpp"
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

/// Numbers of tokens per sample; a negative one: as many, none of which is available.
struct Lengths {
  std::vector<Index> text{3, 1, 4, 2}, audio{9, 2, 5, 7};
};

Batch make_batch(const Lengths& lengths) {
  const RandomStream stream(5, name_hash("test.unaligned"));
  Batch batch;
  batch.size = static_cast<Index>(lengths.text.size());
  batch.label_count = 2;
  for (const auto& [name, width, counts] : {std::tuple{"text", Index{3}, &lengths.text}, std::tuple{"audio", Index{2}, &lengths.audio}}) {
    ModalityBatch m;
    m.name = name;
    m.width = width;
    for (std::size_t b = 0; b < counts->size(); ++b) {
      const Index n = (*counts)[b];
      for (Index t = 0; t < std::abs(n); ++t) {
        m.available.push_back(n > 0);
        m.person.push_back(0);
        m.segment.push_back(static_cast<std::int32_t>(t));
        m.position.push_back(static_cast<std::int32_t>(t));
        for (Index d = 0; d < width; ++d)
          m.features.push_back(n > 0 ? static_cast<float>(stream.normal((b * 2 + (width == 2)) * 100 + static_cast<std::uint64_t>(t),
                                                                        static_cast<std::uint32_t>(d)))
                                     : 0.0f);
      }
      m.offsets.push_back(static_cast<std::int32_t>(m.rows()));
    }
    batch.modalities.push_back(std::move(m));
  }
  for (Index b = 0; b < batch.size; ++b) {
    batch.persons.push_back(1);
    batch.segments.push_back(0);
    for (const Index y : {b % 2, b / 2 % 2}) batch.labels.push_back(static_cast<std::uint8_t>(y));
    batch.id.push_back(b);
    batch.sample.push_back(static_cast<std::int32_t>(b));
  }
  batch.label_mask.assign(batch.labels.size(), 1);
  return batch;
}

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
  const Batch batch = make_batch({});
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
  Batch moved = make_batch({});
  moved.modalities[1].features[0] += 1;
  CHECK(predict(model, moved) != all);  // the first audio row of the first sample has an influence
}

TEST_CASE("a missing modality is missing, whether its tokens are not there or not available") {
  const Batch absent = make_batch({{3, 1, 4, 2}, {9, 0, 5, 0}}), unavailable = make_batch({{3, 1, 4, 2}, {9, -2, 5, -7}});
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
  const Batch batch = make_batch({});
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
  CHECK_THROWS_AS(predict(TestModel(make_schema(), make_config(), backend::Reference{}), make_batch({{9}, {1}})), DataError);

  const auto aligned = [](const std::string& reference) {
    auto config = make_config();
    config.alignment.reference = reference;
    TestModel model(make_schema(), config, backend::Reference{});
    std::string names;
    for (const auto* p : model.parameters()) {
      if (p->name.find(".position.layer.0.weight_ih") != std::string::npos) names += p->name.substr(0, p->name.find('.', 10));
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
    decltype(config)::fields(config, [&](std::string_view name, auto&, std::string_view, const auto&...) { list += std::string(name) + " "; });
    return list;
  };
  CHECK(keys(TestModel::Config()).find("alignment ") != std::string::npos);
  CHECK(keys(wiring::RamerConfig<recipe::CaratUnaligned>()).find("alignment ") != std::string::npos);
  CHECK(keys(wiring::RamerConfig<recipe::Carat>()).find("alignment") == std::string::npos);
  CHECK(wiring::RamerConfig<recipe::CaratUnaligned>().alignment.length == 50);
  CHECK(wiring::RamerConfig<recipe::CaratUnaligned>().weights.shuffled == 0.1);  // else as Carat
}

}  // namespace
