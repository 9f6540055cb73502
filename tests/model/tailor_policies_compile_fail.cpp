// expect: slot Alignment of the recipe lacks .static constexpr bool enabled => AlignmentUndecided
// expect: slot Encoder of the recipe lacks .struct Config => EncoderUnsettled
// expect: slot Fusion of the recipe lacks .struct Config => FusionUnsettled
// expect: slot Fusion of the recipe lacks .std::vector<Index> order_of => FusionWithoutOrder
// expect: slot Adversary of the recipe lacks .static constexpr int phases => AdversaryInThreePhases
// expect: slot Orthogonality of the recipe lacks .static constexpr bool pairs => OrthogonalityUndecided
// expect: slot Encoder of the recipe lacks .template <class E> struct Module => EncoderWithoutModule
// expect: slot Alignment of the recipe lacks .template <class E> struct Module => AlignmentWithoutModule
// expect: slot Adversary of the recipe lacks .template <class E> static AdversarialTerms<E> terms => Truce
// Policies for TAILOR without a member, for each of its slots; what the slots share with RAMer's is in the tests of those.
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"

using namespace ramer;

struct Settings {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};
struct AlignmentUndecided {
  using Config = Settings;
};
struct AlignmentWithoutModule {
  using Config = Settings;
  static constexpr bool enabled = true;
};
struct EncoderUnsettled {};
struct EncoderWithoutModule {
  using Config = encoder::TransformerConfig;
};
struct FusionUnsettled {
  struct Config {};
};
struct FusionWithoutOrder {
  using Config = Settings;
};
struct AdversaryInThreePhases : projection::GradientReversal {
  static constexpr int phases = 3;
};
struct Truce {
  using Config = projection::AdversaryConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 1;
};
struct OrthogonalityUndecided {
  static constexpr bool enabled = true;
};

#define RECIPE(name, slot, policy) \
  struct name : recipe::Tailor {   \
    using slot = policy;           \
  }
#define CHECK_WITHOUT_ENGINE(name, slot, policy) \
  RECIPE(name, slot, policy);                    \
  template struct wiring::detail::CheckTailor<name>
#define CHECK_WITH_ENGINE(name, slot, policy) \
  RECIPE(name, slot, policy);                 \
  template struct wiring::detail::CheckTailorPolicies<name, nn::Engine<backend::Reference, Double>>
CHECK_WITHOUT_ENGINE(A, Alignment, AlignmentUndecided);
CHECK_WITHOUT_ENGINE(B, Encoder, EncoderUnsettled);
CHECK_WITHOUT_ENGINE(C, Fusion, FusionUnsettled);
CHECK_WITHOUT_ENGINE(D, Fusion, FusionWithoutOrder);
CHECK_WITHOUT_ENGINE(F, Adversary, AdversaryInThreePhases);
CHECK_WITHOUT_ENGINE(G, Orthogonality, OrthogonalityUndecided);
CHECK_WITH_ENGINE(H, Encoder, EncoderWithoutModule);
CHECK_WITH_ENGINE(I, Alignment, AlignmentWithoutModule);
CHECK_WITH_ENGINE(J, Adversary, Truce);
