// A run on a GPU is saved, stopped and resumed; its data set is kept there.
#include <doctest/doctest.h>

#include "cuda/device.hpp"
#include "ramer/files.hpp"
#include "train/kept_run.hpp"
#include "train/resumed.hpp"

using namespace ramer;

TEST_CASE("a run on a GPU that is resumed ends with the bits of one in a piece") {
  RAMER_NEEDS();
  testing::check_resumes<backend::Cuda>("cuda");
}

TEST_CASE("a run whose data set is kept on the GPU has the bits of one whose batches are sent") {
  RAMER_NEEDS();
  const auto data = testing::small_data(60);
  CHECK((testing::run_kept<recipe::Ramer, backend::Cuda>(data, 1000) ==
         testing::run_kept<recipe::Ramer, backend::Cuda>(data, 0)));
}
