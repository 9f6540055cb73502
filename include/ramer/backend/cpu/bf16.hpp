// Factors of products as bf16: 8 bits of precision and float's range, two numbers that follow each other along k in 32 bits. An instruction
// of AVX512-BF16 multiplies and adds 16 such pairs, twice what float does; elsewhere the same is put together from float's.
#pragma once

#include <bit>
#include <cstdint>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "ramer/backend/cpu/tile.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

/// The first number in the lower half.
enum class Bf16Pair : std::uint32_t {};

/// x rounded to nearest, ties to even: the upper half of a float's bits. Not-a-number stays that.
inline std::uint32_t bf16_bits(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (u + 0x7FFFu + (u >> 16 & 1u)) >> 16;
  return x != x ? 0x7FC0u : rounded;
}
inline Bf16Pair bf16_pair(float first, float second) { return Bf16Pair{bf16_bits(first) | bf16_bits(second) << 16}; }

/// A register of pairs from plain operations.
struct PlainPairs {
  static constexpr int width = Tile<float>::packet;
  using Packet = typename Tile<float>::Packet;  ///< of float
  using Vector = typename Lanes<std::uint32_t, width>::Vector;
  using Floats = typename Lanes<float, width>::Vector;

  static Vector load(const Bf16Pair* from) {
    return Lanes<std::uint32_t, width>::load(reinterpret_cast<const std::uint32_t*>(from));
  }
  static Vector splat(Bf16Pair x) { return Vector{} + static_cast<std::uint32_t>(x); }
  /// c + first(a) first(b) + second(a) second(b), the second first, as the instruction has it.
  static Packet multiply_add(const Vector& a, const Vector& b, const Packet& c) {
    const auto second = [](const Vector& x) { return std::bit_cast<Packet>(x & 0xFFFF0000u); };
    const auto first = [](const Vector& x) { return std::bit_cast<Packet>(x << 16); };
    namespace ei = Eigen::internal;
    return ei::pmadd(first(a), first(b), ei::pmadd(second(a), second(b), c));
  }
  /// Pairs (x_0, x_1), (x_2, x_3), ... of 2 * width numbers.
  static void along(const float* x, Bf16Pair* to) {
    RAMER_CPU_INDEPENDENT
    for (int i = 0; i < width; ++i) to[i] = bf16_pair(x[2 * i], x[2 * i + 1]);
  }
  /// Pairs (x_0, y_0), (x_1, y_1), ... of width numbers each.
  static void across(const float* x, const float* y, Bf16Pair* to) {
    RAMER_CPU_INDEPENDENT
    for (int i = 0; i < width; ++i) to[i] = bf16_pair(x[i], y[i]);
  }
};

#if defined(__AVX512BF16__)
struct Pairs {
  static constexpr int width = 16;
  using Packet = __m512;
  static __m512bh load(const Bf16Pair* from) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from)); }
  static __m512bh splat(Bf16Pair x) { return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(x))); }
  static __m512 multiply_add(const __m512bh& a, const __m512bh& b, const __m512& c) { return _mm512_dpbf16_ps(c, a, b); }
  static void along(const float* x, Bf16Pair* to) {
    const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(pairs));
  }
  static void across(const float* x, const float* y, Bf16Pair* to) {
    // Not by intrinsics, some of which g++ 12 takes for reads of what is not initialised.
    typedef std::uint16_t Halves __attribute__((vector_size(32)));
    using Row = Lanes<std::uint32_t, width>;
    const auto halves = [](const float* from) {
      return __builtin_convertvector(reinterpret_cast<Halves>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from))), Row::Vector);
    };
    Row::store(halves(x) | halves(y) << 16, reinterpret_cast<std::uint32_t*>(to));
  }
};
#else
using Pairs = PlainPairs;
#endif

template <>
struct Factor<Bf16Pair> : Pairs {
  static constexpr Index together = 2;
  static constexpr bool in_place = false;
};

