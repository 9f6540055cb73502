// Raw features of a batch as a value on the tape.
#pragma once

#include <type_traits>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::wiring::detail {

template <class T>
struct ToReal {
  const float* x;
  T* y;
  RAMER_HD void operator()(Index i) const { y[i] = static_cast<T>(x[i]); }
};

template <class T>
struct TakeRows {
  const float* x;
  const std::int32_t* row;
  Index cols;
  T* y;
  RAMER_HD void operator()(Index r, Index c) const {
    y[r * cols + c] = row[r] < 0 ? T(0) : static_cast<T>(x[row[r] * cols + c]);
  }
};

/// (R, D): the batch's own memory, or its mirror, where it holds the model's numbers, else a copy. No adjoint flows into it.
template <class E>
nn::Var<E, 2> input(nn::Context<E>& ctx, const std::vector<float>& features, Index width) {
  const Shape<2> shape{{width > 0 ? static_cast<Index>(features.size()) / width : 0, width}};
  if constexpr (std::is_same_v<typename E::Real, float>) {
    return {ctx.device(features), shape};
  } else {
    auto [x, data] = ctx.tape.output_if(false, shape);
    ctx.backend().map(shape.size(), ToReal<typename E::Real>{ctx.device(features), data});
    return x;
  }
}

/// (R, D) of a modality: rows of what is kept where the backend computes, or the batch's own numbers.
template <class E>
nn::Var<E, 2> input(nn::Context<E>& ctx, const ModalityBatch& m) {
  if (!m.kept.data) return input(ctx, m.features, m.width);
  auto [x, data] = ctx.tape.output_if(false, Shape{m.rows(), m.width});
  ctx.backend().map_2d(m.rows(), m.width, TakeRows<typename E::Real>{m.kept.data, ctx.device(m.row), m.width, data});
  return x;
}

}  // namespace ramer::wiring::detail
