// Dead rows (contract.hpp) on a device: only it knows how many there are, so a kernel gets a fixed number of blocks more that look.
#pragma once

#include "ramer/backend/device/block.hpp"

namespace ramer::backend::device {

inline constexpr Index kDeadBlocks = 16;

/// How many blocks more a problem of `rows` rows gets.
inline Index dead_blocks(bool dead_rows, Index rows) { return dead_rows ? least(rows, kDeadBlocks) : Index{0}; }

/// Block `id` of these, of kThreads threads, puts 0 into the first `cols` numbers of every kDeadBlocks-th row of [live, rows); rows lie `ld` apart. What
/// is accumulated into stays.
template <int kThreads, class T, class Block>
RAMER_HD void clear_dead_rows(Block& block, Index id, const Target<T>& to, Index live, Index rows, Index cols, Index ld) {
  if (!to || to.accumulate) return;
  block.own([&](int t) {
    for (Index r = live + id; r < rows; r += kDeadBlocks)
      for (Index c = t; c < cols; c += kThreads) to.data[r * ld + c] = T(0);
  });
}

}  // namespace ramer::backend::device