/// to[i] = (x_i, y_i) for n numbers; y may be null, for zeros.
inline void pairs_across(const float* x, const float* y, Index n, Bf16Pair* to) {
  Index i = 0;
  if (y)
    for (; i + Pairs::width <= n; i += Pairs::width) Pairs::across(x + i, y + i, to + i);
  for (; i < n; ++i) to[i] = bf16_pair(x[i], y ? y[i] : 0.0f);
}
/// to[i] = (x_2i, x_2i+1) for n numbers, a zero behind the last.
inline void pairs_along(const float* x, Index n, Bf16Pair* to) {
  Index i = 0;
  for (; i + 2 * Pairs::width <= n; i += 2 * Pairs::width) Pairs::along(x + i, to + i / 2);
  for (; i < n; i += 2) to[i / 2] = bf16_pair(x[i], i + 1 < n ? x[i + 1] : 0.0f);
}

/// As tile.hpp's: a panel is (steps(depth), Tile::cols).
inline void pack_block(bool transposed, const float* b, Index ldb, Index depth, Index n, Index col, Index col_end,
                       Bf16Pair* to) {
  constexpr Index w = Pairs::width, cols = Tile<float>::cols;
  const Index rows = steps<Bf16Pair>(depth);
  if (!transposed) {
    for (Index l = 0; l < depth; l += 2) {
      const float *const x = b + l * ldb, *const y = l + 1 < depth ? x + ldb : nullptr;
      for (Index j = col; j < col_end; j += cols) {
        Bf16Pair* const row = to + (j - col) * rows + l / 2 * cols;
        const Index real = std::clamp<Index>(n - j, 0, cols);
        pairs_across(x + j, y ? y + j : nullptr, real, row);
        std::fill(row + real, row + cols, Bf16Pair{});
      }
    }
    return;
  }
  using Row = Lanes<std::uint32_t, w>;
  for (Index j = col; j < col_end; j += w) {  // w columns of a panel
    Bf16Pair* const panel = to + (j - col) / cols * cols * rows + (j - col) % cols;
    for (Index l = 0; l < depth; l += 2 * w) {
      alignas(64) Bf16Pair pairs[w * w] = {};  // (columns, pairs)
      for (Index r = 0; r < std::min(w, n - j); ++r)
        pairs_along(b + (j + r) * ldb + l, std::min(2 * w, depth - l), pairs + r * w);
      typename Row::Vector row[w];
      for (Index r = 0; r < w; ++r) row[r] = Row::load(reinterpret_cast<const std::uint32_t*>(pairs + r * w));
      Row::transpose(row);
      for (Index r = 0; r < std::min(w, rows - l / 2); ++r)
        Row::store(row[r], reinterpret_cast<std::uint32_t*>(panel + (l / 2 + r) * cols));
    }
  }
}

/// As tile.hpp's, but rows of A that are along k are packed too.
inline void pack_left(const Gemm<float>& g, Index row, Index rows, Index l, Index depth, Bf16Pair* left) {
  const Index long_rows = steps<Bf16Pair>(depth);
  if (g.trans_a == Transpose::No) {
    for (Index i = 0; i < rows; ++i) pairs_along(g.a + (row + i) * g.lda + l, depth, left + i * long_rows);
    return;
  }
  constexpr Index kTogether = 4 * Tile<float>::rows;
  for (Index t = 0; t < depth; t += 2) {
    const float *const x = g.a + (l + t) * g.lda + row, *const y = t + 1 < depth ? x + g.lda : nullptr;
    for (Index begin = 0; begin < rows; begin += kTogether) {
      const Index n = std::min(kTogether, rows - begin);
      Bf16Pair pairs[kTogether];
      pairs_across(x + begin, y ? y + begin : nullptr, n, pairs);
      for_row_tiles<Tile<float>::rows>(0, n, [&](Index i, auto height) {
        constexpr int kHeight = decltype(height)::value;
        copy_fixed<kHeight>(pairs + i, left + (begin + i) * long_rows + t / 2 * kHeight);
      });
    }
  }
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
