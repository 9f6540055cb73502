// Run-time settings of wiring::Tailor: one group per slot of the recipe, `slot.field` in JSON and on the command line.
#pragma once

#include "ramer/encoder/cross_transformer.hpp"
#include "ramer/encoder/label_decoder.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/model/detail/check_tailor.hpp"

namespace ramer::wiring {

struct TailorProjectionConfig {
  double common_dropout = 0.3;
  double private_dropout = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("common_dropout", self.common_dropout, "dropout of the common extractor");
    field("private_dropout", self.private_dropout, "dropout of the private extractors");
  }
};

struct TailorWeights {
  double classification = 1.0;
  double adversarial = 0.01, orthogonality = 5e-6, common_semantic = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("classification", self.classification, "labels from the label decoder");
    field("adversarial", self.adversarial, "discriminator losses L_C + L_S");
    field("orthogonality", self.orthogonality, "overlap of common and private features");
    field("common_semantic", self.common_semantic, "labels from common features alone");
  }
};

/// The defaults are the published ones. Slots of a recipe supply their own groups; `encoder.hidden`, `heads` and `inner` are those
/// of the cross transformers and the label decoder too. `encoder.layers` empty: 6 for the first modality, 4 for each other one
/// (published: text; visual and audio).
template <class Recipe>
struct TailorConfig {
  static_assert(detail::CheckTailor<Recipe>::value);
  typename Recipe::Encoder::Config encoder;
  TailorProjectionConfig projection;
  typename Recipe::Fusion::Config fusion;
  encoder::LabelDecoderConfig decoder;
  typename Recipe::Adversary::Config adversary;
  TailorWeights weights;
  double head_dropout = 0.1;
  double common_semantic_dropout = 0.1;
  encoder::Missing missing = encoder::Missing::PresentOnly;
  double threshold = 0.35;

  TailorConfig() { encoder.layers.clear(); }

  Index layers_of(Index m, Index count) const {
    return encoder.layers.empty() ? (m == 0 ? 6 : 4) : encoder.layers_of(m, count);
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("encoder", self.encoder, "uni-modal encoders; hidden, heads and inner also of what follows; no layers: 6, then 4 each");
    field("projection", self.projection, "private and common extractors");
    field("fusion", self.fusion, "cross transformers");
    field("decoder", self.decoder, "label decoder");
    field("adversary", self.adversary, "modality discriminator");
    field("weights", self.weights, "weights of the objective");
    field("head_dropout", self.head_dropout, "dropout on the logits");
    field("common_semantic_dropout", self.common_semantic_dropout, "dropout on the logits of the common-semantic head");
    field("missing", self.missing, "whether an unavailable token takes part: present_only (no) or all (as released: it is no key)");
    field("threshold", self.threshold, "a label is predicted when its score is above");
  }
};

}  // namespace ramer::wiring
