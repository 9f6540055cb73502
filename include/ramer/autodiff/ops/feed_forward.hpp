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
  RAMER_HD RAMER_IN_LOOPS void operator()(Index i) const {
    const T x = u[i];
    const backend::Normal<T> normal = backend::fast_normal(x);
    value[i] = x * normal.cdf;
    da[i] *= backend::gelu_slope(x, normal);
  }
};

}  // namespace detail

/// What a feed-forward part keeps for its reverse.
enum class Inner {
  Kept,       ///< u = x W1^T + b1
  Recomputed  ///< nothing: u is computed again, one product in seven more
};

/// y (R, O) = gelu(u) W2^T + b2 for x (R, I), u = x W1^T + b1, W1 (F, I), W2 (O, F). The reverse computes gelu(u) again together with its
/// slope, for one exponential.
template <class Tp, class T>
Var<T, 2> feed_forward(Tp& tape, Var<T, 2> x, Var<T, 2> w1, Var<T, 1> b1, Var<T, 2> w2, Var<T, 1> b2,
                       Inner kept = Inner::Kept) {
  const Index rows = x.extent(0), inputs = x.extent(1), inner = w1.extent(0), outputs = w2.extent(0), n = rows * inner;
  require<ShapeError>(w1.extent(1) == inputs && w2.extent(1) == inner, "feed_forward: x ", x.shape(), ", weights ",
                      w1.shape(), " and ", w2.shape());
  require<ShapeError>(b1.extent(0) == inner && b2.extent(0) == outputs, "feed_forward: biases ", b1.shape(), " and ",
                      b2.shape(), ", weights ", w1.shape(), " and ", w2.shape());
  auto [y, out] = tape.output(Shape{rows, outputs}, x, w1, b1, w2, b2);
  T* const u = y.tracked() && kept == Inner::Kept ? tape.template keep<T>(n) : nullptr;  // (R, F)
  T* const a = tape.scratch(n);                                                          // (R, F)
  detail::affine(tape.backend(), rows, inner, inputs, x.data(), w1.data(), inputs, {a, false},
                 {b1.data(), backend::Activation::Gelu, u, inner});
  detail::affine(tape.backend(), rows, outputs, inner, a, w2.data(), inner, {out, false}, {b2.data()});
  tape.release(a, n);
  tape.record(y, [=](Tp& t, const T* dy) {
    T *const du = t.scratch(n), *const value = t.scratch(n);
    if (auto db = t.target(b2)) detail::affine_bias_gradient(t.backend(), rows, outputs, dy, db);
    detail::affine_input_gradient(t.backend(), rows, outputs, inner, dy, w2.data(), inner, {du, false});
    if (!u) detail::affine(t.backend(), rows, inner, inputs, x.data(), w1.data(), inputs, {value, false}, {b1.data()});
    t.backend().map(n, detail::GeluBoth<T>{u ? u : value, du, value});
    if (auto dw = t.target(w2)) detail::affine_weight_gradient(t.backend(), rows, outputs, inner, dy, value, dw, inner);
    t.release(value, n);
    if (auto db = t.target(b1)) detail::affine_bias_gradient(t.backend(), rows, inner, du, db);
    if (auto dw = t.target(w1)) detail::affine_weight_gradient(t.backend(), rows, inner, inputs, du, x.data(), dw, inputs);
    if (auto dx = t.target(x)) detail::affine_input_gradient(t.backend(), rows, inner, inputs, du, w1.data(), inputs, dx);
    t.release(du, n);
  });
  return y;
}

}  // namespace ramer::autodiff
