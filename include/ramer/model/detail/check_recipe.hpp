// What a recipe for wiring::Ramer must have, said in one sentence each: the slot, the policy, the member that is missing.
//
// The compiler prints the sentence and names the policy beside it, as the argument of the check that failed.
#pragma once

#include <concepts>
#include <span>

#include "ramer/contrast/prototypes.hpp"
#include "ramer/contrast/supervised.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/encoder/ctc_alignment.hpp"
#include "ramer/encoder/person_segment_attention.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/loss/common_semantic.hpp"
#include "ramer/loss/orthogonality.hpp"
#include "ramer/projection/adversary.hpp"
#include "ramer/projection/subspaces.hpp"
#include "ramer/reconstruction/two_level.hpp"
#include "ramer/shuffle/input.hpp"
#include "ramer/shuffle/stack.hpp"

namespace ramer::wiring::detail {

template <class P>
concept HasConfig = requires {
  typename P::Config;
}
&&Configuration<typename P::Config>;
template <class P>
concept HasEnabled = requires {
  requires std::same_as<decltype(P::enabled), const bool>;
};
template <class P>
concept HasSubspaces = requires {
  requires std::same_as<decltype(P::commonality), const bool> && std::same_as<decltype(P::specificity), const bool>;
};
template <class P>
concept HasPhases = requires {
  requires P::phases == 1 || P::phases == 2;
};
template <class P>
concept HasPairs = requires {
  requires std::same_as<decltype(P::pairs), const bool>;
};
template <class P>
concept HasLevels = requires {
  requires std::same_as<decltype(P::beta), const bool> && std::same_as<decltype(P::gamma), const bool>;
};
template <class P>
concept HasCodec = requires {
  typename P::Codec;
  requires std::same_as<decltype(P::Codec::identity), const bool>;
};
template <class P>
concept HasQueue = requires {
  requires std::same_as<decltype(P::queue), const bool> && std::same_as<decltype(P::queue_anchors), const bool>;
};
/// What the wiring reads of a policy's Config.
template <class P>
concept HasEncoderConfig = requires(const typename P::Config& c) {
  { c.hidden } -> std::convertible_to<Index>;
  { c.personality_layers } -> std::convertible_to<Index>;
  { c.layers_of(Index{0}, Index{3}) } -> std::convertible_to<Index>;
};
template <class P>
concept HasCommonalityConfig = requires(const typename P::Config& c) {
  { c.generator_input } -> std::convertible_to<projection::Level>;
  { c.generator_dropout } -> std::convertible_to<double>;
};
template <class P>
concept HasSpecificityConfig = requires(const typename P::Config& c) {
  { c.specificity_input } -> std::convertible_to<projection::Level>;
  { c.specificity_dropout } -> std::convertible_to<double>;
};
template <class P>
concept HasPrototypesConfig = requires(const typename P::Config& c) {
  { c.momentum } -> std::convertible_to<double>;
  { c.evaluation } -> std::convertible_to<contrast::PrototypeChoice>;
};
template <class P>
concept HasTemperature = requires(const typename P::Config& c) {
  { c.temperature } -> std::convertible_to<double>;
};
template <class P>
concept HasSlotConfig = std::derived_from<typename P::Config, shuffle::SlotConfig>;
template <class P>
concept HasAligner = requires(encoder::AlignmentPlan& plan, const typename P::Config& c, const ModalityBatch& m,
                              encoder::TokenPlan& tokens, const Schema& schema) {
  P::build(plan, c, m, Index{1}, tokens);
  { c.positions(Index{1}) } -> std::convertible_to<Index>;
  { c.reference_of(schema) } -> std::convertible_to<std::size_t>;
};
template <class P>
concept HasSlots = requires {
  { P::slots(Index{3}) } -> std::same_as<Index>;
};
template <class P>
concept HasPermute = requires(const typename P::Config& c, const RandomStream& stream, shuffle::Permutations& p) {
  P::permute(c, stream, p);
};

template <class P, class E>
concept HasModule = requires {
  typename P::template Module<E>;
};
template <class P, class E>
concept HasEncoder = requires(const typename P::template Module<E>& m, nn::Context<E>& ctx, nn::Var<E, 2> x,
                              const encoder::TokenPlan& tokens) {
  requires std::constructible_from < typename P::template Module<E>,
  const typename P::Config&, Index, Index, Index, bool > ;
  { m(ctx, x, tokens, Index{0}) } -> std::same_as<nn::Var<E, 2>>;
};
template <class P, class E>
concept HasAlignment = requires(const typename P::template Module<E>& m, nn::Context<E>& ctx, nn::Var<E, 2> x,
                                const encoder::AlignmentPlan& plan) {
  requires std::constructible_from < typename P::template Module<E>,
  const typename P::Config&, Index > ;
  { m(ctx, x, plan, Index{0}).rows } -> std::convertible_to<nn::Var<E, 2>>;
};
template <class P, class E>
concept HasAuxiliary = requires(const typename P::template Module<E>& m, nn::Context<E>& ctx, nn::Var<E, 2> x,
                                const encoder::TokenPlan& tokens, const encoder::AuxiliaryPlan& plan) {
  requires std::constructible_from < typename P::template Module<E>, Index,
  bool, const typename P::Config& > ;
  { m(ctx, x, x, tokens, plan, Index{0}) } -> std::same_as<nn::Var<E, 2>>;
  { P::label_rows(tokens, plan, Index{0}) } -> std::convertible_to<const encoder::LabelRows&>;
};
template <class P, class E>
concept HasCoding = requires(const typename P::template Module<E>& m, nn::Context<E>& ctx, nn::Var<E, 2> x,
                             const reconstruction::Config& c) {
  requires std::constructible_from < typename P::template Module<E>, Index,
  const reconstruction::Config& > ;
  { m.decode(ctx, m.encode(ctx, x)) } -> std::same_as<nn::Var<E, 2>>;
  { P::width(Index{4}, c) } -> std::convertible_to<Index>;
};
template <class P, class E>
concept HasSpecificSpecific = requires(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> xs,
                                       const loss::OrthogonalityRows& rows) {
  { P::template specific_specific<E>(ctx, xs, rows) } -> std::same_as<nn::Var<E, 0>>;
};
template <class P, class E>
concept HasSteps = requires(const typename P::template Module<E>& m, nn::Context<E>& ctx, nn::Var<E, 2> x,
                            const encoder::TokenPlan& tokens) {
  { m.encode(ctx, m.normalize(ctx, x, Index{0}), tokens, Index{0}) } -> std::same_as<nn::Var<E, 2>>;
};
template <class P, class E>
concept HasTerms = requires(nn::Context<E>& ctx, const typename P::Config& config, const projection::Discriminator<E>& d,
                            std::span<const nn::Var<E, 2>> xs, const projection::AdversaryRows& rows) {
  { P::template terms<E>(ctx, config, d, 0, xs, xs, rows) } -> std::same_as<projection::AdversarialTerms<E>>;
};
template <class P, class E>
concept HasCommonSpecific = requires(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> xs,
                                     const loss::OrthogonalityRows& rows) {
  { P::template common_specific<E>(ctx, xs, xs, rows) } -> std::same_as<nn::Var<E, 0>>;
};
template <class P, class E>
concept HasLabelTerm = requires(nn::Context<E>& ctx, const loss::CommonSemanticHead<E>& head,
                                std::span<const nn::Var<E, 3>> xs, const std::uint8_t* y, const double* cell) {
  { P::template term<E>(ctx, head, xs, y, cell) } -> std::same_as<nn::Var<E, 0>>;
};
template <class P, class E>
concept HasDistanceTerm = requires(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> xs,
                                   std::span<const double* const> present) {
  { P::template term<E>(ctx, xs, xs, present) } -> std::same_as<nn::Var<E, 0>>;
};
template <class P, class E>
concept HasFill = HasModule<P, E> ||
    requires(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> xs, std::span<nn::Var<E, 2>> f) {
  P::template fill<E>(ctx, xs, xs, xs, f);
};

/// Whether a projection makes the subspaces that a shuffle's input takes.
template <class Input, class Projection>
constexpr bool feeds() {
  constexpr int made = (Projection::commonality ? 1 : 0) + (Projection::specificity ? 1 : 0);
  if constexpr (requires { Input::needs; })
    return made >= static_cast<int>(Input::needs);
  else
    return true;
}

/// Slots of a recipe `R` and the members that do not depend on backend and precision.
template <class R>
struct CheckRecipe {
#define RAMER_SLOT(slot)              \
  static_assert(                      \
      requires { typename R::slot; }, \
      "the recipe has no slot " #slot ": add `using " #slot " = ...;` or inherit recipe::Ramer")
#define RAMER_MEMBER_IF(condition, slot, concept, member) \
  static_assert(!(condition) || concept<typename R::slot>, "the policy in slot " #slot " of the recipe lacks " member)
#define RAMER_MEMBER(slot, concept, member) RAMER_MEMBER_IF(true, slot, concept, member)
  RAMER_SLOT(Alignment);
  RAMER_SLOT(Encoder);
  RAMER_SLOT(Auxiliary);
  RAMER_SLOT(Projection);
  RAMER_SLOT(Adversary);
  RAMER_SLOT(Orthogonality);
  RAMER_SLOT(CommonSemantic);
  RAMER_SLOT(Reconstruction);
  RAMER_SLOT(ReconstructionLoss);
  RAMER_SLOT(Prototypes);
  RAMER_SLOT(Contrast);
  RAMER_SLOT(ShuffleInput);
  RAMER_SLOT(Shuffle);
  RAMER_MEMBER(Alignment, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Alignment, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Encoder, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Encoder, HasEncoderConfig,
               "`hidden`, `personality_layers` or `layers_of(modality, modalities)` in its Config");
  RAMER_MEMBER_IF(R::Alignment::enabled, Alignment, HasAligner,
                  "`static void build(AlignmentPlan&, config, modality, positions, TokenPlan&)`, or `positions` and "
                  "`reference_of` in its Config");
  RAMER_MEMBER(Auxiliary, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Auxiliary, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Projection, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Projection, HasSubspaces, "`static constexpr bool commonality` and `specificity`");
  RAMER_MEMBER_IF(R::Projection::commonality, Projection, HasCommonalityConfig,
                  "`generator_input` or `generator_dropout` in its Config");
  RAMER_MEMBER_IF(R::Projection::specificity, Projection, HasSpecificityConfig,
                  "`specificity_input` or `specificity_dropout` in its Config");
  RAMER_MEMBER(Adversary, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Adversary, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Adversary, HasPhases, "`static constexpr int phases`, 1 or 2");
  RAMER_MEMBER(Orthogonality, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(CommonSemantic, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Orthogonality, HasPairs, "`static constexpr bool pairs`");
  RAMER_MEMBER(Reconstruction, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Reconstruction, HasLevels, "`static constexpr bool beta` and `gamma`");
  RAMER_MEMBER(Reconstruction, HasCodec, "`using Codec` with `static constexpr bool identity`");
  RAMER_MEMBER(Prototypes, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Prototypes, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Prototypes, HasPrototypesConfig, "`momentum` or `evaluation` in its Config");
  RAMER_MEMBER(Contrast, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Contrast, HasEnabled, "`static constexpr bool enabled`");
  RAMER_MEMBER(Contrast, HasQueue, "`static constexpr bool queue` and `queue_anchors`");
  RAMER_MEMBER_IF(R::Contrast::enabled, Contrast, HasTemperature, "`temperature` in its Config");
  RAMER_MEMBER(ShuffleInput, HasSlots, "`static constexpr Index slots(Index modalities)`");
  RAMER_MEMBER(Shuffle, HasConfig, "`struct Config` that lists its fields");
  RAMER_MEMBER(Shuffle, HasSlotConfig, "a Config that inherits shuffle::SlotConfig");
  RAMER_MEMBER(Shuffle, HasPermute, "`static void permute(const Config&, const RandomStream&, shuffle::Permutations&)`");
  static_assert(
      feeds<typename R::ShuffleInput, typename R::Projection>(),
      "the policy in slot ShuffleInput of the recipe takes a subspace that the one in slot Projection does not make");
#undef RAMER_MEMBER
#undef RAMER_MEMBER_IF
#undef RAMER_SLOT
  static constexpr bool value = true;
};

/// Members that are templates over the engine `E`, tried with the arguments that the wiring gives them.
template <class R, class E>
struct CheckPolicies {
#define RAMER_MEMBER_IF(condition, slot, concept, member) \
  static_assert(!(condition) || concept<typename R::slot, E>, "the policy in slot " #slot " of the recipe lacks " member)
#define RAMER_MEMBER(slot, concept, member) RAMER_MEMBER_IF(true, slot, concept, member)
  RAMER_MEMBER(Encoder, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER(Encoder, HasEncoder,
               "a Module made of (config, layers, width, positions, marked) and called with (ctx, x, tokens, which)");
  RAMER_MEMBER_IF(R::Alignment::enabled, Alignment, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER_IF(R::Alignment::enabled, Alignment, HasAlignment,
                  "a Module made of (config, width) and called with (ctx, x, plan, which)");
  RAMER_MEMBER_IF(
      R::Alignment::enabled, Encoder, HasSteps,
      "`normalize(ctx, x, which)` and `encode(ctx, x, tokens, which)` of its Module: rows are aligned between the two");
  RAMER_MEMBER_IF(R::Auxiliary::enabled, Auxiliary, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER_IF(R::Auxiliary::enabled, Auxiliary, HasAuxiliary,
                  "`label_rows`, or a Module made of (hidden, personality, config) and called with (ctx, h, personality, "
                  "tokens, plan, which)");
  RAMER_MEMBER_IF(R::Adversary::enabled, Adversary, HasTerms,
                  "`template <class E> static AdversarialTerms<E> terms(ctx, config, discriminator, phase, c, s, rows)`");
  RAMER_MEMBER_IF(R::Orthogonality::enabled, Orthogonality, HasCommonSpecific,
                  "`template <class E> static Var<E, 0> common_specific(ctx, c, s, rows)`");
  RAMER_MEMBER_IF(R::Orthogonality::pairs, Orthogonality, HasSpecificSpecific,
                  "`template <class E> static Var<E, 0> specific_specific(ctx, s, rows)`");
  RAMER_MEMBER_IF(R::CommonSemantic::enabled, CommonSemantic, HasLabelTerm,
                  "`template <class E> static Var<E, 0> term(ctx, head, c, y, cell)`");
  RAMER_MEMBER(Reconstruction::Codec, HasModule, "`template <class E> struct Module`");
  RAMER_MEMBER(Reconstruction::Codec, HasCoding,
               "`width`, or a Module made of (hidden, config) with `encode(ctx, x)` and `decode(ctx, z)`");
  RAMER_MEMBER(ReconstructionLoss, HasDistanceTerm, "`template <class E> static Var<E, 0> term(ctx, x, target, present)`");
  RAMER_MEMBER(ShuffleInput, HasFill,
               "`template <class E> static void fill(ctx, c, s, top, f)`, or a `Module<E>` with `fill`");
#undef RAMER_MEMBER
#undef RAMER_MEMBER_IF
  static constexpr bool value = true;
};

}  // namespace ramer::wiring::detail
