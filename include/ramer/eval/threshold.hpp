// The threshold chosen on validation data, by one rule for every system.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/eval/metrics.hpp"

namespace ramer::eval {

/// What tuning a threshold gives.
struct ThresholdChoice {
  double threshold = 0.5;  ///< a label is predicted where its score is above
  double micro_f1 = 0;     ///< with it, on the data it was chosen on
};

/// 0.01, 0.02, ... 0.99: for scores that are probabilities.
inline std::vector<double> default_thresholds() {
  std::vector<double> thresholds;
  for (int k = 1; k < 100; ++k) thresholds.push_back(k / 100.0);
  return thresholds;
}

/// The threshold among `candidates` with the highest micro-F1. Equal ones (compared exactly): the one nearest to 0.5, then
/// the lower. scores, truth (N, C); mask (N, C), or empty. Costs one pass over the scores, whatever the candidates' number.
/// @throws ShapeError, NumericError; ConfigError without candidates
template <class Score>
ThresholdChoice tune_threshold(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                               std::vector<double> candidates = default_thresholds()) {
  detail::check_cells(scores, truth, mask);
  require<ConfigError>(!candidates.empty(), "tune_threshold: no candidates");
  std::sort(candidates.begin(), candidates.end());

  // A cell is predicted by the first k candidates, those below its score: count cells by k, then sum from above.
  std::vector<Index> positives(candidates.size() + 1), negatives(candidates.size() + 1);
  Index support = 0;
  detail::for_each_cell(scores, truth, mask, [&](Index, Index, Score score, bool is) {
    const auto end = std::partition_point(candidates.begin(), candidates.end(),
                                          [&](double threshold) { return detail::above(score, threshold); });
    ++(is ? positives : negatives)[static_cast<std::size_t>(end - candidates.begin())];
    support += is;
  });

  __extension__ using Wide = __int128;
  std::size_t best = 0;
  Counts best_counts, now;
  for (std::size_t k = candidates.size(); k-- > 0;) {
    now.tp += positives[k + 1];
    now.fp += negatives[k + 1];
    now.fn = support - now.tp;
    // 2 tp / (tp + fp + support) against the best so far, without rounding.
    const Wide mine = Wide{now.tp} * std::max<Index>(1, best_counts.tp + best_counts.fp + support);
    const Wide theirs = Wide{best_counts.tp} * std::max<Index>(1, now.tp + now.fp + support);
    const double distance = std::abs(candidates[k] - 0.5), best_distance = std::abs(candidates[best] - 0.5);
    if (k + 1 == candidates.size() || mine > theirs || (mine == theirs && distance <= best_distance)) {
      best = k;
      best_counts = now;
    }
  }
  return {candidates[best], best_counts.f1()};
}

}  // namespace ramer::eval
