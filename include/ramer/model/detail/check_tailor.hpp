// What a recipe for wiring::Tailor must have, said in one sentence each. See check_recipe.hpp.
#pragma once

#include "ramer/encoder/cross_transformer.hpp"
#include "ramer/loss/token_orthogonality.hpp"
#include "ramer/model/detail/check_recipe.hpp"

namespace ramer::wiring::detail {

template <class P>
concept HasOrder = requires(const typename P::Config& c) {
  { c.order_of(Index{3}) } -> std::same_as<std::vector<Index>>;
};
template <class P, class E>
concept HasFusion = requires(const typename P::template Module<E>& module, nn::Context<E>& ctx,
                             std::span<const nn::Var<E, 2>> p, nn::Var<E, 2> c, const encoder::FusionPlan& plan) {
  { module(ctx, p, c, plan) } -> std::same_as<nn::Var<E, 2>>;
};
template <class P, class E>
concept HasTokenOverlap = requires(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> xs, const loss::TokenRowsOf& rows) {
  { P::template common_specific<E>(ctx, xs, xs, rows) } -> std::same_as<nn::Var<E, 0>>;
};

/// Slots of a recipe `R` and the members that do not depend on backend and precision.
template <class R>
struct CheckTailor {
#define RAMER_SLOT(slot)              \
  static_assert(                      \
      requires { typename R::slot; }, \
      "the recipe has no slot " #slot ": add `using " #slot " = ...;` or inherit recipe::Tailor")
#define RAMER_MEMBER(slot, concept, member) \
  static_assert(concept<typename R::slot>, "the policy in slot " #slot " of the recipe lacks " member)
  RAMER_SLOT(Alignment);
  RAMER_SLOT(Encoder);
  RAMER_SLOT(Fusion);
  RAMER_SLOT(Adversary);
  RAMER_SLOT(Orthogonality);
  RAMER_MEMBER(Alignment, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Alignment, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Encoder, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Fusion, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Fusion, HasOrder, "`std::vector<Index> order_of(Index modalities) const` of its Config");
  RAMER_MEMBER(Adversary, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Adversary, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Adversary, HasPhases, "`static constexpr int phases`, 1 or 2");
  RAMER_MEMBER(Orthogonality, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Orthogonality, HasPairs, "`static constexpr bool pairs`");
#undef RAMER_MEMBER
#undef RAMER_SLOT
  static constexpr bool value = true;
};

/// Members that are templates over the engine `E`, tried with the arguments that the wiring gives them.
template <class R, class E>
struct CheckTailorPolicies {
#define RAMER_MEMBER_IF(condition, slot, concept, member) \
  static_assert(!(condition) || concept<typename R::slot, E>, "the policy in slot " #slot " of the recipe lacks " member)
#define RAMER_MEMBER(slot, concept, member) RAMER_MEMBER_IF(true, slot, concept, member)
  RAMER_MEMBER(Encoder, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER_IF(R::Alignment::enabled, Alignment, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER_IF(
      R::Alignment::enabled, Encoder, HasSteps,
      "`normalize(ctx, x, which)` and `encode(ctx, x, tokens, which)` of its Module: rows are aligned between the two");
  RAMER_MEMBER(Fusion, HasFusion, "`template <class E> struct Module` called with (ctx, p, c, plan)");
  RAMER_MEMBER_IF(R::Adversary::enabled, Adversary, HasTerms,
                  "`template <class E> static AdversarialTerms<E> terms(ctx, config, discriminator, phase, c, s, rows)`");
  RAMER_MEMBER_IF(R::Orthogonality::enabled, Orthogonality, HasTokenOverlap,
                  "`template <class E> static Var<E, 0> common_specific(ctx, c, s, rows)`");
#undef RAMER_MEMBER
#undef RAMER_MEMBER_IF
  static constexpr bool value = true;
};

}  // namespace ramer::wiring::detail
