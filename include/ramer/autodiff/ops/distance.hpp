// Distances between two tensors, per sample (Eq 7). Both sides receive gradients; weights as in ops/loss.hpp.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct SquaredDifference {
  const T *a, *b;
  Index cols;
  RAMER_HD double operator()(Index r, Index c) const {
    const double difference = static_cast<double>(a[r * cols + c]) - static_cast<double>(b[r * cols + c]);
    return difference * difference;
  }
};
struct PutWeighted {  // a sample of weight 0 does not count, whatever is in it
  const double* w;
  double scale;
  double* out;
  RAMER_HD void operator()(Index r, double squares) const { out[r] = w[r] == 0 ? 0 : scale * w[r] * squares; }
};
struct SampleTerm {
  const double* value;
  RAMER_HD double operator()(Index r) const { return value[r]; }
};
template <class T>
struct SquaredErrorReverse {
  const T *dloss, *a, *b;
  const double* w;
  Index cols;
  double factor;
  backend::Target<T> d;
  RAMER_HD void operator()(Index r, Index c) const {
    const Index i = r * cols + c;
    d.put(i, w[r] == 0 ? T(0) : *dloss * static_cast<T>(factor * w[r]) * (a[i] - b[i]));
  }
};
template <class T>
struct PutRoot {
  T* out;
  RAMER_HD void operator()(Index r, double squares) const { out[r] = static_cast<T>(std::sqrt(squares)); }
};
template <class T>
struct NormTerm {
  const T* norm;
  const double* w;
  RAMER_HD double operator()(Index r) const { return w[r] == 0 ? 0 : w[r] * static_cast<double>(norm[r]); }
};
template <class T>
struct NormReverse {  // w (a - b) / |a - b|, and 0 where a = b
  const T *dloss, *a, *b, *norm;
  const double* w;
  Index cols;
  backend::Target<T> d;
  RAMER_HD void operator()(Index r, Index c) const {
    const Index i = r * cols + c;
    d.put(i, w[r] == 0 || norm[r] == T(0) ? T(0) : *dloss * static_cast<T>(w[r]) * (a[i] - b[i]) / norm[r]);
  }
};

}  // namespace detail

/// sum_b w[b] mean over the elements of sample b of (a - b)^2, for a, b (B, ...).
template <class Tp, class T, int R>
Var<T, 0> squared_error(Tp& tape, Var<T, R> a, Var<T, R> b, const double* w) {
  require<ShapeError>(a.shape() == b.shape(), "squared_error: ", a.shape(), " and ", b.shape());
  auto [loss, out] = tape.output(Shape<0>{}, a, b);
  const Index rows = a.extent(0), cols = rows ? a.size() / rows : 0;
  const double scale = cols ? 1.0 / static_cast<double>(cols) : 0.0;
  double* term = tape.template keep<double>(rows);
  tape.backend().reduce_rows(rows, cols, detail::SquaredDifference<T>{a.data(), b.data(), cols},
                             detail::PutWeighted{w, scale, term});
  tape.backend().sum(rows, detail::SampleTerm{term}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    if (auto d = t.target(a)) {
      t.backend().map_2d(rows, cols, detail::SquaredErrorReverse<T>{dloss, a.data(), b.data(), w, cols, 2 * scale, d});
    }
    if (auto d = t.target(b)) {
      t.backend().map_2d(rows, cols, detail::SquaredErrorReverse<T>{dloss, b.data(), a.data(), w, cols, 2 * scale, d});
    }
  });
  return loss;
}

/// sum_b w[b] ||a_b - b_b||_F over the elements of sample b, for a, b (B, ...).
template <class Tp, class T, int R>
Var<T, 0> frobenius_error(Tp& tape, Var<T, R> a, Var<T, R> b, const double* w) {
  require<ShapeError>(a.shape() == b.shape(), "frobenius_error: ", a.shape(), " and ", b.shape());
  auto [loss, out] = tape.output(Shape<0>{}, a, b);
  const Index rows = a.extent(0), cols = rows ? a.size() / rows : 0;
  T* norm = tape.template keep<T>(rows);
  tape.backend().reduce_rows(rows, cols, detail::SquaredDifference<T>{a.data(), b.data(), cols}, detail::PutRoot<T>{norm});
  tape.backend().sum(rows, detail::NormTerm<T>{norm, w}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    if (auto d = t.target(a))
      t.backend().map_2d(rows, cols, detail::NormReverse<T>{dloss, a.data(), b.data(), norm, w, cols, d});
    if (auto d = t.target(b))
      t.backend().map_2d(rows, cols, detail::NormReverse<T>{dloss, b.data(), a.data(), norm, w, cols, d});
  });
  return loss;
}

}  // namespace ramer::autodiff
