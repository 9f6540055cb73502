// The CPU backend with products in bf16.
#pragma once

#include <type_traits>

#include "ramer/backend/cpu.hpp"
#include "ramer/backend/cpu/bf16.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET {

/// As Cpu, but the factors of products in float are rounded to bf16 (8 bits) on their way into the product; sums are kept in float. What lies in
/// memory is float as everywhere: parameters, activations, gradients, moments and files. Attention and the contrastive loss, whose products
/// are their own, and everything in double are as Cpu's. With AVX512-BF16 a product takes half of Cpu's time, without it more than Cpu's.
/// Same bits for every number of threads; other bits than on a processor of the other kind.
class CpuBf16 : public Cpu {
 public:
  static constexpr const char* name = "cpu-bf16";
  using Cpu::Cpu;
  /// Shares the threads and scratch memory of `cpu`.
  explicit CpuBf16(const Cpu& cpu) : Cpu(cpu) {}

  template <class T>
  void gemm(const Gemm<T>& g) const {
    cpu::gemm<Factors<T>>(workers(), g);
  }
  template <class T>
  void gemm_batched(const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    cpu::gemm_batched<Factors<T>>(workers(), g, batch, stride_a, stride_b, stride_c);
  }

 private:
  template <class T>
  using Factors = std::conditional_t<std::is_same_v<T, float>, cpu::Bf16Pair, T>;
};

static_assert(Backend<CpuBf16>);

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET
