// The launcher of a platform whose kernels run in streams. All that is decided is decided here, on what a driver can do, and tested on
// the host with one that only pretends. Besides what graphs.hpp lists, a driver has
//   using Memory, Event;
//   Stream stream(), upload_stream()          of kernels, of copies that do not wait for them
//   static launch(kernel, blocks, shared_bytes, stream), copy(from, bytes, to, stream), copy_up(pinned, bytes, to, stream)
//   copy_down(from, bytes, to)                behind the stream
//   wait()                                    returns when everything before has run on both
//   void* pin(bytes), unpin(pointer)          host memory that copies read and write directly
//   Event event(), destroy(event)
//   record(event, stream)                     it is there when everything before on the stream has run
//   wait_for(event, stream)                   what follows on the stream waits for it; nothing does for one that was not recorded
//   wait(event)                               the host does
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "ramer/backend/device/block.hpp"
#include "ramer/backend/device/graphs.hpp"
#include "ramer/backend/device/staging.hpp"
#include "ramer/backend/device/uploads.hpp"

namespace ramer::backend::device {

/// Copies share their stream, their scratch and their staging. Host threads may share one: their kernels then follow one another.
template <class Driver>
class StreamLauncher {
  struct State;

 public:
  using Memory = typename Driver::Memory;
  using Stream = typename Driver::Stream;

  template <class... Arguments>
  explicit StreamLauncher(const Arguments&... arguments) : state_(std::make_shared<State>(arguments...)) {}

  class Lease {
   public:
    Lease(State& state, std::size_t bytes) : lock_(state.scratch_mutex) {
      if (bytes > state.scratch.bytes()) state.make();  // launches that name the block that will be freed
      data_ = state.scratch.grow(bytes);
    }
    void* data() const { return data_; }

   private:
    std::unique_lock<std::mutex> lock_;
    void* data_;
  };

  template <class K>
  void launch(Index blocks, std::size_t shared_bytes, const K& kernel) const {
    call(KernelCall<K>{kernel, blocks, shared_bytes});
  }
  Lease lease(std::size_t bytes) const { return {*state_, bytes}; }
  void copy(const void* from, std::size_t bytes, void* to) const {
    if (bytes > 0) call(CopyCall{from, bytes, to});
  }
  /// Waits, and so reports what kernels before it did wrong.
  void to_host(const void* from, std::size_t bytes, void* to) const {
    state_->make();
    const std::shared_lock lock(state_->order);
    if (bytes > 0) state_->driver.copy_down(from, bytes, to);
    state_->driver.wait();
  }
  void from_host(const void* from, std::size_t bytes, void* to) const {
    const std::lock_guard lock(state_->staging_mutex);
    state_->staging.upload(from, bytes, to, *state_);
  }
  /// The same between `hold` and its end, without a wait for kernels of the step before: to memory that they do not use.
  void from_host_ahead(const void* from, std::size_t bytes, void* to) const {
    if (!state_->send_ahead(from, bytes, to)) from_host(from, bytes, to);
  }
  void wait() const { to_host(nullptr, 0, nullptr); }

  /// Numbers that come to the host behind everything before, without anybody's waiting.
  class Reading {
   public:
    Reading() = default;
    Reading(std::shared_ptr<State> state, std::size_t bytes) : Reading() {
      state_ = std::move(state);
      pinned_ = state_->driver.pin(bytes);
      event_ = state_->driver.event();
    }
    Reading(Reading&& other) noexcept { swap(other); }
    Reading& operator=(Reading&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Reading() {
      if (!pinned_) return;
      if (event_) {
        try {
          state_->driver.wait(event_);  // the device may still write there
        } catch (...) {
        }
        state_->driver.destroy(event_);
      }
      state_->driver.unpin(pinned_);
    }
    void start(const void* from, std::size_t bytes) { state_->read(from, bytes, pinned_, event_); }
    const void* wait() {
      state_->driver.wait(event_);
      state_->report_late();
      return pinned_;
    }

   private:
    void swap(Reading& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(event_, other.event_);
      std::swap(pinned_, other.pinned_);
    }
    std::shared_ptr<State> state_;
    typename Driver::Event event_{};
    void* pinned_ = nullptr;
  };
  Reading reading(std::size_t bytes) const { return Reading(state_, bytes); }
  /// f(stream) behind everything before, now or when what is held back is made. f is trivially copyable and calls nothing of this.
  template <class F>
  void call(const F& f) const {
    state_->call(f);
  }

  /// While one lives, a step, launches are held back and made together: when the host waits for a result or asks for one, when `longest`
  /// of them have come together, when memory is freed, and in the end. Not to be moved to another thread. What goes wrong in the end is
  /// reported by the next call that waits.
  class Hold final : HeldBack {  // NOLINT(cppcoreguidelines-virtual-class-destructor): nobody holds it by its base
   public:
    Hold(std::shared_ptr<State> state, std::size_t longest) : state_(std::move(state)) {
      if (state_) state_->hold(longest);
    }
    ~Hold() {
      if (state_) state_->let_go();
    }

