// Which labels are predicted where which labels are true: what a confusion matrix is for samples with several labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ramer/core/tensor.hpp"
#include "ramer/eval/detail/cells.hpp"

namespace ramer::eval {

/// Counts of samples per pair of labels (i, j), row-major (C, C). A sample counts for a pair where both labels are annotated.
struct LabelPairs {
  std::size_t labels = 0;        ///< C
  std::vector<Index> together;   ///< i and j are true
  std::vector<Index> predicted;  ///< i is true, j is predicted. On the diagonal: true positives of i
  std::vector<Index> mistaken;   ///< i is true, j is predicted and not true. 0 on the diagonal
  std::vector<Index> annotated;  ///< i is true, j is annotated

  /// Place of a pair.
  std::size_t at(std::size_t i, std::size_t j) const { return i * labels + j; }
};

/// scores, truth (N, C); mask (N, C), or empty: all annotated. @throws ShapeError, NumericError
template <class Score>
LabelPairs count_label_pairs(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                             double threshold) {
  detail::check_cells(scores, truth, mask);
  LabelPairs pairs;
  pairs.labels = static_cast<std::size_t>(scores.extent(1));
  for (auto* counts : {&pairs.together, &pairs.predicted, &pairs.mistaken, &pairs.annotated})
    counts->assign(pairs.labels * pairs.labels, 0);
  for (Index n = 0; n < scores.extent(0); ++n)
    for (Index i = 0; i < scores.extent(1); ++i) {
      if (!detail::annotated(mask, n, i) || !truth(n, i)) continue;
      for (Index j = 0; j < scores.extent(1); ++j) {
        if (!detail::annotated(mask, n, j)) continue;
        const std::size_t k = pairs.at(static_cast<std::size_t>(i), static_cast<std::size_t>(j));
        const bool is = truth(n, j) != 0, said = detail::above(scores(n, j), threshold);
        ++pairs.annotated[k];
        pairs.together[k] += is;
        pairs.predicted[k] += said;
        pairs.mistaken[k] += said && !is;
      }
    }
  return pairs;
}

}  // namespace ramer::eval
