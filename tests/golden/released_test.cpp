// Golden files that the released codes of RAMer and CARAT computed.
#include "golden/ramer_runner.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;
using namespace ramer::test;

struct GivenCarat : recipe::Carat {
  using Shuffle = GivenShuffle;
};

struct GivenCaratUnaligned : recipe::CaratUnaligned {
  using Shuffle = GivenShuffle;
  using Alignment = GivenPlaces;
};

}  // namespace

TEST_CASE("RAMer as released agrees with the released code") {
  run_kind("ramer_released", true, true, &compare_ramer<recipe::RamerReleased, backend::Cpu, Double>);
}

TEST_CASE("CARAT agrees with the released code") {
  run_kind("carat", true, true, &compare_ramer<GivenCarat, backend::Cpu, Double>);
}

TEST_CASE("CARAT for unaligned input agrees with the released code") {
  run_kind("carat", true, false, &compare_ramer<GivenCaratUnaligned, backend::Cpu, Double>);
  run_kind("carat", true, false, &compare_ramer<GivenCaratUnaligned, backend::Cpu, Float>);
}
