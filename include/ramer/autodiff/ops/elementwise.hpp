// Elementwise ops: sum, scaling, activations, dropout, gradient reversal.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct AddForward {
  const T *a, *b;
  T* y;
  RAMER_HD void operator()(Index i) const { y[i] = a[i] + b[i]; }
};
template <class T>
struct AddScaled {  // dx += factor * dy
  const T* dy;
  T factor;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index i) const { dx.put(i, factor * dy[i]); }
};
template <class T>
struct ScaleForward {
  const T* x;
  T factor;
  T* y;
  RAMER_HD void operator()(Index i) const { y[i] = factor * x[i]; }
};
template <class T>
struct ActivationForward {
  const T* x;
  backend::Activation act;
  T* y;
  RAMER_HD void operator()(Index i) const { y[i] = backend::activate(act, x[i]); }
};
template <class T>
struct ActivationReverse {
  const T *dy, *x, *y;
  backend::Activation act;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index i) const { dx.put(i, dy[i] * backend::activation_slope(act, x[i], y[i])); }
};
template <class T>
struct DropoutForward {
  const T* x;
  Index cols;
  backend::DropoutPlan plan;
  backend::Target<T> y;
  RAMER_HD void operator()(Index r, Index c) const {
    const Index i = r * cols + c;
    y.put(i, x[i] * static_cast<T>(plan.factor(plan.key(r), static_cast<std::uint32_t>(c))));
  }
};

}  // namespace detail

/// y = a + b.
template <class Tp, class T, int R>
Var<T, R> add(Tp& tape, Var<T, R> a, Var<T, R> b) {
  require<ShapeError>(a.shape() == b.shape(), "add: ", a.shape(), " and ", b.shape());
  auto [y, out] = tape.output(a.shape(), a, b);
  const Index n = y.size();
  tape.backend().map(n, detail::AddForward<T>{a.data(), b.data(), out});
  tape.record(y, [=](Tp& t, const T* dy) {
    if (auto da = t.target(a)) t.backend().map(n, detail::AddScaled<T>{dy, T(1), da});
    if (auto db = t.target(b)) t.backend().map(n, detail::AddScaled<T>{dy, T(1), db});
  });
  return y;
}

/// total + x, where a total that nothing was added to yet is an invalid Var: the way to sum over modalities.
template <class Tp, class T, int R>
Var<T, R> add_to(Tp& tape, Var<T, R> total, Var<T, R> x) {
  return total.valid() ? add(tape, total, x) : x;
}

/// y = factor * x.
template <class Tp, class T, int R>
Var<T, R> scale(Tp& tape, Var<T, R> x, T factor) {
  auto [y, out] = tape.output(x.shape(), x);
  const Index n = y.size();
  tape.backend().map(n, detail::ScaleForward<T>{x.data(), factor, out});
  tape.record(y, [=](Tp& t, const T* dy) { t.backend().map(n, detail::AddScaled<T>{dy, factor, t.target(x)}); });
  return y;
}

/// y = act(x).
template <class Tp, class T, int R>
Var<T, R> activation(Tp& tape, Var<T, R> x, backend::Activation act) {
  auto [y, out] = tape.output(x.shape(), x);
  const Index n = y.size();
  tape.backend().map(n, detail::ActivationForward<T>{x.data(), act, out});
  const T* value = out;
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map(n, detail::ActivationReverse<T>{dy, x.data(), value, act, t.target(x)});
  });
  return y;
}

/// Identity forward, -strength * dy in reverse (Ganin and Lempitsky 2015).
template <class Tp, class T, int R>
Var<T, R> gradient_reversal(Tp& tape, Var<T, R> x, T strength) {
  if (!x.tracked()) return x;
  Var<T, R> y = tape.alias(x);
  const Index n = y.size();
  tape.record(y, [=](Tp& t, const T* dy) { t.backend().map(n, detail::AddScaled<T>{dy, -strength, t.target(x)}); });
  return y;
}

/// Inverted dropout over the rows of x (R, D); the mask is drawn again in reverse, never stored.
template <class Tp, class T, int R>
Var<T, R> dropout(Tp& tape, Var<T, R> x, const backend::DropoutPlan& plan) {
  if (!plan.active()) return x;
  auto [y, out] = tape.output(x.shape(), x);
  const Index cols = R > 0 ? x.extent(R - 1) : 1, rows = cols ? x.size() / cols : 0;
  tape.backend().map_2d(rows, cols, detail::DropoutForward<T>{x.data(), cols, plan, {out, false}});
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map_2d(rows, cols, detail::DropoutForward<T>{dy, cols, plan, t.target(x)});
  });
  return y;
}

}  // namespace ramer::autodiff
