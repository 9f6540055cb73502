// expect: the recipe has no slot Fusion
// A recipe that fills every slot but one.
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"

struct Mine {
  static constexpr const char* name = "mine";
  using Base = ramer::recipe::Tailor;
  using Wiring = Base::Wiring;
  using Alignment = Base::Alignment;
  using Encoder = Base::Encoder;
  using Adversary = Base::Adversary;
  using Orthogonality = Base::Orthogonality;
};

ramer::wiring::TailorConfig<Mine> config;
