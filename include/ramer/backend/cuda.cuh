// The CUDA backend: the kernels of backend/device on a GPU, products by cuBLASLt. For nvcc, with ramer::cuda; docs/backends.md.
#pragma once

#include <memory>

#include "ramer/backend/cuda/launcher.cuh"
#include "ramer/backend/cuda/products.cuh"
#include "ramer/backend/device/kernels.hpp"

namespace ramer::backend {

/// Kernels of the contract on one GPU. Copies share a stream, scratch memory and what cuBLASLt has been asked. Kernels are launched and
/// not waited for; `to_host` waits, and reports what failed before it. Results have the same bits from run to run on one kind of GPU.
class Cuda : public device::Kernels<cuda::Launcher> {
 public:
  static constexpr const char* name = "cuda";
  using Math = cuda::Math;

  /// @throws DeviceError without such a device, with a driver that is too old, on a GPU that is
  explicit Cuda(int device = 0, Math math = Math::Fp32)
      : Kernels(cuda::Launcher(device), math), products_(std::make_shared<cuda::Products>()) {}

  /// The same stream with another arithmetic of products, those inside attention and the contrastive loss among them.
  Cuda with(Math math) const {
    Cuda other = *this;
    other.set_math(math);
    return other;
  }
  /// The same stream, on which training steps are launched as graphs of at most so many kernels and copies each; 0: as they come, and
  /// uploads then wait for the kernels before them.
  Cuda with_graphs(std::size_t longest) const {
    Cuda other = *this;
    other.longest_graph_ = longest;
    return other;
  }
  /// Returns when every kernel has run.
  void wait() const { launcher().wait(); }
  cudaStream_t stream() const { return launcher().driver().stream(); }
  /// Whether steps are launched as graphs: those whose shapes have been seen are replayed.
  bool replays() const { return longest_graph_ > 0; }
  /// See StreamLauncher::Hold. For steps that call this again and again in the same order.
  cuda::Launcher::Hold hold() const { return launcher().hold(longest_graph_); }
  /// See backend::Readback.
  cuda::Launcher::Reading reading(std::size_t bytes) const { return launcher().reading(bytes); }
  device::GraphCounts graph_counts() const { return launcher().graph_counts(); }

  template <class T>
  void gemm(const Gemm<T>& g) const {
    multiply(g, 1, 0, 0, 0);
  }
  template <class T>
  void gemm_batched(Gemm<T> g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    if (stride_c != 0) return multiply(g, batch, stride_a, stride_b, stride_c);
    for (Index i = 0; i < batch; ++i, g.a += stride_a, g.b += stride_b)
      gemm(g);  // one result: the products follow one another
  }

 private:
  /// The bias goes with the product where nothing follows it; an activation is a pass of its own (cuBLASLt's GELU is an approximation,
  /// and its ReLU hides not-a-number).
  template <class T>
  void multiply(const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    if (g.m <= 0 || g.n <= 0 || batch <= 0) return;
    const Epilogue<T>& e = g.epilogue;
    const bool bare = e.activation == Activation::None && !e.preactivation;
    const auto product = [&](const T* bias) {
      const auto call = products_->prepare(g, batch, stride_a, stride_b, stride_c, bias, math());
      if (call) launcher().call(*call);
      return call.has_value();
    };
    if (g.k > 0 && ((bare && !e.bias) || batch == 1)) {
      if (bare && e.bias && std::is_same_v<T, float> && product(e.bias)) return;
      if (product(nullptr)) {
        if (!bare || e.bias) map_2d(g.m, g.n, device::FinishProduct<T>{g});
        return;
      }
    }
    if (batch == 1) return Kernels::gemm(g);  // no k, or a product that cuBLASLt does not know
    Kernels::gemm_batched(g, batch, stride_a, stride_b, stride_c);
  }

  std::shared_ptr<cuda::Products> products_;
  std::size_t longest_graph_ = 256;
};

static_assert(Backend<Cuda>);

}  // namespace ramer::backend
