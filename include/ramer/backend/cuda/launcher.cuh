// Runs the kernels of backend/device on a GPU: a block of theirs is a block of CUDA's.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "ramer/backend/cuda/memory.cuh"
#include "ramer/backend/device/block.hpp"

namespace ramer::backend::cuda {

/// See backend/device/block.hpp. Compiled for the host as well, where it is never run.
class Block {
 public:
  template <class T, int N>
  class Own {
   public:
    RAMER_HD explicit Own(const Block&) {}
    RAMER_HD T* operator()(int) { return x_; }

   private:
    T x_[N];
  };

  template <class F>
  RAMER_HD void own([[maybe_unused]] const F& f) const {
#if defined(__CUDA_ARCH__)
    f(static_cast<int>(threadIdx.x));
#endif
  }
  RAMER_HD void barrier() const {
#if defined(__CUDA_ARCH__)
    __syncthreads();
#endif
  }
  template <class F>
  RAMER_HD void each(const F& f) const {
    own(f);
    barrier();
  }
  template <class T, int N>
  RAMER_HD void sum_lanes(Own<T, N>& x) const {
    butterfly(x, [](T a, T b) { return a + b; });
  }
  template <class T, int N>
  RAMER_HD void max_lanes(Own<T, N>& x) const {
    butterfly(x, [](T a, T b) { return device::largest(a, b); });
  }
  template <class T>
  RAMER_HD void first_of_lanes([[maybe_unused]] Own<T, 1>& x) const {
#if defined(__CUDA_ARCH__)
    *x(0) = __shfl_sync(0xFFFFFFFFu, *x(0), 0);
#endif
  }

 private:
  template <class T, int N, class Op>
  RAMER_HD void butterfly([[maybe_unused]] Own<T, N>& x, [[maybe_unused]] const Op& op) const {
#if defined(__CUDA_ARCH__)
    RAMER_UNROLL
    for (int apart = device::kLanes / 2; apart > 0; apart /= 2) {
      RAMER_UNROLL
      for (int k = 0; k < N; ++k) x(0)[k] = op(x(0)[k], __shfl_xor_sync(0xFFFFFFFFu, x(0)[k], apart));
    }
#endif
  }
};

template <class K>
__global__ void __launch_bounds__(K::kThreads) run_kernel(const __grid_constant__ K kernel) {
  extern __shared__ __align__(16) unsigned char ramer_shared[];
  Block block;
  kernel(block, static_cast<Index>(blockIdx.x), reinterpret_cast<std::byte*>(ramer_shared));
}

/// Copies share their stream, their scratch and their staging. Host threads may share one: their kernels then follow one another.
class Launcher {
 public:
  using Memory = DeviceMemory;

  class Lease {
   public:
    Lease(std::mutex& mutex, Scratch& scratch, std::size_t bytes) : lock_(mutex), data_(scratch.grow(bytes)) {}
    void* data() const { return data_; }

   private:
    std::unique_lock<std::mutex> lock_;
    void* data_;
  };

  explicit Launcher(int device) : state_(std::make_shared<State>(device)) {}

  template <class K>
  void launch(Index blocks, std::size_t shared_bytes, const K& kernel) const {
    static_assert(K::kThreads <= 1024 && sizeof(K) <= 4000);
    require<DeviceError>(blocks <= 0x7FFFFFFF, "a kernel of ", blocks,
                         " blocks: a GPU takes at most 2147483647; use a smaller batch");
    run_kernel<K><<<static_cast<unsigned>(blocks), K::kThreads, shared_bytes, state_->stream>>>(kernel);
    check(cudaGetLastError(), "launching a kernel");
  }
  Lease lease(std::size_t bytes) const { return {state_->scratch_mutex, state_->scratch, bytes}; }

  void copy(const void* from, std::size_t bytes, void* to) const {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream), "copying on the GPU");
  }
  /// Waits, and so reports what kernels before it did wrong.
  void to_host(const void* from, std::size_t bytes, void* to) const {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, state_->stream), "copying from the GPU");
    wait();
  }
  void from_host(const void* from, std::size_t bytes, void* to) const {
    const std::lock_guard lock(state_->staging_mutex);
    state_->staging.upload(from, bytes, to, state_->stream);
  }
  void wait() const { check(cudaStreamSynchronize(state_->stream), "running kernels"); }

  cudaStream_t stream() const { return state_->stream; }
  int device() const { return state_->device; }

 private:
  /// Makes a device the calling thread's current one before anything is made on it.
  struct Chosen {
    int device;
    explicit Chosen(int which) : device(which) {
      int count = 0, major = 0;
      check(cudaGetDeviceCount(&count), "backend::Cuda");
      require<DeviceError>(device >= 0 && device < count, "there is no CUDA device ", device, ": this machine has ", count);
      check(cudaSetDevice(device), "CUDA device " + std::to_string(device));
      check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking what a GPU can do");
      require<DeviceError>(major >= 8, "CUDA device ", device, " has compute capability ", major,
                           ".x: backend::Cuda needs 8.0 or newer");
    }
  };
  struct State : Chosen {
    explicit State(int which) : Chosen(which) {}
    ~State() { cudaStreamSynchronize(stream); }
    Stream stream;
    Scratch scratch;
    Staging staging;
    std::mutex scratch_mutex, staging_mutex;
  };
  std::shared_ptr<State> state_;
};

}  // namespace ramer::backend::cuda
