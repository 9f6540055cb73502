// Area under the ROC curve of each label: the chance that a positive sample scores above a negative one, ties half.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/tensor.hpp"
#include "ramer/eval/detail/cells.hpp"

namespace ramer::eval {

/// AUC of (score, is positive) pairs, by midranks. Sorts its argument. Absent if there are no positives or no negatives.
template <class Score>
std::optional<double> auc_of_pairs(std::vector<std::pair<Score, bool>>& pairs) {
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Pairs of a positive and a negative that stand the right way round, counted in halves: exact in integers.
  Index halves = 0, positives = 0, negatives = 0;
  for (std::size_t begin = 0, end = 0; begin < pairs.size(); begin = end) {
    Index tied_positives = 0;
    for (end = begin; end < pairs.size() && pairs[end].first == pairs[begin].first; ++end)
      tied_positives += pairs[end].second;
    const Index tied_negatives = static_cast<Index>(end - begin) - tied_positives;
    halves += tied_positives * (2 * negatives + tied_negatives);
    positives += tied_positives;
    negatives += tied_negatives;
  }
  if (positives == 0 || negatives == 0) return std::nullopt;
  return static_cast<double>(halves) / (2.0 * static_cast<double>(positives) * static_cast<double>(negatives));
}

/// AUC of every label over its annotated cells. scores, truth (N, C); mask (N, C) or empty. -> (C)
/// @throws ShapeError; NumericError for a score that is NaN
template <class Score>
std::vector<std::optional<double>> label_aucs(View<Score, 2> scores, View<const std::uint8_t, 2> truth,
                                              View<const std::uint8_t, 2> mask) {
  detail::check_cells(scores, truth, mask);
  std::vector<std::optional<double>> aucs;
  std::vector<std::pair<std::remove_const_t<Score>, bool>> pairs;
  for (Index c = 0; c < scores.extent(1); ++c) {
    pairs.clear();
    for (Index i = 0; i < scores.extent(0); ++i)
      if (detail::annotated(mask, i, c)) pairs.emplace_back(scores(i, c), truth(i, c) != 0);
    aucs.push_back(auc_of_pairs(pairs));
  }
  return aucs;
}

/// Mean over the labels that have an AUC; absent if none has.
inline std::optional<double> mean_auc(const std::vector<std::optional<double>>& aucs) {
  double sum = 0;
  Index n = 0;
  for (const auto& auc : aucs)
    if (auc) sum += *auc, ++n;
  return n ? std::optional(sum / static_cast<double>(n)) : std::nullopt;
}

}  // namespace ramer::eval
