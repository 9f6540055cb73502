// What the tests of the ops share: random data, a gradient check over a list of inputs, and the value of an op.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ramer/autodiff/gradcheck.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/backend/reference.hpp"

#define RAMER_TEST_BACKENDS ramer::backend::Reference, ramer::backend::Cpu

namespace ramer::test {

using Values = std::vector<double>;
using Vars = std::vector<autodiff::Var<double, 1>>;

/// A sequence of random data that depends on the seed alone.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : stream_(seed, name_hash("test")) {}

  Values normal(Index n) {
    Values x(static_cast<std::size_t>(n));
    for (double& v : x) v = stream_.normal(row_++, 0);
    return x;
  }
  /// Normal, but no entry nearer than 0.05 to zero: for functions with a kink there.
  Values away_from_zero(Index n) {
    Values x = normal(n);
    for (double& v : x) v += v < 0 ? -0.05 : 0.05;
    return x;
  }
  Values positive(Index n) {
    Values x = normal(n);
    for (double& v : x) v = std::abs(v);
    return x;
  }
  Index below(Index n) { return static_cast<Index>(stream_.below(row_++, static_cast<std::uint64_t>(n))); }
  bool chance(double p) { return stream_.uniform(row_++, 0) < static_cast<float>(p); }
  std::vector<std::uint8_t> mask(Index n, double p) {
    std::vector<std::uint8_t> m(static_cast<std::size_t>(n));
    for (auto& v : m) v = chance(p);
    return m;
  }
  /// Integers in [low, high).
  std::vector<std::int32_t> integers(Index n, Index low, Index high) {
    std::vector<std::int32_t> x(static_cast<std::size_t>(n));
    for (auto& v : x) v = static_cast<std::int32_t>(low + below(high - low));
    return x;
  }
  /// Offsets of contiguous groups of the given lengths.
  static std::vector<std::int32_t> offsets(const std::vector<Index>& lengths) {
    std::vector<std::int32_t> o{0};
    for (Index n : lengths) o.push_back(o.back() + static_cast<std::int32_t>(n));
    return o;
  }

 private:
  RandomStream stream_;
  std::uint64_t row_ = 0;
};

/// A constant on the tape. The vector must outlive it.
template <int Rank>
autodiff::Var<double, Rank> constant(const Values& x, Shape<Rank> shape) {
  return {x.data(), shape};
}

/// One backend for all tests: its threads and scratch memory are made once.
template <class Backend>
Backend& shared_backend() {
  static Backend backend;
  return backend;
}

/// Position in a vector.
inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Gradient-checks f(tape, vars) for every way to choose which inputs are tracked, the others being constants.
/// @return empty, or what is wrong
template <class Backend, class F>
std::string gradcheck_subsets(const std::vector<Values>& inputs, F f, std::uint64_t seed = 1) {
  for (unsigned subset = 1; subset < 1u << inputs.size(); ++subset) {
    autodiff::GradcheckOptions options;
    options.seed = seed;
    autodiff::Gradcheck<Backend> check(shared_backend<Backend>(), options);
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (subset >> i & 1) check.input(inputs[i]);
    const std::string trouble = check.run([&](auto& tape, const auto& tracked) {
      Vars all;
      std::size_t next = 0;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        all.push_back(subset >> i & 1 ? tracked[next++] : constant(inputs[i], Shape{static_cast<Index>(inputs[i].size())}));
      }
      return f(tape, all);
    });
    if (!trouble.empty()) return "tracked inputs " + std::to_string(subset) + ": " + trouble;
  }
  return {};
}

/// The value of f(tape, vars), which must be the same bits whether the tape records or not.
template <class Backend, class F>
Values value_of(const std::vector<Values>& inputs, F f) {
  using Tape = autodiff::Tape<Backend, double>;
  Values result[2];
  for (const bool recording : {false, true}) {
    autodiff::Workspace<typename Backend::Memory> workspace;
    Tape tape(shared_backend<Backend>(), workspace, recording);
    std::vector<autodiff::Slot<double>> slots(inputs.size());
    Vars vars;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      vars.emplace_back(inputs[i].data(), Shape{static_cast<Index>(inputs[i].size())}, recording ? &slots[i] : nullptr);
    const auto y = f(tape, vars);
    CHECK(y.tracked() == recording);
    result[recording].assign(y.data(), y.data() + y.size());
  }
  CHECK(result[0] == result[1]);
  return result[1];
}

/// Largest |a - b| / (1 + |b|); infinite where sizes differ or a number is not finite.
inline double max_difference(const Values& a, const Values& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]) / (1 + std::abs(b[i]));
    if (!std::isfinite(d)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, d);
  }
  return worst;
}

/// A recording tape with one leaf, for looking at adjoints directly.
template <class Backend>
struct Recorder {
  using Tape = autodiff::Tape<Backend, double>;
  Backend& backend = shared_backend<Backend>();
  autodiff::Workspace<typename Backend::Memory> workspace;
  Tape tape{backend, workspace, true};
  Values value, gradient;
  autodiff::Slot<double> slot;

  explicit Recorder(Values x) : value(std::move(x)), gradient(value.size(), std::numeric_limits<double>::quiet_NaN()) {
    slot = {gradient.data(), static_cast<Index>(value.size()), false, true};
  }
  template <int Rank>
  autodiff::Var<double, Rank> leaf(Shape<Rank> shape) {
    return {value.data(), shape, &slot};
  }
  /// Sends the adjoint `dy` into y and sweeps.
  template <int Rank>
  void reverse(const autodiff::Var<double, Rank>& y, const Values& dy) {
    const auto target = tape.target(y);
    for (std::size_t i = 0; i < dy.size(); ++i) target.put(static_cast<Index>(i), dy[i]);
    tape.sweep();
  }
};

/// Weights of which about a third are 0.
inline Values some_weights(Draw& draw, Index n) {
  Values w = draw.positive(n);
  for (double& v : w)
    if (draw.chance(0.3)) v = 0;
  return w;
}

}  // namespace ramer::test
