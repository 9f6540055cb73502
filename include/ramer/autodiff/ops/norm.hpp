// Layer normalisation, alone or fused with dropout and a residual.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct NormGainTerm {
  const T *dy, *normalized;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return dy[r * cols + c] * normalized[r * cols + c]; }
};
template <class T>
struct NormBiasTerm {
  const T* dy;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return dy[r * cols + c]; }
};

}  // namespace detail

/// y (R, D) = LN(dropout(x) + residual) with gain, bias (D). `residual` may be an invalid Var: absent.
/// LN has population variance and eps inside the root (1e-12 as released).
template <class Tp, class T>
Var<T, 2> residual_norm(Tp& tape, Var<T, 2> x, Var<T, 2> residual, Var<T, 1> gain, Var<T, 1> bias,
                        const backend::DropoutPlan& dropout = {}, T eps = T(1e-12)) {
  const Index rows = x.extent(0), cols = x.extent(1);
  require<ShapeError>(!residual.valid() || residual.shape() == x.shape(), "residual_norm: ", x.shape(), " and ", residual.shape());
  require<ShapeError>(gain.extent(0) == cols && bias.extent(0) == cols, "layer norm of width ", gain.extent(0), " on ", x.shape());
  auto [y, out] = tape.output(x.shape(), x, residual, gain, bias);
  T* normalized = y.tracked() ? tape.template keep<T>(rows * cols) : nullptr;
  T* inverse_sd = y.tracked() ? tape.template keep<T>(rows) : nullptr;
  tape.backend().layer_norm(backend::LayerNorm<T>{rows, cols, x.data(), residual.valid() ? residual.data() : nullptr, dropout,
                                                  gain.data(), bias.data(), eps, out, normalized, inverse_sd});
  tape.record(y, [=](Tp& t, const T* dy) {
    if (auto d = t.target(gain)) t.backend().reduce_columns(rows, cols, detail::NormGainTerm<T>{dy, normalized, cols}, d);
    if (auto d = t.target(bias)) t.backend().reduce_columns(rows, cols, detail::NormBiasTerm<T>{dy, cols}, d);
    const auto dresidual = t.target(residual), dx = t.target(x);
    if (!dx && !dresidual) return;
    t.backend().layer_norm_reverse(backend::LayerNormReverse<T>{rows, cols, dy, normalized, inverse_sd, gain.data(), dropout, dx,
                                                                dresidual});
  });
  return y;
}

/// y (R, D) = LN(x).
template <class Tp, class T>
Var<T, 2> layer_norm(Tp& tape, Var<T, 2> x, Var<T, 1> gain, Var<T, 1> bias, T eps = T(1e-12)) {
  return residual_norm(tape, x, Var<T, 2>{}, gain, bias, {}, eps);
}

}  // namespace ramer::autodiff
