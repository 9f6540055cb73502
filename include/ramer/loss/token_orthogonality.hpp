// Overlap of what modalities have in common and what is their own, token by token (TAILOR).
#pragma once

#include <span>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/token_gram.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::loss {

/// Packed rows per modality, and weights of samples: (B) a[b, m] / n_m, and for pairs of modalities both present.
struct TokenRowsOf {
  std::span<const std::span<const std::int32_t>> offsets;  ///< (M)(B + 1)
  std::span<const double* const> present;                  ///< (M)
  std::span<const double* const> pairs;                    ///< (M (M - 1) / 2) for (0,1), (0,2), ..., (1,2), ...
};

/// sum_m mean_b ||C^m_b (S^m_b)^T||_F^2 over the rows of sample b: a Gram matrix of tokens by tokens.
struct TokenGram {
  static constexpr bool enabled = true;
  static constexpr bool pairs = false;

  template <class E>
  static nn::Var<E, 0> common_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c,
                                       std::span<const nn::Var<E, 2>> s, const TokenRowsOf& rows) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < c.size(); ++m) {
      const auto term =
          autodiff::token_gram_squared(ctx.tape, c[m], rows.offsets[m], s[m], rows.offsets[m], rows.present[m]);
      total = autodiff::add_to(ctx.tape, total, term);
    }
    return total;
  }
};
/// As released: besides the pairs (C^m, S^m) also (S^k, S^m), k < m.
struct TokenGramSixPairs : TokenGram {
  static constexpr bool pairs = true;

  template <class E>
  static nn::Var<E, 0> specific_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> s, const TokenRowsOf& rows) {
    nn::Var<E, 0> total;
    std::size_t at = 0;
    for (std::size_t k = 0; k < s.size(); ++k) {
      for (std::size_t m = k + 1; m < s.size(); ++m) {
        const auto term =
            autodiff::token_gram_squared(ctx.tape, s[k], rows.offsets[k], s[m], rows.offsets[m], rows.pairs[at++]);
        total = autodiff::add_to(ctx.tape, total, term);
      }
    }
    return total;
  }
};

}  // namespace ramer::loss
