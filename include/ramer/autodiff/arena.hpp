// Memory of one training step: a bump arena that rewinds in O(1), and a pool of blocks that are handed back early.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "ramer/core/tensor.hpp"

namespace ramer::autodiff {

/// Bump allocation over a list of blocks, each twice as large as the one before, up to kLargestBlock. `rewind` keeps them, so that
/// a step that repeats gets the same addresses and nothing is allocated from the system.
template <class Memory>
class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;  ///< of everything that is handed out, in bytes
  /// Unless more is asked for at once. What is not written to costs the host nothing; a device gives all of it.
  static constexpr std::size_t kLargestBlock = std::size_t{Memory::host ? 128 : 32} << 20;
  /// At the end of a block of a device: arrays of two blocks are never neighbours, which a copy might be tempted to take at once.
  static constexpr std::size_t kGap = Memory::host ? 0 : kAlignment;

  /// Asks for nothing yet; the first block will have `first_block` bytes.
  explicit Arena(std::size_t first_block = std::size_t{1} << 20) : next_block_(first_block) {}
  /// Takes the blocks over.
  Arena(Arena&& other) noexcept
      : blocks_(std::exchange(other.blocks_, {})),
        block_(std::exchange(other.block_, 0)),
        used_(std::exchange(other.used_, 0)),
        next_block_(other.next_block_) {}
  Arena& operator=(Arena&&) = delete;
  ~Arena() {
    for (const Block& block : blocks_) Memory::deallocate(block.data);
  }

  /// `count` elements, uninitialised, 64-byte aligned.
  template <class T>
  T* allocate(Index count) {
    return static_cast<T*>(allocate_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }
  /// The same in bytes.
  void* allocate_bytes(std::size_t bytes) {
    bytes = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    while (block_ < blocks_.size() && used_ + bytes + kGap > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      const std::size_t size = std::max(bytes + kGap, next_block_);
      blocks_.reserve(blocks_.size() + 1);
      blocks_.push_back({static_cast<std::byte*>(Memory::allocate(size)), size});
      next_block_ = std::max(next_block_, std::min(size * 2, kLargestBlock));
    }
    void* result = blocks_[block_].data + used_;
    used_ += bytes;
    return result;
  }

  /// Forgets everything that was allocated.
  void rewind() { rewind({}); }
  /// A place to come back to.
  struct Mark {
    std::size_t block = 0, used = 0;  ///< number of the block, bytes used of it
  };
  /// The present place.
  Mark mark() const { return {block_, used_}; }
  /// Forgets what was allocated since. Its bytes stay as they are until the next allocations reach them.
  void rewind(Mark mark) {
    block_ = mark.block;
    used_ = mark.used;
  }
  /// Bytes held from the system.
  std::size_t capacity() const {
    std::size_t total = 0;
    for (const Block& block : blocks_) total += block.size;
    return total;
  }

 private:
  struct Block {
    std::byte* data;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;
  std::size_t next_block_;
};

/// Blocks by size class (four classes per power of two) over an arena. Adjoints live here: they are released as soon as their
/// producer has run, so that the peak is a few layers and not the whole step. The order of requests decides the addresses.
template <class Memory>
class Pool {
 public:
  /// A block of at least `bytes`, uninitialised.
  void* allocate(std::size_t bytes) {
    const std::size_t c = size_class(bytes);
    if (!free_[c].empty()) {
      void* block = free_[c].back();
      free_[c].pop_back();
      return block;
    }
    return arena_.allocate_bytes(class_size(c));
  }
  /// Takes back a block that was asked for with as many bytes.
  void release(void* block, std::size_t bytes) { free_[size_class(bytes)].push_back(block); }
  /// Takes everything back.
  void rewind() {
    for (auto& list : free_) list.clear();
    arena_.rewind();
  }
  /// Bytes held from the system.
  std::size_t capacity() const { return arena_.capacity(); }

 private:
  static constexpr std::size_t kSmallest = 64;
  static std::size_t size_class(std::size_t bytes) {
    bytes = std::max(bytes, kSmallest);
    const std::size_t power = std::bit_floor(bytes);
    const std::size_t quarter = power / 4;
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): bytes >= kSmallest
    const std::size_t step = (bytes - power + quarter - 1) / quarter;  // 0 .. 4
    return (static_cast<std::size_t>(std::bit_width(power)) - 1) * 4 + step;
  }
  static std::size_t class_size(std::size_t c) {
    const std::size_t power = std::size_t{1} << (c / 4);
    return power + power / 4 * (c % 4);
  }
  Arena<Memory> arena_;
  std::array<std::vector<void*>, 260> free_;
};

}  // namespace ramer::autodiff
