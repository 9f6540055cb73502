// The rows of the paper's Table 4, as structs that change one thing each. Row (11) is recipe::Ramer itself.
#pragma once

#include "ramer/model/recipes.hpp"

namespace ramer::recipe {

/// Table 4 (1): no adversarial and no orthogonality loss; the subspaces and L_cml stay, and nothing trains the discriminator.
struct WithoutSubspaceLosses : Ramer {
  static constexpr const char* name = "without-subspace-losses";
  template <class Config>
  static void defaults(Config& c) {
    c.weights.adversarial = 0;
    c.weights.orthogonality = 0;
  }
};
/// Table 4 (2): no commonality; F = S, and L_C, L_orth, L_cml are gone.
struct WithoutCommonality : Ramer {
  static constexpr const char* name = "without-commonality";
  using Projection = projection::SpecificityOnly;
};
/// Table 4 (3): no specificity; F = C, and L_S, L_orth are gone.
struct WithoutSpecificity : Ramer {
  static constexpr const char* name = "without-specificity";
  using Projection = projection::CommonalityOnly;
};
/// Table 4 (4): no contrastive loss; prototypes stay and move.
struct WithoutContrast : Ramer {
  static constexpr const char* name = "without-contrast";
  using Contrast = contrast::None;
};
/// Table 4 (5): no latent codes; prototypes and queue rows are as wide as H.
struct WithoutCodec : Ramer {
  static constexpr const char* name = "without-codec";
  using Reconstruction = reconstruction::WithoutCodec;
};
/// Table 4 (6): no first reconstruction level.
struct WithoutBeta : Ramer {
  static constexpr const char* name = "without-beta";
  using Reconstruction = reconstruction::WithoutBeta;
};
/// Table 4 (7): no second reconstruction level.
struct WithoutGamma : Ramer {
  static constexpr const char* name = "without-gamma";
  using Reconstruction = reconstruction::WithoutGamma;
};
/// Table 4 (8): no reconstruction level.
struct WithoutLevels : Ramer {
  static constexpr const char* name = "without-levels";
  using Reconstruction = reconstruction::WithoutLevels;
};
/// Table 4 (9): the second modality is fused first: order {v, t, a} where the model's is t, v, a. The order of concatenation permutes
/// the columns of one linear map, so that only start values differ: rows (9) and (10) show the spread over initialisations.
struct SecondModalityFirst : Ramer {
  static constexpr const char* name = "second-modality-first";
  template <class Config>
  static void defaults(Config& c) {
    c.fusion_order = {1};
  }
};
/// Table 4 (10): the third modality is fused first: order {a, t, v}.
struct ThirdModalityFirst : Ramer {
  static constexpr const char* name = "third-modality-first";
  template <class Config>
  static void defaults(Config& c) {
    c.fusion_order = {2};
  }
};
/// Not in the table: the aggregation is trained on slots in place.
struct WithoutShuffle : Ramer {
  static constexpr const char* name = "without-shuffle";
  using Shuffle = shuffle::Identity;
};

}  // namespace ramer::recipe
