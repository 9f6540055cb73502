// A variant of one's own in the whole program, beside what it is compared with:
//
//   ramer_own_recipe compare --recipes ramer,mine --folds 5 --seeds 3 --out comparison
//   ramer_own_recipe train --recipe mine --out run
#include "ramer/app.hpp"

#include "recipes/recipes.hpp"

// One line changed: the stack shuffle treats all labels alike.
struct Mine : ramer::recipe::Ramer {
  static constexpr const char* name = "mine";
  using Shuffle = ramer::shuffle::PlainStack;
};

int main(int argc, char** argv) { return ramer::app::run<ramer::recipe::Ramer, Mine>(argc, argv); }
