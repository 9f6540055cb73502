// The fast functions against the standard library's in double.
#include "ramer/backend/fast_math.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace {

using namespace ramer;
using backend::Activation;

/// From -limit to limit; denser near 0.
std::vector<double> places(double limit) {
  std::vector<double> x{0};
  for (double u = 1e-6; u < limit; u *= 1.003) x.insert(x.end(), {u, -u});
  x.insert(x.end(), {limit, -limit});
  return x;
}

template <class T>
constexpr double kUlp = std::numeric_limits<T>::epsilon();

double gelu(double u) { return 0.5 * u * std::erfc(-u / std::sqrt(2.0)); }
double exact(Activation act, double u) {
  switch (act) {
    case Activation::Relu: return std::max(u, 0.0);
    case Activation::Tanh: return std::tanh(u);
    case Activation::Gelu: return gelu(u);
    case Activation::Sigmoid: return 1 / (1 + std::exp(-u));
    case Activation::None: break;
  }
  return u;
}
double exact_slope(Activation act, double u) {
  switch (act) {
    case Activation::Relu: return u > 0 ? 1 : 0;
    case Activation::Tanh: return 1 / (std::cosh(u) * std::cosh(u));
    case Activation::Gelu:
      return 0.5 * std::erfc(-u / std::sqrt(2.0)) + u * std::exp(-0.5 * u * u) / std::sqrt(2 * 3.14159265358979323846);
    case Activation::Sigmoid: return 1 / ((1 + std::exp(-u)) * (1 + std::exp(u)));
    case Activation::None: break;
  }
  return 1;
}
constexpr Activation kKinds[] = {Activation::None, Activation::Relu, Activation::Tanh, Activation::Gelu,
                                 Activation::Sigmoid};

TEST_CASE_TEMPLATE("fast_exp: one unit in the last place; saturates; not-a-number stays", T, float, double) {
  const T high = std::is_same_v<T, float> ? T(87.9) : T(708.9), low = std::is_same_v<T, float> ? T(-79.9) : T(-689.9);
  for (const double place : places(static_cast<double>(high))) {
    const T x = static_cast<T>(place);
    if (x < low) continue;
    const double right = std::exp(static_cast<double>(x));
    CHECK(std::abs(static_cast<double>(backend::fast_exp(x)) - right) <= 1.5 * kUlp<T> * right);
  }
  CHECK(backend::fast_exp(T(0)) == T(1));
  const T infinity = std::numeric_limits<T>::infinity();
  CHECK(std::isfinite(backend::fast_exp(infinity)));
  CHECK(backend::fast_exp(-infinity) > T(0));
  CHECK(backend::fast_exp(-infinity) < T(2e-35));
  CHECK(std::isnan(backend::fast_exp(std::numeric_limits<T>::quiet_NaN())));
}

TEST_CASE("fast_normal: 2e-7, and 1e-6 of the value in the lower tail") {
  for (const double place : places(12.0)) {
    const float u = static_cast<float>(place);
    const double right = 0.5 * std::erfc(-static_cast<double>(u) / std::sqrt(2.0));
    const double apart = std::abs(static_cast<double>(backend::fast_normal(u).cdf) - right);
    CAPTURE(u);
    CHECK(apart <= 2e-7);
    // The rounding of u^2 / 2 shows in the exponential.
    if (u < 0) CHECK(apart <= (1e-6 + 0.5 * kUlp<float> * place * place) * right);
  }
}

TEST_CASE_TEMPLATE("activations and their slopes, with the kind known to the compiler and not", T, float, double) {
  const double tolerance = std::is_same_v<T, float> ? 3e-7 : 1e-15;
  for (const Activation act : kKinds) {
    CAPTURE(static_cast<int>(act));
    backend::with_activation(act, [&](auto kind) {
      CHECK(kind() == act);
      for (const double place : places(20.0)) {
        const T u = static_cast<T>(place);
        const double right = exact(act, static_cast<double>(u)), slope = exact_slope(act, static_cast<double>(u));
        CAPTURE(u);
        const T y = backend::fast_activate<kind()>(u);
        CHECK(std::abs(static_cast<double>(y) - right) <= tolerance * std::max(1.0, std::abs(right)));
        CHECK(std::abs(static_cast<double>(backend::activate(act, u)) - right) <=
              tolerance * std::max(1.0, std::abs(right)));
        CHECK(std::abs(static_cast<double>(backend::fast_activation_slope<kind()>(u, y)) - slope) <= 2 * tolerance);
        CHECK(std::abs(static_cast<double>(backend::activation_slope(act, u, y)) - slope) <= 2 * tolerance);
        // Near 0, what is 0 there is right in proportion.
        if (std::abs(place) < 0.1 && act != Activation::Sigmoid)
          CHECK(std::abs(static_cast<double>(y) - right) <= 2 * tolerance * std::abs(right));
      }
      const T nan = std::numeric_limits<T>::quiet_NaN();
      CHECK(std::isnan(backend::fast_activate<kind()>(nan)));
      CHECK(std::isnan(backend::activate(act, nan)));
    });
  }
}

TEST_CASE_TEMPLATE("fast_dropout is the plan's factor, bit for bit", T, float, double) {
  const backend::DropoutPlan plan{RandomStream(5, 6, 7), 0.37, nullptr};
  for (const std::uint64_t row : {std::uint64_t{0}, (std::uint64_t{9} << 32) + 4}) {
    for (const std::uint32_t first : {0u, 3u, 100u}) {
      T factor[64];
      backend::fast_dropout<16>(plan, row, first, factor);
      for (std::uint32_t c = 0; c < 64; ++c) CHECK(factor[c] == static_cast<T>(plan.factor(row, 4 * first + c)));
    }
  }
}

}  // namespace
