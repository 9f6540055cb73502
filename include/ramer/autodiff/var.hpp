// A value on the tape and the place of its adjoint.
#pragma once

#include "ramer/core/tensor.hpp"

namespace ramer::autodiff {

/// Where an adjoint is kept. `written` says whether anything has arrived: reachability is recorded, never guessed from zeros.
template <class T>
struct Slot {
  T* adjoint = nullptr;  ///< null until something arrives
  Index size = 0;        ///< elements
  bool written = false;  ///< something has arrived
  bool pinned =
      false;  ///< memory belongs to somebody else (a parameter's gradient, an inspected value) and outlives the sweep
};

/// A tensor of rank `Rank` that ops produce and consume. A handle: copying it copies no data. Without a slot it is a constant.
template <class T, int Rank>
class Var {
 public:
  static constexpr int rank = Rank;  ///< number of axes
  using Real = T;

  Var() = default;
  /// `data` must stay until the tape is rewound. Null slot: a constant.
  Var(const T* data, Shape<Rank> shape, Slot<T>* slot = nullptr) : data_(data), shape_(shape), slot_(slot) {}

  /// The value and its extents.
  const T* data() const { return data_; }
  const Shape<Rank>& shape() const { return shape_; }
  Index extent(int axis) const { return shape_[axis]; }
  Index size() const { return shape_.size(); }
  /// Whether there is a value; whether an adjoint is wanted, and where it goes.
  bool valid() const { return data_ != nullptr; }
  bool tracked() const { return slot_ != nullptr; }
  Slot<T>* slot() const { return slot_; }
  /// The value, where the backend computes.
  View<const T, Rank> view() const { return {data_, shape_}; }

  /// The same elements under another shape; value and adjoint are shared.
  template <int R>
  Var<T, R> reshape(Shape<R> shape) const {
    require<ShapeError>(shape.size() == size(), "reshape ", shape_, " to ", shape, ": sizes differ");
    return {data_, shape, slot_};
  }
  /// The same value, through which no adjoint flows.
  Var detached() const { return {data_, shape_, nullptr}; }

 private:
  const T* data_ = nullptr;
  Shape<Rank> shape_{};
  Slot<T>* slot_ = nullptr;
};

}  // namespace ramer::autodiff
