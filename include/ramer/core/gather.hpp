// Which source row each place takes, and the way back: for a gather and the ordered scatter-add that reverses it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/types.hpp"

namespace ramer {

/// What kernels see of a GatherPlan. `index[i]` is the source of place i, or -1: a row of zeros. The places that take source r
/// are places[offsets[r]] ... places[offsets[r + 1] - 1], in ascending order.
struct GatherView {
  Index size = 0, sources = 0;  ///< places, source rows
  const std::int32_t* index = nullptr;
  const std::int32_t* offsets = nullptr;
  const std::int32_t* places = nullptr;
};

/// Owner of the index arrays. Vectors keep their capacity from batch to batch.
class GatherPlan {
 public:
  std::vector<std::int32_t> index;  ///< fill this, then call `finish`

  /// Builds the way back by counting.
  /// @throws ShapeError for more sources or places than 32-bit indices reach, an index outside [-1, sources)
  void finish(Index sources) {
    constexpr Index kMost = std::numeric_limits<std::int32_t>::max();
    require<ShapeError>(sources >= 0 && sources <= kMost && static_cast<Index>(index.size()) <= kMost, "gather from ",
                        sources, " sources to ", index.size(), " places; expected 0 to ", kMost);
    sources_ = sources;
    offsets_.assign(static_cast<std::size_t>(sources) + 1, 0);
    std::size_t used = 0;
    for (std::int32_t i : index) {
      require<ShapeError>(i >= -1 && i < sources, "gather index ", i, " outside [-1, ", sources, ")");
      if (i >= 0) {
        ++offsets_[static_cast<std::size_t>(i) + 1];
        ++used;
      }
    }
    for (std::size_t r = 1; r < offsets_.size(); ++r) offsets_[r] += offsets_[r - 1];
    places_.resize(used);
    cursor_.assign(offsets_.begin(), offsets_.end());
    for (std::size_t p = 0; p < index.size(); ++p) {
      if (index[p] >= 0)
        places_[static_cast<std::size_t>(cursor_[static_cast<std::size_t>(index[p])]++)] = static_cast<std::int32_t>(p);
    }
  }
  /// Arrays of this plan, valid until it changes.
  GatherView view() const {
    return view([](const std::vector<std::int32_t>& array) { return array.data(); });
  }
  /// The same with its arrays elsewhere: `place(array)` says where.
  template <class F>
  GatherView view(const F& place) const {
    return {static_cast<Index>(index.size()), sources_, place(index), place(offsets_), place(places_)};
  }

 private:
  Index sources_ = 0;
  std::vector<std::int32_t> offsets_, places_, cursor_;
};

}  // namespace ramer
