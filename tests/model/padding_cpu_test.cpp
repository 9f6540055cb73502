// Batches with dead rows on the CPU backend. A source of its own: Eigen changes how g++ optimizes what follows it, and other tests of this
// program compare bits of functions that both would compile.
#include "model/padding.hpp"
#include "ramer/backend/cpu.hpp"

using namespace ramer;

TEST_CASE("dead rows change no score, no loss and no gradient: cpu") {
  test::check_padding<recipe::Carat, backend::Cpu>(3);
  test::check_padding<recipe::RamerAlternating, backend::Cpu>(2);
  test::check_padding<recipe::Carat, backend::Cpu, Float>(1, 1e-3);
}
