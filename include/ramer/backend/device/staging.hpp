// Memory of a device that kernels work in, and memory of the host through which arrays go there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ramer::backend::device {

/// A block of device memory that grows and never shrinks. What it held is lost when it grows.
template <class Memory>
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (data_) Memory::deallocate(data_);
  }
  void* grow(std::size_t bytes) {
    if (bytes > bytes_) {
      const std::size_t wanted = std::max(bytes, bytes_ + bytes_ / 2);
      void* const larger = Memory::allocate(wanted);
      if (data_) Memory::deallocate(data_);
      data_ = larger, bytes_ = wanted;
    }
    return data_;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Host memory that the device reads directly, in slots that are filled in turn. A slot is used again when what it held has arrived. Copies
/// may be held back: whoever makes them says by a ticket whether that has happened.
template <class Driver>
class Staging {
 public:
  static constexpr std::size_t kSlot = std::size_t{1} << 20, kSlots = 8;

  explicit Staging(Driver& driver) : driver_(driver) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    for (Slot& slot : slots_) {
      if (!slot.data) continue;
      driver_.destroy(slot.arrived);
      driver_.unpin(slot.data);
    }
  }
  /// Returns as soon as `from` was read. `order` has
  ///   copy_up(pinned, bytes, to), record(event)   behind what was called before
  ///   make()                                      makes what is held back
  ///   ticket(), made(ticket)                      of what is held back now; whether it was made
  template <class Order>
  void upload(const void* from, std::size_t bytes, void* to, Order& order) {
    const auto* source = static_cast<const std::byte*>(from);
    auto* target = static_cast<std::byte*>(to);
    while (bytes > 0) {
      const std::size_t n = std::min(bytes, kSlot);
      std::byte* const place = room_for(n, order);
      std::memcpy(place, source, n);
      order.copy_up(place, n, target);
      source += n, target += n, bytes -= n;
    }
  }

 private:
  enum class State { Free, Full, Recorded };
  struct Slot {
    std::byte* data = nullptr;
    typename Driver::Event arrived{};
    State state = State::Free;
    std::uint64_t ticket = 0;
  };

  /// An array that fits into a slot lies in one, so that the number of its copies depends on its size alone.
  template <class Order>
  std::byte* room_for(std::size_t bytes, Order& order) {
    if (used_ + bytes > kSlot) {
      slots_[at_].state = State::Full;
      slots_[at_].ticket = order.ticket();
      at_ = (at_ + 1) % kSlots, used_ = 0;
      record(order);
      Slot& next = slots_[at_];
      if (next.state == State::Full) {
        order.make();
        record(order);
      }
      if (next.state == State::Recorded) driver_.wait(next.arrived);
      next.state = State::Free;
    }
    Slot& slot = slots_[at_];
    if (!slot.data) {
      slot.arrived = driver_.event();
      slot.data = static_cast<std::byte*>(driver_.pin(kSlot));
    }
    std::byte* const place = slot.data + used_;
    used_ += (bytes + 63) / 64 * 64;
    return place;
  }
  template <class Order>
  void record(Order& order) {
    for (Slot& slot : slots_) {
      if (slot.state != State::Full || !order.made(slot.ticket)) continue;
      order.record(slot.arrived);
      slot.state = State::Recorded;
    }
  }

  Driver& driver_;
  std::array<Slot, kSlots> slots_{};
  std::size_t at_ = 0, used_ = 0;
};

}  // namespace ramer::backend::device
