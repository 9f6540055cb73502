// Run-time settings of wiring::Ramer: one group per slot of the recipe, `slot.field` in JSON and on the command line.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ramer/contrast/prototypes.hpp"
#include "ramer/encoder/ctc_alignment.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/loss/objective.hpp"
#include "ramer/model/detail/check_recipe.hpp"
#include "ramer/projection/subspaces.hpp"

namespace ramer::wiring {

/// Where parameters start.
enum class StartValues {
  Released,  ///< N(0, 0.02) in the encoders alone; Xavier and Kaiming elsewhere, as the release comes out
  Normal     ///< N(0, 0.02) everywhere, biases 0 (TAILOR)
};

/// What a recipe has, by what its slots say of themselves.
template <class Recipe>
struct RamerParts {
  using Reconstruction = typename Recipe::Reconstruction;
  using Orthogonality = typename Recipe::Orthogonality;
  /// Subspaces, codes, levels and terms that exist.
  static constexpr bool commonality = Recipe::Projection::commonality, specificity = Recipe::Projection::specificity;
  static constexpr bool codec = !Reconstruction::Codec::identity;
  static constexpr bool beta = Reconstruction::beta, gamma = Reconstruction::gamma;
  static constexpr bool contrast = Recipe::Contrast::enabled;
  static constexpr bool adversary = Recipe::Adversary::enabled && (commonality || specificity);
  static constexpr bool orthogonality = Orthogonality::enabled && specificity && (commonality || Orthogonality::pairs);
  static constexpr bool common_semantic = Recipe::CommonSemantic::enabled && commonality;
};

/// Weights of the terms that a recipe has: those of others are no settings of it.
template <class Recipe>
struct RamerWeights : loss::Weights {
  using loss::Weights::operator=;

  /// Whether the recipe has the term whose weight is called `term`.
  static constexpr bool has(std::string_view term) {
    using Parts = RamerParts<Recipe>;
    if (term.ends_with("_beta")) return Parts::beta;
    if (term.ends_with("_gamma")) return Parts::gamma;
    if (term == "rec_tilde") return Parts::codec;
    if (term == "contrast") return Parts::contrast;
    if (term == "adversarial") return Parts::adversary;
    if (term == "orthogonality") return Parts::orthogonality;
    if (term == "common_semantic") return Parts::common_semantic;
    return true;
  }
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    loss::Weights::fields(self, [&](std::string_view name, auto& weight, std::string_view help, const auto&... range) {
      if (has(name)) field(name, weight, help, range...);
    });
  }
};

/// Defaults: the paper's, and where it is silent those of docs/recipes.md. A recipe with a static `defaults(config)` changes them.
/// Slots of a recipe supply their own groups; what a recipe has no use for is not listed.
template <class Recipe>
struct RamerConfig {
  static_assert(detail::CheckRecipe<Recipe>::value);
  using Parts = RamerParts<Recipe>;
  typename Recipe::Encoder::Config encoder;
  typename Recipe::Alignment::Config alignment;
  typename Recipe::Auxiliary::Config auxiliary;
  typename Recipe::Projection::Config projection;
  typename Recipe::Adversary::Config adversary;
  typename Recipe::Reconstruction::Config reconstruction;
  typename Recipe::Prototypes::Config prototypes;
  typename Recipe::Contrast::Config contrast;
  typename Recipe::Shuffle::Config shuffle;
  RamerWeights<Recipe> weights;
  double common_semantic_dropout = 0.1;
  bool personality = true;
  encoder::TargetTime target_time = encoder::TargetTime::Marked;
  encoder::Missing missing = encoder::Missing::PresentOnly;
  std::vector<Index> fusion_order;
  StartValues start = StartValues::Released;
  double threshold = 0.25;

  RamerConfig() {
    if constexpr (requires { Recipe::defaults(*this); }) Recipe::defaults(*this);
  }

  void check(const std::string& key) const {
    const auto there = [&](const char* input, projection::Level level) {
      using projection::Level;
      require<ConfigError>((level != Level::Beta || Parts::beta) && (level != Level::Gamma || Parts::gamma), key,
                           ".projection.", input, ": the recipe has no level ", enum_name(level),
                           "; its last one is called top");
    };
    if constexpr (Parts::commonality) there("generator_input", projection.generator_input);
    if constexpr (Parts::specificity) there("specificity_input", projection.specificity_input);
  }

  /// The modalities in the order in which they are fused: those of `fusion_order`, then the others in theirs. @throws ConfigError
  std::vector<Index> order_of(Index modalities) const {
    std::vector<Index> order;
    const auto add = [&](Index m) {
      if (std::find(order.begin(), order.end(), m) != order.end()) return false;
      order.push_back(m);
      return true;
    };
    for (Index m : fusion_order) {
      require<ConfigError>(m >= 0 && m < modalities, "fusion_order: there is no modality ", m, "; they are 0 to ",
                           modalities - 1);
      require<ConfigError>(add(m), "fusion_order: modality ", m, " is named twice");
    }
    for (Index m = 0; m < modalities; ++m) add(m);
    return order;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("encoder", self.encoder, "uni-modal encoders");
    if constexpr (Recipe::Alignment::enabled)
      field("alignment", self.alignment, "what makes modalities of different length alike");
    field("auxiliary", self.auxiliary, "attention over persons and segments");
    field("projection", self.projection, "specificity and commonality subspaces");
    field("adversary", self.adversary, "modality discriminator");
    if constexpr (Parts::codec) field("reconstruction", self.reconstruction, "latent codes and two-level reconstruction");
    field("prototypes", self.prototypes, "moving-average prototypes");
    field("contrast", self.contrast, "supervised contrastive loss");
    field("shuffle", self.shuffle, "stack shuffle");
    field("weights", self.weights, "weights of the objective");
    if constexpr (Parts::common_semantic) {
      field("common_semantic_dropout", self.common_semantic_dropout, "dropout on the logits of the common-semantic head",
            from_to_below(0, 1));
    }
    if constexpr (Recipe::Auxiliary::enabled) {
      field("personality", self.personality, "whether known personality is used; with few people it can single them out");
    }
    field("target_time", self.target_time,
          "how the asked-about moment is shown: all, marked, segment; used where a target is given");
    field("missing", self.missing, "how a missing modality counts in the losses: present_only or all");
    if constexpr (Parts::beta || Parts::gamma) {
      field("fusion_order", self.fusion_order,
            "modalities (0: the model's first) that come first in the concatenation of g^m; the others follow");
    }
    field("start", self.start, "start values: released (normal in the encoders alone) or normal (everywhere)");
    field("threshold", self.threshold, "a label is predicted when its score is above", between(0, 1));
  }
};

}  // namespace ramer::wiring

namespace ramer {
template <>
struct EnumNames<wiring::StartValues> {
  static constexpr std::pair<std::string_view, wiring::StartValues> values[] = {{"released", wiring::StartValues::Released},
                                                                                {"normal", wiring::StartValues::Normal}};
};
}  // namespace ramer
