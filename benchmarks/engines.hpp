// GEMMs of the library and of others behind one signature. The others are in where CMake found them.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(RAMER_BENCH_OPENBLAS)
#include <cblas.h>
#endif
#if defined(RAMER_BENCH_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#endif
#if defined(RAMER_BENCH_LIBXSMM)
#include <libxsmm.h>
#endif

#include "measure.hpp"
#include "ramer/backend/cpu.hpp"

namespace ramer::bench {

enum class Operand { X, Dy, W };

/// C (m, n) = op(A) (m, k) op(B) (k, n), row-major and dense.
struct Product {
  const char* name;
  bool trans_a, trans_b;
  Index m, n, k;
  Operand a, b;

  Index lda() const { return trans_a ? m : k; }
  Index ldb() const { return trans_b ? k : n; }
  double flop() const { return 2.0 * static_cast<double>(m * n) * static_cast<double>(k); }
};

using Multiply = std::function<void(const float* a, const float* b, float* c)>;

struct Engine {
  std::string name, about;
  std::function<Multiply(const Product&, int threads)> prepare;  ///< called in the engine's own process
};

inline Multiply ours(const Product& p, int threads) {
  using backend::Transpose;
  backend::Gemm<float> g;
  g.trans_a = p.trans_a ? Transpose::Yes : Transpose::No, g.trans_b = p.trans_b ? Transpose::Yes : Transpose::No;
  g.m = p.m, g.n = p.n, g.k = p.k, g.lda = p.lda(), g.ldb = p.ldb(), g.ldc = p.n;
  return [cpu = std::make_shared<backend::Cpu>(threads), g](const float* a, const float* b, float* c) mutable {
    g.a = a, g.b = b, g.c = {c, false};
    cpu->gemm(g);
  };
}

inline Multiply eigen(const Product& p, int threads) {
  Eigen::setNbThreads(threads);
  return [p](const float* a, const float* b, float* c) {
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using In = Eigen::Map<const Matrix>;
    Eigen::Map<Matrix> out(c, p.m, p.n);
    if (p.trans_a)
      out.noalias() = In(a, p.k, p.m).transpose() * In(b, p.k, p.n);
    else if (p.trans_b)
      out.noalias() = In(a, p.m, p.k) * In(b, p.n, p.k).transpose();
    else
      out.noalias() = In(a, p.m, p.k) * In(b, p.k, p.n);
  };
}

#if defined(RAMER_BENCH_OPENBLAS)
inline Multiply openblas(const Product& p, int threads) {
  openblas_set_num_threads(threads);
  return [p](const float* a, const float* b, float* c) {
    const auto size = [](Index n) { return static_cast<blasint>(n); };
    cblas_sgemm(CblasRowMajor, p.trans_a ? CblasTrans : CblasNoTrans, p.trans_b ? CblasTrans : CblasNoTrans, size(p.m),
                size(p.n), size(p.k), 1, a, size(p.lda()), b, size(p.ldb()), 0, c, size(p.n));
  };
}
#endif

#if defined(RAMER_BENCH_ONEDNN)
inline Multiply onednn(const Product& p, int threads) {
  omp_set_num_threads(threads);
  return [p](const float* a, const float* b, float* c) {
    require(dnnl_sgemm(p.trans_a ? 'T' : 'N', p.trans_b ? 'T' : 'N', p.m, p.n, p.k, 1, a, p.lda(), b, p.ldb(), 0, c, p.n) ==
                dnnl_success,
            "dnnl_sgemm failed");
  };
}
#endif

#if defined(RAMER_BENCH_LIBXSMM)
/// Column-major, so C^T = op(B)^T op(A)^T. It has no kernel for NT and would call a BLAS: B is transposed first, in the time.
inline Multiply libxsmm(const Product& p, int threads) {
  omp_set_num_threads(threads);
  const auto size = [](Index n) { return static_cast<libxsmm_blasint>(n); };
  const libxsmm_blasint m = size(p.m), n = size(p.n), k = size(p.k), lda = size(p.lda());
  std::vector<float> transposed(p.trans_b ? static_cast<std::size_t>(p.k * p.n) : 0);
  return [=](const float* a, const float* b, float* c) mutable {
    const float one = 1, zero = 0;
    if (p.trans_b) libxsmm_otrans_omp(transposed.data(), b, sizeof(float), k, n, k, n);
    libxsmm_sgemm_omp("N", p.trans_a ? "T" : "N", &n, &m, &k, &one, p.trans_b ? transposed.data() : b, &n, a, &lda, &zero, c,
                      &n);
  };
}
#endif

inline std::vector<Engine> engines() {
  std::vector<Engine> all;
  all.push_back({"ours", instruction_set() + ", compiler " __VERSION__, ours});
#if defined(_OPENMP)
  const std::string threading = ", OpenMP";
#else
  const std::string threading = ", always 1 thread";
#endif
  const auto version = [](auto... part) {
    std::string s;
    ((s += (s.empty() ? "" : ".") + std::to_string(part)), ...);
    return s;
  };
  all.push_back({"Eigen", version(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION) + threading, eigen});
#if defined(RAMER_BENCH_OPENBLAS)
  all.push_back({"OpenBLAS", openblas_get_config() + std::string(", running as ") + openblas_get_corename(), openblas});
#endif
#if defined(RAMER_BENCH_ONEDNN)
  const auto* v = dnnl_version();
  all.push_back({"oneDNN", version(v->major, v->minor, v->patch), onednn});
#endif
#if defined(RAMER_BENCH_LIBXSMM)
  all.push_back({"libxsmm", LIBXSMM_VERSION + std::string(", running as ") + libxsmm_get_target_arch(), libxsmm});
#endif
  return all;
}

}  // namespace ramer::bench
