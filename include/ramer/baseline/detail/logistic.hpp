// One label's problem: 1/2 |w|^2 + c sum_i log(1 + exp(-s_i m_i)), m = Z w + b, s = +-1, solved by L-BFGS.
//
// Along a direction p the margins move on straight lines, m + t dm with dm = Z p. So one product with Z serves the whole
// line search, and an iteration costs two products (Z p and Z^T residual) whatever the search does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "ramer/baseline/detail/products.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::baseline::detail {

/// The last few steps s and changes of the gradient y, and the direction -H g that they give (Nocedal and Wright, 7.4).
class LbfgsHistory {
 public:
  explicit LbfgsHistory(Index memory) : memory_(memory) {}

  void push(std::vector<double> s, std::vector<double> y) {
    const auto n = static_cast<Index>(s.size());
    const double sy = dot(s.data(), y.data(), n), yy = dot(y.data(), y.data(), n);
    if (!(sy > 1e-16 * yy)) return;  // rounding only: such a pair would spoil the direction
    if (static_cast<Index>(pairs_.size()) == memory_) pairs_.pop_front();
    pairs_.push_back({std::move(s), std::move(y), 1.0 / sy, sy / yy});
  }
  void clear() { pairs_.clear(); }
  bool empty() const { return pairs_.empty(); }

  std::vector<double> direction(const std::vector<double>& gradient) const {
    const auto n = static_cast<Index>(gradient.size());
    std::vector<double> q = gradient, alpha(pairs_.size());
    for (std::size_t k = pairs_.size(); k-- > 0;) {
      alpha[k] = pairs_[k].rho * dot(pairs_[k].s.data(), q.data(), n);
      add(q, -alpha[k], pairs_[k].y);
    }
    for (double& v : q) v *= pairs_.empty() ? 1.0 : pairs_.back().scale;
    for (std::size_t k = 0; k < pairs_.size(); ++k)
      add(q, alpha[k] - pairs_[k].rho * dot(pairs_[k].y.data(), q.data(), n), pairs_[k].s);
    for (double& v : q) v = -v;
    return q;
  }

 private:
  struct Pair {
    std::vector<double> s, y;
    double rho, scale;
  };
  static void add(std::vector<double>& to, double factor, const std::vector<double>& v) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * v[i];
  }
  Index memory_;
  std::deque<Pair> pairs_;
};

/// Value, slope and curvature of the objective on a line.
struct LinePoint {
  double value, slope, curvature;
};

/// State of one label's fit. Vectors over features have a last entry for the bias, which is not penalised.
struct LogisticProblem {
  std::vector<double> sign;                         // (N) +1, -1, or 0: not annotated
  std::vector<double> margin, step;                 // (N) m and dm
  std::vector<double> residual;                     // (N) derivative of the loss by the margin
  std::vector<double> weight, gradient, direction;  // (D + 1)
  double c = 1;
  LbfgsHistory history{10};
  Index iterations = 0;
  bool converged = false, gave_up = false;

  LinePoint line(double t) const {
    const auto d = static_cast<Index>(weight.size()) - 1;
    const double ww = dot(weight.data(), weight.data(), d), wp = dot(weight.data(), direction.data(), d),
                 pp = dot(direction.data(), direction.data(), d);
    LinePoint at{0, 0, 0};
    for (std::size_t i = 0; i < sign.size(); ++i) {
      if (sign[i] == 0) continue;
      const double m = sign[i] * (margin[i] + t * step[i]);
      const double e = std::exp(-std::abs(m));
      const double wrong = m > 0 ? e / (1 + e) : 1 / (1 + e);  // 1 - sigmoid(m)
      at.value += std::log1p(e) + std::max(-m, 0.0);
      at.slope -= wrong * sign[i] * step[i];
      at.curvature += wrong * (1 - wrong) * step[i] * step[i];
    }
    return {c * at.value + 0.5 * ww + t * wp + 0.5 * t * t * pp, c * at.slope + wp + t * pp, c * at.curvature + pp};
  }

  /// A step length near the minimum on the line: Newton's method inside a bracket. The objective is strictly convex there.
  double search() const {
    const LinePoint start = line(0);
    double low = 0, high = 0, t = 1;  // high 0: not yet known
    for (int i = 0; i < 60; ++i) {
      const LinePoint at = line(t);
      const bool flat = std::abs(at.slope) <= 0.1 * std::abs(start.slope);
      if (flat && at.value <= start.value + 1e-14 * std::abs(start.value)) return t;
      (at.slope < 0 ? low : high) = t;
      const double newton = t - at.slope / at.curvature;
      if (high == 0) {
        t = std::clamp(newton, 1.5 * low, 10 * low);
      } else {
        const double margin_of_bracket = 0.05 * (high - low);
        t = newton > low + margin_of_bracket && newton < high - margin_of_bracket ? newton : 0.5 * (low + high);
      }
    }
    return low;  // a descent as far as it goes; 0: rounding is all that is left
  }

  void update_residual() {
    residual.resize(sign.size());
    for (std::size_t i = 0; i < sign.size(); ++i) {
      const double m = sign[i] * margin[i];
      const double e = std::exp(-std::abs(m));
      residual[i] = sign[i] == 0 ? 0.0 : -c * sign[i] * (m > 0 ? e / (1 + e) : 1 / (1 + e));
    }
  }
};

}  // namespace ramer::baseline::detail
