// Solves the problems of all labels side by side, so that each pass over the features serves them all.
// A label's result does not depend on the others.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "ramer/baseline/detail/logistic.hpp"
#include "ramer/baseline/detail/products.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::baseline::detail {

/// Features z = (x - mean) inverse that are never written out: the factors move into the vectors,
/// z.p = x.(p inverse) - mean.(p inverse).
struct Standardised {
  View<const float, 2> x;              // (N, D)
  const std::vector<double>& mean;     // (D)
  const std::vector<double>& inverse;  // (D)

  std::size_t width() const { return mean.size(); }
  std::vector<double> padded_vector() const {
    return std::vector<double>(static_cast<std::size_t>(padded(x.extent(1))), 0.0);
  }
};

/// gradient = (Z, 1)^T residual + (weight, 0), for each problem.
inline void update_gradients(const std::vector<LogisticProblem*>& problems, const Standardised& z) {
  std::vector<std::vector<double>> sums(problems.size(), z.padded_vector());
  std::vector<const double*> in;
  std::vector<double*> out;
  for (std::size_t k = 0; k < problems.size(); ++k) {
    problems[k]->update_residual();
    in.push_back(problems[k]->residual.data());
    out.push_back(sums[k].data());
  }
  multiply_transposed(z.x, in, out);
  for (std::size_t k = 0; k < problems.size(); ++k) {
    LogisticProblem& p = *problems[k];
    double sum = 0;
    for (const double r : p.residual) sum += r;
    p.gradient.resize(p.weight.size());
    for (std::size_t j = 0; j < z.width(); ++j) p.gradient[j] = p.weight[j] + (sums[k][j] - sum * z.mean[j]) * z.inverse[j];
    p.gradient.back() = sum;
  }
}

/// step = (Z, 1) direction, for each problem.
inline void update_steps(const std::vector<LogisticProblem*>& problems, const Standardised& z) {
  std::vector<std::vector<double>> folded(problems.size(), z.padded_vector());
  std::vector<double> offsets;
  std::vector<const double*> in;
  std::vector<double*> out;
  for (std::size_t k = 0; k < problems.size(); ++k) {
    LogisticProblem& p = *problems[k];
    double offset = p.direction.back();
    for (std::size_t j = 0; j < z.width(); ++j) {
      folded[k][j] = p.direction[j] * z.inverse[j];
      offset -= folded[k][j] * z.mean[j];
    }
    p.step.resize(p.margin.size());
    offsets.push_back(offset);
    in.push_back(folded[k].data());
    out.push_back(p.step.data());
  }
  multiply(z.x, in, out);
  for (std::size_t k = 0; k < problems.size(); ++k)
    for (double& s : problems[k]->step) s += offsets[k];
}

/// Moves a problem along its direction. What is left is to update its gradient; the return value is the length.
inline double advance(LogisticProblem& p) {
  const double t = p.search();
  for (std::size_t j = 0; j < p.weight.size(); ++j) p.weight[j] += t * p.direction[j];
  for (std::size_t i = 0; i < p.margin.size(); ++i) p.margin[i] += t * p.step[i];
  ++p.iterations;
  return t;
}

/// Tells the history of the step of length t that was made, `before` being the gradient before it.
inline void remember(LogisticProblem& p, double t, const std::vector<double>& before) {
  if (t > 0) {
    std::vector<double> step = p.direction, change = p.gradient;
    for (std::size_t j = 0; j < step.size(); ++j) {
      step[j] *= t;
      change[j] -= before[j];
    }
    p.history.push(std::move(step), std::move(change));
  } else {
    p.gave_up = p.history.empty();  // not even the gradient leads down: only rounding is left
    p.history.clear();
  }
}

/// Minimises every problem that has weights, from those weights and the margins they give.
inline void minimise(std::vector<LogisticProblem>& problems, const Standardised& z, double tolerance, Index max_iterations) {
  std::vector<LogisticProblem*> active;
  for (LogisticProblem& p : problems)
    if (!p.weight.empty()) active.push_back(&p);
  if (!active.empty()) update_gradients(active, z);
  for (;;) {
    std::erase_if(active, [&](LogisticProblem* p) {
      double largest = 0;
      for (const double g : p->gradient) largest = std::max(largest, std::abs(g));
      p->converged = largest <= tolerance;
      return p->converged || p->gave_up || p->iterations >= max_iterations;
    });
    if (active.empty()) return;

    for (LogisticProblem* p : active) {
      p->direction = p->history.direction(p->gradient);
      if (!p->history.empty()) continue;  // otherwise no scale is known yet: a feature's curvature is at most 1 + c N / 4
      for (double& v : p->direction) v /= 1 + 0.25 * p->c * static_cast<double>(p->sign.size());
    }
    update_steps(active, z);
    std::vector<double> lengths;
    std::vector<std::vector<double>> before;
    for (LogisticProblem* p : active) {
      lengths.push_back(advance(*p));
      before.push_back(p->gradient);
    }
    update_gradients(active, z);
    for (std::size_t k = 0; k < active.size(); ++k) remember(*active[k], lengths[k], before[k]);
  }
}

}  // namespace ramer::baseline::detail
