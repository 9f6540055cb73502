// Losses of logits as ops. Each is a weighted sum: the weights, made with the batch, hold both which cells count and the division by
// their number, so that no count is baked into a kernel. No cell that counts: the loss is 0.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct BceTerm {  // w (max(x, 0) - x y + log(1 + exp(-|x|)))
  const T* x;
  const std::uint8_t* y;
  const double* w;
  RAMER_HD double operator()(Index i) const {
    if (w[i] == 0) return 0;
    const double v = static_cast<double>(x[i]);
    return w[i] * ((v > 0 ? v : 0.0) - (y[i] ? v : 0.0) + std::log1p(std::exp(-std::abs(v))));
  }
};
template <class T>
struct BceReverse {
  const T *dloss, *x;
  const std::uint8_t* y;
  const double* w;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index i) const {
    const T p = backend::activate(backend::Activation::Sigmoid, x[i]);
    dx.put(i, w[i] == 0 ? T(0) : *dloss * static_cast<T>(w[i]) * (p - (y[i] ? T(1) : T(0))));
  }
};
template <class T>
struct CrossEntropyTerm {
  const T* x;
  Index classes, target, group;
  const double* w;
  RAMER_HD double operator()(Index r) const {
    if (w[r / group] == 0) return 0;
    const T* row = x + r * classes;
    double largest = static_cast<double>(row[0]), total = 0, mean = 0;
    for (Index k = 1; k < classes; ++k)
      largest = largest > static_cast<double>(row[k]) ? largest : static_cast<double>(row[k]);
    for (Index k = 0; k < classes; ++k) {
      total += std::exp(static_cast<double>(row[k]) - largest);
      mean += static_cast<double>(row[k]);
    }
    const double wanted = target >= 0 ? static_cast<double>(row[target]) : mean / static_cast<double>(classes);
    return w[r / group] * (largest + std::log(total) - wanted);
  }
};
template <class T>
struct CrossEntropyReverse {
  const T *dloss, *x;
  Index classes, target, group;
  const double* w;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r) const {
    const T* row = x + r * classes;
    const T factor = *dloss * static_cast<T>(w[r / group]);
    T largest = row[0], total = 0;
    for (Index k = 1; k < classes; ++k) largest = largest > row[k] ? largest : row[k];
    for (Index k = 0; k < classes; ++k) total += std::exp(row[k] - largest);
    for (Index k = 0; k < classes; ++k) {
      const T wanted = target >= 0 ? (k == target ? T(1) : T(0)) : T(1) / static_cast<T>(classes);
      dx.put(r * classes + k, factor == T(0) ? T(0) : factor * (std::exp(row[k] - largest) / total - wanted));
    }
  }
};

}  // namespace detail

/// sum_i w[i] BCE(sigmoid(x[i]), y[i]) for logits x of any shape, y and w of as many elements.
template <class Tp, class T, int R>
Var<T, 0> bce_with_logits(Tp& tape, Var<T, R> x, const std::uint8_t* y, const double* w) {
  auto [loss, out] = tape.output(Shape<0>{}, x);
  const Index n = x.size();
  tape.backend().sum(n, detail::BceTerm<T>{x.data(), y, w}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    t.backend().map(n, detail::BceReverse<T>{dloss, x.data(), y, w, t.target(x)});
  });
  return loss;
}

/// sum_r w[r / group] CE(softmax(x[r]), target) for logits x (R, K), one class for all rows; `target` -1: the uniform distribution.
template <class Tp, class T>
Var<T, 0> cross_entropy(Tp& tape, Var<T, 2> x, Index target, const double* w, Index group) {
  const Index rows = x.extent(0), classes = x.extent(1);
  require<ShapeError>(target >= -1 && target < classes, "cross_entropy: class ", target, " of logits ", x.shape());
  auto [loss, out] = tape.output(Shape<0>{}, x);
  tape.backend().sum(rows, detail::CrossEntropyTerm<T>{x.data(), classes, target, group, w}, T(1),
                     backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    t.backend().map(rows, detail::CrossEntropyReverse<T>{dloss, x.data(), classes, target, group, w, t.target(x)});
  });
  return loss;
}

}  // namespace ramer::autodiff
