// Memory of its own for a backend that computes on the host: nobody but a kernel may touch it. What a library does that must run
// on a GPU is thereby found without one: a host that reads or writes device memory gets a segmentation fault, and a kernel that is
// given a host pointer is refused.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "ramer/backend/contract.hpp"

namespace ramer::test {

/// A reserved range of addresses without access rights. Blocks are found first fit.
class GuardedMemory {
 public:
  static constexpr bool host = false;
  static constexpr std::size_t alignment = 256;

  static inline std::function<void(std::size_t bytes)> before_allocating;  ///< may throw
  static inline std::atomic<std::size_t> sent = 0;                         ///< bytes that came from the host

  static void* allocate(std::size_t bytes) {
    if (before_allocating) before_allocating(bytes);
    GuardedMemory& m = self();
    const std::lock_guard lock(m.mutex_);
    bytes = (bytes + alignment) / alignment * alignment;  // at least one byte, so that addresses differ
    for (auto block = m.free_.begin(); block != m.free_.end(); ++block) {
      if (block->second < bytes) continue;
      const auto [at, size] = *block;
      m.free_.erase(block);
      if (size > bytes) m.free_[at + bytes] = size - bytes;
      m.used_[at] = bytes;
      m.top_ = std::max(m.top_, at + bytes);
      return m.base_ + at;
    }
    throw std::bad_alloc();
  }
  static void deallocate(void* p) noexcept {
    GuardedMemory& m = self();
    const std::lock_guard lock(m.mutex_);
    auto used = m.used_.find(static_cast<std::size_t>(static_cast<std::byte*>(p) - m.base_));
    auto block = m.free_.insert({used->first, used->second}).first;
    m.used_.erase(used);
    if (auto next = std::next(block); next != m.free_.end() && block->first + block->second == next->first) {
      block->second += next->second;
      m.free_.erase(next);
    }
    if (block != m.free_.begin()) {
      if (auto before = std::prev(block); before->first + before->second == block->first) {
        before->second += block->second;
        m.free_.erase(block);
      }
    }
    m.lower_top();
  }
  /// Blocks that are in use.
  static std::size_t blocks() { return self().used_.size(); }
  static bool holds(const void* p) {
    const auto at = static_cast<const std::byte*>(p);
    return at >= self().base_ && at < self().base_ + kSize;
  }

  /// Whether all of these bytes are of one block.
  static bool holds_in_one_block(const void* p, std::size_t bytes) {
    GuardedMemory& m = self();
    const std::lock_guard lock(m.mutex_);
    const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(p) - m.base_);
    const auto block = m.used_.upper_bound(at);
    return block != m.used_.begin() && at + bytes <= std::prev(block)->first + std::prev(block)->second;
  }

  /// While one of these lives, the memory can be touched.
  class Open {
   public:
    Open() : lock_(self().mutex_) { self().protect(PROT_READ | PROT_WRITE); }
    ~Open() { self().protect(PROT_NONE); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    std::lock_guard<std::mutex> lock_;
  };

 private:
  static constexpr std::size_t kSize = std::size_t{4} << 30;

  GuardedMemory() {
    void* const p = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(p);
    free_[0] = kSize;
  }
  static GuardedMemory& self() {
    static GuardedMemory memory;
    return memory;
  }
  /// Opening takes the longer the more pages there are: those behind the last block go back.
  void lower_top() {
    const std::size_t page = 4096, end = used_.empty() ? 0 : used_.rbegin()->first + used_.rbegin()->second;
    const std::size_t from = (end + page - 1) / page * page, to = (top_ + page - 1) / page * page;
    if (from < to) madvise(base_ + from, to - from, MADV_DONTNEED);
    top_ = end;
  }
  void protect(int rights) {
    if (top_ > 0) mprotect(base_, (top_ + 4095) / 4096 * 4096, rights);
  }

  std::byte* base_ = nullptr;
  std::size_t top_ = 0;
  std::map<std::size_t, std::size_t> free_, used_;  // offset, bytes
  std::mutex mutex_;
};

/// @throws std::logic_error if a word of `arguments` is an address of the host's: of its heap, its libraries or its stack
template <class P>
void refuse_host_pointers(const P& arguments) {
  static_assert(std::is_trivially_copyable_v<P>, "a kernel's arguments are copied to the device byte by byte");
  alignas(P) unsigned char bytes[sizeof(P)];
  P* const copy = new (bytes) P(arguments);
  __builtin_clear_padding(copy);
  for (std::size_t at = 0; at + 8 <= sizeof(P); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, 8);
    if (word < 0x5000'0000'0000 || word > 0x7FFF'FFFF'FFFF) continue;
    if (!GuardedMemory::holds(reinterpret_cast<const void*>(word))) {
      throw std::logic_error("a kernel was given a host pointer, " + std::to_string(at) + " bytes into its " +
                             std::to_string(sizeof(P)) + " bytes of arguments: " + __PRETTY_FUNCTION__);
    }
  }
}

