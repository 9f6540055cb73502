// Helpers that stay awake from one kernel to the next. A step is a thousand short kernels; waking a thread for each costs as much as
// the shorter ones take.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <oneapi/tbb/task_arena.h>

#include "ramer/backend/instruction_set.hpp"
#include "ramer/core/types.hpp"

#if defined(__SANITIZE_THREAD__)
#define RAMER_CPU_RACE_DETECTOR 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RAMER_CPU_RACE_DETECTOR 1
#endif
#endif
#if defined(RAMER_CPU_RACE_DETECTOR)
#include <sanitizer/tsan_interface.h>
#endif

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

namespace detail {
// TBB orders memory between who enqueues a task and who runs it. A race detector that does not see into the TBB library is told so here; in
// other builds these are nothing.
inline constexpr int kHandOver = 0;
inline void publish() {
#if defined(RAMER_CPU_RACE_DETECTOR)
  __tsan_release(const_cast<int*>(&kHandOver));
#endif
}
inline void receive() {
#if defined(RAMER_CPU_RACE_DETECTOR)
  __tsan_acquire(const_cast<int*>(&kHandOver));
#endif
}
}  // namespace detail

/// Tells the processor that this thread waits for another.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#else
  std::this_thread::yield();
#endif
}

/// One caller and up to `threads` - 1 helpers, which are tasks of an arena of TBB's. A helper waits for the next job for kPatience, then
/// ends; the next job starts it anew. Helpers that do not come, because TBB's threads have other work, are not waited for.
class Team {
 public:
  explicit Team(int threads) : state_(std::make_shared<State>(threads)), arena_(threads) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  /// Helpers that are still awake see to their end by themselves.
  ~Team() { state_->stop.store(true, std::memory_order_relaxed); }

  /// f(block, slot) for every block, in any order; slot 0 is the caller's. One caller at a time. What f throws reaches the caller once no
  /// block runs any more; some blocks may then not have run.
  template <class F>
  void run(Index blocks, const F& f) {
    State& s = *state_;
    s.call = [](const void* g, Index block, int slot) { (*static_cast<const F*>(g))(block, slot); };
    s.f = &f;
    s.blocks = blocks;
    s.next.store(0, std::memory_order_relaxed);
    s.open.store(++number_, std::memory_order_seq_cst);
    invite();
    s.work(0);
    // A helper enters first and looks at `open` afterwards; here it is the other way round. So either it finds the job closed, or it is seen.
    s.open.store(0, std::memory_order_seq_cst);
    Patience patience;
    while (s.inside.load(std::memory_order_seq_cst) != 0) patience.wait();
    if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
  }

 private:
  static constexpr std::chrono::microseconds kPatience{200};

  /// Waits a moment, and after many of them lets others have the processor.
  struct Patience {
    int moments = 0;
    void wait() {
      if (++moments < 4096) return relax();
      std::this_thread::yield();
    }
  };

  struct State {
    explicit State(int slots) : size(slots), taken(std::make_unique<std::atomic<bool>[]>(static_cast<std::size_t>(slots))) {}

    void (*call)(const void*, Index, int) = nullptr;  // written by the caller while nobody is inside
    const void* f = nullptr;
    Index blocks = 0;
    alignas(64) std::atomic<std::uint64_t> open{0};  // number of the job at hand; 0: none
    alignas(64) std::atomic<Index> next{0};          // every thread takes the next block until none is left
    alignas(64) std::atomic<int> inside{0};          // helpers that look at the job
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::exception_ptr error;  // the first
    const int size;
    std::unique_ptr<std::atomic<bool>[]> taken;  // slots of helpers that were invited; 0 is not used

    void work(int slot) {
      try {
        for (Index i = 0; (i = next.fetch_add(1, std::memory_order_relaxed)) < blocks;) call(f, i, slot);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next.store(blocks, std::memory_order_relaxed);
      }
    }
    void help(int slot) {
      using Clock = std::chrono::steady_clock;
      std::uint64_t last = 0;
      auto since = Clock::now();
      for (int moments = 1; !stop.load(std::memory_order_relaxed); ++moments) {
        const std::uint64_t job = open.load(std::memory_order_acquire);
        if (job != 0 && job != last) {
          inside.fetch_add(1, std::memory_order_seq_cst);
          if (open.load(std::memory_order_seq_cst) == job) work(slot);
          inside.fetch_sub(1, std::memory_order_seq_cst);
          last = job;
          since = Clock::now();
          continue;
        }
        relax();
        if (moments % 64 == 0 && Clock::now() - since > kPatience) break;
      }
      taken[static_cast<std::size_t>(slot)].store(false, std::memory_order_release);
    }
  };

  struct Helper {
    std::shared_ptr<State> state;
    int slot;
    Helper(std::shared_ptr<State> of, int which) : state(std::move(of)), slot(which) {}
    Helper(Helper&& other) noexcept : state(std::move(other.state)), slot(other.slot) {
      detail::publish();
    }  // to where TBB keeps it
    void operator()() const {
      detail::receive();
      state->help(slot);
    }
  };
  void invite() {
    for (int slot = 1; slot < state_->size; ++slot) {
      std::atomic<bool>& taken = state_->taken[static_cast<std::size_t>(slot)];
      if (!taken.load(std::memory_order_acquire)) {
        taken.store(true, std::memory_order_relaxed);
        arena_.enqueue(Helper(state_, slot));
      }
    }
  }

  std::shared_ptr<State> state_;
  tbb::task_arena arena_;
  std::uint64_t number_ = 0;
};

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
