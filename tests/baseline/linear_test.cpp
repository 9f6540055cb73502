#include "ramer/baseline/linear.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ramer/core/random.hpp"
#include "reference_case.hpp"

using namespace ramer;
using ramer::baseline::LinearClassifier;
using ramer::baseline::LinearConfig;

namespace {

View<const float, 2> reference_x() { return {reference::x.data(), {reference::kRows, reference::kFeatures}}; }
View<const std::uint8_t, 2> reference_y() { return {reference::y.data(), {reference::kRows, reference::kLabels}}; }
View<const std::uint8_t, 2> reference_mask() { return {reference::mask.data(), {reference::kRows, reference::kLabels}}; }

double largest_difference(const LinearClassifier& model, const std::vector<double>& expected) {
  double largest = 0;
  const Index d = model.features;
  for (Index k = 0; k < model.labels(); ++k) {
    for (Index j = 0; j <= d; ++j) {
      const double mine =
          j < d ? model.weight[static_cast<std::size_t>(k * d + j)] : model.bias[static_cast<std::size_t>(k)];
      largest = std::max(largest, std::abs(mine - expected[static_cast<std::size_t>(k * (d + 1) + j)]));
    }
  }
  return largest;
}

/// N rows of D correlated features, C labels that follow them.
struct Problem {
  Index n, d, c;
  std::vector<float> values;
  std::vector<std::uint8_t> truth, shown;
  Problem(Index rows, Index features, Index labels, std::uint64_t seed) : n(rows), d(features), c(labels) {
    const RandomStream random(seed, name_hash("test"));
    for (Index i = 0; i < n; ++i) {
      const auto row = static_cast<std::uint64_t>(i);
      const double common = random.normal(row, 100000);
      for (Index j = 0; j < d; ++j)
        values.push_back(static_cast<float>(10 + 3 * (common + 0.3 * random.normal(row, static_cast<std::uint32_t>(j)))));
      for (Index k = 0; k < c; ++k) {
        const auto at = static_cast<std::uint32_t>(k);
        const double margin = (values[static_cast<std::size_t>(i * d + k % d)] - 10) / 3 + random.normal(row, 200000 + at);
        truth.push_back(margin > 0.3);
        shown.push_back(random.uniform(row, 300000 + at) < 0.7f);
      }
    }
  }
  View<const float, 2> x() const { return {values.data(), {n, d}}; }
  View<const std::uint8_t, 2> y() const { return {truth.data(), {n, c}}; }
  View<const std::uint8_t, 2> mask() const { return {shown.data(), {n, c}}; }
};

/// Largest entry of the objective's gradient at the model's weights, by the plainest sums.
double largest_gradient(const LinearClassifier& model, const Problem& q, bool masked, double c) {
  double largest = 0;
  const Tensor<double, 2> scores = model.predict(q.x());
  for (Index k = 0; k < q.c; ++k) {
    std::vector<double> g(static_cast<std::size_t>(q.d + 1), 0.0);
    for (Index i = 0; i < q.n; ++i) {
      if (masked && !q.mask()(i, k)) continue;
      const double residual = c * (scores(i, k) - q.y()(i, k));
      for (Index j = 0; j < q.d; ++j) {
        const auto at = static_cast<std::size_t>(j);
        g[at] += residual * (static_cast<double>(q.x()(i, j)) - model.mean[at]) * model.inverse[at];
      }
      g.back() += residual;
    }
    for (Index j = 0; j < q.d; ++j) g[static_cast<std::size_t>(j)] += model.weight[static_cast<std::size_t>(k * q.d + j)];
    for (const double v : g) largest = std::max(largest, std::abs(v));
  }
  return largest;
}

}  // namespace

TEST_CASE("weights agree with scikit-learn") {
  LinearConfig config;
  config.tolerance = 1e-9;
  const LinearClassifier one = LinearClassifier::fit(reference_x(), reference_y(), reference_mask(), config);
  CHECK(largest_difference(one, reference::weights) < 1e-8);
  config.c = 20;
  const LinearClassifier twenty = LinearClassifier::fit(reference_x(), reference_y(), reference_mask(), config);
  CHECK(largest_difference(twenty, reference::weights_c20) < 1e-8);
  for (std::size_t k = 0; k < 3; ++k) CHECK(one.converged[k]);
  CHECK(one.inverse[4] == 0.0);  // the constant column

  // The promise of the default tolerance: weights within the gradient's norm.
  const LinearClassifier coarse = LinearClassifier::fit(reference_x(), reference_y(), reference_mask());
  CHECK(largest_difference(coarse, reference::weights) < 5e-3);
}

TEST_CASE("the gradient vanishes at the solution, in tall, square and wide problems, with and without a mask") {
  for (const std::pair<Index, Index>& shape : {std::pair<Index, Index>{150, 7}, {40, 40}, {33, 261}, {301, 1}}) {
    const Index n = shape.first, d = shape.second;
    for (const bool masked : {false, true}) {
      const Problem q(n, d, 3, static_cast<std::uint64_t>(n));
      LinearConfig config;
      config.c = 0.5;
      config.tolerance = 1e-6;
      const LinearClassifier model =
          LinearClassifier::fit(q.x(), q.y(), masked ? q.mask() : View<const std::uint8_t, 2>{}, config);
      CAPTURE(n);
      CAPTURE(d);
      CAPTURE(masked);
      for (std::size_t k = 0; k < 3; ++k) CHECK(model.converged[k]);
      CHECK(largest_gradient(model, q, masked, config.c) < 2e-6);
    }
  }
}

