// Scores and metrics of a model on samples of a data set.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/data/batch_builder.hpp"
#include "ramer/data/missing.hpp"
#include "ramer/eval/report.hpp"
#include "ramer/eval/threshold.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/device_data.hpp"
#include "ramer/train/schema.hpp"

namespace ramer::train {

/// How a model is asked about a data set.
struct PredictOptions {
  Index batch = 128;                                   ///< samples at a time
  data::PersonView view = data::PersonView::kPersons;  ///< what it is shown of several persons
  data::MissingConfig missing;                         ///< what is dropped on purpose, the same for every model
  std::uint64_t missing_seed = 1;                      ///< of what is dropped
  std::function<void(Batch&)> transform;               ///< applied to each batch before `missing`, if there is one
};

/// Scores of N samples for the model's C labels, in the order in which the samples were asked for.
template <class Real>
struct Predictions {
  std::vector<std::string> labels;    ///< (C)
  std::vector<std::int32_t> samples;  ///< (N) rows of the data set
  std::vector<std::int64_t> ids;      ///< (N) the data set's own numbers
  std::vector<Real> scores;           ///< (N, C) in [0, 1]

  /// N.
  Index size() const { return static_cast<Index>(samples.size()); }
  /// (N, C)
  View<const Real, 2> view() const { return {scores.data(), Shape{size(), static_cast<Index>(labels.size())}}; }
};

/// True labels of samples, in the order of `labels`. N samples, C labels.
struct Truth {
  std::vector<std::uint8_t> labels, mask;  ///< (N, C)
  Index size = 0, label_count = 0;         ///< N, C

  /// (N, C)
  View<const std::uint8_t, 2> labels_view() const { return {labels.data(), Shape{size, label_count}}; }
  View<const std::uint8_t, 2> mask_view() const { return {mask.data(), Shape{size, label_count}}; }
};

/// Labels by name. @throws DataError for a data set without labels, without one of these, or a sample that it does not have
inline Truth truth_of(const data::Dataset& dataset, std::span<const std::int32_t> samples,
                      std::span<const std::string> labels) {
  require<DataError>(dataset.has_labels(), dataset.origin(), ": no 'labels'; an evaluation needs them");
  std::vector<Index> places;
  for (const std::string& label : labels) places.push_back(static_cast<Index>(dataset.label(label)));
  Truth truth;
  truth.size = static_cast<Index>(samples.size());
  truth.label_count = static_cast<Index>(labels.size());
  for (const std::int32_t n : samples) {
    require<DataError>(n >= 0 && n < dataset.size(), dataset.origin(), ": sample ", n, " asked for; there are ",
                       dataset.size());
    for (const Index c : places) {
      const bool labelled = dataset.labelled(n, c);
      truth.mask.push_back(labelled);
      truth.labels.push_back(labelled && (*dataset.tensors().labels)(n, c));
    }
  }
  return truth;
}

/// A value per loss term, by name; null: not finite.
using TermMeans = std::map<std::string, std::optional<double>>;

/// Scores of these samples. The data set's modalities are matched by name; its labels are looked at for loss terms alone.
/// @param terms receives, if asked for, the mean over samples of each loss term that exists outside training, unweighted (a term is
///   a mean over a batch of `options.batch` samples)
/// @param kept the data set's features where the backend computes, if they are kept there; not used with `options.transform`
/// @throws DataError for a data set that does not fit the model, or one without labels where terms are asked for
template <class ModelType>
Predictions<typename ModelType::Real> predict(const ModelType& model, const data::Dataset& dataset,
                                              std::span<const std::int32_t> samples, const PredictOptions& options = {},
                                              TermMeans* terms = nullptr,
                                              const DeviceData<typename ModelType::Memory>* kept = nullptr) {
  require<ConfigError>(options.batch >= 1, "batch = ", options.batch, "; expected at least 1");
  require<DataError>(!terms || dataset.has_labels(), dataset.origin(), ": no 'labels'; loss terms need them");
  Predictions<typename ModelType::Real> out;
  out.labels = model.schema().labels;
  data::BatchOptions batch_of = batch_options(model.schema(), options.view);
  if (!terms) batch_of.labels.clear();
  if (options.transform) kept = nullptr;
  if (kept) batch_of.features = data::Features::kByRow;
  std::vector<typename ModelType::TermValue> values;
  typename ModelType::Look look;
  if (terms) look.terms = &values;
  std::map<std::string, double> sums;
  data::BatchBuilder builder(dataset, std::move(batch_of));
  Workspace<ModelType> workspace;
  Batch batch;
  std::vector<typename ModelType::Real> scores;
  for (std::size_t at = 0; at < samples.size(); at += static_cast<std::size_t>(options.batch)) {
    builder.build(samples.subspan(at, std::min(static_cast<std::size_t>(options.batch), samples.size() - at)), batch);
    if (!terms) {
      batch.labels.clear();
      batch.label_mask.clear();
    }
    if (kept) kept->attach(batch);
    if (options.transform) options.transform(batch);
    if (options.missing.rate > 0) data::drop_modalities(batch, options.missing, options.missing_seed);
    model.predict(batch, workspace, scores, look);
    for (const auto& term : values) sums[std::string(term.name)] += term.value * static_cast<double>(batch.size);
    out.scores.insert(out.scores.end(), scores.begin(), scores.end());
    out.samples.insert(out.samples.end(), batch.sample.begin(), batch.sample.end());
    out.ids.insert(out.ids.end(), batch.id.begin(), batch.id.end());
  }
  if (terms) {
    terms->clear();
    for (const auto& [name, sum] : sums) {
      const double mean = sum / static_cast<double>(samples.size());
      (*terms)[name] = std::isfinite(mean) ? std::optional(mean) : std::nullopt;
    }
  }
  return out;
}

/// Metrics of these predictions. @throws NumericError for a score that is NaN
template <class Real>
eval::Report evaluate(const Predictions<Real>& scores, const Truth& truth, const eval::MetricOptions& metrics = {}) {
  return eval::evaluate(scores.view(), truth.labels_view(), truth.mask_view(), std::span<const std::string>(scores.labels),
                        metrics);
}

/// Metrics of a model on these samples of a data set, whose labels are matched by name.
/// @throws DataError; NumericError for a score that is NaN
template <class ModelType>
eval::Report evaluate(const ModelType& model, const data::Dataset& dataset, std::span<const std::int32_t> samples,
                      const PredictOptions& options = {}, const eval::MetricOptions& metrics = {}) {
  const Truth truth = truth_of(dataset, samples, model.schema().labels);
  return evaluate(predict(model, dataset, samples, options), truth, metrics);
}

}  // namespace ramer::train
