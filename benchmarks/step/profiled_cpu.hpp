// The CPU backend, or the one with products in bf16, to be profiled.
#pragma once

#include "ramer/backend/cpu_bf16.hpp"
#include "step/profiled.hpp"

namespace ramer::bench {

class EitherCpu : public backend::Cpu {
 public:
  EitherCpu(int threads, bool bf16) : Cpu(threads), bf16_(bf16) {}

  template <class T>
  void gemm(const backend::Gemm<T>& g) const {
    bf16_ ? backend::CpuBf16(*this).gemm(g) : Cpu::gemm(g);
  }
  template <class T>
  void gemm_batched(const backend::Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    bf16_ ? backend::CpuBf16(*this).gemm_batched(g, batch, stride_a, stride_b, stride_c)
          : Cpu::gemm_batched(g, batch, stride_a, stride_b, stride_c);
  }

 private:
  bool bf16_;
};
using ProfiledCpu = Profiled<EitherCpu>;

static_assert(backend::Backend<ProfiledCpu>);

}  // namespace ramer::bench
