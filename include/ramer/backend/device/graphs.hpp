// Launches that are held back and made together, as a graph where the driver can: one call of it for hundreds of kernels. A list whose
// calls and arguments have all been there before is its graph launched again, and nothing else. What is decided here names no platform. A
// driver has
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
#include <iterator>
#include <list>
#include <map>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/random.hpp"

namespace ramer::backend::device {

namespace detail {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define RAMER_CLEARS_PADDING 1
#endif
#endif
/// So that equal arguments are equal bytes. A compiler that cannot (clang) makes lists differ that do not: they are recorded anew.
template <class T>
void clear_padding([[maybe_unused]] T& x) {
#if defined(RAMER_CLEARS_PADDING)
  __builtin_clear_padding(&x);
#endif
}
}  // namespace detail

/// Calls of f(stream), in order. A call is trivially copyable, as a kernel with its arguments is.
template <class Stream>
class CallList {
 public:
  template <class F>
  void add(F call) {
    static_assert(std::is_trivially_copyable_v<F> && alignof(F) <= sizeof(Cell));
    detail::clear_padding(call);
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
  /// Equal for equal lists.
  std::uint64_t content() const {
    std::uint64_t hash = form();
    for (const Cell& cell : cells_) {
      std::uint64_t half[2];
      std::memcpy(half, cell.bytes, sizeof half);
      hash = mix64(mix64(hash ^ half[0]) ^ half[1]);
    }
    return hash;
  }
  /// The same calls with the same arguments, in the same order.
  friend bool operator==(const CallList& a, const CallList& b) {
    return a.calls_ == b.calls_ && a.cells_.size() == b.cells_.size() &&
           (a.cells_.empty() || std::memcmp(a.cells_.data(), b.cells_.data(), a.cells_.size() * sizeof(Cell)) == 0);
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
    friend bool operator==(const Call&, const Call&) = default;
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
  std::int64_t instantiated = 0;  ///< as a new graph
  std::int64_t updated = 0;       ///< as a graph whose form was there, with other arguments
  std::int64_t replayed = 0;      ///< as a graph that was there
};

/// Makes lists of calls. A form that is met for the first time is called plainly: what a kernel or a library prepares in its first call
/// happens outside of recordings. A list that equals one for which there is a graph is that graph. Any other is recorded and becomes a graph
/// of its own, or, when there are kMostOfForm of its form, or kMost in all, the new arguments of the one of its form that was used longest ago. Where the driver cannot
/// record, everything is called plainly for good.
template <class Driver>
class Graphs {
 public:
  using Stream = typename Driver::Stream;
  static constexpr std::size_t kMostOfForm = 16, kMost = 256;

  explicit Graphs(Driver& driver) : driver_(driver) {}
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;
  ~Graphs() {
    for (Kept& kept : kept_) driver_.destroy(kept.executable);
  }

  void make(const CallList<Stream>& calls, Stream stream) {
    bool impossible = false;
    if (possible_) {
      const std::uint64_t content = calls.content();
      if (const auto there = find(calls, content); there != kept_.end()) {
        ++counts_.replayed;
        return launch(there, stream);
      }
      const std::uint64_t form = calls.form();
      if (known(form)) {
        if (const auto graph = record(calls, stream)) {
          const auto made = keep(graph, calls, form, content);
          driver_.destroy(graph);
          if (made != kept_.end()) return launch(made, stream);
        }
        impossible = true;  // nothing has run yet
      }
    }
    ++counts_.plain;
    calls(stream);
    if (impossible) possible_ = false;  // what fails plainly too says nothing about recordings
  }
  const GraphCounts& counts() const { return counts_; }

 private:
  using Graph = typename Driver::Graph;
  using Executable = typename Driver::Executable;
  struct Kept {
    Executable executable{};
    CallList<Stream> calls;
    std::uint64_t form = 0, content = 0;
    std::size_t nodes = 0;  ///< a product may be one kernel or two
  };
  using Place = typename std::list<Kept>::iterator;
  static constexpr std::size_t kMostKnown = 4096;

  bool known(std::uint64_t form) {
    if (known_.size() >= kMostKnown) known_.clear();
    return !known_.insert(form).second;
  }
  Place find(const CallList<Stream>& calls, std::uint64_t content) {
    const auto [first, last] = by_content_.equal_range(content);
    for (auto k = first; k != last; ++k)
      if (k->second->calls == calls) return k->second;
    return kept_.end();
  }
  /// The one that was used last is the first.
  void launch(Place kept, Stream stream) {
    kept_.splice(kept_.begin(), kept_, kept);
    driver_.launch(kept->executable, stream);
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
  /// The end if the driver cannot make one.
  Place keep(const Graph& graph, const CallList<Stream>& calls, std::uint64_t form, std::uint64_t content) {
    const std::size_t nodes = driver_.nodes(graph);
    Place oldest = kept_.end();
    std::size_t count = 0;
    for (Place k = kept_.begin(); k != kept_.end(); ++k)
      if (k->form == form && k->nodes == nodes) oldest = k, ++count;
    const bool full = count >= kMostOfForm || (count > 0 && kept_.size() >= kMost);
    if (full && driver_.update(oldest->executable, graph)) {
      ++counts_.updated;
      forget(oldest);
      oldest->calls = calls;
      oldest->content = content;
    } else {
      const Executable made = driver_.instantiate(graph);
      if (!made) return kept_.end();
      ++counts_.instantiated;
      if (full) erase(oldest);
      if (kept_.size() >= kMost) erase(std::prev(kept_.end()));
      kept_.push_front({made, calls, form, content, nodes});
      oldest = kept_.begin();
    }
    by_content_.emplace(content, oldest);
    return oldest;
  }
  void forget(Place kept) {
    const auto [first, last] = by_content_.equal_range(kept->content);
    for (auto k = first; k != last; ++k)
      if (k->second == kept) return void(by_content_.erase(k));
  }
  void erase(Place kept) {
    forget(kept);
    driver_.destroy(kept->executable);
    kept_.erase(kept);
  }

  Driver& driver_;
  std::list<Kept> kept_;
  std::multimap<std::uint64_t, Place> by_content_;
  std::set<std::uint64_t> known_;
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
