// Overlap of two sets of rows (Eq 4): squared norms of Gram matrices, per sample.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct ProductTerm {
  const T *a, *b;
  const double* w;
  Index group;
  RAMER_HD double operator()(Index i) const {
    return w[i / group] == 0 ? 0 : w[i / group] * static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
};
template <class T>
struct ProductScale {  // out = 2 dloss w x
  const T *dloss, *x;
  const double* w;
  Index group;
  T* out;
  RAMER_HD void operator()(Index i) const {
    out[i] = w[i / group] == 0 ? T(0) : T(2) * *dloss * static_cast<T>(w[i / group]) * x[i];
  }
};

/// out (B, C, C) = F_b G_b^T for F, G (B, C, D).
template <class B, class T>
void slot_grams(B& backend, Var<T, 3> f, Var<T, 3> g, T* out) {
  const Index slots = f.extent(1), width = f.extent(2);
  backend.gemm_batched(backend::product(backend::Transpose::No, backend::Transpose::Yes, slots, slots, width, f.data(),
                                        width, g.data(), width, {out, false}, slots),
                       f.extent(0), slots * width, slots * width, slots * slots);
}
/// dx (B, C, D) <- M_b X_b or M_b^T X_b for M (B, C, C), X (B, C, D).
template <class B, class T>
void apply_grams(B& backend, const T* m, backend::Transpose transpose, Var<T, 3> x, backend::Target<T> dx) {
  const Index slots = x.extent(1), width = x.extent(2);
  backend.gemm_batched(
      backend::product(transpose, backend::Transpose::No, slots, width, slots, m, slots, x.data(), width, dx, width),
      x.extent(0), slots * slots, slots * width, slots * width);
}

}  // namespace detail

/// sum_b w[b] ||F_b G_b^T||_F^2 for F, G (B, C, D): the C x C Gram matrix over label slots. FLOP: 2 B C C D, twice that in reverse.
template <class Tp, class T>
Var<T, 0> gram_squared(Tp& tape, Var<T, 3> f, Var<T, 3> g, const double* w) {
  require<ShapeError>(f.shape() == g.shape(), "gram_squared: ", f.shape(), " and ", g.shape());
  const Index slots = f.extent(1), group = slots * slots, n = f.extent(0) * group;
  auto [loss, out] = tape.output(Shape<0>{}, f, g);
  T* gram = tape.template keep<T>(n);  // (B, C, C)
  detail::slot_grams(tape.backend(), f, g, gram);
  tape.backend().sum(n, detail::ProductTerm<T>{gram, gram, w, group}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    T* dgram = t.scratch(n);  // 2 w dloss gram
    t.backend().map(n, detail::ProductScale<T>{dloss, gram, w, group, dgram});
    if (auto d = t.target(f)) detail::apply_grams(t.backend(), dgram, backend::Transpose::No, g, d);
    if (auto d = t.target(g)) detail::apply_grams(t.backend(), dgram, backend::Transpose::Yes, f, d);
    t.release(dgram, n);
  });
  return loss;
}

/// sum_b w[b] ||F_b^T G_b||_F^2 for F, G (B, C, D): the D x D form, which is <F F^T, G G^T> and never forms D x D.
/// FLOP: 4 B C C D, the same in reverse.
template <class Tp, class T>
Var<T, 0> feature_gram_squared(Tp& tape, Var<T, 3> f, Var<T, 3> g, const double* w) {
  require<ShapeError>(f.shape() == g.shape(), "feature_gram_squared: ", f.shape(), " and ", g.shape());
  const Index slots = f.extent(1), group = slots * slots, n = f.extent(0) * group;
  auto [loss, out] = tape.output(Shape<0>{}, f, g);
  T* ff = tape.template keep<T>(n);  // (B, C, C) each, symmetric
  T* gg = tape.template keep<T>(n);
  detail::slot_grams(tape.backend(), f, f, ff);
  detail::slot_grams(tape.backend(), g, g, gg);
  tape.backend().sum(n, detail::ProductTerm<T>{ff, gg, w, group}, T(1), backend::Target<T>{out, false});
  tape.record(loss, [=](Tp& t, const T* dloss) {
    T* dgram = t.scratch(n);
    if (auto d = t.target(f)) {  // dF = 2 w dloss (G G^T) F
      t.backend().map(n, detail::ProductScale<T>{dloss, gg, w, group, dgram});
      detail::apply_grams(t.backend(), dgram, backend::Transpose::No, f, d);
    }
    if (auto d = t.target(g)) {
      t.backend().map(n, detail::ProductScale<T>{dloss, ff, w, group, dgram});
      detail::apply_grams(t.backend(), dgram, backend::Transpose::No, g, d);
    }
    t.release(dgram, n);
  });
  return loss;
}

}  // namespace ramer::autodiff
