// What goes wrong says so in a sentence, and leaves things as they were.
#include <doctest/doctest.h>

#include <vector>

#include "cuda/device.hpp"
#include "ramer/core/tensor.hpp"

using namespace ramer;
using backend::Cuda;

TEST_CASE("a device that does not exist is refused; on a machine without any, so is the backend") {
  const bool none = backend::cuda::devices() == 0;
  try {
    const Cuda b(none ? 0 : 4096);
    FAIL("device made out of nothing");
  } catch (const DeviceError& e) {
    const std::string said = e.what();
    CAPTURE(said);
    CHECK((said.find("NVIDIA") != std::string::npos || said.find("there is no CUDA device 4096") != std::string::npos));
    CHECK(said.find('\n') == std::string::npos);
  }
}

TEST_CASE("every status has a sentence of its own") {
  using backend::cuda::explain;
  CHECK(explain(cudaErrorNoDevice, "x").find("compute capability 8.0") != std::string::npos);
  CHECK(explain(cudaErrorInsufficientDriver, "x").find("newer driver") != std::string::npos);
  CHECK(explain(cudaErrorMemoryAllocation, "another 12 bytes").find("too little free memory for another 12 bytes") !=
        std::string::npos);
  CHECK(explain(cudaErrorNoKernelImageForDevice, "x").find("CMAKE_CUDA_ARCHITECTURES") != std::string::npos);
  CHECK(explain(cudaErrorLaunchFailure, "running kernels").find("running kernels") != std::string::npos);
  CHECK_THROWS_AS(backend::cuda::check(CUBLAS_STATUS_INTERNAL_ERROR, "multiplying matrices"), DeviceError);
  CHECK_NOTHROW(backend::cuda::check(cudaSuccess, "x"));
}

TEST_CASE("a tensor for which the GPU has no memory fails alone: what was there stays") {
  RAMER_NEEDS();
  const Cuda b;
  const std::vector<float> host{1, 2, 3};
  Tensor<float, 1, Cuda::Memory> x(Shape{Index{3}});
  b.from_host(host.data(), Index{3}, x.data());
  using Huge = Tensor<float, 1, Cuda::Memory>;
  CHECK_THROWS_AS(Huge(Shape{Index{1} << 44}), DeviceError);
  std::vector<float> back(3);
  b.to_host(x.data(), Index{3}, back.data());
  CHECK(back == host);
}
