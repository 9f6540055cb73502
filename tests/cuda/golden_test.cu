// Golden files on a GPU: model values, loss terms, all gradients, one optimizer step.
#include <doctest/doctest.h>

#include "cuda/device.hpp"
#include "golden/ramer_runner.hpp"

using namespace ramer;
using namespace ramer::test;
using backend::Cuda;

TEST_CASE("RAMer agrees with the golden files on a GPU in double") {
  RAMER_NEEDS();
  run_files({{"", &compare_ramer<recipe::Ramer, Cuda, Double>},
             {"adversary=alternating", &compare_ramer<recipe::RamerAlternating, Cuda, Double>}});
}

TEST_CASE("RAMer agrees with the golden files on a GPU in float") {
  RAMER_NEEDS();
  run_files({{"", &compare_ramer<recipe::Ramer, Cuda, Float>}});
}
