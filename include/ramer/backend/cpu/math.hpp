// Row arithmetic whose order of additions is fixed and yet fills vector registers.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/fast_math.hpp"
#include "ramer/backend/instruction_set.hpp"

// The iterations of the next loop do not depend on one another (the contract says so of every functor). clang finds out at
// run time, and its own pragma warns about each loop that it leaves alone.
#if defined(__GNUC__) && !defined(__clang__)
#define RAMER_CPU_INDEPENDENT _Pragma("GCC ivdep")
#else
#define RAMER_CPU_INDEPENDENT
#endif

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

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
  for (Index l = 0; l < end - i; ++l) lane[l] += static_cast<A>(f(i + l));
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

/// N numbers to where they do not overlap. std::copy_n must allow for that, and calls a function.
template <Index N, class T>
inline void copy_fixed(const T* from, T* to) {
  std::memcpy(to, from, static_cast<std::size_t>(N) * sizeof(T));
}

template <class T>
inline constexpr Index kLine = static_cast<Index>(64 / sizeof(T));  ///< numbers of a cache line

/// Asks for a cache line that will be wanted soon: into the second level, for short pieces of rows a power of two apart would drive each other
/// out of the first.
inline void prefetch([[maybe_unused]] const void* p) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(p, 0, 2);
#endif
}

/// y += a x.
template <class T>
inline void add_scaled(T a, const T* x, Index n, T* y) {
  RAMER_CPU_INDEPENDENT
  for (Index i = 0; i < n; ++i) y[i] = multiply_add(a, x[i], y[i]);
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

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
