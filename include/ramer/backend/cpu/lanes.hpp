// Exchanges between the lanes of a vector register, which loops over arrays do not express well.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

/// W numbers in one register. W is a power of two and no more than a register holds.
template <class T, int W>
struct Lanes {
  typedef T Vector __attribute__((vector_size(W * sizeof(T))));

  static Vector load(const T* from) {
    Vector v;
    std::memcpy(&v, from, sizeof(v));
    return v;
  }
  static void store(const Vector& v, T* to) { std::memcpy(to, &v, sizeof(v)); }

  /// a0 b0 a1 b1 ... from the first (Half 0) or the second half of both.
  template <int Half>
  static Vector interleave(const Vector& a, const Vector& b) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return __builtin_shufflevector(a, b, (static_cast<int>(I) / 2 + Half * W / 2 + static_cast<int>(I) % 2 * W)...);
    }
    (std::make_index_sequence<W>{});
  }
  template <int Step>
  static Vector rotate(const Vector& a) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return __builtin_shufflevector(a, a, ((static_cast<int>(I) + Step) % W)...);
    }
    (std::make_index_sequence<W>{});
  }

  /// Rows and columns exchanged. A round moves the highest bit of an element's place among the W^2 to the lowest; log2 W rounds exchange the
  /// halves of the place, which are row and column.
  static void transpose(Vector (&row)[W]) {
    Vector next[W];
#pragma GCC unroll 4
    for (int bit = 1; bit < W; bit *= 2) {
#pragma GCC unroll 16
      for (int i = 0; i < W / 2; ++i) {
        next[2 * i] = interleave<0>(row[i], row[i + W / 2]);
        next[2 * i + 1] = interleave<1>(row[i], row[i + W / 2]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) row[i] = next[i];
    }
  }

  /// The sum, halves added to halves.
  template <int Step = W / 2>
  static T sum(const Vector& v) {
    if constexpr (Step == 0) {
      return v[0];
    } else {
      return sum<Step / 2>(v + rotate<Step>(v));
    }
  }
  static Vector larger(const Vector& a, const Vector& b) { return a < b ? b : a; }
  template <int Step = W / 2>
  static T largest(const Vector& v) {
    if constexpr (Step == 0) {
      return v[0];
    } else {
      return largest<Step / 2>(larger(v, rotate<Step>(v)));
    }
  }
};

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
