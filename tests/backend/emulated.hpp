// The kernels that a GPU runs, run by the host: blocks and threads one after the other, in an order of choice, on memory that only
// kernels may touch.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "backend/guarded.hpp"
#include "ramer/backend/device/kernels.hpp"

namespace ramer::test {

using backend::device::HostBlock;

/// Blocks run from the last to the first where threads run backward. Shared memory starts as not-a-number.
template <HostBlock::Order order>
class EmulatedLauncher {
 public:
  using Memory = GuardedMemory;

  class Lease {
   public:
    explicit Lease(std::size_t bytes) : data_(Memory::allocate(bytes)) {
      const Memory::Open open;
      std::memset(data_, 0xFF, bytes);
    }
    ~Lease() { Memory::deallocate(data_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    void* data() const { return data_; }

   private:
    void* data_;
  };

  template <class K>
  void launch(Index blocks, std::size_t shared_bytes, const K& kernel) const {
    static_assert(K::kThreads <= 1024);
    if (shared_bytes > 48 * 1024) throw std::logic_error("more shared memory than every GPU gives a block");
    refuse_host_pointers(kernel);
    const Memory::Open open;
    std::vector<std::max_align_t> shared(shared_bytes / sizeof(std::max_align_t) + 1);
    for (Index k = 0; k < blocks; ++k) {
      std::memset(static_cast<void*>(shared.data()), 0xFF, shared.size() * sizeof(std::max_align_t));
      HostBlock block(K::kThreads, order);
      kernel(block, order == HostBlock::Order::Backward ? blocks - 1 - k : k, reinterpret_cast<std::byte*>(shared.data()));
    }
  }
  Lease lease(std::size_t bytes) const { return Lease(bytes); }
  void copy(const void* from, std::size_t bytes, void* to) const {
    refuse_host_pointers(from);
    move(from, bytes, to);
  }
  void to_host(const void* from, std::size_t bytes, void* to) const {
    if (bytes > 0) refuse_host_pointers(from);
    move(from, bytes, to);
  }
  void from_host(const void* from, std::size_t bytes, void* to) const {
    refuse_host_pointers(to);
    move(from, bytes, to);
  }

 private:
  static void move(const void* from, std::size_t bytes, void* to) {
    const Memory::Open open;
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
};

template <HostBlock::Order order = HostBlock::Order::Forward>
class Emulated : public backend::device::Kernels<EmulatedLauncher<order>> {
 public:
  static constexpr const char* name = "emulated";
  explicit Emulated(backend::device::Math math = backend::device::Math::Fp32)
      : backend::device::Kernels<EmulatedLauncher<order>>({}, math) {}
};

}  // namespace ramer::test
