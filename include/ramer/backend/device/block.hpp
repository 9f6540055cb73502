// What kernels for a GPU are written in: a block of threads that go from barrier to barrier together. The kernels of this folder name no
// CUDA and compile anywhere. backend/cuda.cuh gives them a block of a GPU's; HostBlock runs the same code thread after thread, in
// any order that is asked for: where the order matters to the bits of a result, threads race.
//
// A kernel is a trivially copyable struct with
//   static constexpr int kThreads;                                  // a multiple of kLanes
//   static constexpr int kBlocksAtOnce;                             // that a multiprocessor is to hold; 0, or none: as it comes
//   template <class Block> RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const;
// for blocks 0 <= id < the number that was launched. Outside of `each` and `own` every thread runs the same code on the same
// values; what threads hold apart is in an Own. `each` ends with a barrier: only behind it may a thread read what another one
// wrote. `own` has no barrier: a thread touches in it what no other does until the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/device/factors.hpp"

#if defined(__CUDA_ARCH__)
#define RAMER_UNROLL _Pragma("unroll")
#define RAMER_UNROLL_BY_2 _Pragma("unroll 2")
#else
#define RAMER_UNROLL
#define RAMER_UNROLL_BY_2
#endif

namespace ramer::backend::device {

inline constexpr int kLanes = 32;  ///< threads that can add up without shared memory

RAMER_HD constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
template <class T>
RAMER_HD constexpr T least(T a, T b) {
  return b < a ? b : a;
}
/// Not-a-number does not become the largest.
template <class T>
RAMER_HD constexpr T largest(T a, T b) {
  return a < b ? b : a;
}
template <class T>
RAMER_HD constexpr T lowest() {
  return -std::numeric_limits<T>::infinity();
}

/// Cuts shared memory up. With a null base it only counts.
class Carver {
 public:
  RAMER_HD explicit Carver(std::byte* base) : base_(base) {}
  template <class T>
  RAMER_HD T* take(Index n) {
    used_ = (used_ + alignof(T) - 1) / alignof(T) * alignof(T);
#if defined(__CUDA_ARCH__)  // where a choice would hide from the compiler that this is shared memory
    T* const result = reinterpret_cast<T*>(base_ + used_);
#else
    T* const result = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
#endif
    used_ += static_cast<std::size_t>(n) * sizeof(T);
    return result;
  }
  RAMER_HD std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

/// Threads that run one after the other.
class HostBlock {
 public:
  enum class Order { Forward, Backward, Mixed };

  HostBlock(int threads, Order order) : threads_(threads), order_(order) {}

  /// N numbers of each thread: registers. They hold nothing until written.
  template <class T, int N>
  class Own {
   public:
    explicit Own(const HostBlock& block) : x_(static_cast<std::size_t>(block.threads_) * N) {}
    T* operator()(int t) { return x_.data() + static_cast<std::size_t>(t) * N; }

   private:
    std::vector<T> x_;
  };

  template <class F>
  void each(const F& f) const {
    own(f);
  }
  template <class F>
  void own(const F& f) const {
    for (int k = 0; k < threads_; ++k) {
      switch (order_) {
        case Order::Forward: f(k); break;
        case Order::Backward: f(threads_ - 1 - k); break;
        case Order::Mixed:
          f((k * 13 + 5) % threads_);
          break;  // 13 is prime to any multiple of 32 up to 1024 that is launched
      }
    }
  }
  /// Behind an `own` whose threads touched what others will read.
  void barrier() const {}

