// Memory of the GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "ramer/backend/cuda/error.cuh"
#include "ramer/backend/device/graphs.hpp"

namespace ramer::backend::cuda {

/// Of the device that is current in the calling thread. Freeing waits for the kernels that were launched, and for those that this thread
/// holds back.
struct DeviceMemory {
  static constexpr bool host = false;
  static constexpr std::size_t alignment = 256;
  static void* allocate(std::size_t bytes) {
    void* p = nullptr;
    if (const cudaError_t status = cudaMalloc(&p, std::max<std::size_t>(bytes, 1)); status != cudaSuccess) {
      check(status, "another " + std::to_string(bytes) + " bytes");
    }
    return p;
  }
  /// Bytes that are free now; 0 if nobody knows.
  static std::size_t available() {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess) return free;
    cudaGetLastError();
    return 0;
  }
  static void deallocate(void* p) noexcept {
    device::HeldBack::make_all();
    cudaFree(p);
  }
};

}  // namespace ramer::backend::cuda
