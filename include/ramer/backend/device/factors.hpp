// Factors of products with fewer bits than a float, and the pieces of matrices in which the 32 threads of a warp hold them for a tensor
// core: those of PTX's mma.sync m16n8k8 (tf32) and m16n8k16 (bf16). In words of 32 bits both are the same: A (16, 8 words) times
// B (8 words, 8) is added to C (16, 8), where a word holds one number in tf32 and two that follow each other along the depth in bf16.
#pragma once

#include <bit>
#include <cstdint>

#include "ramer/backend/contract.hpp"

namespace ramer::backend::device {

/// Arithmetic of products of floats. Numbers in memory are float whatever is chosen here: parameters, activations and gradients keep
/// their precision, factors are rounded on their way into a product, and sums are kept in float. Double is always double.
enum class Math {
  Fp32,  ///< factors of 24 bits
  Tf32,  ///< of 11 bits, to nearest, ties away from zero
  Bf16   ///< of 8 bits, to nearest, ties to even
};

/// How a word holds factors: numbers in a word, the word of some, the number at a place of one.
template <Math math>
struct Factors;

template <>
struct Factors<Math::Tf32> {
  static constexpr int kOfWord = 1;
  /// at(0) is the number. Not-a-number stays that.
  template <class F>
  RAMER_HD static std::uint32_t word(const F& at) {
    const float x = at(0);
#if defined(__CUDA_ARCH__)
    std::uint32_t result;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(x));
    return result;
#else
    return x != x ? 0x7FFFE000u : (std::bit_cast<std::uint32_t>(x) + 0x1000u) & 0xFFFFE000u;
#endif
  }
  static float number(std::uint32_t word, int) { return std::bit_cast<float>(word); }
};

template <>
struct Factors<Math::Bf16> {
  static constexpr int kOfWord = 2;
  /// at(0) and at(1), the first in the lower half.
  template <class F>
  RAMER_HD static std::uint32_t word(const F& at) {
    const float x = at(0), y = at(1);
#if defined(__CUDA_ARCH__)
    std::uint32_t result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(y), "f"(x));
    return result;
#else
    return half(x) | half(y) << 16;
#endif
  }
  static float number(std::uint32_t word, int which) {
    return std::bit_cast<float>(which == 0 ? word << 16 : word & 0xFFFF0000u);
  }

 private:
  static std::uint32_t half(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return x != x ? 0x7FC0u : (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  }
};

inline constexpr int kFragmentRows = 16, kFragmentColumns = 8, kFragmentWords = 8;

/// A thread's words a[0 ... 3], b[0 ... 1] and numbers c[0 ... 3]: row of A or column of B, word along the depth, row and column of C.
RAMER_HD constexpr int fragment_a_row(int t, int k) { return t % 32 / 4 + 8 * (k % 2); }
RAMER_HD constexpr int fragment_a_word(int t, int k) { return t % 4 + 4 * (k / 2); }
RAMER_HD constexpr int fragment_b_column(int t) { return t % 32 / 4; }
RAMER_HD constexpr int fragment_b_word(int t, int k) { return t % 4 + 4 * k; }
RAMER_HD constexpr int fragment_c_row(int t, int k) { return t % 32 / 4 + 8 * (k / 2); }
RAMER_HD constexpr int fragment_c_column(int t, int k) { return t % 4 * 2 + k % 2; }

/// A matrix of words in shared memory: rows of A or columns of B, and words along the depth.
struct Words {
  const std::uint32_t* at;
  int row, word;  ///< distances of neighbours
  RAMER_HD std::uint32_t operator()(int i, int w) const { return at[i * row + w * word]; }
};

}  // namespace ramer::backend::device
