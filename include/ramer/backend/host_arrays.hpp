// What every backend on the host's memory does with whole arrays.
#pragma once

#include <algorithm>

#include "ramer/core/tensor.hpp"

namespace ramer::backend {

/// `fill` and the copies of the contract, in host memory.
struct HostArrays {
  using Memory = HostMemory;

  template <class T>
  void fill(T* x, Index n, T value) const {
    std::fill_n(x, n, value);
  }
  template <class T>
  void copy(const T* from, Index n, T* to) const {
    std::copy_n(from, n, to);
  }
  template <class T>
  void to_host(const T* from, Index n, T* to) const {
    std::copy_n(from, n, to);
  }
  template <class T>
  void from_host(const T* from, Index n, T* to) const {
    std::copy_n(from, n, to);
  }
};

}  // namespace ramer::backend
