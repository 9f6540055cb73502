// Launches that are held back and made together, as a graph where the driver can: one call of it for hundreds of kernels. What is
// decided here names no platform. A driver has
//   using Stream, Graph, Executable;          cheap handles; a Graph or Executable that is false is none
//   bool begin(Stream)                        what is called on the stream from now on is recorded and not run
//   Graph end(Stream)                         none: it could not be recorded, and none of it has run
//   std::size_t nodes(Graph)
//   Executable instantiate(Graph)             none: impossible
//   bool update(Executable, Graph)            gives an executable a graph's arguments; false: it has another form
//   launch(Executable, Stream)                behind everything before it
//   destroy(Graph), destroy(Executable)       one that runs still ends
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/random.hpp"

namespace ramer::backend::device {

/// Calls of f(stream), in order. A call is trivially copyable, as a kernel with its arguments is.
template <class Stream>
class CallList {
 public:
  template <class F>
  void add(const F& call) {
    static_assert(std::is_trivially_copyable_v<F> && alignof(F) <= sizeof(Cell));
    const std::size_t at = cells_.size();
    cells_.resize(at + (sizeof(F) + sizeof(Cell) - 1) / sizeof(Cell));
    std::memcpy(static_cast<void*>(cells_.data() + at), static_cast<const void*>(&call), sizeof(F));
    calls_.push_back({&invoke<F>, at});
  }
  void operator()(Stream stream) const {
    for (const Call& call : calls_) call.invoke(cells_.data() + call.at, stream);
  }
  /// Equal for lists of the same kinds of calls in the same order, whatever their arguments.
  std::uint64_t form() const {
    std::uint64_t hash = calls_.size();
    for (const Call& call : calls_) hash = mix64(hash ^ reinterpret_cast<std::uintptr_t>(call.invoke));
    return hash;
  }
  std::size_t size() const { return calls_.size(); }
  bool empty() const { return calls_.empty(); }
  void clear() {
    calls_.clear();
    cells_.clear();
  }

 private:
  struct alignas(16) Cell {
    std::byte bytes[16];
  };
  struct Call {
    void (*invoke)(const void*, Stream);
    std::size_t at;
  };
  template <class F>
  static void invoke(const void* call, Stream stream) {
    (*static_cast<const F*>(call))(stream);
  }
  std::vector<Call> calls_;
  std::vector<Cell> cells_;
};

/// How lists of calls were made.
struct GraphCounts {
  std::int64_t plain = 0;         ///< one call after the other
  std::int64_t instantiated = 0;  ///< as a graph of a new form
  std::int64_t updated = 0;       ///< as a graph whose form was there
};

/// Makes lists of calls. A form that is met for the first time is called plainly: what a kernel or a library prepares in its first call
/// happens outside of recordings. From then on a list is recorded anew each time, so that no argument is an old one, and updates the
/// executable of its form. Where the driver cannot record, everything is called plainly for good.
template <class Driver>
class Graphs {
 public:
  using Stream = typename Driver::Stream;

  explicit Graphs(Driver& driver) : driver_(driver) {}
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;
  ~Graphs() {
    for (auto& [key, kept] : kept_) driver_.destroy(kept.executable);
  }

  void make(const CallList<Stream>& calls, Stream stream) {
    const std::uint64_t form = calls.form();
    if (possible_ && known(form)) {
      if (const auto graph = record(calls, stream)) {
        const auto executable = executable_of({form, driver_.nodes(graph)}, graph);
        driver_.destroy(graph);
        if (executable) return driver_.launch(executable, stream);
      }
      possible_ = false;  // nothing has run yet
    }
    ++counts_.plain;
    calls(stream);
  }
  const GraphCounts& counts() const { return counts_; }

 private:
  using Graph = typename Driver::Graph;
  using Executable = typename Driver::Executable;
  using Key = std::pair<std::uint64_t, std::size_t>;  ///< form, nodes: a product may be one kernel or two
  struct Kept {
    Executable executable{};
    std::uint64_t used = 0;
  };
  static constexpr std::size_t kMostKept = 64, kMostKnown = 4096;

  bool known(std::uint64_t form) {
    if (known_.size() >= kMostKnown) known_.clear();
    return !known_.insert(form).second;
  }
  Graph record(const CallList<Stream>& calls, Stream stream) {
    if (!driver_.begin(stream)) return {};
    try {
      calls(stream);
    } catch (...) {  // called plainly it throws again, if the recording was not the reason
      if (const Graph graph = driver_.end(stream)) driver_.destroy(graph);
      return {};
    }
    return driver_.end(stream);
  }
  /// None if the driver cannot make one.
  Executable executable_of(const Key& key, const Graph& graph) {
    if (const auto found = kept_.find(key); found != kept_.end()) {
      found->second.used = ++clock_;
      if (driver_.update(found->second.executable, graph)) {
        ++counts_.updated;
        return found->second.executable;
      }
      driver_.destroy(found->second.executable);
      kept_.erase(found);
    }
    const Executable made = driver_.instantiate(graph);
    if (!made) return {};
    ++counts_.instantiated;
    if (kept_.size() >= kMostKept) {
      auto oldest = kept_.begin();
      for (auto k = kept_.begin(); k != kept_.end(); ++k)
        if (k->second.used < oldest->second.used) oldest = k;
      driver_.destroy(oldest->second.executable);
      kept_.erase(oldest);
    }
    kept_[key] = {made, ++clock_};
    return made;
  }

  Driver& driver_;
  std::map<Key, Kept> kept_;
  std::set<std::uint64_t> known_;
  std::uint64_t clock_ = 0;
  bool possible_ = true;
  GraphCounts counts_;
};

/// What holds launches back in the calling thread. Before memory is freed there, launches that may name it are made.
class HeldBack {
 public:
  HeldBack(const HeldBack&) = delete;
  HeldBack& operator=(const HeldBack&) = delete;
  static void make_all() noexcept {
    for (HeldBack* h = innermost_; h; h = h->outer_) h->make();
  }

 protected:
  HeldBack() : outer_(std::exchange(innermost_, this)) {}
  ~HeldBack() { innermost_ = outer_; }
  virtual void make() noexcept = 0;

 private:
  static inline thread_local HeldBack* innermost_ = nullptr;
  HeldBack* outer_;
};

}  // namespace ramer::backend::device
