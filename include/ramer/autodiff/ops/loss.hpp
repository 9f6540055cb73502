// Losses as ops. Each is a weighted sum: the weights, made with the batch, hold both which cells count and the division by
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
    for (Index k = 1; k < classes; ++k) largest = largest > static_cast<double>(row[k]) ? largest : static_cast<double>(row[k]);
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
struct GramTerm {
  const T* gram;
  const double* w;
  Index group;
  RAMER_HD double operator()(Index i) const {
    return w[i / group] * static_cast<double>(gram[i]) * static_cast<double>(gram[i]);
  }
};
template <class T>
struct GramScale {
  const T *dloss, *gram;
  const double* w;
  Index group;
  T* out;
  RAMER_HD void operator()(Index i) const { out[i] = T(2) * *dloss * static_cast<T>(w[i / group]) * gram[i]; }
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
  tape.backend().sum(rows, detail::CrossEntropyTerm<T>{x.data(), classes, target, group, w}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    t.backend().map(rows, detail::CrossEntropyReverse<T>{dloss, x.data(), classes, target, group, w, t.target(x)});
  });
  return loss;
}

/// sum_b w[b] mean over the elements of sample b of (a - b)^2, for a, b (B, ...). Both sides receive gradients.
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

/// sum_b w[b] ||F_b G_b^T||_F^2 for F, G (B, C, D): the C x C Gram matrix over label slots. FLOP: 2 B C C D, twice that in reverse.
template <class Tp, class T>
Var<T, 0> gram_squared(Tp& tape, Var<T, 3> f, Var<T, 3> g, const double* w) {
  using backend::Transpose;
  require<ShapeError>(f.shape() == g.shape(), "gram_squared: ", f.shape(), " and ", g.shape());
  const Index batch = f.extent(0), slots = f.extent(1), width = f.extent(2), n = batch * slots * slots;
  auto [loss, out] = tape.output(Shape<0>{}, f, g);
  T* gram = tape.template keep<T>(n);  // (B, C, C)
  tape.backend().gemm_batched(backend::Gemm<T>{Transpose::No, Transpose::Yes, slots, slots, width, T(1), f.data(), width, g.data(),
                                               width, {gram, false}, slots, {}},
                              batch, slots * width, slots * width, slots * slots);
  tape.backend().sum(n, detail::GramTerm<T>{gram, w, slots * slots}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    T* dgram = t.scratch(n);  // 2 w dloss gram
    t.backend().map(n, detail::GramScale<T>{dloss, gram, w, slots * slots, dgram});
    if (auto d = t.target(f)) {  // dF = dGram G
      t.backend().gemm_batched(backend::Gemm<T>{Transpose::No, Transpose::No, slots, width, slots, T(1), dgram, slots, g.data(), width,
                                                d, width, {}},
                               batch, slots * slots, slots * width, slots * width);
    }
    if (auto d = t.target(g)) {  // dG = dGram^T F
      t.backend().gemm_batched(backend::Gemm<T>{Transpose::Yes, Transpose::No, slots, width, slots, T(1), dgram, slots, f.data(), width,
                                                d, width, {}},
                               batch, slots * slots, slots * width, slots * width);
    }
    t.release(dgram, n);
  });
  return loss;
}

}  // namespace ramer::autodiff
