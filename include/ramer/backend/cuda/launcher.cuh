// Runs the kernels of backend/device on a GPU: a block of theirs is a block of CUDA's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ramer/backend/cuda/memory.cuh"
#include "ramer/backend/device/block.hpp"
#include "ramer/backend/device/stream_launcher.hpp"

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
  /// See HostBlock's.
  template <device::Math math, int N>
  RAMER_HD void add_products([[maybe_unused]] Own<float, N>& c, [[maybe_unused]] Own<std::uint32_t, 4>& a,
                             [[maybe_unused]] Own<std::uint32_t, N / 2>& b) const {
#if defined(__CUDA_ARCH__)
    const std::uint32_t* const x = a(0);
    RAMER_UNROLL
    for (int p = 0; p < N / 4; ++p) {
      float *const first = c(0) + 2 * p, *const second = first + N / 2;  // of rows 8 apart
      const std::uint32_t* const y = b(0) + 2 * p;
      if constexpr (math == device::Math::Tf32) {
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
            "%3};"
            : "+f"(first[0]), "+f"(first[1]), "+f"(second[0]), "+f"(second[1])
            : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
      } else {
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
            "%3};"
            : "+f"(first[0]), "+f"(first[1]), "+f"(second[0]), "+f"(second[1])
            : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
      }
    }
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

/// Blocks of a kernel that a multiprocessor is to run at a time, for which a thread has to do with fewer registers; 0: as it comes.
template <class K>
inline constexpr int blocks_at_once = 0;
template <class K>
requires requires { K::kBlocksAtOnce; }
inline constexpr int blocks_at_once<K> = K::kBlocksAtOnce;

template <class K>
__global__ void __launch_bounds__(K::kThreads, blocks_at_once<K>) run_kernel(const __grid_constant__ K kernel) {
  extern __shared__ __align__(16) unsigned char ramer_shared[];
  Block block;
  kernel(block, static_cast<Index>(blockIdx.x), reinterpret_cast<std::byte*>(ramer_shared));
}

/// One device and one stream of it, as device::StreamLauncher asks for them.
class Driver {
 public:
  using Memory = DeviceMemory;
  using Stream = cudaStream_t;
  using Event = cudaEvent_t;
  using Graph = cudaGraph_t;
  using Executable = cudaGraphExec_t;

  /// Makes a device the calling thread's current one before anything is made on it.
  explicit Driver(int device) {
    int count = 0, major = 0;
    check(cudaGetDeviceCount(&count), "backend::Cuda");
    require<DeviceError>(device >= 0 && device < count, "there is no CUDA device ", device, ": this machine has ", count);
    check(cudaSetDevice(device), "CUDA device " + std::to_string(device));
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking what a GPU can do");
    require<DeviceError>(major >= 8, "CUDA device ", device, " has compute capability ", major,
                         ".x: backend::Cuda needs 8.0 or newer");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    check(cudaStreamCreateWithFlags(&upload_stream_, cudaStreamNonBlocking), "making a stream");
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver() {
    for (const Stream stream : {upload_stream_, stream_}) {
      cudaStreamSynchronize(stream);
      cudaStreamDestroy(stream);
    }
  }
  Stream stream() const { return stream_; }
  Stream upload_stream() const { return upload_stream_; }

  template <class K>
  static void launch(const K& kernel, Index blocks, std::size_t shared_bytes, Stream stream) {
    static_assert(K::kThreads <= 1024 && sizeof(K) <= 4000);
    require<DeviceError>(blocks <= 0x7FFFFFFF, "a kernel of ", blocks,
                         " blocks: a GPU takes at most 2147483647; use a smaller batch");
    run_kernel<K><<<static_cast<unsigned>(blocks), K::kThreads, shared_bytes, stream>>>(kernel);
    check(cudaGetLastError(), "launching a kernel");
  }
  static void copy(const void* from, std::size_t bytes, void* to, Stream stream) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "copying on the GPU");
  }
  static void copy_up(const void* pinned, std::size_t bytes, void* to, Stream stream) {
    check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream), "copying to the GPU");
  }
  void copy_down(const void* from, std::size_t bytes, void* to) const {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copying from the GPU");
  }
  void wait() const {
    check(cudaStreamSynchronize(upload_stream_), "copying to the GPU");
    check(cudaStreamSynchronize(stream_), "running kernels");
  }

  static void* pin(std::size_t bytes) {
    void* p = nullptr;
    check(cudaMallocHost(&p, bytes), "pinned host memory");
    return p;
  }
  static void unpin(void* p) { cudaFreeHost(p); }
  static Event event() {
    Event event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    return event;
  }
  static void record(Event event, Stream stream) { check(cudaEventRecord(event, stream), "recording an event"); }
  static void wait_for(Event event, Stream stream) { check(cudaStreamWaitEvent(stream, event, 0), "waiting for an event"); }
  static void wait(Event event) { check(cudaEventSynchronize(event), "running kernels"); }
  static void destroy(Event event) { cudaEventDestroy(event); }

  // Graphs. What fails here leaves no error behind: it is done without a graph.
  /// Relaxed: the library neither allocates nor waits in a recording; the driver may, where it loads a kernel's code.
  static bool begin(Stream stream) { return fine(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed)); }
  static Graph end(Stream stream) {
    Graph graph = nullptr;
    return fine(cudaStreamEndCapture(stream, &graph)) ? graph : nullptr;
  }
  static std::size_t nodes(Graph graph) {
    std::size_t count = 0;
    return fine(cudaGraphGetNodes(graph, nullptr, &count)) ? count : 0;
  }
  static Executable instantiate(Graph graph) {
    Executable executable = nullptr;
    return fine(cudaGraphInstantiate(&executable, graph, 0)) ? executable : nullptr;
  }
  static bool update(Executable executable, Graph graph) {
    cudaGraphExecUpdateResultInfo info{};
    return fine(cudaGraphExecUpdate(executable, graph, &info));
  }
  static void launch(Executable executable, Stream stream) {
    check(cudaGraphLaunch(executable, stream), "launching a graph of kernels");
  }
  static void destroy(Graph graph) { cudaGraphDestroy(graph); }
  static void destroy(Executable executable) { cudaGraphExecDestroy(executable); }

 private:
  static bool fine(cudaError_t status) {
    if (status != cudaSuccess) cudaGetLastError();
    return status == cudaSuccess;
  }
  Stream stream_ = nullptr, upload_stream_ = nullptr;
};

using Launcher = device::StreamLauncher<Driver>;

}  // namespace ramer::backend::cuda
