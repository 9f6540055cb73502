// One product.
#pragma once

#include <vector>

#include "ramer/backend/cpu_bf16.hpp"
#include "ramer/core/random.hpp"

namespace ramer::bench {

/// Uniform in [-0.5, 0.5).
inline std::vector<float> numbers(Index n, std::uint64_t seed) {
  const RandomStream stream(seed, name_hash("numbers"));
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = stream.uniform(i / 1024, static_cast<std::uint32_t>(i % 1024)) - 0.5f;
  return x;
}

class GemmBench {
 public:
  GemmBench(Index m, Index n, Index k, bool trans_a, bool trans_b, int threads, bool bf16 = false)
      : backend_(threads), bf16_(bf16), a_(numbers(m * k, 1)), b_(numbers(k * n, 2)), c_(static_cast<std::size_t>(m * n)) {
    using backend::Transpose;
    g_.trans_a = trans_a ? Transpose::Yes : Transpose::No, g_.trans_b = trans_b ? Transpose::Yes : Transpose::No;
    g_.m = m, g_.n = n, g_.k = k;
    g_.a = a_.data(), g_.lda = trans_a ? m : k;
    g_.b = b_.data(), g_.ldb = trans_b ? k : n;
    g_.c = {c_.data(), false}, g_.ldc = n;
  }
  void run() { bf16_ ? backend::CpuBf16(backend_).gemm(g_) : backend_.gemm(g_); }

 private:
  backend::Cpu backend_;
  bool bf16_;
  std::vector<float> a_, b_, c_;
  backend::Gemm<float> g_;
};

}  // namespace ramer::bench
