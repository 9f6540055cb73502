// Extents of a row-major tensor: rank fixed at compile time, extents at run time.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <ostream>

#include "ramer/core/error.hpp"
#include "ramer/core/types.hpp"

namespace ramer {

/// Extents of a tensor of rank `Rank`. Rank 0 is a scalar (size 1).
template <int Rank>
struct Shape {
  static_assert(Rank >= 0);
  std::array<Index, static_cast<std::size_t>(Rank)> extents{};  ///< from the slowest axis to the fastest

  /// Extent of an axis; not checked.
  constexpr Index operator[](int axis) const { return extents[static_cast<std::size_t>(axis)]; }
  constexpr Index& operator[](int axis) { return extents[static_cast<std::size_t>(axis)]; }

  /// Number of elements; the extents were checked where they entered the library.
  constexpr Index size() const {
    Index n = 1;
    for (Index e : extents) n *= e;
    return n;
  }
  /// Equal extents.
  friend constexpr bool operator==(const Shape&, const Shape&) = default;

  /// "(2, 3)"
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '(';
    for (int axis = 0; axis < Rank; ++axis) out << (axis ? ", " : "") << shape[axis];
    return out << ')';
  }
};

/// Shape{2, 3} has rank 2.
template <class... Extents>
Shape(Extents...) -> Shape<static_cast<int>(sizeof...(Extents))>;

/// Product of extents, or an error when one is negative or the product overflows. For shapes that come from outside.
/// @throws ShapeError
template <class Extents>
Index checked_size(const Extents& extents) {
  Index n = 1;
  bool empty = false;
  for (Index e : extents) {
    require<ShapeError>(e >= 0, "negative extent ", e);
    if (e == 0) {
      empty = true;
    } else {
      require<ShapeError>(n <= std::numeric_limits<Index>::max() / e, "extents overflow: ", n, " x ", e);
      n *= e;
    }
  }
  return empty ? 0 : n;
}

}  // namespace ramer
