// Arrays that one kernel works through together, and how they are cut into blocks.
#pragma once

#include "ramer/core/types.hpp"

namespace ramer::backend {

/// Array s has offsets[s + 1] - offsets[s] elements; some may have none.
struct Arrays {
  Index count = 0, total = 0;      ///< arrays; elements of all of them
  const Index* offsets = nullptr;  ///< (count + 1) 0, ..., total

  /// A part of one array.
  struct Block {
    Index array, begin, end;  ///< elements of the array
  };
  /// Elements of array s.
  RAMER_HD Index size(Index s) const { return offsets[s + 1] - offsets[s]; }
  /// Blocks of at most `length` elements of one array each. The host knows their number without a look at the offsets; a few
  /// are empty.
  RAMER_HD Index blocks(Index length) const { return total / length + count; }
  /// Of array s: floor(a / n) + floor(b / n) + 1 >= ceil((a + b) / n), so that its blocks end before those of the next one begin.
  RAMER_HD Index first_block(Index s, Index length) const { return offsets[s] / length + s; }
  /// Block number `id`, counted over all arrays.
  RAMER_HD Block block(Index id, Index length) const {
    Index s = 0;
    for (Index end = count; end - s > 1;) {  // the last array whose first block is not behind this one
      const Index middle = s + (end - s) / 2;
      (first_block(middle, length) <= id ? s : end) = middle;
    }
    const Index n = size(s), begin = (id - first_block(s, length)) * length;
    return {s, begin < n ? begin : n, begin + length < n ? begin + length : n};
  }
};

}  // namespace ramer::backend
