// Arrays of the host that go to the device on a stream of their own, while kernels of the step before still run.
//
// A step's arrays gather in pinned memory; neighbours there that are neighbours on the device too are one copy. Two sides take turns, a
// step each, and nobody waits for the host: copies of a side wait, on their stream, for the kernels of the step that used it last, and
// kernels wait for the copies of their own step.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ramer::backend::device {

/// What a driver must do for it: see stream_launcher.hpp.
template <class Driver>
class Uploads {
 public:
  explicit Uploads(Driver& driver) : driver_(driver) {}
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;
  ~Uploads() {
    for (Side& side : sides_) {
      if (!side.ready) continue;
      driver_.destroy(side.arrived);
      driver_.destroy(side.done);
      for (const Block& block : side.blocks) driver_.unpin(block.data);
    }
  }

  /// A step begins. What it sends goes to memory that kernels since the step before the last do not use.
  void begin_step() {
    at_ ^= 1;
    Side& side = sides_[at_];
    if (!side.ready) {
      side.arrived = driver_.event();
      side.done = driver_.event();
      side.ready = true;
    }
    ranges_.clear();             // of a step that failed
    driver_.wait(side.arrived);  // two steps ago: the pinned memory is free
    driver_.wait_for(side.done, driver_.upload_stream());
    side.block = side.used = 0;
  }
  /// Every kernel of the step has been launched.
  void end_step() { driver_.record(sides_[at_].done, driver_.stream()); }

  /// Returns as soon as `from` was read.
  void add(const void* from, std::size_t bytes, void* to) {
    if (bytes == 0) return;
    auto* const target = static_cast<std::byte*>(to);
    if (const std::size_t gap = neighbour(target, bytes); gap < kAlignment) {
      Range& last = ranges_.back();
      std::memset(last.pinned + last.bytes, 0, gap);
      std::memcpy(last.pinned + last.bytes + gap, from, bytes);
      last.bytes += gap + bytes;
      sides_[at_].used += gap + bytes;
      return;
    }
    std::byte* const pinned = room_for(bytes);
    std::memcpy(pinned, from, bytes);
    ranges_.push_back({pinned, target, bytes});
  }
  /// What kernels launched from now on read has arrived when they run.
  void flush() {
    if (ranges_.empty()) return;
    Side& side = sides_[at_];
    const auto stream = driver_.upload_stream();
    struct Forget {
      std::vector<Range>& ranges;
      ~Forget() { ranges.clear(); }
    } const forget{ranges_};
    for (const Range& range : ranges_) driver_.copy_up(range.pinned, range.bytes, range.to, stream);
    driver_.record(side.arrived, stream);
    driver_.wait_for(side.arrived, driver_.stream());
  }

 private:
  static constexpr std::size_t kAlignment = 64, kBlock = std::size_t{4} << 20;
  struct Block {
    std::byte* data;
    std::size_t size;
  };
  struct Side {
    std::vector<Block> blocks;
    std::size_t block = 0, used = 0;  ///< number of the block, bytes used of it
    typename Driver::Event arrived{}, done{};
    bool ready = false;
  };
  struct Range {
    std::byte *pinned, *to;
    std::size_t bytes;
  };

  /// Bytes between the last range and `to`, where the two can be one copy; else kAlignment or more.
  std::size_t neighbour(const std::byte* to, std::size_t bytes) const {
    if (ranges_.empty()) return kAlignment;
    const Range& last = ranges_.back();
    const Side& side = sides_[at_];
    const auto end = reinterpret_cast<std::uintptr_t>(last.to) + last.bytes, begin = reinterpret_cast<std::uintptr_t>(to);
    if (begin < end || begin - end >= kAlignment) return kAlignment;
    return side.used + (begin - end) + bytes <= side.blocks[side.block].size ? begin - end : kAlignment;
  }
  std::byte* room_for(std::size_t bytes) {
    Side& side = sides_[at_];
    side.used = (side.used + kAlignment - 1) / kAlignment * kAlignment;
    while (side.block < side.blocks.size() && side.used + bytes > side.blocks[side.block].size) ++side.block, side.used = 0;
    if (side.block == side.blocks.size()) {
      const std::size_t size = std::max(bytes, kBlock);
      side.blocks.reserve(side.blocks.size() + 1);
      side.blocks.push_back({static_cast<std::byte*>(driver_.pin(size)), size});
    }
    std::byte* const place = side.blocks[side.block].data + side.used;
    side.used += bytes;
    return place;
  }

  Driver& driver_;
  std::array<Side, 2> sides_;
  std::size_t at_ = 0;
  std::vector<Range> ranges_;  ///< not yet copied
};

}  // namespace ramer::backend::device
