// Reconstruction losses (Eq 7): how far X~, X_beta and X_gamma are from X_alpha. Targets are not detached.
#pragma once

#include "ramer/autodiff/ops/distance.hpp"
#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::loss {

/// sum_m mean over the samples that count of mean over (label, channel) of (x - target)^2.
struct MeanSquares {
  /// @param x, target per modality (B, C, H)  @param present per modality (B) sample weights
  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> x, std::span<const nn::Var<E, 3>> target,
                            std::span<const double* const> present) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < x.size(); ++m) {
      const auto term = autodiff::squared_error(ctx.tape, x[m], target[m], present[m]);
      total = autodiff::add_to(ctx.tape, total, term);
    }
    return total;
  }
};

/// Eq 7 as printed: sum_m mean over the samples that count of ||x - target||_F over (label, channel).
struct FrobeniusNorms {
  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> x, std::span<const nn::Var<E, 3>> target,
                            std::span<const double* const> present) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < x.size(); ++m) {
      total = autodiff::add_to(ctx.tape, total, autodiff::frobenius_error(ctx.tape, x[m], target[m], present[m]));
    }
    return total;
  }
};

}  // namespace ramer::loss
