// One run's predictions summed up by group, so that a metric of resampled groups costs no second look at the scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "ramer/core/tensor.hpp"
#include "ramer/eval/detail/cells.hpp"

namespace ramer::eval::detail {

/// True positives, false positives and false negatives, and annotated cells; sums of whole weights.
struct WeightedCounts {
  double tp = 0, fp = 0, fn = 0, cells = 0;

  double precision() const { return tp + fp > 0 ? tp / (tp + fp) : 0.0; }
  double recall() const { return tp + fn > 0 ? tp / (tp + fn) : 0.0; }
  double f1() const { return 2 * tp + fp + fn > 0 ? 2 * tp / (2 * tp + fp + fn) : 0.0; }
};

/// G groups, C labels.
struct GroupedRun {
  Index groups = 0, labels = 0;
  std::vector<WeightedCounts> counts;         // (G, C)
  std::vector<double> jaccard, jaccard_rows;  // (G) sums over the rows with annotated cells

  /// An annotated cell of a label, in ascending order of score; `last`: the next one's score is higher.
  struct Ranked {
    Index group;
    bool positive, last;
  };
  std::vector<std::vector<Ranked>> ranked;  // (C), only where the AUC is asked for

  template <class Score>
  GroupedRun(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
             std::span<const Index> group, Index group_count, double threshold, bool rank)
      : groups(group_count), labels(scores.extent(1)) {
    counts.resize(static_cast<std::size_t>(groups * labels));
    jaccard.assign(static_cast<std::size_t>(groups), 0.0);
    jaccard_rows = jaccard;
    for_each_cell(scores, truth, mask, [&](Index row, Index label, auto score, bool is) {
      WeightedCounts& c = counts[static_cast<std::size_t>(group[static_cast<std::size_t>(row)] * labels + label)];
      const bool said = above(score, threshold);
      c.tp += said && is;
      c.fp += said && !is;
      c.fn += !said && is;
      c.cells += 1;
    });
    for_each_row_jaccard(scores, truth, mask, threshold, [&](Index row, double value) {
      const auto g = static_cast<std::size_t>(group[static_cast<std::size_t>(row)]);
      jaccard[g] += value;
      jaccard_rows[g] += 1;
    });
    if (!rank) return;
    struct Cell {
      std::remove_const_t<Score> score;
      Ranked ranked;
    };
    std::vector<Cell> cells;
    for (Index c = 0; c < labels; ++c) {
      cells.clear();
      for (Index i = 0; i < scores.extent(0); ++i)
        if (annotated(mask, i, c))
          cells.push_back({scores(i, c), {group[static_cast<std::size_t>(i)], truth(i, c) != 0, false}});
      std::stable_sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) { return a.score < b.score; });
      std::vector<Ranked>& out = ranked.emplace_back();
      for (std::size_t i = 0; i < cells.size(); ++i) {
        out.push_back(cells[i].ranked);
        out.back().last = i + 1 == cells.size() || cells[i + 1].score > cells[i].score;
      }
    }
  }

  /// AUC of a label when group g counts weights[g] times; absent if there are no positives or no negatives.
  std::optional<double> auc(Index label, std::span<const double> weights) const {
    double pairs = 0, positives = 0, negatives = 0, tied_positives = 0, tied_negatives = 0;
    for (const Ranked& cell : ranked[static_cast<std::size_t>(label)]) {
      (cell.positive ? tied_positives : tied_negatives) += weights[static_cast<std::size_t>(cell.group)];
      if (!cell.last) continue;
      pairs += tied_positives * (negatives + 0.5 * tied_negatives);
      positives += tied_positives;
      negatives += tied_negatives;
      tied_positives = tied_negatives = 0;
    }
    if (positives == 0 || negatives == 0) return std::nullopt;
    return pairs / (positives * negatives);
  }
};

/// A metric (an enum with the names used here) of a run when group g counts weights[g] times; absent where nothing
/// annotated is left, or no label has an AUC.
template <class Metric>
std::optional<double> grouped_value(const GroupedRun& run, std::span<const double> weights, Metric metric, bool swapped) {
  if (metric == Metric::MeanAuc) {
    double sum = 0, n = 0;
    for (Index c = 0; c < run.labels; ++c)
      if (const auto auc = run.auc(c, weights)) sum += *auc, n += 1;
    return n > 0 ? std::optional(sum / n) : std::nullopt;
  }
  if (metric == Metric::Accuracy) {
    double sum = 0, rows = 0;
    for (std::size_t g = 0; g < weights.size(); ++g)
      sum += weights[g] * run.jaccard[g], rows += weights[g] * run.jaccard_rows[g];
    return rows > 0 ? std::optional(sum / rows) : std::nullopt;
  }
  WeightedCounts all;
  double macro = 0, macro_labels = 0, weighted = 0, support = 0, cells = 0;
  for (Index label = 0; label < run.labels; ++label) {
    WeightedCounts c;
    for (Index g = 0; g < run.groups; ++g) {
      const double w = weights[static_cast<std::size_t>(g)];
      const WeightedCounts& of = run.counts[static_cast<std::size_t>(g * run.labels + label)];
      c.tp += w * of.tp;
      c.fp += w * (swapped ? of.fn : of.fp);
      c.fn += w * (swapped ? of.fp : of.fn);
      c.cells += w * of.cells;
    }
    all.tp += c.tp, all.fp += c.fp, all.fn += c.fn;
    if (c.cells > 0) macro += c.f1(), macro_labels += 1;
    weighted += (c.tp + c.fn) * c.f1();
    support += c.tp + c.fn;
    cells += c.cells;
  }
  if (cells == 0) return std::nullopt;
  switch (metric) {
    case Metric::Precision: return all.precision();
    case Metric::Recall: return all.recall();
    case Metric::MacroF1: return macro / macro_labels;
    case Metric::WeightedF1: return support > 0 ? weighted / support : 0.0;
    default: return all.f1();
  }
}

}  // namespace ramer::eval::detail
