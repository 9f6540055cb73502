// Elementary functions as straight-line code, so that a loop over them becomes vector instructions.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "ramer/backend/contract.hpp"

// The iterations of the next loop do not depend on one another (the contract says so of every functor). clang finds out at
// run time, and its own pragma warns about each loop that it leaves alone.
#if defined(__GNUC__) && !defined(__clang__)
#define RAMER_CPU_INDEPENDENT _Pragma("GCC ivdep")
#else
#define RAMER_CPU_INDEPENDENT
#endif

namespace ramer::backend::cpu {

/// a b + c; the same rounding in a vector loop and in its remainder.
template <class T>
inline T multiply_add(T a, T b, T c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// e^x to about one unit in the last place. Saturates near the smallest normal and the largest number instead of reaching
/// 0 or infinity; NaN stays NaN.
template <class T>
inline T fast_exp(T x) {
  constexpr bool is_float = std::is_same_v<T, float>;
  using Bits = std::conditional_t<is_float, std::uint32_t, std::uint64_t>;
  constexpr int digits = is_float ? 23 : 52;
  constexpr T low = is_float ? T(-87.3) : T(-708.3), high = is_float ? T(88) : T(709);
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
  if constexpr (is_float) {
    p = T(1.0 / 5040);
    p = multiply_add(p, r, T(1.0 / 720));
  } else {
    p = T(1.0 / 6227020800.0);
    p = multiply_add(p, r, T(1.0 / 479001600.0));
    p = multiply_add(p, r, T(1.0 / 39916800.0));
    p = multiply_add(p, r, T(1.0 / 3628800.0));
    p = multiply_add(p, r, T(1.0 / 362880.0));
    p = multiply_add(p, r, T(1.0 / 40320.0));
    p = multiply_add(p, r, T(1.0 / 5040));
    p = multiply_add(p, r, T(1.0 / 720));
  }
  p = multiply_add(p, r, T(1.0 / 120));
  p = multiply_add(p, r, T(1.0 / 24));
  p = multiply_add(p, r, T(1.0 / 6));
  p = multiply_add(p, r, T(0.5));
  p = multiply_add(p, r, T(1));
  p = multiply_add(p, r, T(1));
  // 2^n: the low bits of `shifted` hold n.
  constexpr Bits bias = static_cast<Bits>(std::numeric_limits<T>::max_exponent - 1);
  const Bits exponent = (std::bit_cast<Bits>(shifted) - std::bit_cast<Bits>(magic) + bias) << digits;
  return p * std::bit_cast<T>(exponent);
}

/// Independent partial sums of a row: enough of them to fill vectors and hide latencies, added in a fixed order.
inline constexpr Index kLanes = 32;

template <class A>
inline A sum_lanes(A* lane) {
  for (Index step = kLanes / 2; step > 0; step /= 2)
    for (Index l = 0; l < step; ++l) lane[l] += lane[l + step];
  return lane[0];
}

/// sum over i in [begin, end) of f(i), accumulated in A.
template <class A, class F>
inline A sum_of(Index begin, Index end, const F& f) {
  A lane[kLanes]{};
  Index i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    RAMER_CPU_INDEPENDENT
    for (Index l = 0; l < kLanes; ++l) lane[l] += static_cast<A>(f(i + l));
  }
  if (end - begin < kLanes) {  // a short row: no need to add lanes that are zero
    for (; i < end; ++i) lane[0] += static_cast<A>(f(i));
    return lane[0];
  }
  for (Index l = 0; i < end; ++i, ++l) lane[l] += static_cast<A>(f(i));
  return sum_lanes(lane);
}

template <class T>
inline T dot(const T* a, const T* b, Index n) {
  return sum_of<T>(0, n, [a, b](Index i) { return a[i] * b[i]; });
}

template <class T>
inline T max_of(const T* x, Index n) {
  T lane[kLanes];
  std::fill_n(lane, kLanes, -std::numeric_limits<T>::infinity());
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    RAMER_CPU_INDEPENDENT
    for (Index l = 0; l < kLanes; ++l) lane[l] = lane[l] < x[i + l] ? x[i + l] : lane[l];
  }
  for (Index l = 0; i < n; ++i, ++l) lane[l] = lane[l] < x[i] ? x[i] : lane[l];
  for (Index step = kLanes / 2; step > 0; step /= 2)
    for (Index l = 0; l < step; ++l) lane[l] = lane[l] < lane[l + step] ? lane[l + step] : lane[l];
  return lane[0];
}

/// y += a x.
template <class T>
inline void add_scaled(T a, const T* x, Index n, T* y) {
  RAMER_CPU_INDEPENDENT
  for (Index i = 0; i < n; ++i) y[i] = multiply_add(a, x[i], y[i]);
}

/// x = e^(x - shift); returns the sum of the results.
template <class T>
inline T exp_and_sum(T* x, Index n, T shift) {
  RAMER_CPU_INDEPENDENT
  for (Index i = 0; i < n; ++i) x[i] = fast_exp(x[i] - shift);
  return sum_of<T>(0, n, [x](Index i) { return x[i]; });
}

/// target[i] <- value(i) for i < n.
template <class T, class F>
inline void put_all(Target<T> target, Index n, const F& value) {
  T* const data = target.data;
  if (target.accumulate) {
    RAMER_CPU_INDEPENDENT
    for (Index i = 0; i < n; ++i) data[i] += value(i);
  } else {
    RAMER_CPU_INDEPENDENT
    for (Index i = 0; i < n; ++i) data[i] = value(i);
  }
}

}  // namespace ramer::backend::cpu
