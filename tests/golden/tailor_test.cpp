// Golden files of kinds tailor and tailor_curve: values, loss terms, gradients, one optimizer step, evaluation, curves.
#include "golden/tailor_compare.hpp"
#include "ramer/backend/cpu.hpp"
#include "skip.hpp"

using namespace ramer;
using namespace ramer::test;

namespace {

template <class R, class Precision>
void run_tailor(bool aligned) {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (!file.kind.starts_with("tailor") || file.config.contains("ctc") == aligned) continue;
    compare_tailor<R, backend::Cpu, Precision>(file);
    ++ran;
  }
  if (ran == 0) {
    skip("all golden files: none is of kind tailor");
  } else {
    MESSAGE("compared " << ran << " files");
  }
}

}  // namespace

TEST_CASE("TAILOR agrees with the golden files") {
  run_tailor<recipe::Tailor, Double>(true);
  run_tailor<recipe::Tailor, Float>(true);
}

TEST_CASE("TAILOR for unaligned input agrees with the golden files") {
  run_tailor<recipe::TailorUnaligned, Double>(false);
  run_tailor<recipe::TailorUnaligned, Float>(false);
}
