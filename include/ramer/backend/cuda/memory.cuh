// Memory of the GPU, a stream of kernels, and the pinned memory through which arrays of the host go there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <utility>

#include "ramer/backend/cuda/error.cuh"

namespace ramer::backend::cuda {

/// Of the device that is current in the calling thread. Freeing waits for the kernels that were launched.
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
  static void deallocate(void* p) noexcept { cudaFree(p); }
};

/// A block of device memory that grows and never shrinks. What it held is lost when it grows.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (data_) DeviceMemory::deallocate(data_);
  }
  void* grow(std::size_t bytes) {
    if (bytes > bytes_) {
      const std::size_t wanted = std::max(bytes, bytes_ + bytes_ / 2);
      void* const larger = DeviceMemory::allocate(wanted);
      if (data_) DeviceMemory::deallocate(data_);
      data_ = larger, bytes_ = wanted;
    }
    return data_;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// An order of kernels.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Host memory that the GPU reads directly, in slots that are filled in turn. A slot is used again when what it held has arrived.
class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    for (Slot& slot : slots_) {
      if (slot.arrived) cudaEventDestroy(slot.arrived);
      if (slot.data) cudaFreeHost(slot.data);
    }
  }
  /// Behind everything in the stream; returns as soon as `from` was read.
  void upload(const void* from, std::size_t bytes, void* to, cudaStream_t stream) {
    const auto* source = static_cast<const std::byte*>(from);
    auto* target = static_cast<std::byte*>(to);
    while (bytes > 0) {
      if (!slots_[at_].data) make(slots_[at_]);
      if (used_ == kSlot) next(stream);
      Slot& slot = slots_[at_];
      if (!slot.data) make(slot);
      const std::size_t n = std::min(bytes, kSlot - used_);
      std::memcpy(slot.data + used_, source, n);
      check(cudaMemcpyAsync(target, slot.data + used_, n, cudaMemcpyHostToDevice, stream), "copying to the GPU");
      source += n, target += n, bytes -= n;
      used_ = std::min(kSlot, (used_ + n + 63) / 64 * 64);
    }
  }

 private:
  static constexpr std::size_t kSlot = std::size_t{1} << 20, kSlots = 8;
  struct Slot {
    std::byte* data = nullptr;
    cudaEvent_t arrived = nullptr;
    bool waiting = false;
  };
  static void make(Slot& slot) {
    void* p = nullptr;
    check(cudaMallocHost(&p, kSlot), "pinned host memory");
    slot.data = static_cast<std::byte*>(p);
    check(cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming), "making an event");
  }
  void next(cudaStream_t stream) {
    check(cudaEventRecord(slots_[at_].arrived, stream), "copying to the GPU");
    slots_[at_].waiting = true;
    at_ = (at_ + 1) % kSlots;
    used_ = 0;
    if (std::exchange(slots_[at_].waiting, false)) check(cudaEventSynchronize(slots_[at_].arrived), "copying to the GPU");
  }

  std::array<Slot, kSlots> slots_{};
  std::size_t at_ = 0, used_ = 0;
};

}  // namespace ramer::backend::cuda
