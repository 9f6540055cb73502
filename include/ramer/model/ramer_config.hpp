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

namespace ramer::wiring {

/// Where parameters start.
enum class StartValues {
  Released,  ///< N(0, 0.02) in the encoders alone; Xavier and Kaiming elsewhere, as the release comes out
  Normal     ///< N(0, 0.02) everywhere, biases 0 (TAILOR)
};

/// The defaults are the paper's, completed as docs/design.md says ("Where the paper leaves room"). Slots of a recipe supply their
/// own groups.

/// Defaults: the paper's, and where it is silent those of docs/design.md. A recipe with a static `defaults(config)` changes them.
/// Slots of a recipe supply their own groups.
template <class Recipe>
struct RamerConfig {
  static_assert(detail::CheckRecipe<Recipe>::value);
  typename Recipe::Encoder::Config encoder;
  typename Recipe::Alignment::Config alignment;
  typename Recipe::Auxiliary::Config auxiliary;
  typename Recipe::Projection::Config projection;
  typename Recipe::Adversary::Config adversary;
  typename Recipe::Reconstruction::Config reconstruction;
  typename Recipe::Prototypes::Config prototypes;
  typename Recipe::Contrast::Config contrast;
  typename Recipe::Shuffle::Config shuffle;
  loss::Weights weights;
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

  /// The modalities in the order in which they are fused: those of `fusion_order`, then the others in theirs. @throws ConfigError
  std::vector<Index> order_of(Index modalities) const {
    std::vector<Index> order;
    const auto add = [&](Index m) {
      if (std::find(order.begin(), order.end(), m) != order.end()) return false;
      order.push_back(m);
      return true;
    };
    for (Index m : fusion_order) {
      require<ConfigError>(m >= 0 && m < modalities, "fusion_order: there is no modality ", m, "; they are 0 to ", modalities - 1);
      require<ConfigError>(add(m), "fusion_order: modality ", m, " is named twice");
    }
    for (Index m = 0; m < modalities; ++m) add(m);
    return order;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("encoder", self.encoder, "uni-modal encoders");
    if constexpr (Recipe::Alignment::enabled) field("alignment", self.alignment, "what makes modalities of different length alike");
    field("auxiliary", self.auxiliary, "attention over persons and segments");
    field("projection", self.projection, "specificity and commonality subspaces");
    field("adversary", self.adversary, "modality discriminator");
    field("reconstruction", self.reconstruction, "latent codes and two-level reconstruction");
    field("prototypes", self.prototypes, "moving-average prototypes");
    field("contrast", self.contrast, "supervised contrastive loss");
    field("shuffle", self.shuffle, "stack shuffle");
    field("weights", self.weights, "weights of the objective");
    field("common_semantic_dropout", self.common_semantic_dropout, "dropout on the logits of the common-semantic head",
          from_to_below(0, 1));
    field("personality", self.personality, "whether known personality is used; with few people it can single them out");
    field("target_time", self.target_time, "how the asked-about moment is shown: all, marked, segment; used where a target is given");
    field("missing", self.missing, "how a missing modality counts in the losses: present_only or all");
    field("fusion_order", self.fusion_order,
          "modalities (0: the model's first) that come first in the concatenation of g^m; the others follow");
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