TEST_CASE("a label's weights do not depend on the other labels") {
  const Problem q(80, 12, 4, 3);
  const LinearClassifier all = LinearClassifier::fit(q.x(), q.y(), q.mask());
  for (Index k = 0; k < q.c; ++k) {
    std::vector<std::uint8_t> y, mask;
    for (Index i = 0; i < q.n; ++i) {
      y.push_back(q.y()(i, k));
      mask.push_back(q.mask()(i, k));
    }
    const LinearClassifier one = LinearClassifier::fit(q.x(), {y.data(), {q.n, 1}}, {mask.data(), {q.n, 1}});
    CHECK(one.bias[0] == all.bias[static_cast<std::size_t>(k)]);
    CHECK(std::equal(one.weight.begin(), one.weight.end(), all.weight.begin() + static_cast<std::ptrdiff_t>(k * q.d)));
  }
}

TEST_CASE("scale and shift of the features do not matter, nor do masked labels") {
  Problem q(60, 5, 2, 9);
  LinearConfig config;
  config.tolerance = 1e-8;
  const LinearClassifier model = LinearClassifier::fit(q.x(), q.y(), q.mask(), config);
  Problem moved = q;
  for (std::size_t i = 0; i < moved.values.size(); ++i) moved.values[i] = moved.values[i] * 4.0f - 64.0f;  // few bits lost
  for (std::size_t i = 0; i < moved.truth.size(); ++i)
    if (!moved.shown[i]) moved.truth[i] = !moved.truth[i];
  const LinearClassifier same = LinearClassifier::fit(moved.x(), moved.y(), moved.mask(), config);
  for (std::size_t i = 0; i < model.weight.size(); ++i)
    CHECK(same.weight[i] == doctest::Approx(model.weight[i]).epsilon(1e-4));
}

TEST_CASE("separable labels converge: the penalty keeps weights finite") {
  std::vector<float> x;
  std::vector<std::uint8_t> y;
  for (int i = 0; i < 40; ++i) {
    x.push_back(static_cast<float>(i < 20 ? -1000 - i : 1000 + i));
    y.push_back(i >= 20);
  }
  LinearConfig config;
  config.c = 1e6;
  const LinearClassifier model = LinearClassifier::fit({x.data(), {40, 1}}, {y.data(), {40, 1}}, {}, config);
  CHECK(model.converged[0]);
  const Tensor<double, 2> scores = model.predict({x.data(), {40, 1}});
  for (Index i = 0; i < 40; ++i) CHECK((scores(i, 0) > 0.5) == (i >= 20));
}

TEST_CASE("a label with one class, or none annotated, gets a constant score") {
  const Problem q(10, 3, 1, 1);
  std::vector<std::uint8_t> y, mask;
  for (int i = 0; i < 10; ++i) {
    y.insert(y.end(), {1, 0, 1});
    mask.insert(mask.end(), {1, static_cast<std::uint8_t>(i < 4), 0});
  }
  const LinearClassifier model = LinearClassifier::fit(q.x(), {y.data(), {10, 3}}, {mask.data(), {10, 3}});
  const Tensor<double, 2> scores = model.predict(q.x());
  for (Index i = 0; i < 10; ++i) {
    CHECK(scores(i, 0) == doctest::Approx(11.0 / 12));
    CHECK(scores(i, 1) == doctest::Approx(1.0 / 6));
    CHECK(scores(i, 2) == 0.5);
  }
}

TEST_CASE("no rows, no features") {
  const LinearClassifier empty = LinearClassifier::fit({nullptr, {0, 3}}, {nullptr, {0, 2}}, {});
  const std::vector<float> row{1, 2, 3};
  CHECK(empty.predict({row.data(), {1, 3}})(0, 1) == 0.5);
  CHECK(empty.predict({nullptr, {0, 3}}).size() == 0);

  const std::vector<std::uint8_t> y{1, 0, 0, 0};
  const LinearClassifier bias_only = LinearClassifier::fit({nullptr, {4, 0}}, {y.data(), {4, 1}}, {});
  CHECK(bias_only.predict({nullptr, {1, 0}})(0, 0) == doctest::Approx(0.25));
}

TEST_CASE("the number of iterations is limited, and told") {
  const Problem q(100, 30, 1, 4);
  LinearConfig config;
  config.max_iterations = 2;
  const LinearClassifier model = LinearClassifier::fit(q.x(), q.y(), {}, config);
  CHECK_FALSE(model.converged[0]);
  CHECK(model.iterations[0] == 2);
}

TEST_CASE("input that does not fit is refused") {
  Problem q(6, 2, 2, 1);
  CHECK_THROWS_AS(LinearClassifier::fit(q.x(), {q.truth.data(), {5, 2}}, {}), ShapeError);
  CHECK_THROWS_AS(LinearClassifier::fit(q.x(), q.y(), {q.shown.data(), {6, 1}}), ShapeError);
  CHECK_THROWS_AS(LinearClassifier::fit(q.x(), q.y(), {}, {.c = 0}), ConfigError);
  CHECK_THROWS_AS(LinearClassifier::fit(q.x(), q.y(), {}, {.tolerance = 0}), ConfigError);
  CHECK_THROWS_AS(LinearClassifier::fit(q.x(), q.y(), {}).predict({q.values.data(), {4, 3}}), ShapeError);
  q.values[7] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(LinearClassifier::fit(q.x(), q.y(), {}), "linear: feature 1 of row 3 is inf", DataError);
}
