// A model on backend::CpuBf16: near the exact numbers, and the same bits with any number of threads.
#include <doctest/doctest.h>
#include <oneapi/tbb/global_control.h>

#include <cmath>

#include "ramer/backend/cpu_bf16.hpp"
#include "ramer/backend/reference.hpp"
#include "train/trace.hpp"

using namespace ramer;

TEST_CASE("RAMer trains and predicts with products in bf16") {
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  test::BatchSpec spec;
  spec.size = 24;
  const auto exact = test::trace<recipe::Ramer, backend::Reference, Float>(spec);
  const auto one = test::trace<recipe::Ramer, backend::CpuBf16, Float>(spec, backend::CpuBf16(1));
  REQUIRE(one.size() == exact.size());
  double furthest = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(one[i] - exact[i]) < 0.1 * (std::abs(exact[i]) + 0.1));
    furthest = std::max(furthest, std::abs(one[i] - exact[i]));
  }
  CHECK(furthest > 1e-5);  // factors were rounded
  CHECK((test::trace<recipe::Ramer, backend::CpuBf16, Float>(spec, backend::CpuBf16(2)) == one));
  CHECK((test::trace<recipe::Ramer, backend::CpuBf16, Float>(spec, backend::CpuBf16(4)) == one));
}
