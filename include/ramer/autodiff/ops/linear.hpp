// Affine maps, alone or over a list of inputs as if they were concatenated.
#pragma once

#include <span>

#include "ramer/autodiff/ops/elementwise.hpp"

namespace ramer::autodiff {

namespace detail {

template <backend::Activation Act, class T>
struct BiasActivation {  // u = y + b, y = act(u)
  const T* b;
  T *pre, *y;
  Index cols;
  RAMER_HD RAMER_IN_LOOPS void operator()(Index r, Index c) const {
    const T u = y[r * cols + c] + (b ? b[c] : T(0));
    if (pre) pre[r * cols + c] = u;
    y[r * cols + c] = backend::fast_activate<Act>(u);
  }
};
template <class T>
struct Element {
  const T* x;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return x[r * cols + c]; }
};

/// y (R, O) = or += x (R, I) W^T with an epilogue; W has rows ldw apart, as a block of columns of a wider weight has.
template <class Backend, class T>
void affine(Backend& backend, Index rows, Index outputs, Index inputs, const T* x, const T* w, Index ldw,
            backend::Target<T> y, const backend::Epilogue<T>& epilogue) {
  using backend::Transpose;
  backend.gemm(
      backend::product(Transpose::No, Transpose::Yes, rows, outputs, inputs, x, inputs, w, ldw, y, outputs, epilogue));
}
/// dx (R, I) = du (R, O) W.
template <class Backend, class T>
void affine_input_gradient(Backend& backend, Index rows, Index outputs, Index inputs, const T* du, const T* w, Index ldw,
                           backend::Target<T> dx) {
  using backend::Transpose;
  backend.gemm(backend::product(Transpose::No, Transpose::No, rows, inputs, outputs, du, outputs, w, ldw, dx, inputs));
}
/// dW (O, I) = du^T x.
template <class Backend, class T>
void affine_weight_gradient(Backend& backend, Index rows, Index outputs, Index inputs, const T* du, const T* x,
                            backend::Target<T> dw, Index ldw) {
  using backend::Transpose;
  backend.gemm(backend::product(Transpose::Yes, Transpose::No, outputs, inputs, rows, du, outputs, x, inputs, dw, ldw));
}
/// db (O) = sums of du over rows.
template <class Backend, class T>
void affine_bias_gradient(Backend& backend, Index rows, Index outputs, const T* du, backend::Target<T> db) {
  backend.reduce_columns(rows, outputs, Element<T>{du, outputs}, db);
}

}  // namespace detail

/// y (R, O) = act([x_0 | x_1 | ...] W^T + b) for inputs x_k (R, I_k), W (O, sum I_k), b (O) or absent. The inputs are never
/// concatenated. FLOP: 2 R O sum I_k forward, twice that in reverse.
template <class Tp, class T>
Var<T, 2> linear(Tp& tape, std::span<const Var<T, 2>> xs, Var<T, 2> w, Var<T, 1> b,
                 backend::Activation act = backend::Activation::None) {
  require<ShapeError>(!xs.empty(), "linear: no input");
  const Index rows = xs[0].extent(0), outputs = w.extent(0), inputs = w.extent(1);
  Index total = 0;
  bool tracked = w.tracked() || b.tracked();
  for (const auto& x : xs) {
    require<ShapeError>(x.extent(0) == rows, "linear: inputs of ", rows, " and ", x.extent(0), " rows");
    total += x.extent(1);
    tracked = tracked || x.tracked();
  }
  require<ShapeError>(total == inputs, "linear: inputs of width ", total, ", weight ", w.shape());
  require<ShapeError>(!b.valid() || b.extent(0) == outputs, "linear: bias ", b.shape(), ", weight ", w.shape());

  auto [y, out] = tape.output_if(tracked, Shape{rows, outputs});  // (R, O)
  T* pre = y.tracked() && backend::needs_preactivation(act) ? tape.template keep<T>(rows * outputs) : nullptr;
  const T* bias = b.valid() ? b.data() : nullptr;
  const bool fused = xs.size() == 1;
  Index column = 0;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    const Index width = xs[k].extent(1);
    const backend::Epilogue<T> epilogue = fused ? backend::Epilogue<T>{bias, act, pre, outputs} : backend::Epilogue<T>{};
    detail::affine(tape.backend(), rows, outputs, width, xs[k].data(), w.data() + column, inputs, {out, k > 0}, epilogue);
    column += width;
  }
  // The epilogue needs the whole sum: with several inputs it is a pass of its own after the last product.
  if (!fused && (bias || act != backend::Activation::None)) {
    backend::with_activation(act, [&, out = out](auto kind) {
      tape.backend().map_2d(rows, outputs, detail::BiasActivation<kind(), T>{bias, pre, out, outputs});
    });
  }
  if (!y.tracked()) return y;

  auto inputs_kept = tape.template list<Var<T, 2>>(static_cast<Index>(xs.size()));
  std::copy(xs.begin(), xs.end(), inputs_kept.begin());
  const Var<T, 2>* kept = inputs_kept.data();
  const std::size_t count = xs.size();
  const T* value = out;
  tape.record(y, [=](Tp& t, const T* dy) {
    const Index n = rows * outputs;
    const T* du = dy;  // (R, O)
    T* scratch = nullptr;
    if (act != backend::Activation::None) {
      scratch = t.scratch(n);
      backend::with_activation(act, [&](auto kind) {
        t.backend().map(n, detail::ActivationReverse<kind(), T>{dy, pre, value, {scratch, false}});
      });
      du = scratch;
    }
    if (auto db = t.target(b)) detail::affine_bias_gradient(t.backend(), rows, outputs, du, db);
    const auto dw = t.target(w);
    Index at = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const Var<T, 2> x = kept[k];
      const Index width = x.extent(1);
      if (dw) detail::affine_weight_gradient(t.backend(), rows, outputs, width, du, x.data(), dw.at(at), inputs);
      if (auto dx = t.target(x))
        detail::affine_input_gradient(t.backend(), rows, outputs, width, du, w.data() + at, inputs, dx);
      at += width;
    }
    if (scratch) t.release(scratch, n);
  });
  return y;
}

/// y (R, O) = act(x W^T + b) for x (R, I).
template <class Tp, class T>
Var<T, 2> linear(Tp& tape, Var<T, 2> x, Var<T, 2> w, Var<T, 1> b, backend::Activation act = backend::Activation::None) {
  return linear(tape, std::span<const Var<T, 2>>(&x, 1), w, b, act);
}

}  // namespace ramer::autodiff
