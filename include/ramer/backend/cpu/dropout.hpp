// Dropout factors of a whole row: one Philox call gives four columns, and many calls run side by side.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "ramer/backend/cpu/math.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

inline constexpr Index kDropoutQuads =
    32;  ///< Philox calls side by side, 128 columns: with fewer, g++ unrolls and does not vectorize

#if defined(__AVX512F__)
inline constexpr Index kWordQuads = 16;  ///< the same for code that is written with vectors: attention has rows of 60

/// fast_dropout<kWordQuads> in float. A word lives in the low half of a 64-bit lane, where the multiplier wants it and
/// leaves it; what is in the high half never reaches a low one. Two chains of eight calls hide each other's latency.
inline void dropout_block(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, float* factor) {
  constexpr int kChains = kWordQuads / 8;
  const RandomStream stream = plan.draws();
  // Instructions with a mask, which is then dropped: without one, g++ 12 warns of the undefined register in its own header.
  constexpr __mmask8 kAll = 0xFF;
  constexpr __mmask16 kAll16 = 0xFFFF;
  const auto wide = [](std::uint32_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); };
  const __m512i multiplier0 = wide(0xD2511F53u), multiplier1 = wide(0xCD9E8D57u);
  __m512i word[kChains][4];
  for (int c = 0; c < kChains; ++c) {
    // Calls 0 to 3 in the even lanes, 4 to 7 in the odd ones: their words then come out in order.
    word[c][0] =
        _mm512_add_epi64(wide(first + 8u * static_cast<std::uint32_t>(c)), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
    word[c][1] = wide(static_cast<std::uint32_t>(row));
    word[c][2] = wide(static_cast<std::uint32_t>(row >> 32));
    word[c][3] = wide(stream.step);
  }
  std::uint32_t k0 = stream.key0, k1 = stream.key1;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const __m512i key0 = wide(k0), key1 = wide(k1);
    for (int c = 0; c < kChains; ++c) {
      const __m512i p0 = _mm512_maskz_mul_epu32(kAll, word[c][0], multiplier0),
                    p1 = _mm512_maskz_mul_epu32(kAll, word[c][2], multiplier1);
      constexpr int kXor3 = 0x96;
      word[c][0] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, p1, 32), word[c][1], key0, kXor3);
      word[c][2] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, p0, 32), word[c][3], key1, kXor3);
      word[c][1] = p1;
      word[c][3] = p0;
    }
  }
  // uniform01(w) >= rate, with both sides times 2^24.
  const __m512i least =
      _mm512_set1_epi32(static_cast<int>(std::ceil(static_cast<double>(static_cast<float>(plan.rate)) * 0x1p24)));
  const __m512 kept = _mm512_set1_ps(static_cast<float>(1.0 / (1.0 - plan.rate)));
  const auto put = [&](__m512i words, float* to) {
    _mm512_storeu_ps(to,
                     _mm512_maskz_mov_ps(_mm512_cmpge_epi32_mask(_mm512_maskz_srli_epi32(kAll16, words, 8), least), kept));
  };
  for (int c = 0; c < kChains; ++c) {
    constexpr __mmask16 kOdd = 0xAAAA;
    const __m512i w01 = _mm512_mask_mov_epi32(word[c][0], kOdd, _mm512_maskz_slli_epi64(kAll, word[c][1], 32));
    const __m512i w23 = _mm512_mask_mov_epi32(word[c][2], kOdd, _mm512_maskz_slli_epi64(kAll, word[c][3], 32));
    put(_mm512_maskz_unpacklo_epi64(kAll, w01, w23), factor + 32 * c);
    put(_mm512_maskz_unpackhi_epi64(kAll, w01, w23), factor + 32 * c + 16);
  }
}
#endif

/// Quads that `draw_dropout` draws at once for a type.
template <class T>
constexpr Index dropout_quads() {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>) return kWordQuads;
#endif
  return kDropoutQuads;
}
/// 4 dropout_quads<T>() factors.
template <class T>
void draw_dropout(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, T* factor) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>) return dropout_block(plan, row, first, factor);
#endif
  constexpr Index kQuads = dropout_quads<T>();
  T draw[4 * kQuads];
  fast_dropout<kQuads>(plan, row, first, draw);
  copy_fixed<4 * kQuads>(draw, factor);
}

/// factor[c] = plan.factor(row, first + c) for c < n, bit for bit.
template <class T>
void dropout_factors(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, Index n, T* factor) {
  constexpr Index kQuads = dropout_quads<T>();
  const Index skip = first % 4, quads = (skip + n + 3) / 4;
  for (Index quad = 0; quad < quads; quad += kQuads) {
    const std::uint32_t first_quad = first / 4 + static_cast<std::uint32_t>(quad);
    if (skip == 0 && n - 4 * quad >= 4 * kQuads) {
      draw_dropout(plan, row, first_quad, factor + 4 * quad);
      continue;
    }
    alignas(64) T draw[4 * kQuads];
    draw_dropout(plan, row, first_quad, draw);
    const Index begin = std::max<Index>(0, 4 * quad - skip), end = std::min(n, 4 * (quad + kQuads) - skip);
    std::copy(draw + begin + skip - 4 * quad, draw + end + skip - 4 * quad, factor + begin);
  }
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
