// Overlap of commonality and specificity (Eq 4), with the sign that the text asks for: it is minimised.
#pragma once

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/gram.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::loss {

/// Sample weights: per modality (B) a[b, m] / n_m, and for pairs of modalities both present.
struct OrthogonalityRows {
  std::span<const double* const> present;  ///< (M)
  std::span<const double* const> pairs;    ///< (M (M - 1) / 2) for (0,1), (0,2), ..., (1,2), ...
};

/// sum_m mean_b ||C^m_b (S^m_b)^T||_F^2 with C, S (C labels x H): a Gram matrix over label slots (docs/design.md).
struct SlotGram {
  static constexpr bool enabled = true;
  static constexpr bool pairs = false;

  template <class E>
  static nn::Var<E, 0> common_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> c,
                                       std::span<const nn::Var<E, 3>> s, const OrthogonalityRows& rows) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < c.size(); ++m) {
      const auto term = autodiff::gram_squared(ctx.tape, c[m], s[m], rows.present[m]);
      total = autodiff::add_to(ctx.tape, total, term);
    }
    return total;
  }
};
/// As released: besides the pairs (C^m, S^m) also (S^k, S^m), k < m.
struct SlotGramSixPairs : SlotGram {
  static constexpr bool pairs = true;

  template <class E>
  static nn::Var<E, 0> specific_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> s,
                                         const OrthogonalityRows& rows) {
    nn::Var<E, 0> total;
    std::size_t at = 0;
    for (std::size_t k = 0; k < s.size(); ++k) {
      for (std::size_t m = k + 1; m < s.size(); ++m) {
        const auto term = autodiff::gram_squared(ctx.tape, s[k], s[m], rows.pairs[at++]);
        total = autodiff::add_to(ctx.tape, total, term);
      }
    }
    return total;
  }
};

/// Eq 4 as printed, for C, S (C labels x H): sum_m mean_b ||(C^m_b)^T S^m_b||_F^2, a Gram matrix over channels. It can vanish only
/// if rank(C) + rank(S) <= C labels, and is about 80 times the default at the paper's sizes: lambda_o = 5e-6 means something else here.
struct ChannelGram : SlotGram {
  template <class E>
  static nn::Var<E, 0> common_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> c,
                                       std::span<const nn::Var<E, 3>> s, const OrthogonalityRows& rows) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < c.size(); ++m) {
      total = autodiff::add_to(ctx.tape, total, autodiff::feature_gram_squared(ctx.tape, c[m], s[m], rows.present[m]));
    }
    return total;
  }
};
/// No orthogonality term.
struct NoOrthogonality {
  static constexpr bool enabled = false;
  static constexpr bool pairs = false;
};

}  // namespace ramer::loss
