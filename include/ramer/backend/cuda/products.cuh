// Matrix products by cuBLASLt. How a shape is multiplied is asked for once and kept.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/cuda/memory.cuh"
#include "ramer/backend/device/factors.hpp"
#include "ramer/backend/device/staging.hpp"

namespace ramer::backend::cuda {

using Math = device::Math;

/// Row-major C (m, n) is column-major C^T (n, m): cuBLASLt is asked for op(B)^T op(A)^T.
class Products {
 public:
  Products() { check(cublasLtCreate(&handle_), "starting"); }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
  ~Products() {
    for (auto& [key, plan] : plans_) plan.destroy();
    cublasLtDestroy(handle_);
  }

  /// A product that cuBLASLt knows how to do, as a call with the stream.
  template <class T>
  struct Call;

  /// `batch` products whose operands are strides apart: C = or += alpha op(A) op(B), plus bias per column where `bias` is set.
  /// @return none if cuBLASLt has no way to do it
  template <class T>
  std::optional<Call<T>> prepare(const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c,
                                 const T* bias, Math math) {
    const std::lock_guard lock(mutex_);
    const Key key{std::is_same_v<T, double>,
                  math,
                  g.trans_a,
                  g.trans_b,
                  g.m,
                  g.n,
                  g.k,
                  g.lda,
                  g.ldb,
                  g.ldc,
                  batch,
                  stride_a,
                  stride_b,
                  stride_c,
                  alignment(g.a),
                  alignment(g.b),
                  alignment(g.c.data),
                  bias != nullptr};
    auto found = plans_.find(key);
    if (found == plans_.end()) found = plans_.emplace(key, make<T>(key, bias)).first;
    if (!found->second.works) return std::nullopt;
    workspace_.grow(kWorkspace);
    return Call<T>{this, &found->second, g.a, g.b, g.c, bias, g.alpha};
  }

 private:
  static constexpr std::size_t kWorkspace = std::size_t{32} << 20;

  using Key = std::tuple<bool, Math, Transpose, Transpose, Index, Index, Index, Index, Index, Index, Index, Index, Index,
                         Index, std::uint32_t, std::uint32_t, std::uint32_t, bool>;
  /// `a` and `b` in the order of cuBLASLt: our B comes first.
  struct Plan {
    cublasLtMatmulDesc_t product = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
    cublasLtMatmulAlgo_t how{};
    bool works = false;
    void destroy() {
      for (auto* layout : {&a, &b, &c})
        if (*layout) cublasLtMatrixLayoutDestroy(*layout);
      if (product) cublasLtMatmulDescDestroy(product);
      *this = {};
    }
  };

  /// Bytes that an address is a multiple of, up to 256.
  static std::uint32_t alignment(const void* p) {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    std::uint32_t bytes = 256;
    while (address % bytes != 0) bytes /= 2;
    return bytes;
  }

  template <class T>
  void run(const Call<T>& call, cudaStream_t stream) {
    const std::lock_guard lock(mutex_);  // the plan holds the bias
    const Plan& plan = *call.plan;
    if (call.bias) point_at(call.bias, plan);
    const T alpha = call.alpha, beta = call.c.accumulate ? T(1) : T(0);
    check(cublasLtMatmul(handle_, plan.product, &alpha, call.b, plan.a, call.a, plan.b, &beta, call.c.data, plan.c,
                         call.c.data, plan.c, &plan.how, workspace_.grow(kWorkspace), kWorkspace, stream),
          "multiplying matrices");
  }
  template <class T>
  static void point_at(const T* bias, const Plan& plan) {
    check(cublasLtMatmulDescSetAttribute(plan.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
          "preparing a product");
  }
  template <class T>
  Plan make(const Key& key, const T* bias) {
    const auto& [is_double, math, trans_a, trans_b, m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c, align_a,
                 align_b, align_c, has_bias] = key;
    constexpr cudaDataType_t type = std::is_same_v<T, double> ? CUDA_R_64F : CUDA_R_32F;
    const cublasComputeType_t compute = std::is_same_v<T, double> ? CUBLAS_COMPUTE_64F
                                        : math == Math::Tf32      ? CUBLAS_COMPUTE_32F_FAST_TF32
                                        : math == Math::Bf16      ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                                  : CUBLAS_COMPUTE_32F;
    Plan plan;
    struct Undo {
      Plan* plan;
      ~Undo() {
        if (plan) plan->destroy();
      }
    } undo{&plan};
    const char* const doing = "preparing a product";
    check(cublasLtMatmulDescCreate(&plan.product, compute, type), doing);
    const auto set = [&](cublasLtMatmulDescAttributes_t what, const auto& value) {
      check(cublasLtMatmulDescSetAttribute(plan.product, what, &value, sizeof value), doing);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, trans_b == Transpose::Yes ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, trans_a == Transpose::Yes ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (has_bias) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      point_at(bias, plan);
    }
    // Rows and columns as they lie in memory, columns together.
    const auto layout = [&](cublasLtMatrixLayout_t& to, Index rows, Index columns, Index apart, Index stride) {
      check(cublasLtMatrixLayoutCreate(&to, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns),
                                       apart),
            doing);
      const auto count = static_cast<std::int32_t>(batch);
      check(cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), doing);
      const std::int64_t offset = stride;
      check(cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &offset, sizeof offset),
            doing);
    };
    const bool ta = trans_a == Transpose::Yes, tb = trans_b == Transpose::Yes;
    layout(plan.a, tb ? k : n, tb ? n : k, ldb, stride_b);
    layout(plan.b, ta ? m : k, ta ? k : m, lda, stride_a);
    layout(plan.c, n, m, ldc, stride_c);

    struct Preference {
      cublasLtMatmulPreference_t p = nullptr;
      ~Preference() {
        if (p) cublasLtMatmulPreferenceDestroy(p);
      }
    } preference;
    check(cublasLtMatmulPreferenceCreate(&preference.p), doing);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      check(cublasLtMatmulPreferenceSetAttribute(preference.p, what, &value, sizeof value), doing);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspace});
    // Parts of a sum over k are added in a fixed order and in the precision of the sum.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE) |
               static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, align_b);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, align_a);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, align_c);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, align_c);
    cublasLtMatmulHeuristicResult_t result{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, plan.product, plan.a, plan.b, plan.c, plan.c,
                                                                 preference.p, 1, &result, &count);
    if (status == CUBLAS_STATUS_SUCCESS && count > 0 && result.state == CUBLAS_STATUS_SUCCESS) {
      plan.how = result.algo;
      plan.works = true;
    } else {
      require<DeviceError>(
          status == CUBLAS_STATUS_SUCCESS || status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE,
          "cuBLASLt failed while ", doing, ": ", cublasLtGetStatusString(status));
    }
    undo.plan = nullptr;
    return plan;
  }

  cublasLtHandle_t handle_ = nullptr;
  device::Scratch<DeviceMemory> workspace_;
  std::map<Key, Plan> plans_;
  std::mutex mutex_;
};

template <class T>
struct Products::Call {
  Products* products;
  const Plan* plan;
  const T *a, *b;
  Target<T> c;
  const T* bias;
  T alpha;
  void operator()(cudaStream_t stream) const { products->run(*this, stream); }
};

}  // namespace ramer::backend::cuda
