// Ablations and other adversaries where there is little to work with.
#include <doctest/doctest.h>

#include <numeric>

#include "model/sample_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/model/ablations.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

/// The alternatives that no ablation names, together.
struct Alternatives : recipe::RamerConfusion {
  static constexpr const char* name = "alternatives";
  using CommonSemantic = loss::PooledSum;
  using Orthogonality = loss::SlotGramSixPairs;
  using ShuffleInput = shuffle::SpecificAndCommonSum;
  using Contrast = contrast::SupervisedBatchOnly;
  using Auxiliary = encoder::NoAuxiliary;
};
/// As Alternatives, for what else is released.
struct Released : recipe::RamerAlternating {
  static constexpr const char* name = "released";
  using ShuffleInput = shuffle::LastLevel;
  using Shuffle = shuffle::Reversal;
  using Contrast = contrast::SupervisedReleased;
};
/// What is concatenated elsewhere than by default, and distances as printed.
struct Concatenating : recipe::Ramer {
  static constexpr const char* name = "concatenating";
  using Auxiliary = encoder::PersonalityTimeConcat;
  using ShuffleInput = shuffle::ConcatenatedLinear;
  using Orthogonality = loss::ChannelGram;
  using ReconstructionLoss = loss::FrobeniusNorms;
  using CommonSemantic = loss::FirstSlotOfSum;
};
/// Neither contrastive loss nor levels.
struct Bare : recipe::WithoutLevels {
  static constexpr const char* name = "bare";
  using Contrast = contrast::None;
};

TEST_CASE_TEMPLATE("recipes train and predict on almost nothing, and samples do not see each other", R,
                   recipe::WithoutCommonality, recipe::WithoutSpecificity, recipe::WithoutCodec, recipe::WithoutBeta,
                   recipe::WithoutGamma, recipe::WithoutLevels, recipe::Carat, recipe::RamerReleased, Bare, Alternatives,
                   Released, Concatenating) {
  using TestModel = Model<R, backend::Reference, Double>;
  for (const int which : {0, 1, 2, 3, 4}) {
    test::BatchSpec spec;
    spec.size = 3;
    if (which == 1) spec.available = 0;
    if (which == 2) spec.annotated = 0;
    if (which == 3) spec.size = spec.labels = spec.persons = spec.segments = 1, spec.modalities = {"x"};
    if (which == 4) spec.target = false, spec.modalities = {"d", "b", "c", "a"};
    for (const auto missing : {encoder::Missing::PresentOnly, encoder::Missing::All}) {
      CAPTURE(which);
      CAPTURE(std::string(R::name));
      typename TestModel::Config config;
      config.encoder.hidden = 4, config.encoder.heads = 2, config.encoder.inner = 3, config.encoder.layers = {1};
      config.reconstruction.latent = 3;
      if constexpr (requires { config.contrast.queue; }) config.contrast.queue = 16;
      config.missing = missing;
      const Batch batch = test::make_batch(spec);
      TestModel model(test::schema_of(spec), config, backend::Reference{});
      train::OptimizerConfig optimizer;
      optimizer.schedule = train::Schedule::Constant;
      optimizer.rate = 1e-2;
      train::Stepper<TestModel> stepper(model, optimizer, 1);
      for (std::uint64_t step = 0; step < 2; ++step) {
        const auto report = stepper.run(batch, step, 0);
        for (const auto& term : report.list()) CHECK(std::isfinite(term.value));
        CHECK(std::isfinite(report.gradient_norm));
      }
      for (const auto* p : model.parameters())
        CHECK(std::all_of(p->value.data(), p->value.data() + p->size(), [](double v) { return std::isfinite(v); }));
      double moved = 0;
      for (const auto& mu : model.state().prototypes) moved += std::accumulate(mu.data(), mu.data() + mu.size(), 0.0);
      CHECK(std::isfinite(moved));
      const bool observed = which != 1 || missing == encoder::Missing::All;
      CHECK((moved != 0) == (observed && which != 2));  // every recipe here has prototypes, and they move
      Workspace<TestModel> workspace;
      std::vector<double> all, alone;
      model.predict(batch, workspace, all);
      for (Index b = 0; b < batch.size; ++b) {
        model.predict(test::pick(batch, {b}), workspace, alone);
        CHECK(std::equal(alone.begin(), alone.end(), all.begin() + b * spec.labels));
        CHECK(std::all_of(alone.begin(), alone.end(), [](double v) { return v >= 0 && v <= 1; }));
      }
    }
  }
}

TEST_CASE("what is shuffled fits the subspaces that there are") {
  using wiring::detail::feeds;
  CHECK(feeds<shuffle::CommonPlusSpecific, projection::SpecificityOnly>());
  CHECK(feeds<shuffle::ConcatenatedLinear, projection::Subspaces>());
  CHECK(feeds<shuffle::LastLevel, projection::None>());
  CHECK_FALSE(feeds<shuffle::CommonPlusSpecific, projection::None>());
  CHECK_FALSE(feeds<shuffle::ConcatenatedLinear, projection::CommonalityOnly>());
  CHECK_FALSE(feeds<shuffle::SpecificAndCommonSum, projection::SpecificityOnly>());
}

}  // namespace
