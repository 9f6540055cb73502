// Dead rows behind a batch's tokens, so that batches of different lengths have one shape: a backend that replays recorded steps
// records one for each shape.
#pragma once

#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/error.hpp"

namespace ramer {

/// The bucket of n: the least m * multiple * 2^k >= n with 1 <= m <= 16, and m > 8 where k > 0. Multiples of `multiple` up to 16 of
/// them; from there on at most an eighth more than n, in eight steps between a number and its double. 0 counts as 1.
inline Index bucket(Index n, Index multiple) {
  Index step = multiple;
  while (n > 16 * step) step *= 2;
  return n > 0 ? (n + step - 1) / step * step : step;
}

/// Gives every modality as many rows as the bucket of one more than its tokens: at least one of them is dead, so that what is done about
/// dead rows does not depend on the batch either. Called again, it changes nothing. For models that take it (Model::takes_padding):
/// scores, losses and gradients stay what they were, up to the order of sums.
/// @throws ConfigError for a multiple below 1
inline void pad_rows(Batch& batch, Index multiple = 32) {
  require<ConfigError>(multiple >= 1, "rows padded to a multiple of ", multiple, "; expected at least 1");
  for (ModalityBatch& m : batch.modalities) {
    const auto live = static_cast<std::size_t>(m.tokens()),
               rows = static_cast<std::size_t>(bucket(m.tokens() + 1, multiple));
    const auto pad = [&](auto& array, std::size_t width, auto value) {
      array.resize(live * width);
      array.resize(rows * width, value);
    };
    if (m.kept.data || !m.row.empty())
      pad(m.row, 1, std::int32_t{-1});
    else
      pad(m.features, static_cast<std::size_t>(m.width), 0.0f);
    pad(m.available, 1, std::uint8_t{0});
    pad(m.person, 1, 0);
    pad(m.segment, 1, 0);
    pad(m.position, 1, 0);
  }
}

}  // namespace ramer
