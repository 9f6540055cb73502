// backend::Cuda for any source: itself under nvcc, and elsewhere a sentence that says what is missing.
#pragma once

#if defined(__CUDACC__)
#include "ramer/backend/cuda.cuh"
#else

#include "ramer/backend/reference.hpp"

namespace ramer::backend {

template <bool compiled_by_nvcc>
class CudaWithoutNvcc : public Reference {
  static_assert(compiled_by_nvcc,
                "backend::Cuda needs nvcc: compile this source as CUDA and link ramer::cuda (docs/backends.md)");
};
/// Not for this compiler.
using Cuda = CudaWithoutNvcc<false>;

}  // namespace ramer::backend

#endif
