#include "ramer/app/tsne.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace ramer;

namespace {

/// Points around `clusters` corners, `each` at every one, of distance `apart`.
std::vector<float> clusters_of(std::size_t clusters, std::size_t each, std::size_t width, double apart) {
  const RandomStream stream(5, 1);
  std::vector<float> x;
  for (std::size_t i = 0; i < clusters * each; ++i)
    for (std::size_t d = 0; d < width; ++d)
      x.push_back(static_cast<float>(stream.normal(i, static_cast<std::uint32_t>(d)) + (d == i / each ? apart : 0)));
  return x;
}

View<const float, 2> rows(const std::vector<float>& x, std::size_t width) {
  return {x.data(), Shape{static_cast<Index>(x.size() / width), static_cast<Index>(width)}};
}

double distance(const std::vector<double>& y, std::size_t i, std::size_t j) {
  return std::hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]);
}

}  // namespace

TEST_CASE("affinities: symmetric, of sum 1, with the perplexity asked for, and by hand for three points") {
  const auto x = clusters_of(3, 20, 5, 4);
  const std::size_t n = 60;
  const auto p = app::detail::tsne_affinities(rows(x, 5), 10);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(p[i * n + i] == 0);
    for (std::size_t j = 0; j < n; ++j) {
      CHECK(p[i * n + j] == p[j * n + i]);
      sum += p[i * n + j];
    }
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));

  // On a line at 0, 1, 3: p_j|i = softmax(-beta d^2) of two neighbours; entropy log(1.5) fixes the odds for every i alike.
  const std::vector<float> line{0, 1, 3};
  const auto q = app::detail::tsne_affinities(rows(line, 1), 1.5);
  double low = 0.5, high = 1;
  for (int k = 0; k < 200; ++k) {
    const double a = (low + high) / 2;
    (-a * std::log(a) - (1 - a) * std::log(1 - a) > std::log(1.5) ? low : high) = a;
  }
  CHECK(q[1] == doctest::Approx((low + low) / 6).epsilon(1e-6));          // 0 and 1 are each other's nearest
  CHECK(q[2] == doctest::Approx((1 - low + 1 - low) / 6).epsilon(1e-6));  // 0 and 3 each other's farthest
  CHECK(q[5] == doctest::Approx((1 - low + low) / 6).epsilon(1e-6));      // 1 is 3's nearest
}

TEST_CASE("the divergence falls, and clusters stand apart") {
  const auto x = clusters_of(3, 30, 8, 9);
  app::TsneOptions options;
  options.perplexity = 15;
  const auto result = app::tsne(rows(x, 8), options);
  CHECK(result.perplexity == 15);
  CHECK(result.kl() < 0.5 * result.divergence.front());
  CHECK(result.kl() > 0);
  for (std::size_t k = 12; k < result.divergence.size(); ++k)  // once P is no longer exaggerated
    CHECK(result.divergence[k] <= result.divergence[k - 1] + 1e-3);
  // Nobody's nearest neighbour is of another cluster, and clusters are farther apart than they are wide.
  double widest = 0, nearest = 1e9;
  for (std::size_t i = 0; i < 90; ++i) {
    std::size_t best = i == 0 ? 1 : 0;
    for (std::size_t j = 0; j < 90; ++j) {
      if (j == i) continue;
      if (distance(result.places, i, j) < distance(result.places, i, best)) best = j;
      if (i / 30 == j / 30)
        widest = std::max(widest, distance(result.places, i, j));
      else
        nearest = std::min(nearest, distance(result.places, i, j));
    }
    CHECK(best / 30 == i / 30);
  }
  CHECK(nearest > 0.3 * widest);
}

TEST_CASE("the divergence and its gradient are those of the definition") {
  const auto x = clusters_of(2, 6, 3, 5);
  app::TsneOptions options;
  options.iterations = 400;
  options.perplexity = 3;
  const auto result = app::tsne(rows(x, 3), options);
  const auto p = app::detail::tsne_affinities(rows(x, 3), 3);
  const auto divergence = [&](const std::vector<double>& y) {
    double z = 0, kl = 0;
    for (std::size_t i = 0; i < 12; ++i)
      for (std::size_t j = 0; j < 12; ++j)
        if (i != j) z += 1 / (1 + distance(y, i, j) * distance(y, i, j));
    for (std::size_t i = 0; i < 12; ++i)
      for (std::size_t j = 0; j < 12; ++j)
        if (i != j) kl += p[i * 12 + j] * std::log(p[i * 12 + j] * z * (1 + distance(y, i, j) * distance(y, i, j)));
    return kl;
  };
  CHECK(result.kl() == doctest::Approx(divergence(result.places)).epsilon(1e-9));
  // The gradient, against differences, somewhere on the way.
  std::vector<double> y;
  const RandomStream stream(8, 2);
  for (std::uint64_t k = 0; k < 24; ++k) y.push_back(stream.normal(k, 0));
  app::detail::TsneForces forces;
  forces.compute(p, y, true);
  for (std::size_t k = 0; k < 24; ++k) {
    auto up = y, down = y;
    up[k] += 1e-5, down[k] -= 1e-5;
    CHECK(forces.gradient(k, 1) == doctest::Approx((divergence(up) - divergence(down)) / 2e-5).epsilon(1e-5));
  }
}

TEST_CASE("the same seed gives the same places, another one others; few points and equal points do no harm") {
  const auto x = clusters_of(2, 10, 4, 5);
  app::TsneOptions options;
  options.iterations = 60;
  const auto a = app::tsne(rows(x, 4), options), b = app::tsne(rows(x, 4), options);
  CHECK(a.places == b.places);
  CHECK(a.perplexity == doctest::Approx(19.0 / 3));
  options.seed = 2;
  CHECK(app::tsne(rows(x, 4), options).places != a.places);
  const std::vector<float> equal(40, 1.5f);
  for (const double v : app::tsne(rows(equal, 4), options).places) CHECK(std::isfinite(v));
  CHECK_THROWS_AS(app::tsne(rows(std::vector<float>(12, 0.0f), 4), options), ConfigError);
}
