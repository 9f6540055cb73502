// Threads and scratch memory of one backend::Cpu.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <oneapi/tbb/global_control.h>

#include "ramer/backend/cpu/team.hpp"
#include "ramer/backend/instruction_set.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

/// Memory that only grows.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer() { release(); }

  /// What was in it is lost when it grows.
  void reserve(std::size_t bytes) {
    if (bytes <= bytes_) return;
    release();
    data_ = HostMemory::allocate(bytes);
    bytes_ = bytes;
  }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void release() {
    if (data_) HostMemory::deallocate(data_);
    data_ = nullptr;
    bytes_ = 0;
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Hands out pieces of one block of memory, each aligned to a cache line. Asked for the size first: a null block only
/// counts.
class Carver {
 public:
  explicit Carver(void* base = nullptr) : base_(static_cast<std::byte*>(base)) {}
  template <class T>
  T* take(Index n) {
    std::byte* at = base_ ? base_ + used_ : nullptr;
    used_ += (static_cast<std::size_t>(std::max<Index>(n, 0)) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(at);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

/// A team of its own (none at all for one thread) and a pool of scratch sets: each running kernel leases one, so that
/// several host threads may use the same object at once.
class Workers {
  struct Set {
    Buffer shared;
    std::vector<Buffer> slots;
  };
  struct Release {
    std::atomic_flag& flag;
    ~Release() { flag.clear(std::memory_order_release); }
  };

 public:
  explicit Workers(int threads)
      : threads_(threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
    // TBB prints a warning when an arena asks for more threads than the process allows.
    const auto allowed = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
    const int running = std::min(threads_, static_cast<int>(allowed));
    if (running > 1) team_ = std::make_unique<Team>(running);
  }
  int threads() const { return threads_; }

  /// Scratch of one running kernel: one shared block and one block for each slot.
  class Lease {
   public:
    /// @throws std::bad_alloc; the set is then given back all the same
    Lease(Workers& workers, std::unique_ptr<Set> set, std::size_t shared_bytes, std::size_t slot_bytes)
        : Lease(workers, std::move(set)) {
      set_->shared.reserve(shared_bytes);
      for (Buffer& slot : set_->slots) slot.reserve(slot_bytes);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { workers_->give_back(std::move(set_)); }
    void* shared() const { return set_->shared.data(); }
    void* slot(int i) const { return set_->slots[static_cast<std::size_t>(i)].data(); }

   private:
    Lease(Workers& workers, std::unique_ptr<Set> set) : workers_(&workers), set_(std::move(set)) {}
    Workers* workers_;
    std::unique_ptr<Set> set_;
  };

  Lease lease(std::size_t shared_bytes, std::size_t slot_bytes) {
    std::unique_ptr<Set> set;
    {
      const std::lock_guard lock(mutex_);
      // A new set starts as large as any has been, so that a kernel finds every set warmed up.
      shared_bytes = std::max(most_shared_, shared_bytes);
      slot_bytes = std::max(most_slot_, slot_bytes);
      if (free_.empty()) {
        free_.reserve(++sets_);
      } else {
        set = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (!set) {
      set = std::make_unique<Set>();
      set->slots.resize(static_cast<std::size_t>(threads_));
    }
    return Lease(*this, std::move(set), shared_bytes, slot_bytes);
  }

  /// f(block, slot) for every block; blocks run in any order, slot names the scratch block of the thread that runs it.
  /// Where another host thread has the team, this one does its work alone: the bits are the same, and neither waits.
  /// What f throws reaches the caller once no block runs any more; some blocks may then not have run.
  template <class F>
  void run(Index blocks, const F& f) {
    if (!team_ || blocks <= 1 || busy_.test_and_set(std::memory_order_acquire)) {
      for (Index i = 0; i < blocks; ++i) f(i, 0);
      return;
    }
    const Release release{busy_};
    team_->run(blocks, f);
  }

 private:
  void give_back(std::unique_ptr<Set> set) {
    const std::lock_guard lock(mutex_);
    // Only what could be had counts: a request that failed must not be repeated by every later kernel.
    most_shared_ = std::max(most_shared_, set->shared.bytes());
    most_slot_ = std::max(most_slot_, set->slots.back().bytes());
    free_.push_back(std::move(set));
  }

  int threads_;
  std::unique_ptr<Team> team_;
  std::atomic_flag busy_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Set>> free_;
  std::size_t sets_ = 0, most_shared_ = 0, most_slot_ = 0;
};

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
