// expect: slot Adversary of the recipe lacks .template <class E> static AdversarialTerms<E> terms.*Truce
// The same for a member that is a template over the engine.
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"

struct Truce {
  using Config = ramer::projection::AdversaryConfig;
  static constexpr bool enabled = true;
  static constexpr int phases = 1;
};
struct Mine : ramer::recipe::Ramer {
  using Adversary = Truce;
};

using State = ramer::Model<Mine, ramer::backend::Reference, ramer::Double>::State;
State state;
