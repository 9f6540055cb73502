// What is shuffled and aggregated: the slots F^k (B C, H), k = 0 ... K - 1, and the aggregation c_zeta on them (Eq 12).
#pragma once

#include <span>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::shuffle {

/// Which subspaces a policy takes its features from. One that says nothing needs none.
enum class Needs { Nothing = 0, Any = 1, Both = 2 };

/// F^m = C^m + S^m (the default: "features derived from C^m and S^m"); S or C alone where the recipe has only that.
struct CommonPlusSpecific {
  static constexpr Needs needs = Needs::Any;
  static constexpr Index slots(Index modalities) { return modalities; }

  template <class E>
  static void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                   std::span<const nn::Var<E, 2>>, std::span<nn::Var<E, 2>> f) {
    for (std::size_t m = 0; m < f.size(); ++m)
      f[m] = c.empty() ? s[m] : s.empty() ? c[m] : autodiff::add(ctx.tape, c[m], s[m]);
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
/// M specificity slots and one of summed commonality: {S^0, ..., S^{M-1}, sum_m C^m}.
struct SpecificAndCommonSum {
  static constexpr Needs needs = Needs::Both;
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

/// F^m = W [C^m ; S^m] + b, one Linear 2H -> H for all modalities.
struct ConcatenatedLinear {
  static constexpr Needs needs = Needs::Both;
  static constexpr Index slots(Index modalities) { return modalities; }

  template <class E>
  struct Module {
    nn::Linear<E> linear;  ///< (H, 2 H)

    explicit Module(Index hidden) : linear(2 * hidden, hidden) {}

    void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
              std::span<const nn::Var<E, 2>>, std::span<nn::Var<E, 2>> f) const {
      for (std::size_t m = 0; m < f.size(); ++m) {
        const nn::Var<E, 2> both[] = {c[m], s[m]};
        f[m] = linear(ctx, std::span<const nn::Var<E, 2>>(both));
      }
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("", self.linear);
    }
  };
};

/// A policy's module. A policy without parameters needs none, and has a static `fill` of the same arguments.
template <class Policy, class E>
struct InputModule {
  explicit InputModule(Index) {}
  void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
            std::span<const nn::Var<E, 2>> top, std::span<nn::Var<E, 2>> f) const {
    Policy::template fill<E>(ctx, c, s, top, f);
  }
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};
/// With a module of its own.
template <class Policy, class E>
requires requires { typename Policy::template Module<E>; }
struct InputModule<Policy, E> : Policy::template Module<E> {
  explicit InputModule(Index hidden) : Policy::template Module<E>(hidden) {}
};

}  // namespace ramer::shuffle
