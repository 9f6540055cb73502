// RAMer as a list of parts. A variant is a struct that changes a line.
#pragma once

#include "ramer/model/ramer_wiring.hpp"

namespace ramer::recipe {

/// The paper; where it leaves room, docs/design.md says what was chosen.
struct Ramer {
  static constexpr const char* name = "ramer";
  using Wiring = wiring::Ramer;
  using Encoder = encoder::Transformer;                    // section 4.1
  using Auxiliary = encoder::PersonSegmentAttention;       // section 4.1, where a target person is given
  using Projection = projection::Subspaces;                // S^m = f_m(X_alpha), C^m = G(X_gamma)
  using Adversary = projection::GradientReversal;          // Eq 1, 2
  using Orthogonality = loss::SlotGram;                    // Eq 4: sum_m ||C^m (S^m)^T||_F^2 over label slots
  using CommonSemantic = loss::PerModality;                // Eq 3
  using Reconstruction = reconstruction::TwoLevel;         // Eq 6
  using ReconstructionLoss = loss::MeanSquares;            // Eq 7
  using Prototypes = contrast::MovingAverage;              // Eq 9, 10
  using Contrast = contrast::SupervisedWithQueue;          // Eq 11
  using ShuffleInput = shuffle::CommonPlusSpecific;        // F^m = C^m + S^m
  using Shuffle = shuffle::Stack;                          // Eq 12
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

}  // namespace ramer::recipe
