// A driver that pretends: streams whose work is done when somebody waits for it and not before (uploads, if asked, at once), pinned
// memory, events, graphs. What would be wrong on a GPU is refused: waiting or allocating in a recording, copies from memory that is not
// pinned.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <vector>

#include "backend/emulated.hpp"
#include "ramer/backend/device/stream_launcher.hpp"

namespace ramer::test {

/// What a test may ask a driver to refuse.
struct Refusals {
  bool begin = false, end = false, instantiate = false, update = false, record = false;
};

class PretendedStream {
 public:
  using Work = std::function<void()>;

  static std::set<PretendedStream*>& all() {
    static std::set<PretendedStream*> streams;
    return streams;
  }
  PretendedStream() { all().insert(this); }
  ~PretendedStream() { all().erase(this); }
  PretendedStream(const PretendedStream&) = delete;
  PretendedStream& operator=(const PretendedStream&) = delete;

  void push(Work work) {
    if (recording) {
      recorded.push_back(std::move(work));
    } else {
      queue_.push_back(std::move(work));
    }
  }
  long issued() const { return done_ + static_cast<long>(queue_.size()); }
  void run_until(long place) {
    if (recording) throw std::logic_error("waits in a recording");
    for (; done_ < place; ++done_) {
      const Work work = std::move(queue_.front());
      queue_.pop_front();
      work();
    }
  }

  bool recording = false;
  std::vector<Work> recorded;

 private:
  std::deque<Work> queue_;
  long done_ = 0;
};

struct PretendedMemory : GuardedMemory {
  static void* allocate(std::size_t bytes) {
    for (const auto* stream : PretendedStream::all())
      if (stream->recording) throw std::logic_error("allocates in a recording");
    return GuardedMemory::allocate(bytes);
  }
  static void deallocate(void* p) noexcept {
    backend::device::HeldBack::make_all();
    for (auto* stream : PretendedStream::all()) stream->run_until(stream->issued());
    GuardedMemory::deallocate(p);
  }
};

class PretendedDriver {
 public:
  using Memory = PretendedMemory;
  using Stream = PretendedStream*;
  struct Place {
    PretendedStream* stream = nullptr;
    long work = 0;
    void wait() const {
      if (stream) stream->run_until(work);
    }
  };
  using Event = Place*;
  using Graph = std::vector<PretendedStream::Work>*;
  using Executable = std::vector<PretendedStream::Work>*;

  static inline Refusals refuse;
  static inline long launches = 0;  ///< that the driver was asked for
  static inline bool eager_uploads =
      false;  ///< copies are made as soon as what they wait for has run, not as late as can be

  PretendedDriver() = default;
  ~PretendedDriver() { wait(); }
  Stream stream() const { return stream_.get(); }
  Stream upload_stream() const { return upload_stream_.get(); }

  template <class K>
  static void launch(const K& kernel, Index blocks, std::size_t shared_bytes, Stream stream) {
    if (stream->recording && refuse.record) throw DeviceError("not in a recording");
    require<DeviceError>(blocks <= 0x7FFFFFFF, "too many blocks");
    launches += !stream->recording;
    stream->push([=] { EmulatedLauncher<HostBlock::Order::Forward>{}.launch(blocks, shared_bytes, kernel); });
  }
  static void copy(const void* from, std::size_t bytes, void* to, Stream stream) {
    stream->push([=] { EmulatedLauncher<HostBlock::Order::Forward>{}.copy(from, bytes, to); });
  }
  static void copy_up(const void* pinned, std::size_t bytes, void* to, Stream stream) {
    const auto block = pinned_blocks().upper_bound(static_cast<const std::byte*>(pinned));
    if (block == pinned_blocks().begin() ||
        static_cast<const std::byte*>(pinned) + bytes > std::prev(block)->first + std::prev(block)->second)
      throw std::logic_error("copies from memory that is not pinned");
    if (!Memory::holds_in_one_block(to, bytes)) throw std::logic_error("copies to more than a block of memory");
    stream->push([=] { EmulatedLauncher<HostBlock::Order::Forward>{}.from_host(pinned, bytes, to); });
    if (eager_uploads && !stream->recording) stream->run_until(stream->issued());
  }
  void copy_down(const void* from, std::size_t bytes, void* to) const {
    if (stream_->recording) throw std::logic_error("copies to the host in a recording");
    stream_->push([=] { EmulatedLauncher<HostBlock::Order::Forward>{}.to_host(from, bytes, to); });
  }
  void wait() const {
    upload_stream_->run_until(upload_stream_->issued());
    stream_->run_until(stream_->issued());
  }

  static void* pin(std::size_t bytes) {
    auto* const p = new std::byte[bytes];
    pinned_blocks()[p] = bytes;
    return p;
  }
  static void unpin(void* p) {
    pinned_blocks().erase(static_cast<std::byte*>(p));
    delete[] static_cast<std::byte*>(p);
  }
  static std::size_t pinned_bytes() {
    std::size_t all = 0;
    for (const auto& [block, bytes] : pinned_blocks()) all += bytes;
    return all;
  }
  static Event event() { return new Place; }
  static void record(Event event, Stream stream) {
    if (stream->recording) throw std::logic_error("records an event in a recording");
    *event = {stream, stream->issued()};
  }
  static void wait_for(Event event, Stream stream) {
    if (stream->recording) throw std::logic_error("waits for an event in a recording");
    stream->push([place = *event] { place.wait(); });
  }
  static void wait(Event event) { event->wait(); }
  static void destroy(Event event) { delete event; }

  static bool begin(Stream stream) { return stream->recording = !refuse.begin; }
  static Graph end(Stream stream) {
    stream->recording = false;
    const auto graph = new std::vector<PretendedStream::Work>(std::exchange(stream->recorded, {}));
    if (!refuse.end) return graph;
    delete graph;
    return nullptr;
  }
  static std::size_t nodes(Graph graph) { return graph->size(); }
  static Executable instantiate(Graph graph) {
    return refuse.instantiate ? nullptr : new std::vector<PretendedStream::Work>(*graph);
  }
  static bool update(Executable executable, Graph graph) {
    if (refuse.update || executable->size() != graph->size()) return false;
    *executable = *graph;
    return true;
  }
  static void launch(Executable executable, Stream stream) {
    ++launches;
    for (const auto& work : *executable) stream->push(work);
  }
  static void destroy(std::vector<PretendedStream::Work>* graph) { delete graph; }

 private:
  static std::map<const std::byte*, std::size_t>& pinned_blocks() {
    static std::map<const std::byte*, std::size_t> blocks;
    return blocks;
  }
  std::unique_ptr<PretendedStream> stream_ = std::make_unique<PretendedStream>(),
                                   upload_stream_ = std::make_unique<PretendedStream>();
};

/// A backend like backend::Cuda, on that driver.
class Pretended : public backend::device::Kernels<backend::device::StreamLauncher<PretendedDriver>> {
 public:
  using Launcher = backend::device::StreamLauncher<PretendedDriver>;
  static constexpr const char* name = "pretended";
  explicit Pretended(std::size_t longest_graph = 0) : Kernels(Launcher()), longest_graph_(longest_graph) {}
  bool replays() const { return longest_graph_ > 0; }
  Launcher::Hold hold() const { return launcher().hold(longest_graph_); }
  Launcher::Reading reading(std::size_t bytes) const { return launcher().reading(bytes); }
  backend::device::GraphCounts graph_counts() const { return launcher().graph_counts(); }

 private:
  std::size_t longest_graph_;
};

}  // namespace ramer::test
