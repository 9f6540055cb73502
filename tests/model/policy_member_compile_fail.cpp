// expect: slot Shuffle of the recipe lacks .static void permute.*BackToFront
// A policy without the member that does its work: the slot, the member and the policy are named.
#include "ramer/model/model.hpp"

struct BackToFront {
  using Config = ramer::shuffle::Config;
};
struct Mine : ramer::recipe::Ramer {
  using Shuffle = BackToFront;
};

ramer::wiring::RamerConfig<Mine> config;
