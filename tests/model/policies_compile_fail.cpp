// expect: slot Alignment of the recipe lacks .static constexpr bool enabled => AlignmentUndecided
// expect: slot Alignment of the recipe lacks .static void build.*reference_of => AlignmentWithoutPlan
// expect: slot Encoder of the recipe lacks .struct Config => EncoderUnsettled
// expect: slot Encoder of the recipe lacks .hidden.*layers_of => EncoderWithoutWidth
// expect: slot Auxiliary of the recipe lacks .static constexpr bool enabled => AuxiliaryUndecided
// expect: slot Projection of the recipe lacks .static constexpr bool commonality => ProjectionUndecided
// expect: slot Projection of the recipe lacks .generator_input => ProjectionUnsettled
// expect: slot Adversary of the recipe lacks .static constexpr int phases => AdversaryInThreePhases
// expect: slot Orthogonality of the recipe lacks .static constexpr bool pairs => OrthogonalityUndecided
// expect: slot CommonSemantic of the recipe lacks .static constexpr bool enabled => CommonSemanticUndecided
// expect: slot Reconstruction of the recipe lacks .using Codec => ReconstructionUncoded
// expect: slot Prototypes of the recipe lacks .momentum. or .evaluation => PrototypesUnsettled
// expect: slot Contrast of the recipe lacks .static constexpr bool queue => ContrastUndecided
// expect: slot Contrast of the recipe lacks .temperature => ContrastUnsettled
// expect: slot ShuffleInput of the recipe lacks .static constexpr Index slots => ShuffleInputUncounted
// expect: slot Shuffle of the recipe lacks .static void permute => ShuffleInName
// expect: slot Shuffle of the recipe lacks a Config that inherits shuffle::SlotConfig => ShuffleUnsettled
// expect: slot ShuffleInput of the recipe takes a subspace that the one in slot Projection does not make => NothingToTake
// Policies without a member that does not depend on backend and precision, one for each slot. What each lacks is what its base hides
// or never had.
#include "ramer/model/model.hpp"

using namespace ramer;

struct Settings {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};

struct AlignmentUndecided {
  using Config = Settings;
};
struct AlignmentWithoutPlan {
  using Config = Settings;
  static constexpr bool enabled = true;
};
struct EncoderUnsettled {
  struct Config {
    Index hidden = 1;
  };
};
struct EncoderWithoutWidth {
  using Config = Settings;
};
struct AuxiliaryUndecided {
  using Config = Settings;
  static constexpr int enabled = 1;
};
struct ProjectionUndecided {
  using Config = projection::SubspacesConfig;
  static constexpr bool commonality = true;
};
struct ProjectionUnsettled {
  using Config = Settings;
  static constexpr bool commonality = true, specificity = false;
};
struct AdversaryInThreePhases : projection::GradientReversal {
  static constexpr int phases = 3;
};
struct OrthogonalityUndecided {
  static constexpr bool enabled = true;
};
struct CommonSemanticUndecided {};
struct ReconstructionUncoded {
  using Config = reconstruction::Config;
  static constexpr bool beta = true, gamma = true;
};
struct PrototypesUnsettled {
  using Config = Settings;
  static constexpr bool enabled = true;
};
struct ContrastUndecided {
  using Config = contrast::ContrastConfig;
  static constexpr bool enabled = true;
};
struct ContrastUnsettled {
  using Config = Settings;
  static constexpr bool enabled = true, queue = false, queue_anchors = false;
};
struct ShuffleInputUncounted {};
struct ShuffleInName {
  using Config = shuffle::SlotConfig;
};
struct ShuffleUnsettled {
  using Config = Settings;
  static void permute(const Config&, const RandomStream&, shuffle::Permutations&) {}
};

// One line changed in each.
#define RECIPE(name, slot, policy) \
  struct name : recipe::Ramer {    \
    using slot = policy;           \
  };                               \
  template struct wiring::detail::CheckRecipe<name>
RECIPE(A, Alignment, AlignmentUndecided);
RECIPE(B, Alignment, AlignmentWithoutPlan);
RECIPE(C, Encoder, EncoderUnsettled);
RECIPE(D, Encoder, EncoderWithoutWidth);
RECIPE(E, Auxiliary, AuxiliaryUndecided);
RECIPE(F, Projection, ProjectionUndecided);
RECIPE(G, Projection, ProjectionUnsettled);
RECIPE(H, Adversary, AdversaryInThreePhases);
RECIPE(I, Orthogonality, OrthogonalityUndecided);
RECIPE(J, CommonSemantic, CommonSemanticUndecided);
RECIPE(K, Reconstruction, ReconstructionUncoded);
RECIPE(L, Prototypes, PrototypesUnsettled);
RECIPE(M, Contrast, ContrastUndecided);
RECIPE(N, Contrast, ContrastUnsettled);
RECIPE(O, ShuffleInput, ShuffleInputUncounted);
RECIPE(P, Shuffle, ShuffleInName);
RECIPE(Q, Shuffle, ShuffleUnsettled);
RECIPE(NothingToTake, Projection, projection::None);