/// Another backend's kernels on guarded memory.
template <class Inner>
class Guarded {
 public:
  using Memory = GuardedMemory;
  static constexpr const char* name = "guarded";

  template <class T>
  void fill(T* x, Index n, T value) const {
    run([&] { inner_.fill(x, n, value); }, x);
  }
  template <class T>
  void copy(const T* from, Index n, T* to) const {
    run([&] { inner_.copy(from, n, to); }, from, to);
  }
  template <class T>
  void to_host(const T* from, Index n, T* to) const {
    run([&] { inner_.to_host(from, n, to); }, from);
  }
  template <class T>
  void from_host(const T* from, Index n, T* to) const {
    GuardedMemory::sent += static_cast<std::size_t>(n) * sizeof(T);
    run([&] { inner_.from_host(from, n, to); }, to);
  }
  template <class F>
  void map(Index n, F f) const {
    run([&] { inner_.map(n, f); }, f);
  }
  template <class F>
  void map_2d(Index rows, Index cols, F f) const {
    run([&] { inner_.map_2d(rows, cols, f); }, f);
  }
  template <class F, class T>
  void sum(Index n, F f, T scale, backend::Target<T> out) const {
    run([&] { inner_.sum(n, f, scale, out); }, f, out);
  }
  template <class F, class Put>
  void reduce_rows(Index rows, Index cols, F f, Put put) const {
    run([&] { inner_.reduce_rows(rows, cols, f, put); }, f, put);
  }
  template <class F, class T>
  void reduce_columns(Index rows, Index cols, F f, backend::Target<T> out) const {
    run([&] { inner_.reduce_columns(rows, cols, f, out); }, f, out);
  }
  template <class F>
  void map_arrays(const backend::Arrays& arrays, F f) const {
    run([&] { inner_.map_arrays(arrays, f); }, arrays, f);
  }
  template <class F, class T>
  void sum_arrays(const backend::Arrays& arrays, F f, backend::Target<T> out) const {
    run([&] { inner_.sum_arrays(arrays, f, out); }, arrays, f, out);
  }
  template <class T>
  void gemm(const backend::Gemm<T>& g) const {
    run([&] { inner_.gemm(g); }, g);
  }
  template <class T>
  void gemm_batched(const backend::Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    run([&] { inner_.gemm_batched(g, batch, stride_a, stride_b, stride_c); }, g);
  }
  template <class T>
  void layer_norm(const backend::LayerNorm<T>& p) const {
    run([&] { inner_.layer_norm(p); }, p);
  }
  template <class T>
  void layer_norm_reverse(const backend::LayerNormReverse<T>& p) const {
    run([&] { inner_.layer_norm_reverse(p); }, p);
  }
  template <class T>
  void attention(const backend::Attention<T>& p) const {
    run([&] { inner_.attention(p); }, p);
  }
  template <class T>
  void attention_reverse(const backend::AttentionReverse<T>& p) const {
    run([&] { inner_.attention_reverse(p); }, p);
  }
  template <class T>
  void segment_pool(const backend::SegmentPool<T>& p) const {
    run([&] { inner_.segment_pool(p); }, p);
  }
  template <class T>
  void segment_pool_reverse(const backend::SegmentPoolReverse<T>& p) const {
    run([&] { inner_.segment_pool_reverse(p); }, p);
  }
  template <class T>
  void contrastive(const backend::Contrastive<T>& p) const {
    run([&] { inner_.contrastive(p); }, p);
  }
  template <class T>
  void contrastive_reverse(const backend::ContrastiveReverse<T>& p) const {
    run([&] { inner_.contrastive_reverse(p); }, p);
  }

 private:
  template <class Kernel, class... Arguments>
  static void run(const Kernel& kernel, const Arguments&... arguments) {
    (refuse_host_pointers(arguments), ...);
    const GuardedMemory::Open open;
    kernel();
  }
  Inner inner_;
};

}  // namespace ramer::test
