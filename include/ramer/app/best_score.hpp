// The best that any system could score on synthetic data: the generator's own posterior, thresholded like a model's.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/train/evaluate.hpp"

namespace ramer::app {

class BestScore {
 public:
  /// Chooses the threshold on the validation samples; 0.5 where there are none. `model` must outlive this.
  BestScore(const data::SyntheticModel& model, data::Dataset dataset, const data::SplitSamples& split)
      : model_(model), dataset_(std::move(dataset)) {
    if (split.validation.empty()) return;
    const train::Truth truth = train::truth_of(dataset_, split.validation, dataset_.label_names());
    const auto scores = probabilities(split.validation, {});
    threshold = eval::tune_threshold(view(scores, truth), truth.labels_view(), truth.mask_view()).threshold;
  }

  double threshold = 0.5;

  /// Metrics of the exact probabilities, given what `transform` leaves of each batch.
  eval::Report report(std::span<const std::int32_t> samples, const std::function<void(Batch&)>& transform = {}) const {
    const train::Truth truth = train::truth_of(dataset_, samples, dataset_.label_names());
    const auto scores = probabilities(samples, transform);
    eval::MetricOptions metrics;
    metrics.threshold = threshold;
    return eval::evaluate(view(scores, truth), truth.labels_view(), truth.mask_view(),
                          std::span<const std::string>(dataset_.label_names()), metrics);
  }

 private:
  static View<const double, 2> view(const std::vector<double>& scores, const train::Truth& truth) {
    return {scores.data(), Shape{truth.size, truth.label_count}};
  }
  std::vector<double> probabilities(std::span<const std::int32_t> samples,
                                    const std::function<void(Batch&)>& transform) const {
    Batch batch;
    data::make_batch(dataset_, samples, {}, batch);
    if (transform) transform(batch);
    std::vector<double> out;
    model_.best_probabilities(batch, out);
    return out;
  }

  const data::SyntheticModel& model_;
  data::Dataset dataset_;
};

}  // namespace ramer::app
