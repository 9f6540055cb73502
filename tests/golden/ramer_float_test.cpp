// The default recipe in float, and on the reference backend.
#include "golden/ramer_runner.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/backend/reference.hpp"

using namespace ramer;
using namespace ramer::test;

TEST_CASE("RAMer agrees with the golden files in float") {
  run_files({{"", &compare_ramer<recipe::Ramer, backend::Cpu, Float>}});
}

TEST_CASE("the reference backend agrees with the golden files") {
  run_files({{"", &compare_ramer<recipe::Ramer, backend::Reference, Double>}});
}
