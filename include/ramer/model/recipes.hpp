// RAMer as a list of parts. A variant is a struct that changes a line.
#pragma once

#include "ramer/model/ramer_wiring.hpp"

namespace ramer::recipe {

/// The paper; where it leaves room, docs/design.md says what was chosen.
struct Ramer {
  static constexpr const char* name = "ramer";
  using Wiring = wiring::Ramer;
  using Alignment = encoder::AsGiven;                 // between input normalisation and encoder
  using Encoder = encoder::Transformer;               // section 4.1
  using Auxiliary = encoder::PersonSegmentAttention;  // section 4.1, where a target person is given
  using Projection = projection::Subspaces;           // S^m = f_m(X_alpha), C^m = G(X_gamma)
  using Adversary = projection::GradientReversal;     // Eq 1, 2
  using Orthogonality = loss::SlotGram;               // Eq 4: sum_m ||C^m (S^m)^T||_F^2 over label slots
  using CommonSemantic = loss::PerModality;           // Eq 3
  using Reconstruction = reconstruction::TwoLevel;    // Eq 6
  using ReconstructionLoss = loss::MeanSquares;       // Eq 7
  using Prototypes = contrast::MovingAverage;         // Eq 9, 10
  using Contrast = contrast::SupervisedWithQueue;     // Eq 11
  using ShuffleInput = shuffle::CommonPlusSpecific;   // F^m = C^m + S^m
  using Shuffle = shuffle::Stack;                     // Eq 12
};

/// Two optimiser steps a batch: the discriminator's, then everybody else's.
struct RamerAlternating : Ramer {
  static constexpr const char* name = "ramer-alternating";
  using Adversary = projection::Alternating;
};
/// G is trained towards a discriminator that cannot tell.
struct RamerConfusion : Ramer {
  static constexpr const char* name = "ramer-confusion";
  using Adversary = projection::Confusion;
};

/// What the authors' released code computes, slips included. Each is a policy or a setting of its own:
/// orthogonality over six pairs; the common-semantic head reads label slot 0; queue rows are anchors too; X_gamma is shuffled, with a
/// joint gather, by what amounts to a reversal of the batch (so that the shuffled loss equals the unshuffled one); missing modalities
/// count like present ones; no personality, no attention over persons, nothing marks the target's time.
struct RamerReleased : Ramer {
  static constexpr const char* name = "ramer-released";
  using Auxiliary = encoder::NoAuxiliary;
  using Orthogonality = loss::SlotGramSixPairs;
  using CommonSemantic = loss::FirstSlotOfSum;
  using Contrast = contrast::SupervisedReleased;
  using ShuffleInput = shuffle::LastLevel;
  using Shuffle = shuffle::Reversal;

  template <class Config>
  static void defaults(Config& c) {
    c.target_time = encoder::TargetTime::All;
    c.missing = encoder::Missing::All;
    c.shuffle.gather = shuffle::Gather::Joint;
  }
};

/// CARAT (Peng et al., AAAI 2024) as released, for aligned input: RAMer without subspaces and adversary. X_gamma is shuffled by
/// independent random permutations with a joint gather; the aggregation is trained on slots in place as well.
struct Carat : RamerReleased {
  static constexpr const char* name = "carat";
  using Projection = projection::None;
  using Adversary = projection::NoAdversary;
  using Orthogonality = loss::NoOrthogonality;
  using CommonSemantic = loss::NoCommonSemantic;
  using Shuffle = shuffle::Random;

  /// Layers and weights of the released script.
  template <class Config>
  static void defaults(Config& c) {
    RamerReleased::defaults(c);
    c.encoder.layers = {6, 4};  // text; visual, audio
    c.weights.shuffled = 0.1;
    c.weights.unshuffled = 1.0;
  }
};

/// CARAT for unaligned input: all modalities but the text are aligned to 50 places, the release's choice where masks are to have
/// the same length; its other one is 500. It trains without a CTC loss.
struct CaratUnaligned : Carat {
  static constexpr const char* name = "carat-unaligned";
  using Alignment = encoder::CtcAlignment;
};

}  // namespace ramer::recipe
