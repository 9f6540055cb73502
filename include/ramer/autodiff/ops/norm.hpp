// Layer normalisation, alone or fused with dropout and a residual.
#pragma once

#include <cmath>
#include <limits>

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

/// Whether x^ = (y - bias) / gain is as good as x^ itself. Its error is y's, |x^| + |bias / gain| units in the last place, and four
/// bits more than x^ has of its own (a row's largest is about 4) are let pass; 1 / gain must be finite.
template <class T>
bool norm_can_be_undone(const T* gain, const T* bias, Index n) {
  constexpr T kWorst = T(16);
  bool good = true;
  for (Index c = 0; c < n; ++c) {
    good = good && std::abs(bias[c]) <= kWorst * std::abs(gain[c]) && std::abs(gain[c]) >= std::numeric_limits<T>::min();
  }
  return good;
}

}  // namespace detail

template <class T>
inline constexpr T kNormEps = T(1e-12);  ///< inside the root, as released

/// y (R, D) = LN(dropout(x) + residual) with gain, bias (D). `residual` may be an invalid Var: absent.
/// LN has population variance and eps inside the root. For the reverse it keeps y; x^ too where the host does
/// not see gain and bias, or where x^ cannot be had from them.
template <class Tp, class T>
Var<T, 2> residual_norm(Tp& tape, Var<T, 2> x, Var<T, 2> residual, Var<T, 1> gain, Var<T, 1> bias,
                        const backend::DropoutPlan& dropout = {}, T eps = kNormEps<T>, Input input = Input::Kept) {
  const Index rows = x.extent(0), cols = x.extent(1);
  require<ShapeError>(!residual.valid() || residual.shape() == x.shape(), "residual_norm: ", x.shape(), " and ",
                      residual.shape());
  require<ShapeError>(gain.extent(0) == cols && bias.extent(0) == cols, "layer norm of width ", gain.extent(0), " on ",
                      x.shape());
  const auto [y, out] = tape.output_over(input, x, residual, gain, bias);
  bool undo = false;
  if constexpr (Tp::Memory::host) undo = y.tracked() && detail::norm_can_be_undone(gain.data(), bias.data(), cols);
  T* normalized = y.tracked() && !undo ? tape.template keep<T>(rows * cols) : nullptr;
  T* inverse_sd = y.tracked() ? tape.template keep<T>(rows) : nullptr;
  tape.backend().layer_norm(backend::LayerNorm<T>{rows, cols, x.data(), residual.valid() ? residual.data() : nullptr,
                                                  dropout, gain.data(), bias.data(), eps, out, normalized, inverse_sd});
  const T* value = out;
  tape.record(y, [=](Tp& t, const T* dy) {
    backend::LayerNormReverse<T> p{rows, cols, dy, normalized, value, bias.data(), inverse_sd, gain.data(), dropout};
    p.dgain = t.target(gain), p.dbias = t.target(bias);
    p.dresidual = t.target(residual), p.dx = t.target(x);
    t.backend().layer_norm_reverse(p);
  });
  return y;
}

/// y (R, D) = LN(x).
template <class Tp, class T>
Var<T, 2> layer_norm(Tp& tape, Var<T, 2> x, Var<T, 1> gain, Var<T, 1> bias, T eps = kNormEps<T>) {
  return residual_norm(tape, x, Var<T, 2>{}, gain, bias, {}, eps);
}

}  // namespace ramer::autodiff