  /// x[k] becomes the sum over the thread's lanes, added up in pairs; the same bits in all of them.
  template <class T, int N>
  void sum_lanes(Own<T, N>& x) const {
    butterfly(x, [](T a, T b) { return a + b; });
  }
  template <class T, int N>
  void max_lanes(Own<T, N>& x) const {
    butterfly(x, [](T a, T b) { return largest(a, b); });
  }
  /// x[0] becomes that of the thread's first lane.
  template <class T>
  void first_of_lanes(Own<T, 1>& x) const {
    for (int t = 0; t < threads_; ++t) *x(t) = *x(t / kLanes * kLanes);
  }
  /// Each warp adds A (16, 8 words) times N / 4 pieces of B (8 words, 8) that lie side by side; factors.hpp says what a thread holds of
  /// them. Number k of piece p is c[N / 2 (k / 2) + 2 p + k % 2]. Products are exact, sums are float's.
  template <Math math, int N>
  void add_products(Own<float, N>& c, Own<std::uint32_t, 4>& a, Own<std::uint32_t, N / 2>& b) const {
    using Factor = Factors<math>;
    constexpr int depth = kFragmentWords * Factor::kOfWord, columns = N / 4 * kFragmentColumns;
    for (int warp = 0; warp < threads_; warp += kLanes) {
      float x[kFragmentRows][depth], y[columns][depth];
      for (int t = warp; t < warp + kLanes; ++t) {
        for (int h = 0; h < Factor::kOfWord; ++h) {
          for (int k = 0; k < 4; ++k)
            x[fragment_a_row(t, k)][fragment_a_word(t, k) * Factor::kOfWord + h] = Factor::number(a(t)[k], h);
          for (int k = 0; k < N / 2; ++k)
            y[k / 2 * kFragmentColumns + fragment_b_column(t)][fragment_b_word(t, k % 2) * Factor::kOfWord + h] =
                Factor::number(b(t)[k], h);
        }
      }
      for (int t = warp; t < warp + kLanes; ++t) {
        for (int k = 0; k < N; ++k) {
          const int piece = k / 4;
          const float *const row = x[fragment_c_row(t, k % 4)],
                             *const column = y[piece * kFragmentColumns + fragment_c_column(t, k % 4)];
          float& sum = c(t)[N / 2 * (k % 4 / 2) + 2 * piece + k % 2];
          for (int l = 0; l < depth; ++l) sum += row[l] * column[l];
        }
      }
    }
  }

 private:
  template <class T, int N, class Op>
  void butterfly(Own<T, N>& x, const Op& op) const {
    std::vector<T> before(static_cast<std::size_t>(threads_) * N);
    for (int apart = kLanes / 2; apart > 0; apart /= 2) {
      for (int t = 0; t < threads_; ++t)
        for (int k = 0; k < N; ++k) before[static_cast<std::size_t>(t * N + k)] = x(t)[k];
      for (int t = 0; t < threads_; ++t)
        for (int k = 0; k < N; ++k)
          x(t)[k] = op(before[static_cast<std::size_t>(t * N + k)], before[static_cast<std::size_t>((t ^ apart) * N + k)]);
    }
  }

  int threads_;
  Order order_;
};

/// e^x, with which the kernels agree with each other.
template <class T>
RAMER_HD T exponential(T x) {
  return std::exp(x);
}

/// a b, rounded: never the unrounded first half of a multiplication with addition.
template <class T>
RAMER_HD T rounded_product(T a, T b) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == 4) {
    return __fmul_rn(a, b);
  } else {
    return __dmul_rn(a, b);
  }
#else
  volatile T product = a * b;
  return product;
#endif
}

/// Factors of a dropout plan, the four of a Philox counter at a time where columns go together.
template <class T>
struct Dropping {
  DropoutPlan plan;
  T kept;

  RAMER_HD explicit Dropping(const DropoutPlan& p)
      : plan(p), kept(p.active() ? static_cast<T>(1.0 / (1.0 - p.rate)) : T(1)) {}
  RAMER_HD T of(std::uint32_t word) const { return uniform01(word) >= static_cast<float>(plan.rate) ? kept : T(0); }
  RAMER_HD T factor(std::uint64_t row, std::uint32_t column) const {
    return plan.active() ? of(plan.draws().word(row, column)) : T(1);
  }
  /// Of columns 4 quad ... 4 quad + 3.
  RAMER_HD void factors(std::uint64_t row, std::uint32_t quad, T (&out)[4]) const {
    if (!plan.active()) {
      for (T& x : out) x = T(1);
      return;
    }
    const Philox4 words = plan.draws().quad(row, quad);
    for (int i = 0; i < 4; ++i) out[i] = of(words.v[i]);
  }
};

}  // namespace ramer::backend::device
