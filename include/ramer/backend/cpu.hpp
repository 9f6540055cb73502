// The CPU backend: own tiled products on Eigen's vector types, loops over oneTBB. The kernels are in cpu/.
#pragma once

#include <memory>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/cpu/attention.hpp"
#include "ramer/backend/cpu/contrastive.hpp"
#include "ramer/backend/cpu/gemm.hpp"
#include "ramer/backend/cpu/loops.hpp"
#include "ramer/backend/cpu/norm.hpp"
#include "ramer/backend/cpu/segment_pool.hpp"
#include "ramer/backend/cpu/workers.hpp"
#include "ramer/backend/host_arrays.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET {

/// Kernels of the contract on host memory. Copies share their threads and scratch memory. One object may be used from
/// several host threads at once; each running kernel then has its own scratch. Scratch grows to what the largest kernel
/// needs and is kept until the last copy goes.
class Cpu : public HostArrays {
 public:
  static constexpr const char* name = "cpu";

  /// @param threads that work on a kernel, the caller's among them; 0: as many as the machine has. With 1, no thread is
  /// made. No more of them run than the process allows TBB, as a rule one per processor.
  explicit Cpu(int threads = 0) : workers_(std::make_shared<cpu::Workers>(threads)) {}
  /// Threads that may work on a kernel.
  int threads() const { return workers_->threads(); }

  template <class F>
  void map(Index n, F f) const {
    cpu::map(*workers_, n, f);
  }
  template <class F>
  void map_2d(Index rows, Index cols, F f) const {
    cpu::map_2d(*workers_, rows, cols, f);
  }
  template <class F, class T>
  void sum(Index n, F f, T scale, Target<T> out) const {
    cpu::sum(*workers_, n, f, scale, out);
  }
  template <class F, class Put>
  void reduce_rows(Index rows, Index cols, F f, Put put) const {
    cpu::reduce_rows(*workers_, rows, cols, f, put);
  }
  template <class F, class T>
  void reduce_columns(Index rows, Index cols, F f, Target<T> out) const {
    cpu::reduce_columns(*workers_, rows, cols, f, out);
  }
  template <class F>
  void map_arrays(const Arrays& arrays, F f) const {
    cpu::map_arrays(*workers_, arrays, f);
  }
  template <class F, class T>
  void sum_arrays(const Arrays& arrays, F f, Target<T> out) const {
    cpu::sum_arrays(*workers_, arrays, f, out);
  }

  template <class T>
  void gemm(const Gemm<T>& g) const {
    cpu::gemm<T>(*workers_, g);
  }
  template <class T>
  void gemm_batched(const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    cpu::gemm_batched<T>(*workers_, g, batch, stride_a, stride_b, stride_c);
  }
  template <class T>
  void layer_norm(const LayerNorm<T>& p) const {
    cpu::layer_norm(*workers_, p);
  }
  template <class T>
  void layer_norm_reverse(const LayerNormReverse<T>& p) const {
    cpu::layer_norm_reverse(*workers_, p);
  }
  template <class T>
  void attention(const Attention<T>& p) const {
    cpu::attention(*workers_, p);
  }
  template <class T>
  void attention_reverse(const AttentionReverse<T>& p) const {
    cpu::attention_reverse(*workers_, p);
  }
  template <class T>
  void segment_pool(const SegmentPool<T>& p) const {
    cpu::segment_pool(*workers_, p);
  }
  template <class T>
  void segment_pool_reverse(const SegmentPoolReverse<T>& p) const {
    cpu::segment_pool_reverse(*workers_, p);
  }
  template <class T>
  void contrastive(const Contrastive<T>& p) const {
    cpu::contrastive(*workers_, p);
  }
  template <class T>
  void contrastive_reverse(const ContrastiveReverse<T>& p) const {
    cpu::contrastive_reverse(*workers_, p);
  }

 protected:
  /// Threads and scratch memory, for a backend that changes some kernels.
  cpu::Workers& workers() const { return *workers_; }

 private:
  std::shared_ptr<cpu::Workers> workers_;
};

static_assert(Backend<Cpu>);

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET
