#include "ramer/eval/significance.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cases.hpp"

using namespace ramer;
using namespace ramer::eval;
using cases::Cells;

namespace {

const std::vector<Metric> kAll{Metric::Accuracy, Metric::Precision,  Metric::Recall, Metric::MicroF1,
                               Metric::MacroF1,  Metric::WeightedF1, Metric::MeanAuc};

double of(const Metrics& m, Metric metric) {
  switch (metric) {
    case Metric::Accuracy: return m.accuracy;
    case Metric::Precision: return m.precision;
    case Metric::Recall: return m.recall;
    case Metric::MicroF1: return m.micro_f1;
    case Metric::MacroF1: return m.macro_f1;
    case Metric::WeightedF1: return m.weighted_f1;
    case Metric::MeanAuc: return m.mean_auc.value();
  }
  return 0;
}

std::vector<std::int64_t> groups_of(Index samples, Index size) {
  std::vector<std::int64_t> group;
  for (Index i = 0; i < samples; ++i) group.push_back(1000 - 7 * (i / size));
  return group;
}

}  // namespace

TEST_CASE("a metric of weighted groups is the metric of the samples repeated") {
  const Cells x(24, 3, 4);
  std::vector<Index> group;
  for (Index i = 0; i < x.n; ++i) group.push_back((i * 5) % 6);
  const std::vector<double> weights{0, 1, 3, 1, 2, 0};
  Cells repeated = x;
  repeated.score.clear(), repeated.truth.clear(), repeated.mask.clear();
  repeated.n = 0;
  for (Index i = 0; i < x.n; ++i) {
    for (int k = 0; k < static_cast<int>(weights[static_cast<std::size_t>(group[static_cast<std::size_t>(i)])]); ++k) {
      for (Index c = 0; c < x.c; ++c) {
        repeated.score.push_back(x.scores()(i, c));
        repeated.truth.push_back(x.labels()(i, c));
        repeated.mask.push_back(x.masks()(i, c));
      }
      ++repeated.n;
    }
  }
  for (const MetricOrder order : {MetricOrder::Correct, MetricOrder::Released}) {
    const Metrics m =
        multi_label_metrics(repeated.scores(), repeated.labels(), repeated.masks(), {.threshold = 0.4, .order = order});
    const eval::detail::GroupedRun run(x.scores(), x.labels(), x.masks(), std::span<const Index>(group), 6, 0.4, true);
    for (const Metric metric : kAll) {
      CAPTURE(enum_name(metric));
      const auto value = eval::detail::grouped_value(run, weights, metric, order == MetricOrder::Released);
      REQUIRE(value.has_value());
      CHECK(*value == doctest::Approx(of(m, metric)).epsilon(1e-13));
    }
  }
}

TEST_CASE("the observed difference is that of the metrics, averaged over seeds") {
  const Cells x(60, 3, 1, 0.7), other(60, 3, 2), third(60, 3, 3);
  const std::vector<std::int64_t> group = groups_of(60, 4);
  const std::vector<Run<double>> a{{x.scores(), x.labels(), x.masks(), group, 0.5}},
      b{{other.scores(), x.labels(), x.masks(), group, 0.5}, {third.scores(), x.labels(), x.masks(), group, 0.3}};
  for (const Metric metric : kAll) {
    const double va = of(multi_label_metrics(x.scores(), x.labels(), x.masks(), {.threshold = 0.5}), metric);
    const double vb = 0.5 * (of(multi_label_metrics(other.scores(), x.labels(), x.masks(), {.threshold = 0.5}), metric) +
                             of(multi_label_metrics(third.scores(), x.labels(), x.masks(), {.threshold = 0.3}), metric));
    const Comparison c = compare_systems<double>(a, b, metric, {.resamples = 200});
    CAPTURE(enum_name(metric));
    CHECK(c.difference == doctest::Approx(va - vb).epsilon(1e-12));
    CHECK(c.groups == 15);
    CHECK(c.low <= c.difference);
    CHECK(c.difference <= c.high);

    const Comparison turned = compare_systems<double>(b, a, metric, {.resamples = 200});
    CHECK(turned.difference == -c.difference);
    CHECK(turned.p == c.p);
  }
}

