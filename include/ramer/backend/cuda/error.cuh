// What CUDA and cuBLASLt report, as one sentence that says what to do.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <string>

#include "ramer/core/error.hpp"

namespace ramer::backend::cuda {

/// The sentence for a status other than success. `doing`: "copying 12 bytes to the GPU".
inline std::string explain(cudaError_t status, const std::string& doing) {
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
      return "no CUDA device was found: backend::Cuda needs an NVIDIA GPU of compute capability 8.0 or newer, and its "
             "driver";
    case cudaErrorInsufficientDriver:
      return "the NVIDIA driver is absent, or older than the CUDA " + std::to_string(CUDART_VERSION / 1000) + "." +
             std::to_string(CUDART_VERSION % 1000 / 10) + " that this program was built with: install a newer driver";
    case cudaErrorMemoryAllocation:
      return "the GPU has too little free memory for " + doing + ": use a smaller batch or queue, or a larger GPU";
    case cudaErrorNoKernelImageForDevice:
      return "this program holds no code for this GPU: build it with its compute capability in CMAKE_CUDA_ARCHITECTURES";
    default: break;
  }
  return "CUDA failed while " + doing + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
}

/// @throws DeviceError
inline void check(cudaError_t status, const std::string& doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky is reported once
  fail<DeviceError>(explain(status, doing));
}
inline void check(cublasStatus_t status, const std::string& doing) {
  require<DeviceError>(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt failed while ", doing, ": ",
                       cublasLtGetStatusString(status));
}

/// CUDA devices that this process can use; 0 without a driver.
inline int devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

}  // namespace ramer::backend::cuda
