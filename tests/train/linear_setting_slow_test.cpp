// The generator must not flatter RAMer: in its documented linear setting the linear model is the right one, and wins.
#include <doctest/doctest.h>

#include "ramer/backend/cpu.hpp"
#include "ramer/baseline/linear.hpp"
#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/eval/auc.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/pooled_features.hpp"
#include "ramer/train/schema.hpp"
#include "ramer/train/trainer.hpp"
#include "train/support.hpp"

namespace {

using namespace ramer;

struct Setting {
  data::SyntheticModel model;
  data::Dataset dataset;
  data::SplitSamples split;

  explicit Setting(std::uint64_t seed)
      : model(configuration(seed)), dataset(model.generate()), split(data::split_samples(dataset)) {}

  static data::SyntheticConfig configuration(std::uint64_t seed) {
    data::SyntheticConfig c;
    c.seed = seed;
    c.linear = true;
    return c;
  }
};

template <class Score>
double mean_auc(const Setting& s, View<const Score, 2> scores) {
  const train::Truth truth = train::truth_of(s.dataset, s.split.test, s.dataset.label_names());
  return eval::mean_auc(eval::label_aucs(scores, truth.labels_view(), truth.mask_view())).value();
}

struct Pooled {
  std::vector<float> rows;
  Batch batch;
  Index width = 0;
  View<const float, 2> view() const { return {rows.data(), Shape{batch.size, width}}; }
};

Pooled pooled(const Setting& s, const std::vector<std::int32_t>& samples) {
  const Schema schema = train::make_schema(s.dataset, {});
  Pooled p;
  data::make_batch(s.dataset, samples, {}, p.batch);
  pool_features(schema, p.batch, Pooling::Target, p.rows);
  p.width = pooled_width(schema, Pooling::Target);
  return p;
}

double linear_auc(const Setting& s) {
  const Pooled training = pooled(s, s.split.train), test = pooled(s, s.split.test);
  const Shape<2> cells{training.batch.size, training.batch.label_count};
  baseline::LinearConfig config;
  config.c = 0.01;
  const auto fitted =
      baseline::LinearClassifier::fit(training.view(), View<const std::uint8_t, 2>(training.batch.labels.data(), cells),
                                      View<const std::uint8_t, 2>(training.batch.label_mask.data(), cells), config);
  const Tensor<double, 2> scores = fitted.predict(test.view());
  return mean_auc(s, scores.view());
}

double ramer_auc(const Setting& s) {
  using ModelType = Model<recipe::Ramer, backend::Cpu, Float>;
  ModelType::Config config;
  config.encoder.hidden = config.encoder.inner = 32;
  config.encoder.heads = 4;
  config.encoder.layers = {1};
  config.reconstruction.latent = 16;
  config.contrast.queue = 256;
  config.weights.contrast = config.weights.rec_tilde = config.weights.rec_beta = 0.1;
  train::TrainerConfig training;
  training.epochs = 12;
  training.batch = 64;
  training.selection = train::Selection::Auc;
  training.optimizer.rate = 1e-3;
  ModelType model(train::make_schema(s.dataset, {}), config, backend::Cpu(2), 7);
  train::Trainer<ModelType> trainer(model, s.dataset, s.split, training);
  trainer.run();
  const auto scores = train::predict(std::as_const(model), s.dataset, s.split.test);
  return mean_auc(s, scores.view());
}

double best_auc(const Setting& s) {
  Batch batch;
  data::make_batch(s.dataset, s.split.test, {}, batch);
  std::vector<double> probabilities;
  s.model.best_probabilities(batch, probabilities);
  return mean_auc(s, View<const double, 2>(probabilities.data(), Shape{batch.size, batch.label_count}));
}

}  // namespace

TEST_CASE("in the linear setting the linear model wins, and RAMer still learns") {
  double linear = 0, ramer = 0, best = 0;
  constexpr int kSeeds = 2;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const Setting s(static_cast<std::uint64_t>(seed));
    linear += linear_auc(s) / kSeeds;
    ramer += ramer_auc(s) / kSeeds;
    best += best_auc(s) / kSeeds;
  }
  MESSAGE("mean AUC: best possible " << best << ", linear " << linear << ", RAMer " << ramer);
  CHECK(best > linear);
  CHECK(linear > ramer);
  CHECK(ramer > 0.6);
}
