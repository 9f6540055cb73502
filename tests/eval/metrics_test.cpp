#include "ramer/eval/metrics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "reference_cases.hpp"

using namespace ramer;
using namespace ramer::eval;
using cases::Cells;
using cases::kNoMask;

namespace {

View<const double, 2> scores_of(const reference::MultiLabel& x) { return {x.scores.data(), {x.samples, x.labels}}; }
View<const std::uint8_t, 2> truth_of(const reference::MultiLabel& x) { return {x.truth.data(), {x.samples, x.labels}}; }
View<const std::uint8_t, 2> mask_of(const reference::MultiLabel& x) {
  return x.mask.empty() ? View<const std::uint8_t, 2>{} : View<const std::uint8_t, 2>{x.mask.data(), {x.samples, x.labels}};
}
void check_same(const std::vector<std::optional<double>>& mine, const std::vector<double>& expected) {
  REQUIRE(mine.size() == expected.size());
  for (std::size_t c = 0; c < expected.size(); ++c) {
    CAPTURE(c);
    CHECK(mine[c].has_value() == !std::isnan(expected[c]));
    if (mine[c]) CHECK(*mine[c] == doctest::Approx(expected[c]).epsilon(1e-13));
  }
}

}  // namespace

TEST_CASE("metrics agree with scikit-learn") {
  for (const reference::MultiLabel& x : reference::multi_label) {
    MetricOptions options;
    options.threshold = x.threshold;
    const Metrics m = multi_label_metrics(scores_of(x), truth_of(x), mask_of(x), options);
    CAPTURE(x.samples);
    CAPTURE(x.labels);
    CHECK(m.accuracy == doctest::Approx(x.accuracy).epsilon(1e-13));
    CHECK(m.precision == doctest::Approx(x.precision).epsilon(1e-13));
    CHECK(m.recall == doctest::Approx(x.recall).epsilon(1e-13));
    CHECK(m.micro_f1 == doctest::Approx(x.micro_f1).epsilon(1e-13));
    CHECK(m.macro_f1 == doctest::Approx(x.macro_f1).epsilon(1e-13));
    CHECK(m.weighted_f1 == doctest::Approx(x.weighted_f1).epsilon(1e-13));
    REQUIRE(m.mean_auc.has_value());
    CHECK(*m.mean_auc == doctest::Approx(x.mean_auc).epsilon(1e-13));
    check_same(m.f1, x.f1);
    check_same(m.auc, x.auc);
    CHECK(m.samples == x.samples);
    CHECK(m.annotated_samples == (x.mask.empty() ? x.samples : x.samples - 1));  // the reference masks sample 1 whole

    options.order = MetricOrder::Released;
    const Metrics released = multi_label_metrics(scores_of(x), truth_of(x), mask_of(x), options);
    CHECK(released.precision == m.recall);
    CHECK(released.recall == m.precision);
    CHECK(released.weighted_f1 == doctest::Approx(x.weighted_f1_released).epsilon(1e-13));
    CHECK(released.micro_f1 == m.micro_f1);
    CHECK(released.macro_f1 == m.macro_f1);
    CHECK(released.accuracy == m.accuracy);
    CHECK(released.counts == m.counts);
  }
}

