// Is one system better than another, or luck? A paired bootstrap over groups of samples (conversations, say), which vary
// together, and Holm's correction for a table of such questions.
//
// Both systems are judged on the same resampled groups; a system's value is the mean over its runs (seeds, folds). With d
// the observed difference and d* that of a resample, the two-sided p value is the share of resamples with |d* - d| >= |d|:
// how often the groups' chance alone, centred at no difference, gives one this large. The observed data count as one
// resample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/eval/detail/grouped.hpp"
#include "ramer/eval/metrics.hpp"

namespace ramer::eval {

struct BootstrapConfig {
  Index resamples = 10000;
  std::uint64_t seed = 1;
  double confidence = 0.95;  ///< of the interval

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("resamples", self.resamples, "resamples of the bootstrap", at_least(1));
    field("seed", self.seed, "seed of the bootstrap");
    field("confidence", self.confidence, "confidence of the interval of the difference", Range{0, 1, true, true});
  }
};

/// The difference between two systems.
struct Comparison {
  double difference = 0;     ///< first minus second
  double low = 0, high = 0;  ///< percentile interval of the difference
  double p = 1;              ///< two-sided
  Index groups = 0;
  Index resamples = 0;  ///< those in which the metric was defined

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("difference", self.difference, "first system minus second");
    field("low", self.low, "lower end of the interval");
    field("high", self.high, "upper end of the interval");
    field("p", self.p, "two-sided p value");
    field("groups", self.groups, "groups of samples");
    field("resamples", self.resamples, "resamples in which the metric was defined");
  }
};

/// Bootstrap of any statistic of groups: `difference(weights)` gives the difference when group g counts weights[g] times
/// (whole numbers as double, (G)), or nothing where it is undefined. Deterministic by seed.
/// @throws DataError with fewer than two groups, or when the difference of the data themselves is undefined; ConfigError
template <class Difference>
Comparison paired_bootstrap(Index groups, Difference&& difference, const BootstrapConfig& config = {}) {
  require<DataError>(groups >= 2, "bootstrap: ", groups, " groups, expected at least 2");
  checked(config, "bootstrap");
  std::vector<double> weights(static_cast<std::size_t>(groups), 1.0);
  const std::optional<double> observed = difference(std::span<const double>(weights));
  require<DataError>(observed.has_value(), "bootstrap: the metric is undefined on these data");

  std::vector<double> differences;
  Index as_large = 0;
  for (Index b = 0; b < config.resamples; ++b) {
    const RandomStream random(config.seed, name_hash("eval.bootstrap"), static_cast<std::uint64_t>(b));
    std::fill(weights.begin(), weights.end(), 0.0);
    for (Index g = 0; g < groups; ++g)
      weights[random.below(static_cast<std::uint64_t>(g), static_cast<std::uint64_t>(groups))] += 1.0;
    const std::optional<double> d = difference(std::span<const double>(weights));
    if (!d) continue;
    differences.push_back(*d);
    as_large += std::abs(*d - *observed) >= std::abs(*observed) * (1 - 1e-12);
  }
  Comparison c;
  c.difference = *observed;
  c.groups = groups;
  c.resamples = static_cast<Index>(differences.size());
  c.p = static_cast<double>(as_large + 1) / static_cast<double>(c.resamples + 1);
  differences.push_back(*observed);
  std::sort(differences.begin(), differences.end());
  const auto at = [&](double quantile) {
    return differences[static_cast<std::size_t>(std::lround(quantile * static_cast<double>(differences.size() - 1)))];
  };
  c.low = at(0.5 * (1 - config.confidence));
  c.high = at(0.5 * (1 + config.confidence));
  return c;
}

/// What systems are compared by.
enum class Metric { Accuracy, Precision, Recall, MicroF1, MacroF1, WeightedF1, MeanAuc };

