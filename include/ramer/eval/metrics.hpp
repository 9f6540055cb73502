// Metrics of thresholded multi-label scores, over all samples at once. N samples, C labels.
//
// A label is predicted where score > threshold, strictly. Cells whose mask is 0 (not annotated) count nowhere; a sample
// without any annotated cell is no part of the accuracy, a label without any is no part of a mean over labels.
// With tp, fp, fn the true positives, false positives and false negatives:
//   precision tp / (tp + fp), recall tp / (tp + fn), F1 2 tp / (2 tp + fp + fn), each 0 where it would be 0 / 0.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/eval/auc.hpp"
#include "ramer/eval/detail/cells.hpp"

namespace ramer::eval {

/// Which of two arrays a metric takes for the truth.
enum class MetricOrder {
  Correct,   ///< the labels
  Released,  ///< the predictions, as the published drivers of TAILOR, CARAT and RAMer do: precision and recall change
             ///< places, and weighted F1 weights by predicted support. Accuracy, micro and macro F1 stay.
};

struct MetricOptions {
  double threshold = 0.5;  ///< predicted where score > threshold
  MetricOrder order = MetricOrder::Correct;
  bool round_accuracy = false;  ///< accuracy to 4 digits, as the published helper has it

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("threshold", self.threshold, "a label is predicted where its score is above this", between(0, 1));
    field("order", self.order, "correct, or with truth and prediction exchanged as in the released code");
    field("round_accuracy", self.round_accuracy, "round the accuracy to 4 digits, as the released code does");
  }
};

/// How often a label, or all labels together, was right and wrong.
struct Counts {
  Index tp = 0, fp = 0, fn = 0, tn = 0;  ///< cells: predicted and true, predicted, true, neither

  /// All annotated cells; those that are true.
  Index cells() const { return tp + fp + fn + tn; }
  Index support() const { return tp + fn; }
  /// 0 where the denominator is.
  double precision() const { return detail::ratio(tp, tp + fp); }
  double recall() const { return detail::ratio(tp, tp + fn); }
  double f1() const { return detail::ratio(2 * tp, 2 * tp + fp + fn); }

  /// Adds up, count by count.
  Counts& operator+=(const Counts& o) {
    tp += o.tp, fp += o.fp, fn += o.fn, tn += o.tn;
    return *this;
  }
  /// Equal counts.
  friend bool operator==(const Counts&, const Counts&) = default;
};

/// The same counts with truth and prediction exchanged, or not.
inline Counts in_order(Counts counts, MetricOrder order) {
  if (order == MetricOrder::Released) std::swap(counts.fp, counts.fn);
  return counts;
}

/// Counts per label. scores, truth (N, C); mask (N, C), or empty: all annotated.
/// @throws ShapeError; NumericError for a score that is NaN
template <class Score>
std::vector<Counts> count_labels(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                                 double threshold) {
  detail::check_cells(scores, truth, mask);
  std::vector<Counts> counts(static_cast<std::size_t>(scores.extent(1)));
  detail::for_each_cell(scores, truth, mask, [&](Index, Index label, Score score, bool is) {
    Counts& c = counts[static_cast<std::size_t>(label)];
    const bool said = detail::above(score, threshold);
    ++(said ? (is ? c.tp : c.fp) : (is ? c.fn : c.tn));
  });
  return counts;
}

/// Counts over all labels.
inline Counts total(const std::vector<Counts>& labels) {
  return std::accumulate(labels.begin(), labels.end(), Counts{}, [](Counts a, const Counts& b) { return a += b; });
}

/// Mean F1 of the labels that have an annotated cell; 0 if none has.
inline double macro_f1(const std::vector<Counts>& labels) {
  double sum = 0;
  Index n = 0;
  for (const Counts& c : labels)
    if (c.cells() > 0) sum += c.f1(), ++n;
  return n ? sum / static_cast<double>(n) : 0.0;
}

/// Mean F1 of the labels, weighted by support (tp + fn); 0 if no label has any.
inline double weighted_f1(const std::vector<Counts>& labels) {
  double sum = 0, weight = 0;
  for (const Counts& c : labels) {
    sum += static_cast<double>(c.support()) * c.f1();
    weight += static_cast<double>(c.support());
  }
  return weight > 0 ? sum / weight : 0.0;
}

/// `value` to 4 decimal digits, by the exact value of the double (half to even), as Python's round() does.
inline double round_to_4_digits(double value) { return detail::round_decimal(value, 4); }

/// Mean over samples of |truth and predicted| / |truth or predicted| (Jaccard). A sample with nothing true and nothing
/// predicted counts 0, as in the published helper, not 1. Samples without annotated cells are left out.
/// @throws ShapeError, NumericError
template <class Score>
double jaccard_accuracy(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                        double threshold) {
  detail::check_cells(scores, truth, mask);
  double sum = 0;
  Index samples = 0;
  detail::for_each_row_jaccard(scores, truth, mask, threshold, [&](Index, double jaccard) { sum += jaccard, ++samples; });
  return samples ? sum / static_cast<double>(samples) : 0.0;
}

/// Everything about thresholded scores of N samples and C labels.
struct Metrics {
  /// Accuracy: Jaccard. Precision, recall and micro-F1 are over all cells.
  double accuracy = 0, precision = 0, recall = 0, micro_f1 = 0, macro_f1 = 0, weighted_f1 = 0;
  std::vector<Counts> counts;              ///< (C) in the correct order
  std::vector<std::optional<double>> f1;   ///< (C) absent: no annotated cell
  std::vector<std::optional<double>> auc;  ///< (C) absent: the annotated cells are all positive, or all negative, or none
  std::optional<double> mean_auc;          ///< over the labels that have one
  Index samples = 0;                       ///< N
  Index annotated_samples = 0;             ///< those with at least one annotated cell
};

/// All metrics of one set of scores. scores, truth (N, C); mask (N, C), or empty: all annotated.
/// @throws ShapeError; NumericError for a score that is NaN
template <class Score>
Metrics multi_label_metrics(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                            const MetricOptions& options = {}) {
  Metrics m;
  m.counts = count_labels(scores, truth, mask, options.threshold);
  std::vector<Counts> ordered;
  for (const Counts& c : m.counts) ordered.push_back(in_order(c, options.order));
  const Counts all = total(ordered);
  m.precision = all.precision();
  m.recall = all.recall();
  m.micro_f1 = all.f1();
  m.macro_f1 = macro_f1(ordered);
  m.weighted_f1 = weighted_f1(ordered);
  for (const Counts& c : ordered) m.f1.push_back(c.cells() ? std::optional(c.f1()) : std::nullopt);
  m.accuracy = jaccard_accuracy(scores, truth, mask, options.threshold);
  if (options.round_accuracy) m.accuracy = round_to_4_digits(m.accuracy);
  m.auc = label_aucs(scores, truth, mask);
  m.mean_auc = mean_auc(m.auc);
  m.samples = scores.extent(0);
  m.annotated_samples = detail::annotated_rows(mask, m.samples, scores.extent(1));
  return m;
}

}  // namespace ramer::eval

template <>
struct ramer::EnumNames<ramer::eval::MetricOrder> {
  static constexpr std::pair<std::string_view, ramer::eval::MetricOrder> values[] = {
      {"correct", ramer::eval::MetricOrder::Correct}, {"released", ramer::eval::MetricOrder::Released}};
};
