// A recurrent layer over sequences of different length, as one op.
#pragma once

#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/backend/fast_math.hpp"

namespace ramer::autodiff {

/// Rows of sequences in the order of time: those of step t are [first[t], first[t + 1]), one for each sequence that is longer
/// than t, in the same order at every step, the longest first. Those that go on are then the first rows of a step, nothing is
/// padded, and what a sequence gives does not depend on the others.
struct TimeSteps {
  Index steps = 0;                      ///< of the longest sequence
  const std::int32_t* first = nullptr;  ///< (steps + 1); on the host, where the loop over time runs

  /// First row of a step, its number of rows, rows of all steps.
  Index begin(Index t) const { return first[t]; }
  Index sequences(Index t) const { return first[t + 1] - first[t]; }
  Index rows() const { return steps > 0 ? first[steps] : 0; }
};

namespace detail {

/// Gates i, f, g, o of row r are columns k, H + k, 2 H + k, 3 H + k. In: their pre-activations less the bias; out: activated.
template <class T>
struct LstmStep {  // c = f c' + i g, h = o tanh(c)
  const T* bias;
  const T* c_before;  // of the step before; null at the first
  Index width;
  T *gates, *c, *h;
  RAMER_HD RAMER_IN_LOOPS void operator()(Index r, Index k) const {
    using backend::Activation;
    const Index at = r * width + k;
    T* u = gates + r * 4 * width + k;
    const T i = backend::fast_activate<Activation::Sigmoid>(u[0] + bias[k]);
    const T f = backend::fast_activate<Activation::Sigmoid>(u[width] + bias[width + k]);
    const T g = backend::fast_activate<Activation::Tanh>(u[2 * width] + bias[2 * width + k]);
    const T o = backend::fast_activate<Activation::Sigmoid>(u[3 * width] + bias[3 * width + k]);
    const T cell = (c_before ? f * c_before[at] : T(0)) + i * g;
    u[0] = i;
    u[width] = f;
    u[2 * width] = g;
    u[3 * width] = o;
    c[at] = cell;
    h[at] = o * backend::fast_activate<Activation::Tanh>(cell);
  }
};
/// In: activated gates; out, in their place: the adjoints of their pre-activations. dc becomes that of the step before.
template <class T>
struct LstmStepReverse {
  const T *dy, *c, *c_before, *h_before;  // c_before, h_before: null at the first step
  Index width, carried;                   // rows [0, carried) went on: dh and dc hold what came back
  T *gates, *dh, *dc, *h_shifted;         // h_shifted: h_before beside this step's rows
  RAMER_HD RAMER_IN_LOOPS void operator()(Index r, Index k) const {
    const Index at = r * width + k;
    T* u = gates + r * 4 * width + k;
    const T i = u[0], f = u[width], g = u[2 * width], o = u[3 * width];
    const T squashed = backend::fast_activate<backend::Activation::Tanh>(c[at]);
    const T total = dy[at] + (r < carried ? dh[at] : T(0));
    const T dcell = total * o * (T(1) - squashed * squashed) + (r < carried ? dc[at] : T(0));
    u[0] = dcell * g * i * (T(1) - i);
    u[width] = c_before ? dcell * c_before[at] * f * (T(1) - f) : T(0);
    u[2 * width] = dcell * i * (T(1) - g * g);
    u[3 * width] = total * squashed * o * (T(1) - o);
    dc[at] = dcell * f;
    h_shifted[at] = h_before ? h_before[at] : T(0);
  }
};

}  // namespace detail

/// y (R, H): the states h of an LSTM that starts at h = c = 0, for rows x (R, I) in the order of time.
///   u = x W_ih^T + b_ih + h' W_hh^T + b_hh,  (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid) of the quarters of u,
///   c = f c' + i g,  h = o tanh(c);   W_ih (4 H, I), W_hh (4 H, H), b_ih and b_hh (4 H).
/// One product for the inputs of all steps, one for the states of each. Gates and cells are kept for the reverse, 5 R H
/// numbers, and the adjoints of the gates take their place. FLOP: 8 R H (I + H) forward, twice that in reverse.
/// `steps.first` must outlive the reverse.
template <class Tp, class T>
Var<T, 2> lstm(Tp& tape, Var<T, 2> x, Var<T, 2> w_ih, Var<T, 2> w_hh, Var<T, 1> b_ih, Var<T, 1> b_hh,
               const TimeSteps& steps) {
  using backend::Transpose;
  const Index rows = x.extent(0), inputs = x.extent(1), width = w_hh.extent(1), gates_width = 4 * width;
  require<ShapeError>(steps.rows() == rows, "lstm: ", x.shape(), ", steps of ", steps.rows(), " rows");
  require<ShapeError>(w_ih.extent(0) == gates_width && w_ih.extent(1) == inputs && w_hh.extent(0) == gates_width &&
                          b_ih.extent(0) == gates_width && b_hh.extent(0) == gates_width,
                      "lstm: input ", x.shape(), ", weights ", w_ih.shape(), " and ", w_hh.shape(), ", biases ",
                      b_ih.shape(), " and ", b_hh.shape(), "; four gates of ", width, " are wanted");
  auto [y, h] = tape.output(Shape{rows, width}, x, w_ih, w_hh, b_ih, b_hh);
  const bool keep = y.tracked();
  T* gates = keep ? tape.template keep<T>(rows * gates_width) : tape.scratch(rows * gates_width);  // (R, 4 H)
  T* cell = keep ? tape.template keep<T>(rows * width) : tape.scratch(rows * width);               // (R, H)
  tape.backend().gemm(backend::product(Transpose::No, Transpose::Yes, rows, gates_width, inputs, x.data(), inputs,
                                       w_ih.data(), inputs, {gates, false}, gates_width,
                                       {b_ih.data(), backend::Activation::None, nullptr, 0}));
  for (Index t = 0; t < steps.steps; ++t) {
    const Index at = steps.begin(t), before = t > 0 ? steps.begin(t - 1) : 0, n = steps.sequences(t);
    T* const u = gates + at * gates_width;
    if (t > 0) {  // u += h' W_hh^T
      tape.backend().gemm(backend::product(Transpose::No, Transpose::Yes, n, gates_width, width, h + before * width, width,
                                           w_hh.data(), width, {u, true}, gates_width));
    }
    const T* const c_before = t > 0 ? cell + before * width : nullptr;
    tape.backend().map_2d(n, width, detail::LstmStep<T>{b_hh.data(), c_before, width, u, cell + at * width, h + at * width});
  }
  if (!keep) {
    tape.release(gates, rows * gates_width);
    tape.release(cell, rows * width);
    return y;
  }
  const T* const state = h;
  tape.record(y, [=](Tp& t, const T* dy) {
    if (rows == 0) return;
    const Index most = steps.sequences(0);
    T* const dh = t.scratch(most * width);
    T* const dc = t.scratch(most * width);
    T* const h_shifted = t.scratch(rows * width);  // (R, H) h' of each row
    Index carried = 0;
    for (Index s = steps.steps - 1; s >= 0; --s) {
      const Index at = steps.begin(s), before = s > 0 ? steps.begin(s - 1) : 0, n = steps.sequences(s);
      const bool first = s == 0;
      T* const du = gates + at * gates_width;
      t.backend().map_2d(n, width,
                         detail::LstmStepReverse<T>{
                             dy + at * width, cell + at * width, first ? nullptr : cell + before * width,
                             first ? nullptr : state + before * width, width, carried, du, dh, dc, h_shifted + at * width});
      if (!first) {  // dh' (n, H) = du W_hh
        t.backend().gemm(backend::product(Transpose::No, Transpose::No, n, width, gates_width, du, gates_width, w_hh.data(),
                                          width, {dh, false}, width));
      }
      carried = n;
    }
    if (auto d = t.target(b_ih)) t.backend().reduce_columns(rows, gates_width, detail::Element<T>{gates, gates_width}, d);
    if (auto d = t.target(b_hh)) t.backend().reduce_columns(rows, gates_width, detail::Element<T>{gates, gates_width}, d);
    if (auto d = t.target(w_ih)) {  // dW_ih (4 H, I) = du^T x
      t.backend().gemm(backend::product(Transpose::Yes, Transpose::No, gates_width, inputs, rows, gates, gates_width,
                                        x.data(), inputs, d, inputs));
    }
    if (auto d = t.target(w_hh)) {  // dW_hh (4 H, H) = du^T h'
      t.backend().gemm(backend::product(Transpose::Yes, Transpose::No, gates_width, width, rows, gates, gates_width,
                                        h_shifted, width, d, width));
    }
    if (auto d = t.target(x)) {  // dx (R, I) = du W_ih
      t.backend().gemm(backend::product(Transpose::No, Transpose::No, rows, inputs, gates_width, gates, gates_width,
                                        w_ih.data(), inputs, d, inputs));
    }
    t.release(h_shifted, rows * width);
    t.release(dc, most * width);
    t.release(dh, most * width);
  });
  return y;
}

}  // namespace ramer::autodiff
