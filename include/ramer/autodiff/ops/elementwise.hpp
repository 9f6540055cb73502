// Elementwise ops: sum, scaling, activations, dropout, gradient reversal.
#pragma once

#include "ramer/autodiff/tape.hpp"
#include "ramer/backend/fast_math.hpp"

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
template <backend::Activation Act, class T>
struct ActivationForward {
  const T* x;
  T* y;
  RAMER_HD RAMER_IN_LOOPS void operator()(Index i) const { y[i] = backend::fast_activate<Act>(x[i]); }
};
template <backend::Activation Act, class T>
struct ActivationReverse {  // dx += dy * act'(x); x is read only where the kind needs it
  const T *dy, *x, *y;
  backend::Target<T> dx;
  RAMER_HD RAMER_IN_LOOPS void operator()(Index i) const {
    const T u = backend::needs_preactivation(Act) ? x[i] : T(0);
    dx.put(i, dy[i] * backend::fast_activation_slope<Act>(u, y[i]));
  }
};
template <class T>
struct DropoutForward {                 // kBlock columns at a time: their draws are made side by side
  static constexpr Index kBlock = 128;  // fewer, and g++ unrolls the loops instead of vectorizing them
  const T* x;
  Index cols;
  backend::DropoutPlan plan;
  backend::Target<T> y;
  RAMER_HD RAMER_IN_LOOPS void operator()(Index r, Index block) const {
    const Index first = block * kBlock, n = cols - first < kBlock ? cols - first : kBlock;
    T factor[kBlock];
    backend::fast_dropout<kBlock / 4>(plan, plan.key(r), static_cast<std::uint32_t>(first / 4), factor);
    for (Index c = 0; c < n; ++c) y.put(r * cols + first + c, x[r * cols + first + c] * factor[c]);
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
  const T* value = out;
  backend::with_activation(act, [&, y = y, out = out](auto kind) {
    constexpr backend::Activation kAct = kind();
    tape.backend().map(n, detail::ActivationForward<kAct, T>{x.data(), out});
    tape.record(y, [=](Tp& t, const T* dy) {
      t.backend().map(n, detail::ActivationReverse<kAct, T>{dy, x.data(), value, t.target(x)});
    });
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
  const Index blocks = (cols + detail::DropoutForward<T>::kBlock - 1) / detail::DropoutForward<T>::kBlock;
  tape.backend().map_2d(rows, blocks, detail::DropoutForward<T>{x.data(), cols, plan, {out, false}});
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map_2d(rows, blocks, detail::DropoutForward<T>{dy, cols, plan, t.target(x)});
  });
  return y;
}

}  // namespace ramer::autodiff
