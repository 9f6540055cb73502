// Gradient checks on memory that the host must not touch: with plain loops, and with the kernels that a GPU runs.
#include "autodiff/device_gradients.hpp"

#include "backend/emulated.hpp"

using namespace ramer;

TEST_CASE("Gradients of ops agree with differences on memory of a backend's own") {
  test::check_gradients(test::Guarded<backend::Reference>());
}
TEST_CASE("Gradients of ops agree with differences by the kernels of a GPU, run by the host") {
  test::check_gradients(test::Emulated<>());
}
