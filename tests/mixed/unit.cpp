// Runs every kernel in float. Compiled several times with different flags, under the name RAMER_UNIT.
#include "mixed/unit.hpp"

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

#define RAMER_TEXT_OF(x) #x
#define RAMER_TEXT(x) RAMER_TEXT_OF(x)

namespace ramer::test {

Kernels RAMER_UNIT() {
  Kernels kernels{RAMER_TEXT(RAMER_INSTRUCTION_SET), 0, 14695981039346656037ull};
  backend::Cpu cpu(2);
  backend::Reference reference;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const auto found = ProblemMaker<float, backend::Cpu>(cpu, seed, seed == 2).all();
    const auto expected = ProblemMaker<float, backend::Reference>(reference, seed, seed == 2).all();
    for (std::size_t i = 0; i < found.size(); ++i) {
      found[i]->run(cpu);
      expected[i]->run(reference);
      const auto a = found[i]->outputs(), b = expected[i]->outputs();
      for (std::size_t k = 0; k < a.size(); ++k) {
        kernels.worst = std::max(kernels.worst, difference(a[k], b[k]));
        const auto* bytes = reinterpret_cast<const unsigned char*>(a[k].data());
        for (std::size_t n = 0; n < a[k].size() * sizeof(float); ++n)
          kernels.digest = (kernels.digest ^ bytes[n]) * 1099511628211ull;
      }
    }
  }
  return kernels;
}

}  // namespace ramer::test
