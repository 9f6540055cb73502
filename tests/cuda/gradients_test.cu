// Gradient checks on a GPU.
#include "autodiff/device_gradients.hpp"

#include "cuda/device.hpp"

using namespace ramer;

TEST_CASE("gradients of ops agree with differences") {
  RAMER_NEEDS();
  test::check_gradients(backend::Cuda());
}