TEST_CASE("equal systems have p = 1; the seed decides everything") {
  const Cells x(60, 3, 1), other(60, 3, 2);
  const std::vector<std::int64_t> group = groups_of(60, 3);
  const std::vector<Run<double>> a{{x.scores(), x.labels(), x.masks(), group}},
      b{{other.scores(), x.labels(), x.masks(), group}};
  const auto compare = [&](const std::vector<Run<double>>& left, const std::vector<Run<double>>& right, std::uint64_t seed) {
    return compare_systems<double>(left, right, Metric::MicroF1, {.resamples = 500, .seed = seed});
  };
  CHECK(compare(a, a, 1).p == 1.0);
  CHECK(compare(a, a, 1).low == 0.0);
  const Comparison one = compare(a, b, 1), again = compare(a, b, 1), two = compare(a, b, 2);
  CHECK(one.p == again.p);
  CHECK(one.low == again.low);
  CHECK((one.low != two.low || one.high != two.high));
  CHECK(two.p == doctest::Approx(one.p).epsilon(0.5));
}

TEST_CASE("the p value of a mean follows the normal law; groups that vary together count once") {
  // Per-group differences with mean 0.3 and deviation 1; 100 groups: z = 3.
  const RandomStream random(3, name_hash("test"));
  const Index n = 100;
  std::vector<double> value;
  double mean = 0, square = 0;
  for (Index i = 0; i < n; ++i) value.push_back(random.normal(static_cast<std::uint64_t>(i), 0));
  for (const double v : value) mean += v / static_cast<double>(n);
  for (const double v : value) square += (v - mean) * (v - mean) / static_cast<double>(n);
  for (const double z : {0.5, 1.0, 2.0}) {
    const double shift = z * std::sqrt(square / static_cast<double>(n));
    const auto difference = [&](std::span<const double> weights) -> std::optional<double> {
      double sum = 0, total_weight = 0;
      for (std::size_t i = 0; i < value.size(); ++i) {
        sum += weights[i] * (value[i] - mean + shift);
        total_weight += weights[i];
      }
      return sum / total_weight;
    };
    const Comparison c = paired_bootstrap(n, difference, {.resamples = 20000});
    CAPTURE(z);
    CHECK(c.difference == doctest::Approx(shift));
    CHECK(std::abs(c.p - std::erfc(z / std::sqrt(2.0))) < 0.02);
    CHECK(std::abs(c.high - (shift + 1.96 * shift / z)) < 0.15 * shift / z);
    CHECK(std::abs(c.low - (shift - 1.96 * shift / z)) < 0.15 * shift / z);
  }

  // Copies of a sample inside its group are no new evidence.
  const Cells x(40, 2, 8, 0.6), other(40, 2, 9);
  Cells many = x;
  std::vector<double> many_other;
  many.score.clear(), many.truth.clear();
  many.n = 200;
  std::vector<std::int64_t> group;
  for (Index i = 0; i < 40; ++i) {
    for (int copy = 0; copy < 5; ++copy) {
      group.push_back(i);
      for (Index c = 0; c < 2; ++c) {
        many.score.push_back(x.scores()(i, c));
        many.truth.push_back(x.labels()(i, c));
        many_other.push_back(other.scores()(i, c));
      }
    }
  }
  const std::vector<std::int64_t> single = groups_of(40, 1);
  const std::vector<Run<double>> a{{x.scores(), x.labels(), {}, single}}, b{{other.scores(), x.labels(), {}, single}};
  const std::vector<Run<double>> a5{{many.scores(), many.labels(), {}, group}},
      b5{{{many_other.data(), {200, 2}}, many.labels(), {}, group}};
  const BootstrapConfig config{.resamples = 1000};
  const Comparison once = compare_systems<double>(a, b, Metric::MicroF1, config);
  const Comparison copied = compare_systems<double>(a5, b5, Metric::MicroF1, config);
  CHECK(copied.difference == doctest::Approx(once.difference));
  CHECK(std::abs(copied.p - once.p) < 0.05);  // group numbers order the groups the other way round: other draws
}

