// Metrics of the MEmoR benchmark: one class per sample, the highest score says which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/eval/metrics.hpp"

namespace ramer::eval {

/// Metrics of one class a sample.
struct SingleLabelMetrics {
  double accuracy = 0;         ///< = micro-F1: every sample has one true and one predicted class
  double macro_f1 = 0;         ///< mean over the classes that occur in truth or prediction
  double weighted_f1 = 0;      ///< weighted by true support
  std::vector<Counts> counts;  ///< (C)
  Index samples = 0;           ///< that count
};

/// The class of each sample from one-hot labels (N, C); -1 where not all cells are annotated. mask (N, C) or empty.
/// @throws ShapeError; DataError for an annotated sample that has not exactly one class
inline std::vector<std::int32_t> single_labels(View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask) {
  require<ShapeError>(mask.data() == nullptr || mask.shape() == truth.shape(), "single_labels: label mask ", mask.shape(),
                      ", expected that of the labels ", truth.shape());
  std::vector<std::int32_t> classes;
  for (Index i = 0; i < truth.extent(0); ++i) {
    std::int32_t found = -1;
    Index count = 0;
    bool whole = true;
    for (Index c = 0; c < truth.extent(1); ++c) {
      whole = whole && detail::annotated(mask, i, c);
      if (truth(i, c) == 0) continue;
      found = static_cast<std::int32_t>(c);
      ++count;
    }
    require<DataError>(!whole || count == 1, "single_labels: sample ", i, " has ", count, " classes, expected exactly one");
    classes.push_back(whole ? found : -1);
  }
  return classes;
}

/// scores (N, C); truth (N) classes, or -1: not annotated, left out. Equal scores: the lower class.
/// @throws ShapeError, DataError; NumericError for a score that is NaN
template <class Score>
SingleLabelMetrics single_label_metrics(View<Score, 2> scores, std::span<const std::int32_t> truth) {
  const Index n = scores.extent(0), classes = scores.extent(1);
  require<ShapeError>(static_cast<Index>(truth.size()) == n, "single_label_metrics: ", truth.size(), " labels for ", n,
                      " samples");
  require<ShapeError>(n == 0 || classes > 0, "single_label_metrics: scores ", scores.shape(),
                      ", expected at least one class");
  SingleLabelMetrics m;
  m.counts.resize(static_cast<std::size_t>(classes));
  Index right = 0;
  for (Index i = 0; i < n; ++i) {
    const std::int32_t is = truth[static_cast<std::size_t>(i)];
    require<DataError>(is < classes, "single_label_metrics: sample ", i, " has class ", is, ", expected less than ",
                       classes);
    if (is < 0) continue;
    Index said = 0;
    for (Index c = 0; c < classes; ++c) {
      require<NumericError>(!std::isnan(scores(i, c)), "single_label_metrics: the score of sample ", i, ", class ", c,
                            " is NaN");
      if (scores(i, c) > scores(i, said)) said = c;
    }
    ++m.samples;
    for (Index c = 0; c < classes; ++c) {
      Counts& counts = m.counts[static_cast<std::size_t>(c)];
      ++(c == is ? (c == said ? counts.tp : counts.fn) : (c == said ? counts.fp : counts.tn));
    }
    right += said == is;
  }
  m.accuracy = detail::ratio(right, m.samples);
  std::vector<Counts> occurring;
  for (const Counts& c : m.counts)
    if (c.tp + c.fp + c.fn > 0) occurring.push_back(c);
  m.macro_f1 = macro_f1(occurring);
  m.weighted_f1 = weighted_f1(m.counts);
  return m;
}

}  // namespace ramer::eval
