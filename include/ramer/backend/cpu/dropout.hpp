// Dropout factors of a whole row: one Philox call gives four columns, and many calls run side by side.
#pragma once

#include "ramer/backend/cpu/math.hpp"

namespace ramer::backend::cpu {

/// `Quads` Philox counters at once: word[i][q] = stream.quad(row, first + q).v[i].
template <Index Quads>
inline void philox_quads(const RandomStream& stream, std::uint64_t row, std::uint32_t first,
                         std::uint32_t (&word)[4][Quads]) {
  for (Index q = 0; q < Quads; ++q) {
    word[0][q] = first + static_cast<std::uint32_t>(q);
    word[1][q] = static_cast<std::uint32_t>(row);
    word[2][q] = static_cast<std::uint32_t>(row >> 32);
    word[3][q] = stream.step;
  }
  std::uint32_t k0 = stream.key0, k1 = stream.key1;
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    RAMER_CPU_INDEPENDENT
    for (Index q = 0; q < Quads; ++q) {
      const std::uint64_t p0 = static_cast<std::uint64_t>(word[0][q]) * 0xD2511F53u;
      const std::uint64_t p1 = static_cast<std::uint64_t>(word[2][q]) * 0xCD9E8D57u;
      word[0][q] = static_cast<std::uint32_t>(p1 >> 32) ^ word[1][q] ^ k0;
      word[1][q] = static_cast<std::uint32_t>(p1);
      word[2][q] = static_cast<std::uint32_t>(p0 >> 32) ^ word[3][q] ^ k1;
      word[3][q] = static_cast<std::uint32_t>(p0);
    }
  }
}

/// factor[c] = plan.factor(row, first + c) for c < n, bit for bit.
template <class T>
void dropout_factors(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, Index n, T* factor) {
  constexpr Index kQuads = 32;
  const float rate = static_cast<float>(plan.rate);
  const T kept = static_cast<T>(1.0 / (1.0 - plan.rate));
  const Index skip = first % 4, quads = (skip + n + 3) / 4;
  for (Index quad = 0; quad < quads; quad += kQuads) {
    std::uint32_t word[4][kQuads];
    T draw[4 * kQuads];
    philox_quads<kQuads>(plan.stream, row, first / 4 + static_cast<std::uint32_t>(quad), word);
    const auto keep = [rate, kept](std::uint32_t w) { return uniform01(w) >= rate ? kept : T(0); };
    RAMER_CPU_INDEPENDENT
    for (Index q = 0; q < kQuads; ++q) {
      draw[4 * q] = keep(word[0][q]);
      draw[4 * q + 1] = keep(word[1][q]);
      draw[4 * q + 2] = keep(word[2][q]);
      draw[4 * q + 3] = keep(word[3][q]);
    }
    const Index begin = std::max<Index>(0, 4 * quad - skip), end = std::min(n, 4 * (quad + kQuads) - skip);
    std::copy(draw + begin + skip - 4 * quad, draw + end + skip - 4 * quad, factor + begin);
  }
}

}  // namespace ramer::backend::cpu
