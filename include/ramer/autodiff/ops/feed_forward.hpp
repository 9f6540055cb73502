// Two affine maps with GELU between them as one op, which keeps one of the two inner arrays instead of both.
#pragma once

#include "ramer/autodiff/ops/linear.hpp"

namespace ramer::autodiff {

namespace detail {

/// u, da -> da act'(u) in the place of da, and act(u).
template <class T>
struct GeluBoth {
  const T* u;
  T *da, *value;
  RAMER_HD void operator()(Index i) const {
    const T x = u[i];
    const backend::Normal<T> normal = backend::fast_normal(x);
    value[i] = x * normal.cdf;
    da[i] *= backend::multiply_add(x * T(0.39894228040143267794), normal.bell, normal.cdf);
  }
};

}  // namespace detail

/// y (R, O) = gelu(x W1^T + b1) W2^T + b2 for x (R, I), W1 (F, I), W2 (O, F). u = x W1^T + b1 is kept for the reverse, gelu(u)
/// computed again together with its slope, for one exponential.
template <class Tp, class T>
Var<T, 2> feed_forward(Tp& tape, Var<T, 2> x, Var<T, 2> w1, Var<T, 1> b1, Var<T, 2> w2, Var<T, 1> b2) {
  using backend::Gemm;
  using backend::Transpose;
  const Index rows = x.extent(0), inputs = x.extent(1), inner = w1.extent(0), outputs = w2.extent(0), n = rows * inner;
  require<ShapeError>(w1.extent(1) == inputs && w2.extent(1) == inner, "feed_forward: x ", x.shape(), ", weights ", w1.shape(), " and ",
                      w2.shape());
  require<ShapeError>(b1.extent(0) == inner && b2.extent(0) == outputs, "feed_forward: biases ", b1.shape(), " and ", b2.shape(),
                      ", weights ", w1.shape(), " and ", w2.shape());
  auto [y, out] = tape.output(Shape{rows, outputs}, x, w1, b1, w2, b2);
  T* const u = y.tracked() ? tape.template keep<T>(n) : nullptr;  // (R, F)
  T* const a = tape.scratch(n);                                   // (R, F)
  tape.backend().gemm(Gemm<T>{Transpose::No, Transpose::Yes, rows, inner, inputs, T(1), x.data(), inputs, w1.data(), inputs, {a, false}, inner,
                              {b1.data(), backend::Activation::Gelu, u, inner}});
  tape.backend().gemm(Gemm<T>{Transpose::No, Transpose::Yes, rows, outputs, inner, T(1), a, inner, w2.data(), inner, {out, false}, outputs,
                              {b2.data(), backend::Activation::None, nullptr, 0}});
  tape.release(a, n);
  tape.record(y, [=](Tp& t, const T* dy) {
    T *const du = t.scratch(n), *const value = t.scratch(n);
    if (auto db = t.target(b2)) t.backend().reduce_columns(rows, outputs, detail::Element<T>{dy, outputs}, db);
    t.backend().gemm(Gemm<T>{Transpose::No, Transpose::No, rows, inner, outputs, T(1), dy, outputs, w2.data(), inner, {du, false}, inner, {}});
    t.backend().map(n, detail::GeluBoth<T>{u, du, value});
    if (auto dw = t.target(w2))
      t.backend().gemm(Gemm<T>{Transpose::Yes, Transpose::No, outputs, inner, rows, T(1), dy, outputs, value, inner, dw, inner, {}});
    t.release(value, n);
    if (auto db = t.target(b1)) t.backend().reduce_columns(rows, inner, detail::Element<T>{du, inner}, db);
    if (auto dw = t.target(w1))
      t.backend().gemm(Gemm<T>{Transpose::Yes, Transpose::No, inner, inputs, rows, T(1), du, inner, x.data(), inputs, dw, inputs, {}});
    if (auto dx = t.target(x))
      t.backend().gemm(Gemm<T>{Transpose::No, Transpose::No, rows, inputs, inner, T(1), du, inner, w1.data(), inputs, dx, inputs, {}});
    t.release(du, n);
  });
  return y;
}

}  // namespace ramer::autodiff
