// What is shuffled and aggregated: the slots F^k (B C, H), k = 0 ... K - 1, and the aggregation c_zeta on them (Eq 12).
#pragma once

#include <span>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::shuffle {

/// F^m = C^m + S^m (the default: "features derived from C^m and S^m"); S or C alone where the recipe has only that.
struct CommonPlusSpecific {
  static constexpr Index slots(Index modalities) { return modalities; }

  template <class E>
  static void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                   std::span<const nn::Var<E, 2>>, std::span<nn::Var<E, 2>> f) {
    for (std::size_t m = 0; m < f.size(); ++m) f[m] = c.empty() ? s[m] : s.empty() ? c[m] : autodiff::add(ctx.tape, c[m], s[m]);
  }
};
/// F^m = X^m of the last reconstruction level, as released.
struct LastLevel {
  static constexpr Index slots(Index modalities) { return modalities; }

  template <class E>
  static void fill(nn::Context<E>&, std::span<const nn::Var<E, 2>>, std::span<const nn::Var<E, 2>>,
                   std::span<const nn::Var<E, 2>> top, std::span<nn::Var<E, 2>> f) {
    std::copy(top.begin(), top.end(), f.begin());
  }
};
/// M specificity slots and one of summed commonality: {S^0, ..., S^{M-1}, sum_m C^m}. Needs both subspaces.
struct SpecificAndCommonSum {
  static constexpr Index slots(Index modalities) { return modalities + 1; }

  template <class E>
  static void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                   std::span<const nn::Var<E, 2>>, std::span<nn::Var<E, 2>> f) {
    std::copy(s.begin(), s.end(), f.begin());
    nn::Var<E, 2> sum = c[0];
    for (std::size_t m = 1; m < c.size(); ++m) sum = autodiff::add(ctx.tape, sum, c[m]);
    f.back() = sum;
  }
};

}  // namespace ramer::shuffle
