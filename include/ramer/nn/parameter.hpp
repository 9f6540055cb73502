// Parameters, how they start, and where their gradients live.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ramer/autodiff/var.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::nn {

/// Distribution of a parameter's start value. Draws depend on the seed and the parameter's name alone.
struct Init {
  /// What `scale` means.
  enum class Kind { Constant, Normal, Uniform } kind = Kind::Constant;  ///< which of them it is
  double scale = 0;    ///< the constant, the standard deviation, or the bound of U(-bound, bound)
  bool stays = false;  ///< `start_from_normal` leaves it alone

  /// A constant, N(0, sd), U(-bound, bound).
  static Init constant(double value) { return {Kind::Constant, value}; }
  static Init normal(double sd) { return {Kind::Normal, sd}; }
  static Init uniform(double bound) { return {Kind::Uniform, bound}; }
  /// Glorot: U(-b, b), b = sqrt(6 / (in + out)).
  static Init xavier(Index in, Index out) { return uniform(std::sqrt(6.0 / static_cast<double>(in + out))); }
  /// U(-1 / sqrt(in), 1 / sqrt(in)): Kaiming uniform with a = sqrt 5, and the usual bias of a linear layer.
  static Init fan_in(Index in) { return uniform(in > 0 ? 1.0 / std::sqrt(static_cast<double>(in)) : 0.0); }
  /// The same, left alone by `start_from_normal`.
  Init staying() const { return {kind, scale, true}; }
};

/// A trainable tensor. Its gradient is elsewhere (Gradients), so that a model can be shared while it predicts.
template <class E>
struct Parameter {
  using Real = typename E::Precision::Parameter;

  std::string name;                           ///< stable: checkpoints use it
  std::vector<Index> extents;                 ///< its shape; `value` is flat
  Init init;                                  ///< how it starts
  bool decay = true;                          ///< whether weight decay applies
  Index number = -1;                          ///< place in the model's list
  Tensor<Real, 1, typename E::Memory> value;  ///< (product of extents), where the backend computes

  Parameter() = default;
  /// Zeros until `reset`. @throws ShapeError
  Parameter(std::vector<Index> shape, Init start, bool decays)
      : extents(std::move(shape)), init(start), decay(decays), value(Shape{checked_size(extents)}) {}

  /// Number of elements.
  Index size() const { return value.size(); }
  /// Its extents. @throws ShapeError for another rank
  template <int Rank>
  Shape<Rank> shape() const {
    require<ShapeError>(extents.size() == static_cast<std::size_t>(Rank), "parameter ", name, " has rank ", extents.size(),
                        ", used as rank ", Rank);
    Shape<Rank> result;
    for (int axis = 0; axis < Rank; ++axis) result[axis] = extents[static_cast<std::size_t>(axis)];
    return result;
  }
  /// Draws the start value.
  void reset(std::uint64_t seed, typename E::Backend& backend) {
    std::vector<Real> start(static_cast<std::size_t>(size()));
    const RandomStream stream(seed, name_hash(name));
    for (std::size_t i = 0; i < start.size(); ++i) {
      const std::uint64_t row = i / 1024;
      const auto column = static_cast<std::uint32_t>(i % 1024);
      switch (init.kind) {
        case Init::Kind::Constant: start[i] = static_cast<Real>(init.scale); break;
        case Init::Kind::Normal: start[i] = static_cast<Real>(init.scale * stream.normal(row, column)); break;
        case Init::Kind::Uniform:
          start[i] = static_cast<Real>(init.scale * (2.0 * static_cast<double>(stream.uniform(row, column)) - 1.0));
          break;
      }
    }
    backend.from_host(start.data(), size(), value.data());
  }
};

/// One gradient per parameter in one block of memory. `slot(n).written` tells whether the last sweep reached parameter n.
template <class E>
class Gradients {
 public:
  using Real = typename E::Precision::Parameter;

  Gradients() = default;
  /// @param sizes elements of parameter 0, 1, ...
  explicit Gradients(const std::vector<Index>& sizes) {
    Index total = 0;
    for (Index n : sizes) total += padded(n);
    memory_ = Tensor<Real, 1, typename E::Memory>(Shape{total});
    slots_.resize(sizes.size());
    Index at = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      slots_[i] = {memory_.data() + at, sizes[i], false, true};
      at += padded(sizes[i]);
    }
  }
  /// Where the adjoint of parameter `number` goes.
  autodiff::Slot<Real>& slot(Index number) { return slots_[static_cast<std::size_t>(number)]; }
  const autodiff::Slot<Real>& slot(Index number) const { return slots_[static_cast<std::size_t>(number)]; }
  /// Number of parameters.
  Index count() const { return static_cast<Index>(slots_.size()); }
  /// Forgets what arrived. Nothing is cleared: the first contribution overwrites.
  void begin_step() {
    for (auto& slot : slots_) slot.written = false;
  }

 private:
  static Index padded(Index n) { return (n + 15) / 16 * 16; }
  Tensor<Real, 1, typename E::Memory> memory_;
  std::vector<autodiff::Slot<Real>> slots_;
};

}  // namespace ramer::nn