   private:
    void make() noexcept override {
      if (state_) state_->make_quietly();
    }
    std::shared_ptr<State> state_;
  };
  /// @param longest 0: nothing is held back
  Hold hold(std::size_t longest) const { return Hold(longest > 0 ? state_ : nullptr, longest); }
  GraphCounts graph_counts() const {
    const std::shared_lock lock(state_->order);
    return state_->graphs.counts();
  }
  const Driver& driver() const { return state_->driver; }

 private:
  template <class K>
  struct KernelCall {
    K kernel;
    Index blocks;
    std::size_t shared_bytes;
    void operator()(Stream stream) const { Driver::launch(kernel, blocks, shared_bytes, stream); }
  };
  struct CopyCall {
    const void* from;
    std::size_t bytes;
    void* to;
    void operator()(Stream stream) const { Driver::copy(from, bytes, to, stream); }
  };
  struct CopyUpCall {
    const void* pinned;
    std::size_t bytes;
    void* to;
    void operator()(Stream stream) const { Driver::copy_up(pinned, bytes, to, stream); }
  };

  /// `order`: shared by whoever uses the stream, alone for whoever makes what is held back, so that nobody else's call gets into a
  /// recording.
  struct State {
    Driver driver;
    Scratch<Memory> scratch;
    Staging<Driver> staging{driver};
    Uploads<Driver> uploads{driver};
    std::mutex scratch_mutex, staging_mutex;
    Graphs<Driver> graphs{driver};
    std::shared_mutex order;
    CallList<Stream> calls;
    int holds = 0;
    std::size_t longest = 0;
    std::uint64_t times_made = 0;
    std::exception_ptr late;

    template <class... Arguments>
    explicit State(const Arguments&... arguments) : driver(arguments...) {}
    ~State() {
      quietly([&] { driver.wait(); });  // memory goes only now
    }

    template <class F>
    void call(const F& f) {
      {
        const std::shared_lock lock(order);
        if (holds == 0) return f(driver.stream());
      }
      const std::unique_lock lock(order);
      if (holds == 0) return f(driver.stream());
      calls.add(f);
      if (calls.size() >= longest) make_all();
    }
    void make() {
      {
        const std::shared_lock lock(order);
        if (holds == 0 && !late) return;
      }
      const std::unique_lock lock(order);
      if (late) std::rethrow_exception(std::exchange(late, nullptr));
      make_all();
    }
    void report_late() {
      const std::unique_lock lock(order);
      if (late) std::rethrow_exception(std::exchange(late, nullptr));
    }
    void make_quietly() noexcept {
      const std::unique_lock lock(order);
      make_all_quietly();
    }
    void hold(std::size_t most) {
      const std::unique_lock lock(order);
      if (holds > 0) {  // another thread's
        make_all();
        uploads.end_step();
      }
      uploads.begin_step();
      ++holds;
      longest = most;
    }
    void let_go() noexcept {
      const std::unique_lock lock(order);
      make_all_quietly();
      --holds;
      quietly([&] { uploads.end_step(); });
    }
    /// False: nothing is held back.
    bool send_ahead(const void* from, std::size_t bytes, void* to) {
      const std::unique_lock lock(order);
      if (holds > 0) uploads.add(from, bytes, to);
      return holds > 0;
    }
    void read(const void* from, std::size_t bytes, void* pinned, typename Driver::Event event) {
      make();
      const std::shared_lock lock(order);
      driver.copy_down(from, bytes, pinned);
      driver.record(event, driver.stream());
    }

    // What Staging asks for.
    void copy_up(const void* pinned, std::size_t bytes, void* to) { call(CopyUpCall{pinned, bytes, to}); }
    void record(typename Driver::Event event) {
      const std::shared_lock lock(order);
      driver.record(event, driver.stream());
    }
    std::uint64_t ticket() {
      const std::shared_lock lock(order);
      return calls.empty() ? 0 : times_made + 1;
    }
    bool made(std::uint64_t ticket) {
      const std::shared_lock lock(order);
      return times_made >= ticket;
    }

   private:
    void make_all() {
      struct Forget {
        State& state;
        ~Forget() {
          state.calls.clear();
          ++state.times_made;
        }
      } const forget{*this};
      uploads.flush();
      if (!calls.empty()) graphs.make(calls, driver.stream());
    }
    void make_all_quietly() noexcept {
      quietly([&] { make_all(); });
    }
    template <class F>
    void quietly(const F& f) noexcept {
      try {
        f();
      } catch (...) {
        if (!late) late = std::current_exception();
      }
    }
  };

  std::shared_ptr<State> state_;
};

}  // namespace ramer::backend::device
