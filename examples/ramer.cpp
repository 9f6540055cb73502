// The program `ramer`: train, evaluate, predict, info, synth. Name your own recipe in the list to give it all of this.
#include "ramer/app.hpp"

#include "recipes/recipes.hpp"

int main(int argc, char** argv) {
  using namespace ramer;
  return app::run<recipe::Ramer, recipe::RamerReleased, recipe::Carat, recipe::CaratUnaligned, recipe::Tailor,
                  recipe::TailorUnaligned, recipe::EarlyFusion>(argc, argv);
}
