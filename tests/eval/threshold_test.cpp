#include "ramer/eval/threshold.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cases.hpp"

using namespace ramer;
using namespace ramer::eval;
using cases::Cells;
using cases::kNoMask;

TEST_CASE("the tuned threshold is the best of all candidates, ties to the nearest of one half") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Cells x(20, 3, seed, 0.7);
    const ThresholdChoice choice = tune_threshold(x.scores(), x.labels(), x.masks());
    // The rule again, the slow way.
    double best = -1, threshold = 0;
    for (const double t : default_thresholds()) {
      const double f1 = total(count_labels(x.scores(), x.labels(), x.masks(), t)).f1();
      if (f1 > best || (f1 == best && std::abs(t - 0.5) < std::abs(threshold - 0.5))) best = f1, threshold = t;
    }
    CAPTURE(seed);
    CHECK(choice.threshold == threshold);
    CHECK(choice.micro_f1 == best);
  }
}

TEST_CASE("float scores are compared as the metrics compare them") {
  const Cells x(40, 3, 5, 0.7);
  const std::vector<float> score(x.score.begin(), x.score.end());
  const View<const float, 2> scores{score.data(), {x.n, x.c}};
  const ThresholdChoice choice = tune_threshold(scores, x.labels(), kNoMask);
  CHECK(choice.micro_f1 == total(count_labels(scores, x.labels(), kNoMask, choice.threshold)).f1());
  for (const double t : default_thresholds())
    CHECK(total(count_labels(scores, x.labels(), kNoMask, t)).f1() <= choice.micro_f1);
}

TEST_CASE("candidates of one's own, in any order; no positives at all") {
  const std::vector<double> score{-3, 2, 5, -1};
  const std::vector<std::uint8_t> truth{0, 1, 1, 0}, none{0, 0, 0, 0};
  const View<const double, 2> scores{score.data(), {4, 1}};
  CHECK(tune_threshold(scores, {truth.data(), {4, 1}}, kNoMask, {4, 0, -2}).threshold == 0.0);
  CHECK(tune_threshold(scores, {truth.data(), {4, 1}}, kNoMask, {-2}).micro_f1 == doctest::Approx(0.8));
  const ThresholdChoice nothing = tune_threshold(scores, {none.data(), {4, 1}}, kNoMask);
  CHECK(nothing.threshold == 0.5);
  CHECK(nothing.micro_f1 == 0.0);
  CHECK(tune_threshold(View<const double, 2>{nullptr, {0, 2}}, {nullptr, {0, 2}}, kNoMask).threshold == 0.5);
  CHECK_THROWS_AS(tune_threshold(scores, {truth.data(), {4, 1}}, kNoMask, {}), ConfigError);
}
