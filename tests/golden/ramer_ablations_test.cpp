// Golden files of Table 4's rows that leave a part out.
#include "golden/ramer_runner.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;
using namespace ramer::test;

template <class R>
constexpr Runner in_double = &compare_ramer<R, backend::Cpu, Double>;

}  // namespace

TEST_CASE("ablations of RAMer agree with the golden files") {
  run_files({{"use_C=false", in_double<recipe::WithoutCommonality>},
             {"use_S=false", in_double<recipe::WithoutSpecificity>},
             {"autoencoder=false", in_double<recipe::WithoutCodec>},
             {"rec_levels=gamma_only", in_double<recipe::WithoutBeta>},
             {"rec_levels=beta_only", in_double<recipe::WithoutGamma>},
             {"rec_levels=none", in_double<recipe::WithoutLevels>}});
}
