// expect: slot Encoder of the recipe lacks .template <class E> struct Module => EncoderWithoutModule
// expect: slot Encoder of the recipe lacks a Module made of .*called with .ctx, x, tokens, which => EncoderUncallable
// expect: slot Alignment of the recipe lacks a Module made of .config, width. => AlignmentUncallable
// expect: slot Encoder of the recipe lacks .normalize.*encode => EncoderInOneStep
// expect: slot Auxiliary of the recipe lacks .label_rows => AuxiliaryUncallable
// expect: slot Adversary of the recipe lacks .template <class E> static AdversarialTerms<E> terms => Truce
// expect: slot Orthogonality of the recipe lacks .template <class E> static Var<E, 0> common_specific => Parallel
// expect: slot Orthogonality of the recipe lacks .template <class E> static Var<E, 0> specific_specific => Unpaired
// expect: slot CommonSemantic of the recipe lacks .template <class E> static Var<E, 0> term => Meaningless
// expect: slot Reconstruction::Codec of the recipe lacks .width., or a Module => Uncoded
// expect: slot ReconstructionLoss of the recipe lacks .template <class E> static Var<E, 0> term => Lossless
// expect: slot ShuffleInput of the recipe lacks .template <class E> static void fill => Empty
// expect: slot Fusion of the recipe lacks .template <class E> struct Module. called with => Fission
// expect: slot Orthogonality of the recipe lacks .template <class E> static Var<E, 0> common_specific => TailorParallel
// Policies without a member that is a template over the engine, one for each slot that has such; the names say which.
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"

using namespace ramer;
using Engine = nn::Engine<backend::Reference, Double>;

struct Hollow {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

struct EncoderWithoutModule {
  using Config = encoder::TransformerConfig;
};
struct EncoderUncallable {
  using Config = encoder::TransformerConfig;
  template <class E>
  struct Module : Hollow {};
};
struct AlignmentUncallable : encoder::CtcAlignment {
  template <class E>
  struct Module : Hollow {};
};
struct EncoderInOneStep {
  using Config = encoder::TransformerConfig;
  template <class E>
  struct Module : Hollow {
    Module(const Config&, Index, Index, Index, bool) {}
    nn::Var<E, 2> operator()(nn::Context<E>&, nn::Var<E, 2> x, const encoder::TokenPlan&, Index) const { return x; }
  };
};
struct AuxiliaryUncallable : encoder::PersonSegmentAttention {
  template <class E>
  struct Module : Hollow {};
};
struct Truce {
  using Config = projection::AdversaryConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 1;
};
struct Parallel {
  static constexpr bool enabled = true, pairs = false;
};
struct Unpaired : loss::SlotGram {
  static constexpr bool pairs = true;
};
struct Meaningless {
  static constexpr bool enabled = true;
};
struct Uncoded : reconstruction::TwoLevel {
  struct Codec {
    static constexpr bool identity = false;
    template <class E>
    struct Module : Hollow {};
  };
};
struct Lossless {};
struct Empty {
  static constexpr Index slots(Index modalities) { return modalities; }
};
struct Fission : encoder::CrossChain {
  template <class E>
  struct Module : Hollow {};
};
struct TailorParallel : Parallel {};

#define RECIPE(name, base, check, slot, policy) \
  struct name : base {                          \
    using slot = policy;                        \
  };                                            \
  template struct wiring::detail::check<name, Engine>
RECIPE(A, recipe::Ramer, CheckPolicies, Encoder, EncoderWithoutModule);
RECIPE(B, recipe::Ramer, CheckPolicies, Encoder, EncoderUncallable);
RECIPE(C, recipe::Ramer, CheckPolicies, Alignment, AlignmentUncallable);
RECIPE(D, recipe::CaratUnaligned, CheckPolicies, Encoder, EncoderInOneStep);
RECIPE(E, recipe::Ramer, CheckPolicies, Auxiliary, AuxiliaryUncallable);
RECIPE(F, recipe::Ramer, CheckPolicies, Adversary, Truce);
RECIPE(G, recipe::Ramer, CheckPolicies, Orthogonality, Parallel);
RECIPE(H, recipe::Ramer, CheckPolicies, Orthogonality, Unpaired);
RECIPE(I, recipe::Ramer, CheckPolicies, CommonSemantic, Meaningless);
RECIPE(J, recipe::Ramer, CheckPolicies, Reconstruction, Uncoded);
RECIPE(K, recipe::Ramer, CheckPolicies, ReconstructionLoss, Lossless);
RECIPE(L, recipe::Ramer, CheckPolicies, ShuffleInput, Empty);
RECIPE(M, recipe::Tailor, CheckTailorPolicies, Fusion, Fission);
RECIPE(N, recipe::Tailor, CheckTailorPolicies, Orthogonality, TailorParallel);
