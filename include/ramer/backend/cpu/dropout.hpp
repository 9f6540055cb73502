// Dropout factors of a whole row: one Philox call gives four columns, and many calls run side by side.
#pragma once

#include "ramer/backend/cpu/math.hpp"

namespace ramer::backend::cpu {

/// factor[c] = plan.factor(row, first + c) for c < n, bit for bit.
template <class T>
void dropout_factors(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, Index n, T* factor) {
  constexpr Index kQuads = 32;
  const float rate = static_cast<float>(plan.rate);
  const T kept = static_cast<T>(1.0 / (1.0 - plan.rate));
  const auto row_low = static_cast<std::uint32_t>(row), row_high = static_cast<std::uint32_t>(row >> 32);
  const std::uint32_t step = plan.stream.step, key0 = plan.stream.key0, key1 = plan.stream.key1;
  const std::uint32_t first_quad = first / 4;
  const Index skip = first % 4, quads = (skip + n + 3) / 4;
  for (Index quad = 0; quad < quads; quad += kQuads) {
    std::uint32_t word[4][kQuads];
    const Index count = std::min(kQuads, quads - quad);
    RAMER_CPU_INDEPENDENT
    for (Index q = 0; q < count; ++q) {
      const Philox4 w = philox({{first_quad + static_cast<std::uint32_t>(quad + q), row_low, row_high, step}}, key0, key1);
      word[0][q] = w.v[0], word[1][q] = w.v[1], word[2][q] = w.v[2], word[3][q] = w.v[3];
    }
    const Index begin = std::max<Index>(0, 4 * quad - skip), end = std::min(n, 4 * (quad + count) - skip);
    for (Index c = begin; c < end; ++c) {
      const Index at = c + skip - 4 * quad;
      factor[c] = uniform01(word[at % 4][at / 4]) >= rate ? kept : T(0);
    }
  }
}

}  // namespace ramer::backend::cpu