TEST_CASE("metrics by hand: strict threshold, empty samples, masks") {
  // sample 0: says {0, 2}, truth {0, 1}; 1: says and is nothing; 2: all right; 3: not annotated at all
  const std::vector<float> score{0.6f, 0.25f, 0.3f, 0.f, 0.25f, 0.1f, 0.9f, 0.f, 0.f, 1.f, 1.f, 1.f};
  const std::vector<std::uint8_t> truth{1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1};
  const std::vector<std::uint8_t> mask{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
  const View<const float, 2> scores{score.data(), {4, 3}};
  const View<const std::uint8_t, 2> labels{truth.data(), {4, 3}}, masks{mask.data(), {4, 3}};
  const Metrics m = multi_label_metrics(scores, labels, masks, {.threshold = 0.25});
  CHECK(m.accuracy == doctest::Approx((1.0 / 3 + 0 + 1) / 3));
  CHECK(m.precision == doctest::Approx(2.0 / 3));
  CHECK(m.recall == doctest::Approx(2.0 / 3));
  CHECK(m.counts[0] == Counts{2, 0, 0, 1});
  CHECK(m.counts[1] == Counts{0, 0, 1, 2});
  CHECK(m.counts[2] == Counts{0, 1, 0, 2});
  CHECK(m.macro_f1 == doctest::Approx(1.0 / 3));
  CHECK(m.weighted_f1 == doctest::Approx(2.0 / 3));
  CHECK(m.samples == 4);
  CHECK(m.annotated_samples == 3);
  CHECK(*m.auc[0] == 1.0);
  CHECK(*m.auc[1] == 0.75);  // the positive is tied with one negative, above the other
  CHECK_FALSE(m.auc[2].has_value());
  CHECK(*m.mean_auc == 0.875);

  const Metrics rounded = multi_label_metrics(scores, labels, masks, {.threshold = 0.25, .round_accuracy = true});
  CHECK(rounded.accuracy == 0.4444);
}

TEST_CASE("a float score that equals the threshold is not above it, whatever the threshold's last double digits") {
  const std::vector<float> score{0.1f, 0.35f, 0.7f};
  const std::vector<std::uint8_t> truth{1, 1, 1};
  for (std::size_t i = 0; i < score.size(); ++i)
    for (const double t : {0.1, 0.35, 0.7})
      if (static_cast<float>(t) == score[i])
        CHECK(count_labels(View<const float, 2>{&score[i], {1, 1}}, {&truth[i], {1, 1}}, {}, t)[0] == Counts{0, 0, 1, 0});
}

TEST_CASE("rounding to 4 digits goes by the exact value") {
  CHECK(round_to_4_digits(0.16066666) == 0.1607);
  CHECK(round_to_4_digits(0.00005) == 0.0001);  // the double lies above
  CHECK(round_to_4_digits(0.00015) == 0.0001);  // the double lies below
  CHECK(round_to_4_digits(0.03125) == 0.0312);  // a true tie: to even
  CHECK(round_to_4_digits(1.0) == 1.0);
}

TEST_CASE("laws of the metrics on random cells") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Cells x(30, 4, seed);
    const MetricOptions options{.threshold = 0.45};
    const Metrics m = multi_label_metrics(x.scores(), x.labels(), x.masks(), options);
    CAPTURE(seed);

    // Truth and prediction really exchanged: the released order of the one is the correct order of the other.
    std::vector<double> truth_as_score(x.truth.begin(), x.truth.end());
    std::vector<std::uint8_t> said;
    for (const double s : x.score) said.push_back(s > options.threshold);
    const View<const double, 2> swapped_scores{truth_as_score.data(), {x.n, x.c}};
    const View<const std::uint8_t, 2> swapped_truth{said.data(), {x.n, x.c}};
    const Metrics swapped = multi_label_metrics(swapped_scores, swapped_truth, x.masks(), options);
    const Metrics released =
        multi_label_metrics(x.scores(), x.labels(), x.masks(), {.threshold = 0.45, .order = MetricOrder::Released});
    CHECK(swapped.micro_f1 == m.micro_f1);
    CHECK(swapped.accuracy == m.accuracy);
    CHECK(swapped.precision == released.precision);
    CHECK(swapped.recall == released.recall);
    CHECK(swapped.weighted_f1 == released.weighted_f1);

    // What lies behind the mask does not matter.
    Cells other = x;
    for (std::size_t i = 0; i < other.score.size(); ++i) {
      if (other.mask[i]) continue;
      other.score[i] = 1.0 - other.score[i];
      other.truth[i] = !other.truth[i];
    }
    const Metrics same = multi_label_metrics(other.scores(), other.labels(), other.masks(), options);
    CHECK(same.counts == m.counts);
    CHECK(same.accuracy == m.accuracy);
    CHECK(same.auc == m.auc);

    // Doubling every sample changes no ratio.
    Cells twice = x;
    twice.n *= 2;
    twice.score.insert(twice.score.end(), x.score.begin(), x.score.end());
    twice.truth.insert(twice.truth.end(), x.truth.begin(), x.truth.end());
    twice.mask.insert(twice.mask.end(), x.mask.begin(), x.mask.end());
    const Metrics doubled = multi_label_metrics(twice.scores(), twice.labels(), twice.masks(), options);
    CHECK(doubled.micro_f1 == m.micro_f1);
    CHECK(doubled.accuracy == doctest::Approx(m.accuracy).epsilon(1e-14));
    CHECK(doubled.mean_auc == m.mean_auc);
  }
}

TEST_CASE("nothing to evaluate gives zeros and absent values") {
  const Metrics none = multi_label_metrics(View<const float, 2>{nullptr, {0, 3}}, {nullptr, {0, 3}}, {});
  CHECK(none.micro_f1 == 0.0);
  CHECK(none.accuracy == 0.0);
  CHECK(none.macro_f1 == 0.0);
  CHECK_FALSE(none.mean_auc.has_value());
  REQUIRE(none.f1.size() == 3);
  CHECK_FALSE(none.f1[0].has_value());

  const Cells x(5, 2, 1);
  const std::vector<std::uint8_t> nothing(10, 0);
  const Metrics masked = multi_label_metrics(x.scores(), x.labels(), {nothing.data(), {5, 2}});
  CHECK(masked.samples == 5);
  CHECK(masked.annotated_samples == 0);
  CHECK(masked.accuracy == 0.0);
  CHECK_FALSE(masked.mean_auc.has_value());
}

TEST_CASE("input that does not fit is refused") {
  const Cells x(4, 3, 1);
  CHECK_THROWS_AS(count_labels(x.scores(), {x.truth.data(), {3, 4}}, {}, 0.5), ShapeError);
  CHECK_THROWS_AS(count_labels(x.scores(), x.labels(), {x.mask.data(), {4, 2}}, 0.5), ShapeError);
  Cells bad = x;
  bad.score[5] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(count_labels(bad.scores(), bad.labels(), {}, 0.5), "metrics: the score of sample 1, label 2 is NaN",
                       NumericError);
}
