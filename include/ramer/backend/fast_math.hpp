// Elementary functions as straight-line code, so that a loop over them becomes vector instructions: a call of std::exp or
// std::erf for each element costs ten times as much. In float; double takes the standard functions where nothing shorter is
// accurate enough. Errors are absolute unless said otherwise.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "ramer/backend/contract.hpp"

// A call that is not inlined keeps its loop from becoming vector instructions, and g++ counts the calls of a function before it
// decides.
#if defined(__GNUC__) || defined(__clang__)
#define RAMER_IN_LOOPS inline __attribute__((always_inline))
#else
#define RAMER_IN_LOOPS inline
#endif

namespace ramer::backend {

/// a b + c; the same rounding in a vector loop and in its remainder.
template <class T>
RAMER_HD RAMER_IN_LOOPS T multiply_add(T a, T b, T c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// e^x to about one unit in the last place. Saturates (at e^-80 and e^88 in float) instead of reaching 0 or infinity, which
/// also keeps small weights out of the subnormal numbers, where processors are slow. NaN stays NaN.
template <class T>
RAMER_HD RAMER_IN_LOOPS T fast_exp(T x) {
#if defined(__CUDA_ARCH__)
  return ::exp(x);
#else
  constexpr bool is_float = std::is_same_v<T, float>;
  using Bits = std::conditional_t<is_float, std::uint32_t, std::uint64_t>;
  constexpr int digits = is_float ? 23 : 52;
  constexpr T low = is_float ? T(-80) : T(-690), high = is_float ? T(88) : T(709);
  constexpr T log2_e = T(1.44269504088896340736);
  // ln 2 in two parts; the first has trailing zeros, so that its product with an integer is exact.
  constexpr T ln2_high = is_float ? T(0.693359375) : T(0.693147180369123816490);
  constexpr T ln2_low = is_float ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
  constexpr T magic = is_float ? T(12582912) : T(6755399441055744);  // 1.5 * 2^digits: adding it rounds to an integer
  x = x < low ? low : x;
  x = x > high ? high : x;
  const T shifted = multiply_add(x, log2_e, magic);
  const T n = shifted - magic;
  T r = multiply_add(n, -ln2_high, x);
  r = multiply_add(n, -ln2_low, r);  // |r| <= ln(2) / 2
  T p;
  if constexpr (is_float) {  // (e^r - 1 - r) / r^2 with the least relative error of e^r: 3e-9
    p = T(0.0013814606);
    p = multiply_add(p, r, T(0.008368719));
    p = multiply_add(p, r, T(0.04166839));
    p = multiply_add(p, r, T(0.16666520));
    p = multiply_add(p, r, T(0.49999993));
  } else {
    p = T(1.0 / 6227020800.0);
    p = multiply_add(p, r, T(1.0 / 479001600.0));
    p = multiply_add(p, r, T(1.0 / 39916800.0));
    p = multiply_add(p, r, T(1.0 / 3628800.0));
    p = multiply_add(p, r, T(1.0 / 362880.0));
    p = multiply_add(p, r, T(1.0 / 40320.0));
    p = multiply_add(p, r, T(1.0 / 5040));
    p = multiply_add(p, r, T(1.0 / 720));
    p = multiply_add(p, r, T(1.0 / 120));
    p = multiply_add(p, r, T(1.0 / 24));
    p = multiply_add(p, r, T(1.0 / 6));
    p = multiply_add(p, r, T(0.5));
  }
  p = multiply_add(p, r, T(1));
  p = multiply_add(p, r, T(1));
  // 2^n: the low bits of `shifted` hold n, and those of `magic` are 0.
  constexpr Bits bias = static_cast<Bits>(std::numeric_limits<T>::max_exponent - 1);
  const Bits exponent = (std::bit_cast<Bits>(shifted) << digits) + (bias << digits);
  return p * std::bit_cast<T>(exponent);
#endif
}

/// e^(-u^2/2) and Phi(u), the cumulative normal distribution, which share their exponential.
template <class T>
struct Normal {
  T bell, cdf;  ///< e^(-u^2/2), Phi(u)
};

/// Phi to 2e-7 (lower tail: 1e-6 relative) in float, to rounding in double.
template <class T>
RAMER_HD RAMER_IN_LOOPS Normal<T> fast_normal(T u) {
  if constexpr (std::is_same_v<T, float>) {
    const float bell = fast_exp(-0.5f * u * u), size = u < 0 ? -u : u;
    // Phi(-x) e^(x^2/2) / t with t = 1 / (1 + 0.27 x), x in [0, 13.3]: interpolated at Chebyshev points, 3e-8 relative.
    const float t = 1.0f / multiply_add(0.27f, size, 1.0f);
    float p = 0.02893514703f;
    p = multiply_add(p, t, -0.1263972208f);
    p = multiply_add(p, t, 0.1696793179f);
    p = multiply_add(p, t, -0.06917150663f);
    p = multiply_add(p, t, 0.1078501626f);
    p = multiply_add(p, t, 0.0720209834f);
    p = multiply_add(p, t, 0.1018211886f);
    p = multiply_add(p, t, 0.1075411884f);
    p = multiply_add(p, t, 0.10772075f);
    const float tail = p * t * bell;
    return {bell, u < 0 ? tail : 1.0f - tail};
  } else {
    return {std::exp(-T(0.5) * u * u), T(0.5) * std::erfc(-u * T(0.70710678118654752440))};
  }
}

/// GELU'(u) = Phi(u) + u phi(u), from fast_normal(u).
template <class T>
RAMER_HD RAMER_IN_LOOPS T gelu_slope(T u, const Normal<T>& normal) {
  return multiply_add(u * T(0.39894228040143267794), normal.bell, normal.cdf);
}

/// tanh: in float by a polynomial near 0 and fast_exp elsewhere, in double the standard one.
template <class T>
RAMER_HD RAMER_IN_LOOPS T fast_tanh(T u) {
  if constexpr (std::is_same_v<T, float>) {
    const float square = u * u;
    float p = 62.0f / 2835;  // near 0, where the other form cancels
    p = multiply_add(p, square, -17.0f / 315);
    p = multiply_add(p, square, 2.0f / 15);
    p = multiply_add(p, square, -1.0f / 3);
    const float small = multiply_add(p * square, u, u);
    const float large = 1.0f - 2.0f / (1.0f + fast_exp(2.0f * u));
    return square < 0.0625f ? small : large;
  } else {
    return std::tanh(u);
  }
}

/// 1 / (1 + e^-u), by fast_exp.
template <class T>
RAMER_HD RAMER_IN_LOOPS T fast_sigmoid(T u) {
  return T(1) / (T(1) + fast_exp(-u));
}

/// `activate` with the kind known at compile time, as a loop needs it in order to be vectorized.
template <Activation Act, class T>
RAMER_HD RAMER_IN_LOOPS T fast_activate(T u) {
  if constexpr (Act == Activation::Gelu) return u * fast_normal(u).cdf;
  if constexpr (Act == Activation::Tanh) return fast_tanh(u);
  if constexpr (Act == Activation::Sigmoid) return fast_sigmoid(u);
  return activate(Act, u);
}

/// `activation_slope`, likewise.
template <Activation Act, class T>
RAMER_HD RAMER_IN_LOOPS T fast_activation_slope(T u, T y) {
  if constexpr (Act == Activation::Gelu) {
    return gelu_slope(u, fast_normal(u));
  }
  return activation_slope(Act, u, y);
}

/// factor[4 q + i] = plan.factor(row, 4 (first + q) + i) for q < Quads, bit for bit: `Quads` Philox counters at once.
template <Index Quads, class T>
RAMER_HD RAMER_IN_LOOPS void fast_dropout(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first,
                                          T (&factor)[4 * Quads]) {
  const RandomStream stream = plan.draws();
  std::uint32_t word[4][Quads];
  for (Index q = 0; q < Quads; ++q) {
    word[0][q] = first + static_cast<std::uint32_t>(q);
    word[1][q] = static_cast<std::uint32_t>(row);
    word[2][q] = static_cast<std::uint32_t>(row >> 32);
    word[3][q] = stream.step;
  }
  std::uint32_t k0 = stream.key0, k1 = stream.key1;
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    for (Index q = 0; q < Quads; ++q) {
      const std::uint64_t p0 = static_cast<std::uint64_t>(word[0][q]) * 0xD2511F53u;
      const std::uint64_t p1 = static_cast<std::uint64_t>(word[2][q]) * 0xCD9E8D57u;
      word[0][q] = static_cast<std::uint32_t>(p1 >> 32) ^ word[1][q] ^ k0;
      word[1][q] = static_cast<std::uint32_t>(p1);
      word[2][q] = static_cast<std::uint32_t>(p0 >> 32) ^ word[3][q] ^ k1;
      word[3][q] = static_cast<std::uint32_t>(p0);
    }
  }
  const float rate = static_cast<float>(plan.rate);
  const T kept = static_cast<T>(1.0 / (1.0 - plan.rate));
  for (Index q = 0; q < Quads; ++q)
    for (Index i = 0; i < 4; ++i) factor[4 * q + i] = uniform01(word[i][q]) >= rate ? kept : T(0);
}

/// f(integral_constant<Activation, act>): a branch once for a whole loop, and not in it.
template <class F>
void with_activation(Activation act, const F& f) {
  switch (act) {
    case Activation::None: return f(std::integral_constant<Activation, Activation::None>{});
    case Activation::Relu: return f(std::integral_constant<Activation, Activation::Relu>{});
    case Activation::Tanh: return f(std::integral_constant<Activation, Activation::Tanh>{});
    case Activation::Gelu: return f(std::integral_constant<Activation, Activation::Gelu>{});
    case Activation::Sigmoid: return f(std::integral_constant<Activation, Activation::Sigmoid>{});
  }
}

}  // namespace ramer::backend
