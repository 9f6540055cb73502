// Overlap of two packed sequences of rows, sample by sample.
#pragma once

#include <span>

#include "ramer/autodiff/ops/gram.hpp"

namespace ramer::autodiff {

namespace detail {

/// Calls f(first sample, samples, f rows of each, g rows of each, elements before) for runs of consecutive samples whose Gram
/// matrices have one shape: a run is one batched product.
template <class F>
void for_gram_runs(std::span<const std::int32_t> f_offsets, std::span<const std::int32_t> g_offsets, F f) {
  const auto rows = [](std::span<const std::int32_t> offsets, std::size_t b) { return Index{offsets[b + 1]} - offsets[b]; };
  const std::size_t samples = f_offsets.size() - 1;
  Index before = 0;
  for (std::size_t b = 0, end = 0; b < samples; b = end) {
    const Index m = rows(f_offsets, b), n = rows(g_offsets, b);
    for (end = b + 1; end < samples && rows(f_offsets, end) == m && rows(g_offsets, end) == n;) ++end;
    const auto count = static_cast<Index>(end - b);
    f(b, count, m, n, before);
    before += count * m * n;
  }
}

}  // namespace detail

/// sum_b w[b] ||F_b G_b^T||_F^2 for packed F (R_f, D), G (R_g, D): sample b's rows are [offsets[b], offsets[b + 1]) of either. Offsets
/// are read by the host, and must outlive the step. FLOP: 2 D sum_b m_b n_b, twice that in reverse.
template <class Tp, class T>
Var<T, 0> token_gram_squared(Tp& tape, Var<T, 2> f, std::span<const std::int32_t> f_offsets, Var<T, 2> g,
                             std::span<const std::int32_t> g_offsets, const double* w) {
  using backend::Transpose;
  require<ShapeError>(f.extent(1) == g.extent(1), "token_gram_squared: ", f.shape(), " and ", g.shape());
  require<ShapeError>(!f_offsets.empty() && f_offsets.size() == g_offsets.size() && f_offsets.back() == f.extent(0) &&
                          g_offsets.back() == g.extent(0),
                      "token_gram_squared: ", f.shape(), " and ", g.shape(), ", offsets of other samples");
  const Index width = f.extent(1);
  Index size = 0;
  detail::for_gram_runs(f_offsets, g_offsets,
                        [&](std::size_t, Index count, Index m, Index n, Index) { size += count * m * n; });
  auto [loss, out] = tape.output(Shape<0>{}, f, g);
  T* gram = tape.template keep<T>(size);
  auto& b = tape.backend();
  b.fill(out, Index{1}, T(0));
  detail::for_gram_runs(
      f_offsets, g_offsets, [&, out = out](std::size_t sample, Index count, Index m, Index n, Index before) {
        if (m * n == 0) return;
        b.gemm_batched(backend::product(Transpose::No, Transpose::Yes, m, n, width, f.data() + f_offsets[sample] * width,
                                        width, g.data() + g_offsets[sample] * width, width, {gram + before, false}, n),
                       count, m * width, n * width, m * n);
        b.sum(count * m * n, detail::ProductTerm<T>{gram + before, gram + before, w + sample, m * n}, T(1),
              backend::Target<T>{out, true});
      });
  tape.record(loss, [=](Tp& t, const T* dloss) {
    T* dgram = t.scratch(size);  // 2 w dloss gram
    const auto df = t.target(f), dg = t.target(g);
    detail::for_gram_runs(f_offsets, g_offsets, [&](std::size_t sample, Index count, Index m, Index n, Index before) {
      const Index f_row = f_offsets[sample] * width, g_row = g_offsets[sample] * width;
      t.backend().map(count * m * n, detail::ProductScale<T>{dloss, gram + before, w + sample, m * n, dgram + before});
      if (df && m > 0) {  // dF = dGram G
        t.backend().gemm_batched(backend::product(Transpose::No, Transpose::No, m, width, n, dgram + before, n,
                                                  g.data() + g_row, width, df.at(f_row), width),
                                 count, m * n, n * width, m * width);
      }
      if (dg && n > 0) {  // dG = dGram^T F
        t.backend().gemm_batched(backend::product(Transpose::Yes, Transpose::No, n, width, m, dgram + before, n,
                                                  f.data() + f_row, width, dg.at(g_row), width),
                                 count, m * n, m * width, n * width);
      }
    });
    t.release(dgram, size);
  });
  return loss;
}

}  // namespace ramer::autodiff