/// Test results of one system with one seed on one fold.
template <class Score>
struct Run {
  View<const Score, 2> scores;          ///< (N, C)
  View<const std::uint8_t, 2> truth;    ///< (N, C)
  View<const std::uint8_t, 2> mask;     ///< (N, C), or empty: all annotated
  std::span<const std::int64_t> group;  ///< (N) any number, equal for samples that belong together, in every run
  double threshold = 0.5;               ///< a label is predicted where its score is above
};

/// Compares two systems by a metric. A system's value is the mean over its runs (seeds, folds) of the metric of each, as in
/// a table of results; the groups of all runs are resampled together. A run without annotated cells in a resample, or where
/// the AUC is undefined, leaves that mean.
/// @throws ShapeError, NumericError, ConfigError; DataError when the systems were not tested on the same groups
template <class Score>
Comparison compare_systems(std::span<const Run<Score>> first, std::span<const Run<Score>> second, Metric metric,
                           const BootstrapConfig& config = {}, MetricOrder order = MetricOrder::Correct) {
  const auto names_of = [](std::span<const Run<Score>> runs) {
    std::vector<std::int64_t> names;
    for (const Run<Score>& run : runs) names.insert(names.end(), run.group.begin(), run.group.end());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  };
  const std::vector<std::int64_t> names = names_of(first);
  require<DataError>(names == names_of(second), "compare: the systems were not tested on the same groups");
  const auto groups = static_cast<Index>(names.size());

  const auto prepare = [&](std::span<const Run<Score>> runs) {
    std::vector<detail::GroupedRun> grouped;
    for (const Run<Score>& run : runs) {
      detail::check_cells(run.scores, run.truth, run.mask);
      require<ShapeError>(static_cast<Index>(run.group.size()) == run.scores.extent(0), "compare: ", run.group.size(),
                          " group numbers for ", run.scores.extent(0), " samples");
      std::vector<Index> dense;
      for (const std::int64_t g : run.group)
        dense.push_back(std::lower_bound(names.begin(), names.end(), g) - names.begin());
      grouped.emplace_back(run.scores, run.truth, run.mask, std::span<const Index>(dense), groups, run.threshold,
                           metric == Metric::MeanAuc);
    }
    return grouped;
  };
  const auto value = [&](const std::vector<detail::GroupedRun>& runs,
                         std::span<const double> weights) -> std::optional<double> {
    double sum = 0, defined = 0;
    for (const detail::GroupedRun& run : runs)
      if (const auto one = detail::grouped_value(run, weights, metric, order == MetricOrder::Released))
        sum += *one, ++defined;
    return defined > 0 ? std::optional(sum / defined) : std::nullopt;
  };
  const std::vector<detail::GroupedRun> a = prepare(first), b = prepare(second);
  return paired_bootstrap(
      groups,
      [&](std::span<const double> weights) -> std::optional<double> {
        const std::optional<double> va = value(a, weights), vb = value(b, weights);
        return va && vb ? std::optional(*va - *vb) : std::nullopt;
      },
      config);
}

/// Holm's step-down correction: adjusted p values, in the order given. An adjusted p below alpha rejects at level alpha for
/// the whole family. @throws DataError for a value outside [0, 1]
inline std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const double v : p) require<DataError>(v >= 0 && v <= 1, "holm: p value ", v, ", expected 0 to 1");
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, p[order[i]] * static_cast<double>(p.size() - i)));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

}  // namespace ramer::eval

template <>
struct ramer::EnumNames<ramer::eval::Metric> {
  using Metric = ramer::eval::Metric;
  static constexpr std::pair<std::string_view, Metric> values[] = {
      {"accuracy", Metric::Accuracy}, {"precision", Metric::Precision}, {"recall", Metric::Recall},
      {"micro_f1", Metric::MicroF1},  {"macro_f1", Metric::MacroF1},    {"weighted_f1", Metric::WeightedF1},
      {"mean_auc", Metric::MeanAuc}};
};
