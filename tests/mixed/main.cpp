// A program of parts that were compiled with different flags: each is right, in its own way.
#include <cstdio>

#include "mixed/unit.hpp"

int main() {
  const ramer::test::Kernels a = ramer::test::baseline_unit(), b = ramer::test::native_unit();
  for (const auto& kernels : {a, b})
    std::printf("%s: difference to the reference %.3g\n", kernels.instruction_set.c_str(), kernels.worst);
  if (!(a.worst < 1e-4 && b.worst < 1e-4)) {
    std::puts("a part of the program computes something else");
    return 1;
  }
  // Where they may use different instructions they round differently. Equal bits would mean that one part runs the other's code.
  if (a.instruction_set != b.instruction_set && a.digest == b.digest) {
    std::puts("both parts run the same code");
    return 1;
  }
  return 0;
}
