// What a backend must have, said in one sentence each: the backend is the first argument of the check that failed, which the
// compiler names beside the sentence.
#pragma once

#include <concepts>

#include "ramer/backend/contract.hpp"

namespace ramer::backend::detail {

/// Every kernel of the contract, tried in the real type `T` of the model.
template <class B, class T>
struct CheckBackend {
#define RAMER_LACKS "the backend of the model lacks "
#define RAMER_LAW " (its law: backend/contract.hpp)"
#define RAMER_KERNEL(call, signature) \
  static_assert(                      \
      requires(B & b, T * p, const T* c, Index n, Target<T> t) { call; }, RAMER_LACKS "`" signature "`" RAMER_LAW)
  static_assert(
      requires { typename B::Memory; }, RAMER_LACKS "`using Memory`: where its arrays are, HostMemory or one like it");
  static_assert(
      requires {
        { B::name } -> std::convertible_to<const char*>;
      },
      RAMER_LACKS "`static constexpr const char* name`");
  RAMER_KERNEL(b.fill(p, n, T(0)), "fill(T* x, Index n, T value)");
  RAMER_KERNEL(b.copy(c, n, p), "copy(const T* from, Index n, T* to)");
  RAMER_KERNEL(b.to_host(c, n, p), "to_host(const T* from, Index n, T* to)");
  RAMER_KERNEL(b.from_host(c, n, p), "from_host(const T* from, Index n, T* to)");
  RAMER_KERNEL(b.map(n, NoOp{}), "map(Index n, f)");
  RAMER_KERNEL(b.map_2d(n, n, NoOp2{}), "map_2d(Index rows, Index cols, f)");
  RAMER_KERNEL(b.sum(n, Zero{}, T(1), t), "sum(Index n, f, T scale, Target<T> out)");
  RAMER_KERNEL(b.reduce_rows(n, n, Zero2{}, Drop{}), "reduce_rows(Index rows, Index cols, f, put)");
  RAMER_KERNEL(b.reduce_columns(n, n, Zero2{}, t), "reduce_columns(Index rows, Index cols, f, Target<T> out)");
  RAMER_KERNEL(b.map_arrays(Arrays{}, NoOps{}), "map_arrays(const Arrays&, f)");
  RAMER_KERNEL(b.sum_arrays(Arrays{}, Zeros{}, t), "sum_arrays(const Arrays&, f, Target<T> out)");
  RAMER_KERNEL(b.gemm(Gemm<T>{}), "gemm(const Gemm<T>&)");
  RAMER_KERNEL(b.gemm_batched(Gemm<T>{}, n, n, n, n), "gemm_batched(Gemm<T>, batch, stride_a, stride_b, stride_c)");
  RAMER_KERNEL(b.layer_norm(LayerNorm<T>{}), "layer_norm(const LayerNorm<T>&)");
  RAMER_KERNEL(b.layer_norm_reverse(LayerNormReverse<T>{}), "layer_norm_reverse(const LayerNormReverse<T>&)");
  RAMER_KERNEL(b.attention(Attention<T>{}), "attention(const Attention<T>&)");
  RAMER_KERNEL(b.attention_reverse(AttentionReverse<T>{}), "attention_reverse(const AttentionReverse<T>&)");
  RAMER_KERNEL(b.segment_pool(SegmentPool<T>{}), "segment_pool(const SegmentPool<T>&)");
  RAMER_KERNEL(b.segment_pool_reverse(SegmentPoolReverse<T>{}), "segment_pool_reverse(const SegmentPoolReverse<T>&)");
  RAMER_KERNEL(b.contrastive(Contrastive<T>{}), "contrastive(const Contrastive<T>&)");
  RAMER_KERNEL(b.contrastive_reverse(ContrastiveReverse<T>{}), "contrastive_reverse(const ContrastiveReverse<T>&)");
#undef RAMER_KERNEL
#undef RAMER_LAW
#undef RAMER_LACKS
  static constexpr bool value = true;
};

}  // namespace ramer::backend::detail
