// Whether there is a GPU to run on.
#pragma once

#include "ramer/backend/cuda.cuh"
#include "skip.hpp"

namespace ramer::test {

/// Says once per case that it cannot run here.
inline bool lacks_device() {
  if (backend::cuda::devices() > 0) return false;
  skip("1 case: no CUDA device");
  return true;
}

}  // namespace ramer::test

#define RAMER_NEEDS(S) \
  if (ramer::test::lacks_device()) return
