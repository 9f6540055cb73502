// What an evaluation tells: metrics under the labels' names, listed field by field (core/config.hpp) for JSON and tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/eval/metrics.hpp"

namespace ramer::eval {

/// A number per label name; absent where the label does not allow it.
using PerLabel = std::map<std::string, std::optional<double>>;

/// Areas under the ROC curve.
struct AucReport {
  std::optional<double> mean;
  PerLabel per_label;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("mean", self.mean, "mean over the labels that have both classes");
    field("per_label", self.per_label, "area under the ROC curve; null for a label with one class");
  }
};

/// F1 by label.
struct F1Report {
  PerLabel per_label;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("per_label", self.per_label, "F1; null for a label without annotated cells");
  }
};

/// Metrics of one model on one set of samples.
struct Report {
  Index samples = 0;            ///< N
  Index annotated_samples = 0;  ///< those with at least one annotated label
  double threshold = 0.5;
  MetricOrder metric_order = MetricOrder::Correct;
  double accuracy = 0, precision = 0, recall = 0, micro_f1 = 0, macro_f1 = 0, weighted_f1 = 0;
  AucReport auc;
  F1Report f1;
  std::vector<std::string> labels;       ///< (C) in the order of the scores
  std::map<std::string, Index> support;  ///< positive annotated cells

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("samples", self.samples, "samples evaluated");
    field("annotated_samples", self.annotated_samples, "samples with at least one annotated label");
    field("threshold", self.threshold, "a label is predicted where its score is above this");
    field("metric_order", self.metric_order, "correct, or truth and prediction exchanged as in the released code");
    field("accuracy", self.accuracy, "mean Jaccard index of true and predicted label sets; 0 where both are empty");
    field("precision", self.precision, "over all cells");
    field("recall", self.recall, "over all cells");
    field("micro_f1", self.micro_f1, "F1 over all cells");
    field("macro_f1", self.macro_f1, "mean F1 of the labels");
    field("weighted_f1", self.weighted_f1, "mean F1 of the labels, weighted by support");
    field("auc", self.auc, "area under the ROC curve");
    field("f1", self.f1, "F1 of each label");
    field("labels", self.labels, "names of the labels");
    field("support", self.support, "positive cells of each label");
  }
};

/// Puts metrics under the labels' names. @throws ShapeError; DataError for two labels of one name
inline Report make_report(const Metrics& metrics, std::span<const std::string> labels, const MetricOptions& options) {
  require<ShapeError>(labels.size() == metrics.counts.size(), "report: ", labels.size(), " label names for ",
                      metrics.counts.size(), " labels");
  Report r;
  r.samples = metrics.samples;
  r.annotated_samples = metrics.annotated_samples;
  r.threshold = options.threshold;
  r.metric_order = options.order;
  r.accuracy = metrics.accuracy;
  r.precision = metrics.precision;
  r.recall = metrics.recall;
  r.micro_f1 = metrics.micro_f1;
  r.macro_f1 = metrics.macro_f1;
  r.weighted_f1 = metrics.weighted_f1;
  r.auc.mean = metrics.mean_auc;
  r.labels.assign(labels.begin(), labels.end());
  for (std::size_t c = 0; c < labels.size(); ++c) {
    require<DataError>(r.support.emplace(labels[c], metrics.counts[c].support()).second, "report: two labels are named '",
                       labels[c], "'");
    r.auc.per_label[labels[c]] = metrics.auc[c];
    r.f1.per_label[labels[c]] = metrics.f1[c];
  }
  return r;
}

/// Metrics of scores (N, C) against labels (N, C), mask (N, C) or empty, as a report.
/// @throws ShapeError, DataError; NumericError for a score that is NaN
template <class Score>
Report evaluate(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                std::span<const std::string> labels, const MetricOptions& options = {}) {
  return make_report(multi_label_metrics(scores, truth, mask, options), labels, options);
}

}  // namespace ramer::eval
