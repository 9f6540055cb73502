// What a translation unit with flags of its own computes.
#pragma once

#include <cstdint>
#include <string>

namespace ramer::test {

struct Kernels {
  std::string instruction_set;
  double worst = 0;          ///< largest difference to the reference, as tests/backend measures it
  std::uint64_t digest = 0;  ///< of every output's bits
};

Kernels baseline_unit();
Kernels native_unit();

}  // namespace ramer::test