TEST_CASE("resamples in which the metric is undefined are left out and counted") {
  // One group holds the only positive: without it there is no AUC.
  const std::vector<double> score{0.9, 0.1, 0.4, 0.6}, other{0.2, 0.1, 0.4, 0.6};
  const std::vector<std::uint8_t> truth{1, 0, 0, 0};
  const std::vector<std::int64_t> group{0, 1, 2, 3};
  const View<const std::uint8_t, 2> labels{truth.data(), {4, 1}};
  const std::vector<Run<double>> a{{{score.data(), {4, 1}}, labels, {}, group}},
      b{{{other.data(), {4, 1}}, labels, {}, group}};
  const Comparison c = compare_systems<double>(a, b, Metric::MeanAuc, {.resamples = 1000});
  CHECK(c.resamples < 1000);
  CHECK(c.resamples > 500);  // in theory 1 - (3/4)^4 of them have the positive, less those that have nothing else
}

TEST_CASE("Holm's correction") {
  const std::vector<double> p{0.01, 0.04, 0.03, 0.005};
  const std::vector<double> adjusted = holm(p);
  CHECK(adjusted[3] == doctest::Approx(0.02));
  CHECK(adjusted[0] == doctest::Approx(0.03));
  CHECK(adjusted[2] == doctest::Approx(0.06));
  CHECK(adjusted[1] == doctest::Approx(0.06));  // 0.04 x 1, but never below the one before
  CHECK(holm(std::vector<double>{0.7, 0.6}) == std::vector<double>{1.0, 1.0});
  CHECK(holm({}).empty());
  CHECK_THROWS_AS(holm(std::vector<double>{std::nan("")}), DataError);
}

TEST_CASE("folds: a system's value is the mean of each fold's metric, each with its own threshold") {
  const Cells one(30, 3, 1, 0.7), two(18, 3, 2, 0.7), other_one(30, 3, 3), other_two(18, 3, 4);
  const std::vector<std::int64_t> group_one = groups_of(30, 3);
  std::vector<std::int64_t> group_two = groups_of(18, 3);
  for (std::int64_t& g : group_two) g += 5000;
  const std::vector<Run<double>> a{{one.scores(), one.labels(), one.masks(), group_one, 0.4},
                                   {two.scores(), two.labels(), two.masks(), group_two, 0.6}};
  const std::vector<Run<double>> b{{other_one.scores(), one.labels(), one.masks(), group_one, 0.5},
                                   {other_two.scores(), two.labels(), two.masks(), group_two, 0.3}};
  for (const Metric metric : kAll) {
    const auto mean = [&](const std::vector<Run<double>>& runs) {
      double sum = 0;
      for (const auto& r : runs)
        sum += of(multi_label_metrics(r.scores, r.truth, r.mask, {.threshold = r.threshold}), metric) / 2;
      return sum;
    };
    const Comparison c = compare_systems<double>(a, b, metric, {.resamples = 100});
    CHECK(c.difference == doctest::Approx(mean(a) - mean(b)).epsilon(1e-12));
    CHECK(c.groups == 16);
  }
  CHECK_THROWS_AS(compare_systems<double>(a, std::span(b).first(1), Metric::MicroF1), DataError);
}

TEST_CASE("input that does not fit is refused") {
  const Cells x(6, 2, 1);
  const std::vector<std::int64_t> one(6, 3), few(5, 3), three = groups_of(6, 2);
  const auto runs = [&](const std::vector<std::int64_t>& group) {
    return std::vector<Run<double>>{{x.scores(), x.labels(), {}, group}};
  };
  const auto single = runs(one), short_of = runs(few), good = runs(three);
  CHECK_THROWS_AS(compare_systems<double>(single, single, Metric::MicroF1), DataError);
  CHECK_THROWS_AS(compare_systems<double>(short_of, short_of, Metric::MicroF1), ShapeError);
  CHECK_THROWS_AS(compare_systems<double>(good, {}, Metric::MicroF1), DataError);
  CHECK_THROWS_AS(compare_systems<double>(good, good, Metric::MicroF1, {.resamples = 0}), ConfigError);
}
