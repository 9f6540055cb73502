// Numbers on their way to the host.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer::backend {

/// Doubles that were asked for and are there when somebody waits for them. In the host's memory they are there at once; a backend that has
/// a way to copy behind its kernels without waiting says so with `reading(bytes)`, see device::StreamLauncher.
template <class Backend>
class Readback {
  static constexpr bool kLater = requires(Backend & b) { b.reading(std::size_t{}); };

 public:
  /// Asks for n doubles, as they are when every kernel called before has run. What was asked for before is forgotten.
  void start(Backend& backend, const double* from, Index n) {
    count_ = static_cast<std::size_t>(n);
    if constexpr (kLater) {
      if (count_ > room_) {
        reading_ = backend.reading(count_ * sizeof(double));
        room_ = count_;
      }
      reading_.start(from, count_ * sizeof(double));
    } else {
      reading_.resize(count_);
      backend.to_host(from, n, reading_.data());
    }
  }
  /// Valid until the next `start`. @throws what kernels before it did wrong
  std::span<const double> wait() {
    if constexpr (kLater) {
      return {static_cast<const double*>(reading_.wait()), count_};
    } else {
      return reading_;
    }
  }

 private:
  static auto make(Backend* backend) {
    if constexpr (kLater) {
      return decltype(backend->reading(std::size_t{}))();
    } else {
      return std::vector<double>();
    }
  }
  decltype(make(nullptr)) reading_;
  std::size_t count_ = 0, room_ = 0;
};

}  // namespace ramer::backend
