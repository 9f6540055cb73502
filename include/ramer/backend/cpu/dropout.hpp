// Dropout factors of a whole row: one Philox call gives four columns, and many calls run side by side.
#pragma once

#include "ramer/backend/cpu/math.hpp"

namespace ramer::backend::cpu {

/// factor[c] = plan.factor(row, first + c) for c < n, bit for bit.
template <class T>
void dropout_factors(const DropoutPlan& plan, std::uint64_t row, std::uint32_t first, Index n, T* factor) {
  constexpr Index kQuads = 32;
  const Index skip = first % 4, quads = (skip + n + 3) / 4;
  for (Index quad = 0; quad < quads; quad += kQuads) {
    T draw[4 * kQuads];
    fast_dropout<kQuads>(plan, row, first / 4 + static_cast<std::uint32_t>(quad), draw);
    const Index begin = std::max<Index>(0, 4 * quad - skip), end = std::min(n, 4 * (quad + kQuads) - skip);
    std::copy(draw + begin + skip - 4 * quad, draw + end + skip - 4 * quad, factor + begin);
  }
}

}  // namespace ramer::backend::cpu
