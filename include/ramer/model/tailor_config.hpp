// Run-time settings of wiring::Tailor: one group per slot of the recipe, `slot.field` in JSON and on the command line.
#pragma once

#include "ramer/encoder/cross_transformer.hpp"
#include "ramer/encoder/ctc_alignment.hpp"
#include "ramer/encoder/label_decoder.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/model/detail/check_tailor.hpp"

namespace ramer::wiring {

struct TailorProjectionConfig {
  double common_dropout = 0.3;
  double private_dropout = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("common_dropout", self.common_dropout, "dropout of the common extractor", from_to_below(0, 1));
    field("private_dropout", self.private_dropout, "dropout of the private extractors", from_to_below(0, 1));
  }
};

struct TailorWeights {
  double classification = 1.0;
  double adversarial = 0.01, orthogonality = 5e-6, common_semantic = 0.5;  ///< of the terms besides

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("classification", self.classification, "labels from the label decoder", at_least(0));
    field("adversarial", self.adversarial, "discriminator losses L_C + L_S", at_least(0));
    field("orthogonality", self.orthogonality, "overlap of common and private features", at_least(0));
    field("common_semantic", self.common_semantic, "labels from common features alone", at_least(0));
  }
};

struct TailorUnalignedWeights : TailorWeights {
  double ctc = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    TailorWeights::fields(self, field);
    field("ctc", self.ctc, "CTC loss of the alignments", at_least(0));
  }
};

/// The defaults are the published ones. Slots of a recipe supply their own groups; `encoder.hidden`, `heads` and `inner` are those
/// of the cross transformers and the label decoder too.
template <class Recipe>
struct TailorConfig {
  static_assert(detail::CheckTailor<Recipe>::value);
  typename Recipe::Alignment::Config alignment;
  typename Recipe::Encoder::Config encoder;
  TailorProjectionConfig projection;
  typename Recipe::Fusion::Config fusion;
  encoder::LabelDecoderConfig decoder;
  typename Recipe::Adversary::Config adversary;
  std::conditional_t<Recipe::Alignment::enabled, TailorUnalignedWeights, TailorWeights> weights;
  double head_dropout = 0.1;
  double common_semantic_dropout = 0.1;
  encoder::Missing missing = encoder::Missing::PresentOnly;
  double threshold = 0.35;

  TailorConfig() { encoder.layers = {6, 4}; }  // text; visual, audio

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    if constexpr (Recipe::Alignment::enabled)
      field("alignment", self.alignment, "what makes modalities of different length alike");
    field("encoder", self.encoder, "uni-modal encoders; hidden, heads and inner also of what follows them");
    field("projection", self.projection, "private and common extractors");
    field("fusion", self.fusion, "cross transformers");
    field("decoder", self.decoder, "label decoder");
    field("adversary", self.adversary, "modality discriminator");
    field("weights", self.weights, "weights of the objective");
    field("head_dropout", self.head_dropout, "dropout on the logits", from_to_below(0, 1));
    field("common_semantic_dropout", self.common_semantic_dropout, "dropout on the logits of the common-semantic head",
          from_to_below(0, 1));
    field("missing", self.missing,
          "whether an unavailable token takes part: present_only (no) or all (as released: it is no key)");
    field("threshold", self.threshold, "a label is predicted when its score is above", between(0, 1));
  }
};

}  // namespace ramer::wiring
