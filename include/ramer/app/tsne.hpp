// t-SNE (van der Maaten and Hinton, 2008), exactly: all pairs of n points, n^2 memory and time a step. For pictures of some hundreds
// or thousands of points. The same input and seed give the same places.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::app {

struct TsneOptions {
  double perplexity = 30;  ///< about how many neighbours count; at most (n - 1) / 3, or it is lowered to that
  int iterations = 750;
  int exaggerated = 250;     ///< of these the first with `exaggeration`
  double exaggeration = 12;  ///< factor of P in the beginning: clusters form before they take their places
  std::uint64_t seed = 1;
};

struct Tsne {
  std::vector<double> places;      ///< (n, 2)
  std::vector<double> divergence;  ///< KL(P || Q), every 25 steps and at the end
  double perplexity = 0;           ///< as it was used
  double kl() const { return divergence.back(); }
};

namespace detail {

/// P (n, n), symmetric, of sum 1: p_ij = (p_j|i + p_i|j) / 2n, p_j|i proportional to exp(-beta_i |x_i - x_j|^2) with beta_i such that
/// the entropy of p_.|i is log(perplexity).
inline std::vector<double> tsne_affinities(View<const float, 2> x, double perplexity) {
  const auto n = static_cast<std::size_t>(x.extent(0)), width = static_cast<std::size_t>(x.extent(1));
  std::vector<double> p(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      double sum = 0;
      const float *a = x.data() + i * width, *b = x.data() + j * width;
      for (std::size_t d = 0; d < width; ++d) {
        const double by = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        sum += by * by;
      }
      p[i * n + j] = p[j * n + i] = sum;
    }
  const double wanted = std::log(perplexity);
  std::vector<double> row(n);
  for (std::size_t i = 0; i < n; ++i) {
    double* d = p.data() + i * n;
    double nearest = -1, mean = 0;
    for (std::size_t j = 0; j < n; ++j)
      if (j != i) nearest = nearest < 0 ? d[j] : std::min(nearest, d[j]), mean += d[j] / static_cast<double>(n - 1);
    double beta = mean > nearest ? 1 / (mean - nearest) : 1, low = 0, high = 0;  // high = 0: no bound yet
    for (int step = 0; step < 100; ++step) {
      double sum = 0, weighted = 0;
      for (std::size_t j = 0; j < n; ++j) {
        row[j] = j == i ? 0 : std::exp(-beta * (d[j] - nearest));
        sum += row[j];
        weighted += row[j] * (d[j] - nearest);
      }
      const double entropy = std::log(sum) + beta * weighted / sum;
      for (std::size_t j = 0; j < n; ++j) row[j] /= sum;
      if (std::abs(entropy - wanted) < 1e-7) break;
      (entropy > wanted ? low : high) = beta;
      beta = high > 0 ? (low + high) / 2 : beta * 2;
    }
    std::copy(row.begin(), row.end(), d);
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j)
      p[i * n + j] = p[j * n + i] = (p[i * n + j] + p[j * n + i]) / (2 * static_cast<double>(n));
  return p;
}

/// The gradient of KL(P || Q) in the places y (n, 2): 4 sum_j (p_ij - q_ij) k_ij (y_i - y_j) with k_ij = 1 / (1 + |y_i - y_j|^2) and
/// q_ij = k_ij / z.
struct TsneForces {
  std::vector<double> attraction, repulsion;  ///< (n, 2)
  double z = 0, cross = 0;                    ///< sum of k; - sum p log k, if asked for

  void compute(const std::vector<double>& p, const std::vector<double>& y, bool with_cross) {
    const std::size_t n = y.size() / 2;
    attraction.assign(2 * n, 0.0);
    repulsion.assign(2 * n, 0.0);
    z = cross = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double* row = p.data() + i * n;
      double ax = 0, ay = 0, rx = 0, ry = 0;
      for (std::size_t j = 0; j < i; ++j) {
        const double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
        const double k = 1 / (1 + dx * dx + dy * dy), a = row[j] * k, r = k * k;
        z += 2 * k;
        ax += a * dx, ay += a * dy, rx += r * dx, ry += r * dy;
        attraction[2 * j] -= a * dx, attraction[2 * j + 1] -= a * dy;
        repulsion[2 * j] -= r * dx, repulsion[2 * j + 1] -= r * dy;
        if (with_cross) cross -= 2 * row[j] * std::log(k);
      }
      attraction[2 * i] += ax, attraction[2 * i + 1] += ay;
      repulsion[2 * i] += rx, repulsion[2 * i + 1] += ry;
    }
  }
  /// Of coordinate k, with P taken times `factor`.
  double gradient(std::size_t k, double factor) const { return 4 * (factor * attraction[k] - repulsion[k] / z); }
};

}  // namespace detail

/// Places in the plane for the rows of x (n, D), n at least 4. @throws ConfigError
inline Tsne tsne(View<const float, 2> x, const TsneOptions& options = {}) {
  const auto n = static_cast<std::size_t>(x.extent(0));
  require<ConfigError>(n >= 4, "t-SNE needs at least 4 points; there are ", n);
  require<ConfigError>(options.perplexity >= 1, "perplexity = ", options.perplexity, "; expected at least 1");
  Tsne result;
  result.perplexity = std::max(1.0, std::min(options.perplexity, static_cast<double>(n - 1) / 3));
  const std::vector<double> p = detail::tsne_affinities(x, result.perplexity);
  double entropy = 0;  // sum p log p, the part of the divergence that stays
  for (const double v : p)
    if (v > 0) entropy += v * std::log(v);

  std::vector<double>& y = result.places;
  y.resize(2 * n);
  const RandomStream stream(options.seed, name_hash("tsne"));
  for (std::size_t i = 0; i < n; ++i)
    for (std::uint32_t k = 0; k < 2; ++k) y[2 * i + k] = 1e-4 * stream.normal(i, k);
  std::vector<double> velocity(2 * n, 0.0), gain(2 * n, 1.0);
  detail::TsneForces forces;
  const double rate = std::max(static_cast<double>(n) / options.exaggeration / 4, 50.0);

  for (int step = 0;; ++step) {
    const bool last = step == options.iterations, told = last || step % 25 == 0;
    forces.compute(p, y, told);
    if (told) result.divergence.push_back(entropy + forces.cross + std::log(forces.z));
    if (last) break;
    const double factor = step < options.exaggerated ? options.exaggeration : 1.0;
    const double momentum = step < options.exaggerated ? 0.5 : 0.8;
    double middle[2] = {0, 0};
    for (std::size_t k = 0; k < 2 * n; ++k) {
      const double gradient = forces.gradient(k, factor);
      gain[k] = std::max(0.01, (gradient > 0) != (velocity[k] > 0) ? gain[k] + 0.2 : gain[k] * 0.8);
      velocity[k] = momentum * velocity[k] - rate * gain[k] * gradient;
      y[k] += velocity[k];
      middle[k % 2] += y[k] / static_cast<double>(n);
    }
    for (std::size_t k = 0; k < 2 * n; ++k) y[k] -= middle[k % 2];
  }
  return result;
}

}  // namespace ramer::app
