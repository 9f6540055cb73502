// expect: the recipe has no slot Shuffle
// A recipe that fills every slot but one.
#include "ramer/model/model.hpp"

struct Mine {
  static constexpr const char* name = "mine";
  using Base = ramer::recipe::Ramer;
  using Wiring = Base::Wiring;
  using Alignment = Base::Alignment;
  using Encoder = Base::Encoder;
  using Auxiliary = Base::Auxiliary;
  using Projection = Base::Projection;
  using Adversary = Base::Adversary;
  using Orthogonality = Base::Orthogonality;
  using CommonSemantic = Base::CommonSemantic;
  using Reconstruction = Base::Reconstruction;
  using ReconstructionLoss = Base::ReconstructionLoss;
  using Prototypes = Base::Prototypes;
  using Contrast = Base::Contrast;
  using ShuffleInput = Base::ShuffleInput;
};

ramer::wiring::RamerConfig<Mine> config;
