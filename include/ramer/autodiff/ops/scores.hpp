// Scores per label: a row of weights per label slot, the maximum over modalities, the mean over slots.
#pragma once

#include <span>

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct LabelDotTerm {
  const T *x, *w;
  Index labels, width;
  RAMER_HD T operator()(Index r, Index d) const { return x[r * width + d] * w[(r % labels) * width + d]; }
};
template <class T>
struct PutScore {
  T* out;
  RAMER_HD void operator()(Index r, T value) const { out[r] = value; }
};
template <class T>
struct LabelDotInput {  // dx[r, d] += dy[r] w[r % C, d]
  const T *dy, *w;
  Index labels, width;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index d) const { dx.put(r * width + d, dy[r] * w[(r % labels) * width + d]); }
};
template <class T>
struct MaxStep {  // input `which` against the best of those before it
  const T* x;
  std::int32_t which;
  Index count, batch, labels;
  const std::uint8_t* present;  // (K, B)
  T* y;
  std::int32_t* winner;
  RAMER_HD void operator()(Index r, Index c) const {
    bool any = false;
    for (Index k = 0; k < count && present; ++k) any = any || present[k * batch + r];
    const Index i = r * labels + c;
    const std::int32_t best = which == 0 ? -1 : winner[i];
    const bool takes =
        (!any || present[which * batch + r]) && (best < 0 || x[i] > y[i] || x[i] != x[i]);  // not-a-number wins
    if (takes) y[i] = x[i];
    winner[i] = takes ? which : best;
  }
};
template <class T>
struct MaxReverse {
  const T* dy;
  const std::int32_t* winner;
  std::int32_t which;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index i) const { dx.put(i, winner[i] == which ? dy[i] : T(0)); }
};
template <class T>
struct SlotMean {
  const T* x;
  Index slots, width;
  T* y;
  RAMER_HD void operator()(Index b, Index d) const {
    T total = 0;
    for (Index j = 0; j < slots; ++j) total += x[(b * slots + j) * width + d];
    y[b * width + d] = total / static_cast<T>(slots);
  }
};
template <class T>
struct TakeSlot {
  const T* x;
  Index slots, width, slot;
  T* y;
  RAMER_HD void operator()(Index b, Index d) const { y[b * width + d] = x[(b * slots + slot) * width + d]; }
};
template <class T>
struct TakeSlotReverse {
  const T* dy;
  Index slots, width, slot;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index d) const {
    dx.put(r * width + d, r % slots == slot ? dy[r / slots * width + d] : T(0));
  }
};
template <class T>
struct SlotMeanReverse {
  const T* dy;
  Index slots, width;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index d) const {
    dx.put(r * width + d, dy[r / slots * width + d] / static_cast<T>(slots));
  }
};

}  // namespace detail

/// y (B, C): y[b, c] = <x[b, c, :], w[c, :]> for x (B, C, D), w (C, D). Eq 8's class scores.
template <class Tp, class T>
Var<T, 2> label_dot(Tp& tape, Var<T, 3> x, Var<T, 2> w) {
  const Index batch = x.extent(0), labels = x.extent(1), width = x.extent(2), rows = batch * labels;
  require<ShapeError>(w.extent(0) == labels && w.extent(1) == width, "label_dot: ", x.shape(), " and weight ", w.shape());
  auto [y, out] = tape.output(Shape{batch, labels}, x, w);
  tape.backend().reduce_rows(rows, width, detail::LabelDotTerm<T>{x.data(), w.data(), labels, width},
                             detail::PutScore<T>{out});
  tape.record(y, [=](Tp& t, const T* dy) {
    if (auto d = t.target(x)) t.backend().map_2d(rows, width, detail::LabelDotInput<T>{dy, w.data(), labels, width, d});
    if (auto d = t.target(w)) {  // dW[c] (1, D) = dy[:, c]^T x[:, c]
      using backend::Transpose;
      t.backend().gemm_batched(
          backend::product(Transpose::Yes, Transpose::No, 1, width, batch, dy, labels, x.data(), labels * width, d, width),
          labels, 1, width, width);
    }
  });
  return y;
}

/// y (B, C): the maximum over the inputs k (B, C) with present[k, b] != 0; over all of them where none is, or without `present`.
/// Ties go to the first. `winner` (B, C), if asked for, receives the place of the chosen inputs.
template <class Tp, class T>
Var<T, 2> max_over(Tp& tape, std::span<const Var<T, 2>> xs, const std::uint8_t* present = nullptr,
                   const std::int32_t** winner_out = nullptr) {
  require<ShapeError>(!xs.empty(), "max_over: no input");
  bool tracked = false;
  auto kept = tape.template list<Var<T, 2>>(static_cast<Index>(xs.size()));
  for (std::size_t k = 0; k < xs.size(); ++k) {
    require<ShapeError>(xs[k].shape() == xs[0].shape(), "max_over: ", xs[0].shape(), " and ", xs[k].shape());
    tracked = tracked || xs[k].tracked();
    kept[k] = xs[k];
  }
  auto [y, out] = tape.output_if(tracked, xs[0].shape());
  const Index n = y.size(), batch = xs[0].extent(0), labels = xs[0].extent(1), count = static_cast<Index>(xs.size());
  auto* winner = tape.template keep<std::int32_t>(n);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    tape.backend().map_2d(
        batch, labels,
        detail::MaxStep<T>{xs[k].data(), static_cast<std::int32_t>(k), count, batch, labels, present, out, winner});
  }
  if (winner_out) *winner_out = winner;
  tape.record(y, [=](Tp& t, const T* dy) {
    for (std::size_t k = 0; k < kept.size(); ++k) {
      if (auto d = t.target(kept[k])) t.backend().map(n, detail::MaxReverse<T>{dy, winner, static_cast<std::int32_t>(k), d});
    }
  });
  return y;
}

/// y (B, D): the mean over the label slots of x (B, C, D).
template <class Tp, class T>
Var<T, 2> slot_mean(Tp& tape, Var<T, 3> x) {
  const Index batch = x.extent(0), slots = x.extent(1), width = x.extent(2);
  auto [y, out] = tape.output(Shape{batch, width}, x);
  tape.backend().map_2d(batch, width, detail::SlotMean<T>{x.data(), slots, width, out});
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map_2d(batch * slots, width, detail::SlotMeanReverse<T>{dy, slots, width, t.target(x)});
  });
  return y;
}

/// y (B, D) = x[:, slot, :] for x (B, C, D).
template <class Tp, class T>
Var<T, 2> take_slot(Tp& tape, Var<T, 3> x, Index slot) {
  const Index batch = x.extent(0), slots = x.extent(1), width = x.extent(2);
  require<ShapeError>(slot >= 0 && slot < slots, "take_slot: slot ", slot, " of ", x.shape());
  auto [y, out] = tape.output(Shape{batch, width}, x);
  tape.backend().map_2d(batch, width, detail::TakeSlot<T>{x.data(), slots, width, slot, out});
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map_2d(batch * slots, width, detail::TakeSlotReverse<T>{dy, slots, width, slot, t.target(x)});
  });
  return y;
}

}  // namespace ramer::autodiff
