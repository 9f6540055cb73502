// The modality discriminator D and the ways of playing against it (Eq 1, 2).
#pragma once

#include <span>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/loss.hpp"
#include "ramer/core/config.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::projection {

struct DiscriminatorConfig {
  double dropout = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("dropout", self.dropout, "dropout of the discriminator D", from_to_below(0, 1));
  }
};
struct AdversaryConfig : DiscriminatorConfig {
  double reversal = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    DiscriminatorConfig::fields(self, field);
    field("reversal", self.reversal, "strength c of the gradient reversal; -1 reverses nothing", Range{});
  }
};

/// D: Linear H -> H / 2, dropout, ReLU, Linear H / 2 -> M; acts on every label slot: (B C, H) -> (B C, M). `use`: which of its
/// runs in this step, see Context::dropout.
template <class E>
struct Discriminator {
  nn::Linear<E> inner, outer;  ///< H to H / 2 to M
  nn::Dropout dropout;

  Discriminator() = default;
  Discriminator(Index width, Index modalities, double rate)
      : inner(width, width / 2), outer(width / 2, modalities), dropout{rate} {}

  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, Index use = 0) const {
    const auto plan = ctx.dropout(dropout, nullptr, use);
    if (!plan.active()) return outer(ctx, inner(ctx, x, backend::Activation::Relu));
    const nn::Var<E, 2> h = autodiff::dropout(ctx.tape, inner(ctx, x), plan);
    return outer(ctx, autodiff::activation(ctx.tape, h, backend::Activation::Relu));
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("inner", self.inner);
    visit("outer", self.outer);
    visit("dropout", self.dropout);
  }
};

/// What an adversary hands to the objective: terms summed over modalities. Invalid: the term does not exist.
/// `confusion` is what a generator minimises besides, with the adversarial weight.
template <class E>
struct AdversarialTerms {
  nn::Var<E, 0> commonality;  ///< L_C
  nn::Var<E, 0> specificity;  ///< L_S
  nn::Var<E, 0> confusion;
  double commonality_sign = 1;  ///< factor of L_C's adjoint in the objective
};

/// Row weights: each modality's cross-entropy is a mean over its B C rows (L_C) or those of present modalities (L_S).
struct AdversaryRows {
  const double* all;                       ///< (B) 1 / (B C); null: L_C has the rows and weights of L_S
  std::span<const double* const> present;  ///< per modality (B) a[b, m] / (C sum_b a[b, m])
  Index labels;                            ///< C rows per sample
};

namespace detail {

/// sum_m CE(D(x^m), m), or against the uniform distribution; logits are tapped as `name`. D runs on C^m as its use m, on S^m as M + m.
template <class E>
nn::Var<E, 0> sum_over_modalities(nn::Context<E>& ctx, const Discriminator<E>& d, std::span<const nn::Var<E, 2>> xs,
                                  const AdversaryRows& rows, bool only_present, bool uniform, std::string_view name) {
  nn::Var<E, 0> total;
  for (std::size_t m = 0; m < xs.size(); ++m) {
    const std::size_t use = only_present ? xs.size() + m : m;
    const nn::Var<E, 2> logits = d(ctx, xs[m], static_cast<Index>(use));  // (B C, M)
    ctx.tap(name, static_cast<Index>(m), logits);
    const auto ce = autodiff::cross_entropy(ctx.tape, logits, uniform ? Index{-1} : static_cast<Index>(m),
                                            only_present || !rows.all ? rows.present[m] : rows.all, rows.labels);
    total = autodiff::add_to(ctx.tape, total, ce);
  }
  return total;
}
/// The same values, with the reversal below D or detached.
template <class E, class F>
std::span<const nn::Var<E, 2>> each(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> xs, F f) {
  auto list = ctx.tape.template list<nn::Var<E, 2>>(static_cast<Index>(xs.size()));
  for (std::size_t m = 0; m < xs.size(); ++m) list[m] = f(xs[m]);
  return list;
}

}  // namespace detail

/// The paper's game as released: one optimiser, one backward pass. D minimises L_C + L_S, f_m minimises L_S, and G with all
/// below it maximises L_C through a reversal of strength c.
struct GradientReversal {
  using Config = AdversaryConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 1;

  template <class E>
  static AdversarialTerms<E> terms(nn::Context<E>& ctx, const Config& config, const Discriminator<E>& d, int,
                                   std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                                   const AdversaryRows& rows) {
    using Real = typename E::Real;
    AdversarialTerms<E> t;
    if (!c.empty()) {
      const auto reversed = detail::each<E>(ctx, c, [&](nn::Var<E, 2> x) {
        return autodiff::gradient_reversal(ctx.tape, x, static_cast<Real>(config.reversal));
      });
      t.commonality = detail::sum_over_modalities<E>(ctx, d, reversed, rows, false, false, "disc_C");
    }
    if (!s.empty()) t.specificity = detail::sum_over_modalities<E>(ctx, d, s, rows, true, false, "disc_S");
    return t;
  }
};

/// D learns from L_C on detached C and from L_S; G is trained to make D's answer uniform over the modalities.
struct Confusion {
  using Config = DiscriminatorConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 1;

  template <class E>
  static AdversarialTerms<E> terms(nn::Context<E>& ctx, const Config&, const Discriminator<E>& d, int,
                                   std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                                   const AdversaryRows& rows) {
    AdversarialTerms<E> t;
    if (!c.empty()) {
      const auto detached = detail::each<E>(ctx, c, [](nn::Var<E, 2> x) { return x.detached(); });
      t.commonality = detail::sum_over_modalities<E>(ctx, d, detached, rows, false, false, "disc_C");
      const nn::Frozen<E> frozen(ctx);
      t.confusion = detail::sum_over_modalities<E>(ctx, d, c, rows, false, true, "");
    }
    if (!s.empty()) t.specificity = detail::sum_over_modalities<E>(ctx, d, s, rows, true, false, "disc_S");
    return t;
  }
};

/// Two phases a step. 0: D alone, on detached C and S, minimises L_C + L_S. 1: all but D minimise the objective with L_C
/// subtracted, D being constant with its new weights.
struct Alternating {
  using Config = DiscriminatorConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 2;

  template <class E>
  static AdversarialTerms<E> terms(nn::Context<E>& ctx, const Config&, const Discriminator<E>& d, int phase,
                                   std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
                                   const AdversaryRows& rows) {
    AdversarialTerms<E> t;
    if (phase == 0) {
      const auto detach = [](nn::Var<E, 2> x) { return x.detached(); };
      if (!c.empty()) {
        t.commonality =
            detail::sum_over_modalities<E>(ctx, d, detail::each<E>(ctx, c, detach), rows, false, false, "disc_C");
      }
      if (!s.empty()) {
        t.specificity = detail::sum_over_modalities<E>(ctx, d, detail::each<E>(ctx, s, detach), rows, true, false, "disc_S");
      }
      return t;
    }
    const nn::Frozen<E> frozen(ctx);
    if (!c.empty()) t.commonality = detail::sum_over_modalities<E>(ctx, d, c, rows, false, false, "disc_C");
    if (!s.empty()) t.specificity = detail::sum_over_modalities<E>(ctx, d, s, rows, true, false, "disc_S");
    t.commonality_sign = -1;
    return t;
  }
};

/// No discriminator.
struct NoAdversary {
  struct Config {
    template <class Self, class Visitor>
    static void fields(Self&, Visitor&&) {}
  };
  static constexpr bool enabled = false;
  static constexpr int phases = 1;
};

}  // namespace ramer::projection
