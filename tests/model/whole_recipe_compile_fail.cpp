// expect: slot Shuffle of the recipe lacks .static void permute => BackToFront
// A user's own model: the sentence is the first error that is seen.
// first
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"

struct BackToFront {
  using Config = ramer::shuffle::Config;
};
struct Mine : ramer::recipe::Ramer {
  using Shuffle = BackToFront;
};

ramer::Model<Mine, ramer::backend::Reference, ramer::Double>::State state;
