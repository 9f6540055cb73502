// Distances between two tensors, per sample (Eq 7). Both sides receive gradients; weights as in ops/loss.hpp.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct SquaredErrorTerm {
  const T *a, *b;
  const double* w;
  Index group;
  double scale;
  RAMER_HD double operator()(Index i) const {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    return scale * w[i / group] * difference * difference;
  }
};
template <class T>
struct SquaredErrorReverse {
  const T *dloss, *a, *b;
  const double* w;
  Index group;
  double factor;
  backend::Target<T> d;
  RAMER_HD void operator()(Index i) const { d.put(i, *dloss * static_cast<T>(factor * w[i / group]) * (a[i] - b[i])); }
};
template <class T>
struct SquaredDifference {
  const T *a, *b;
  Index group;
  RAMER_HD T operator()(Index r, Index i) const {
    const T difference = a[r * group + i] - b[r * group + i];
    return difference * difference;
  }
};
template <class T>
struct PutRoot {
  T* out;
  RAMER_HD void operator()(Index r, T squares) const { out[r] = std::sqrt(squares); }
};
template <class T>
struct NormTerm {
  const T* norm;
  const double* w;
  RAMER_HD double operator()(Index r) const { return w[r] * static_cast<double>(norm[r]); }
};
template <class T>
struct NormReverse {  // w (a - b) / |a - b|, and 0 where a = b
  const T *dloss, *a, *b, *norm;
  const double* w;
  Index group;
  backend::Target<T> d;
  RAMER_HD void operator()(Index i) const {
    const Index r = i / group;
    d.put(i, norm[r] > T(0) ? *dloss * static_cast<T>(w[r]) * (a[i] - b[i]) / norm[r] : T(0));
  }
};

}  // namespace detail

/// sum_b w[b] mean over the elements of sample b of (a - b)^2, for a, b (B, ...).
template <class Tp, class T, int R>
Var<T, 0> squared_error(Tp& tape, Var<T, R> a, Var<T, R> b, const double* w) {
  require<ShapeError>(a.shape() == b.shape(), "squared_error: ", a.shape(), " and ", b.shape());
  auto [loss, out] = tape.output(Shape<0>{}, a, b);
  const Index n = a.size(), group = a.extent(0) ? n / a.extent(0) : 1;
  const double scale = group ? 1.0 / static_cast<double>(group) : 0.0;
  tape.backend().sum(n, detail::SquaredErrorTerm<T>{a.data(), b.data(), w, group, scale}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    if (auto d = t.target(a)) {
      t.backend().map(n, detail::SquaredErrorReverse<T>{dloss, a.data(), b.data(), w, group, 2 * scale, d});
    }
    if (auto d = t.target(b)) {
      t.backend().map(n, detail::SquaredErrorReverse<T>{dloss, b.data(), a.data(), w, group, 2 * scale, d});
    }
  });
  return loss;
}

/// sum_b w[b] ||a_b - b_b||_F over the elements of sample b, for a, b (B, ...).
template <class Tp, class T, int R>
Var<T, 0> frobenius_error(Tp& tape, Var<T, R> a, Var<T, R> b, const double* w) {
  require<ShapeError>(a.shape() == b.shape(), "frobenius_error: ", a.shape(), " and ", b.shape());
  auto [loss, out] = tape.output(Shape<0>{}, a, b);
  const Index n = a.size(), batch = a.extent(0), group = batch ? n / batch : 1;
  T* norm = tape.template keep<T>(batch);
  tape.backend().reduce_rows(batch, group, detail::SquaredDifference<T>{a.data(), b.data(), group}, detail::PutRoot<T>{norm});
  tape.backend().sum(batch, detail::NormTerm<T>{norm, w}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    if (auto d = t.target(a)) t.backend().map(n, detail::NormReverse<T>{dloss, a.data(), b.data(), norm, w, group, d});
    if (auto d = t.target(b)) t.backend().map(n, detail::NormReverse<T>{dloss, b.data(), a.data(), norm, w, group, d});
  });
  return loss;
}

}  // namespace ramer::autodiff
