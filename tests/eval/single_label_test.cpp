#include "ramer/eval/single_label.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "reference_cases.hpp"

using namespace ramer;
using namespace ramer::eval;

TEST_CASE("single-label metrics agree with scikit-learn") {
  for (const reference::SingleLabel& x : reference::single_label) {
    const SingleLabelMetrics m =
        single_label_metrics(View<const double, 2>{x.scores.data(), {x.samples, x.classes}}, x.truth);
    CHECK(m.accuracy == doctest::Approx(x.accuracy).epsilon(1e-13));
    CHECK(m.macro_f1 == doctest::Approx(x.macro_f1).epsilon(1e-13));
    CHECK(m.weighted_f1 == doctest::Approx(x.weighted_f1).epsilon(1e-13));
    CHECK(m.samples == x.samples);
    CHECK(total(m.counts).f1() == doctest::Approx(m.accuracy));
  }
}

TEST_CASE("samples that are not annotated are left out; ties go to the lower class") {
  const std::vector<float> score{0.5f, 0.5f, 0.f, 0.1f, 0.2f, 0.7f, 0.9f, 0.f, 0.f};
  const std::vector<std::int32_t> truth{0, 2, -1};
  const SingleLabelMetrics m = single_label_metrics(View<const float, 2>{score.data(), {3, 3}}, truth);
  CHECK(m.samples == 2);
  CHECK(m.accuracy == 1.0);
  CHECK(m.macro_f1 == 1.0);  // class 1 occurs nowhere and is no part of the mean
}

TEST_CASE("one-hot labels become classes") {
  const std::vector<std::uint8_t> truth{0, 1, 1, 0, 1, 1}, mask{1, 1, 1, 1, 0, 1};
  CHECK(single_labels({truth.data(), {3, 2}}, {mask.data(), {3, 2}}) == std::vector<std::int32_t>{1, 0, -1});
  CHECK_THROWS_WITH_AS(single_labels({truth.data(), {3, 2}}, {}),
                       "single_labels: sample 2 has 2 classes, expected exactly one", DataError);
}

TEST_CASE("input that does not fit is refused") {
  const std::vector<double> score{0, 1};
  const View<const double, 2> scores{score.data(), {1, 2}};
  const std::vector<std::int32_t> two{0, 1}, far{2};
  CHECK_THROWS_AS(single_label_metrics(scores, two), ShapeError);
  CHECK_THROWS_AS(single_label_metrics(scores, far), DataError);
  const std::vector<double> nan{0, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<std::int32_t> one{0};
  CHECK_THROWS_AS(single_label_metrics(View<const double, 2>{nan.data(), {1, 2}}, one), NumericError);
}
