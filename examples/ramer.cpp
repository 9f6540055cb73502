// The program `ramer`: train, evaluate, predict, compare, ablate, robust, info, synth. Name your own recipe in the list to
// give it all of this.
#include "ramer/app.hpp"

#include "recipes/ablations.hpp"
#include "recipes/recipes.hpp"

int main(int argc, char** argv) {
  using namespace ramer;
  const app::Program program(app::kinds<recipe::Ramer, recipe::RamerReleased, recipe::Carat, recipe::CaratUnaligned,
                                        recipe::Tailor, recipe::TailorUnaligned, recipe::EarlyFusion>(),
                             ablation_kinds());
  return app::run(argc, argv, program);
}
