// A value on the tape and the place of its adjoint.
#pragma once

#include "ramer/core/tensor.hpp"

namespace ramer::autodiff {

/// Where an adjoint is kept. `written` says whether anything has arrived: reachability is recorded, never guessed from zeros.
template <class T>
struct Slot {
  T* adjoint = nullptr;
  Index size = 0;
  bool written = false;
  bool pinned =
      false;  ///< memory belongs to somebody else (a parameter's gradient, an inspected value) and outlives the sweep
};

/// A tensor of rank `Rank` that ops produce and consume. A handle: copying it copies no data. Without a slot it is a constant.
template <class T, int Rank>
class Var {
 public:
  static constexpr int rank = Rank;
  using Real = T;

  Var() = default;
  Var(const T* data, Shape<Rank> shape, Slot<T>* slot = nullptr) : data_(data), shape_(shape), slot_(slot) {}

  const T* data() const { return data_; }
  const Shape<Rank>& shape() const { return shape_; }
  Index extent(int axis) const { return shape_[axis]; }
  Index size() const { return shape_.size(); }
  bool valid() const { return data_ != nullptr; }
  bool tracked() const { return slot_ != nullptr; }
  Slot<T>* slot() const { return slot_; }
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
