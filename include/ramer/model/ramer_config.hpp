// Run-time settings of wiring::Ramer: one group per slot of the recipe, `slot.field` in JSON and on the command line.
#pragma once

#include "ramer/contrast/prototypes.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/loss/objective.hpp"
#include "ramer/model/detail/check_recipe.hpp"

namespace ramer::wiring {

/// The defaults are the paper's, completed as docs/design.md says ("Where the paper leaves room"). Slots of a recipe supply their
/// own groups.
template <class Recipe>
struct RamerConfig {
  static_assert(detail::CheckRecipe<Recipe>::value);
  typename Recipe::Encoder::Config encoder;
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
  double threshold = 0.25;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("encoder", self.encoder, "uni-modal encoders");
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
    field("threshold", self.threshold, "a label is predicted when its score is above", between(0, 1));
  }
};

}  // namespace ramer::wiring
