// A run on a GPU is saved, stopped and resumed.
#include <doctest/doctest.h>

#include "cuda/device.hpp"
#include "ramer/files.hpp"
#include "train/resumed.hpp"

using namespace ramer;

TEST_CASE("a run on a GPU that is resumed ends with the bits of one in a piece") {
  RAMER_NEEDS();
  testing::check_resumes<backend::Cuda>("cuda");
}
