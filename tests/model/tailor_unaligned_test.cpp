// TAILOR for unaligned input, on the reference backend in double.
#include <doctest/doctest.h>

#include "model/sample_batch.hpp"
#include "model/unaligned_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/nn/gradcheck.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

using TestModel = Model<recipe::TailorUnaligned, backend::Reference, Double>;
using encoder::Missing;

/// The audio's raw rows need no position: there are fewer than the batches below have.
Schema schema() {
  Schema s;
  s.modalities = {{"text", 3, 5}, {"audio", 2, 2}};
  s.labels = {"a", "b"};
  return s;
}
TestModel::Config small(Missing missing = Missing::PresentOnly) {
  TestModel::Config c;
  c.encoder.hidden = 4, c.encoder.heads = 2, c.encoder.inner = 3, c.encoder.layers = {1};
  c.fusion.layers = 1;
  c.alignment.length = 3;
  c.missing = missing;
  return c;
}
std::vector<double> scores(const TestModel& model, const Batch& batch) {
  Workspace<TestModel> workspace;
  std::vector<double> out;
  model.predict(batch, workspace, out);
  return out;
}
train::OptimizerConfig optimizer() {
  train::OptimizerConfig o;
  o.schedule = train::Schedule::Constant;
  o.rate = 1e-2;
  return o;
}
double term(const train::StepReport& report, std::string_view name) {
  for (const auto& t : report.list())
    if (t.name == name) return t.value;
  return std::nan("");
}

TEST_CASE("the objective's gradient in every parameter, those of the alignment too") {
  for (const Missing missing : {Missing::PresentOnly, Missing::All}) {
    const Batch batch = test::make_unaligned({{3, 1, -2, 2}, {7, -2, 5, 2}});
    auto config = small(missing);
    config.adversary.reversal = -1;
    config.weights.orthogonality = config.weights.adversarial = 0.1;
    TestModel::Module module(schema(), config);
    TestModel::Plan plan;
    module.build_plan(plan, batch, true, RandomStream());
    nn::CheckOptions options;
    options.most = 3;
    CAPTURE(static_cast<int>(missing));
    CHECK(nn::check_module(
              module, {},
              [&](auto& ctx, const auto&) {
                const auto out = module.forward(ctx, batch, plan, {}, 0);
                nn::Var<TestModel::E, 0> total;
                for (const auto& t : out.terms.list())
                  total = autodiff::add_to(ctx.tape, total, autodiff::scale(ctx.tape, t.value, t.weight));
                return total;
              },
              options) == "");
  }
}

TEST_CASE("a sample's scores do not depend on its batch mates") {
  const Batch batch = test::make_unaligned({{3, 1, 4, -2}, {9, -2, 5, 7}});
  for (const Missing missing : {Missing::PresentOnly, Missing::All}) {
    const TestModel model(schema(), small(missing), backend::Reference{});
    const auto all = scores(model, batch);
    for (Index b = 0; b < batch.size; ++b) {
      const auto alone = scores(model, test::pick(batch, {b}));
      for (std::size_t c = 0; c < 2; ++c)
        CHECK(alone[c] == doctest::Approx(all[static_cast<std::size_t>(b) * 2 + c]).epsilon(1e-12));
    }
  }
}

TEST_CASE("the CTC loss teaches the alignment, and counts samples that have both modalities and rows enough") {
  const auto loss_of = [](const test::Lengths& lengths, double weight = 0.5) {
    auto config = small();
    config.weights.ctc = weight;
    TestModel model(schema(), config, backend::Reference{});
    train::Stepper<TestModel> stepper(model, optimizer(), 1);
    return term(stepper.run(test::make_unaligned(lengths), 0, 0), "ctc");
  };
  const double one = loss_of({{3}, {9}});
  CHECK(one > 0);
  CHECK(loss_of({{3, -1}, {9, 4}}) == doctest::Approx(one));  // no reference
  CHECK(loss_of({{3, 2}, {9, -1}}) == doctest::Approx(one));  // nothing to align
  CHECK(loss_of({{3, 3}, {9, 2}}) == doctest::Approx(one));   // two rows cannot run through three places
  CHECK(loss_of({{3, 2}, {9, 2}}) != doctest::Approx(one));
  CHECK(loss_of({{-3}, {9}}) == 0);

  auto config = small();
  TestModel model(schema(), config, backend::Reference{});
  train::Stepper<TestModel> stepper(model, optimizer(), 1);
  const Batch batch = test::make_unaligned({});
  const double first = term(stepper.run(batch, 0, 0), "ctc");
  for (std::uint64_t step = 1; step < 60; ++step) stepper.run(batch, step, 0);
  CHECK(term(stepper.run(batch, 60, 0), "ctc") < 0.7 * first);
}

TEST_CASE("the reference stays as it is; recurrent weights start as everywhere, all others from N(0, 0.02)") {
  auto config = small();
  config.alignment.reference = "audio";
  for (const char* reference : {"text", "audio", "none of them"}) {
    config.alignment.reference = reference;
    TestModel model(schema(), config, backend::Reference{});
    const bool audio = std::string_view(reference) == "audio";
    int found = 0;
    for (const auto* p : model.parameters()) {
      if (!p->name.starts_with("alignment.")) continue;
      CHECK(p->name.starts_with(audio ? "alignment.text.position.layer." : "alignment.audio.position.layer."));
      double largest = 0;
      for (Index i = 0; i < p->size(); ++i) largest = std::max(largest, std::abs(p->value(i)));
      CHECK(largest > 0.2);  // of U(-1 / 2, 1 / 2)
      CHECK(largest < 0.5);
      ++found;
    }
    CHECK(found == 8);
  }
}

TEST_CASE("places: at least those that modalities are aligned to") {
  auto config = small();
  config.fusion.places = 2;
  CHECK_THROWS_WITH_AS(TestModel(schema(), config, backend::Reference{}),
                       "fusion.places: expected at least the 3 that modalities are aligned to, found 2", ConfigError);
  config.fusion.places = 6;
  const TestModel model(schema(), config, backend::Reference{});
  for (const double s : scores(model, test::make_unaligned({}))) CHECK((s >= 0 && s <= 1));
}

TEST_CASE("odd shapes train and predict: finite losses and scores") {
  for (const test::Lengths& lengths :
       {test::Lengths{{1}, {1}}, {{-1}, {-1}}, {{-2, -1}, {3, 1}}, {{5, 5}, {-3, -3}}, {{4, 1, 2}, {1, 60, 2}}}) {
    for (const Missing missing : {Missing::PresentOnly, Missing::All}) {
      const Batch batch = test::make_unaligned(lengths);
      TestModel model(schema(), small(missing), backend::Reference{});
      train::Stepper<TestModel> stepper(model, optimizer(), 1);
      for (std::uint64_t step = 0; step < 2; ++step) {
        const train::StepReport report = stepper.run(batch, step, 0);
        for (const auto& t : report.list()) CHECK(std::isfinite(t.value));
      }
      for (const double s : scores(model, batch)) CHECK((s >= 0 && s <= 1));
    }
  }
}

}  // namespace
