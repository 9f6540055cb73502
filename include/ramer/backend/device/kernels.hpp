// The whole contract in kernels of blocks, for whatever can launch them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "ramer/backend/device/attention.hpp"
#include "ramer/backend/device/contrastive.hpp"
#include "ramer/backend/device/gemm.hpp"
#include "ramer/backend/device/loops.hpp"
#include "ramer/backend/device/norm.hpp"
#include "ramer/backend/device/segment_pool.hpp"

namespace ramer::backend::device {

/// A backend out of a launcher, which has
///   using Memory;
///   launch(blocks, shared_bytes, kernel)        runs the kernel's blocks behind everything launched before
///   lease(bytes)                                scratch memory for what its holder launches; `.data()`; another thread's kernels
///                                               stay out until it goes
///   copy(from, bytes, to), to_host(...), from_host(...), and where it can from_host_ahead(...)
/// A copy of it launches into the same order of kernels.
template <class Launcher>
class Kernels {
 public:
  using Memory = typename Launcher::Memory;

  explicit Kernels(Launcher launcher, Math math = Math::Fp32) : launcher_(std::move(launcher)), math_(math) {}

  /// The arithmetic of products of floats: of gemm's and of those inside attention and the contrastive loss.
  Math math() const { return math_; }

  template <class T>
  void fill(T* x, Index n, T value) const {
    map(n, Fill<T>{x, value});
  }
  template <class T>
  void copy(const T* from, Index n, T* to) const {
    launcher_.copy(from, bytes<T>(n), to);
  }
  template <class T>
  void to_host(const T* from, Index n, T* to) const {
    launcher_.to_host(from, bytes<T>(n), to);
  }
  template <class T>
  void from_host(const T* from, Index n, T* to) const {
    launcher_.from_host(from, bytes<T>(n), to);
  }

  /// Perhaps without a wait for the kernels of the step before: to memory that they do not use.
  template <class T>
  void from_host_ahead(const T* from, Index n, T* to) const {
    if constexpr (requires { launcher_.from_host_ahead(from, bytes<T>(n), to); }) {
      launcher_.from_host_ahead(from, bytes<T>(n), to);
    } else {
      from_host(from, n, to);
    }
  }

  template <class F>
  void map(Index n, F f) const {
    run(ceil_div(n, MapKernel<F>::kThreads), 0, MapKernel<F>{n, f});
  }
  template <class F>
  void map_2d(Index rows, Index cols, F f) const {
    run(rows > 0 && cols > 0 ? ceil_div(rows * cols, Map2dKernel<F>::kThreads) : 0, 0, Map2dKernel<F>{rows, cols, f});
  }
  template <class F, class T>
  void sum(Index n, F f, T scale, Target<T> out) const {
    using First = SumKernel<F, T>;
    using Second = SumKernel<ReadPartial, T>;
    constexpr std::size_t shared = First::kThreads / kLanes * sizeof(double);
    const Index blocks = std::max<Index>(1, ceil_div(n, First::kElements));
    if (blocks == 1) return run(1, shared, First{n, First::kElements, f, static_cast<double>(scale), nullptr, out});
    const auto lease = launcher_.lease(bytes<double>(blocks));
    double* const partial = static_cast<double*>(lease.data());
    run(blocks, shared, First{n, First::kElements, f, 1, partial, {}});
    run(1, shared, Second{blocks, blocks, ReadPartial{partial}, static_cast<double>(scale), nullptr, out});
  }
  template <class F, class Put>
  void reduce_rows(Index rows, Index cols, F f, Put put) const {
    using A = std::decay_t<decltype(f(Index{}, Index{}))>;
    if (cols <= ShortRowsKernel<F, Put, A>::kLongest) {
      run(ceil_div(rows, ShortRowsKernel<F, Put, A>::kThreads), 0, ShortRowsKernel<F, Put, A>{rows, cols, f, put});
    } else {
      run(ceil_div(rows, RowsKernel<F, Put, A>::kRows), 0, RowsKernel<F, Put, A>{rows, cols, f, put});
    }
  }
  template <class F, class T>
  void reduce_columns(Index rows, Index cols, F f, Target<T> out) const {
    columns<T>(rows, cols, f, PutTarget<T>{out});
  }
  template <class F>
  void map_arrays(const Arrays& arrays, F f) const {
    run(arrays.blocks(MapArraysKernel<F>::kElements), 0, MapArraysKernel<F>{arrays, f});
  }
  template <class F, class T>
  void sum_arrays(const Arrays& arrays, F f, Target<T> out) const {
    using First = SumArraysKernel<F>;
    using Second = AddBlocksKernel<T>;
    const Index blocks = arrays.blocks(First::kElements);
    const auto lease = launcher_.lease(bytes<double>(blocks));
    double* const partial = static_cast<double*>(lease.data());
    run(blocks, First::shared_bytes(), First{arrays, f, partial});
    run(ceil_div(arrays.count, Second::kArrays), 0, Second{arrays, First::kElements, partial, out});
  }

  template <class T>
  void gemm(const Gemm<T>& g) const {
    multiply(g, 1, 0, 0, 0);
  }
  template <class T>
  void gemm_batched(Gemm<T> g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    if (stride_c == 0) {  // one result: the products follow one another
      for (Index i = 0; i < batch; ++i, g.a += stride_a, g.b += stride_b) gemm(g);
      return;
    }
    multiply(g, batch, stride_a, stride_b, stride_c);
  }

  template <class T>
  void layer_norm(const LayerNorm<T>& p) const {
    const Index blocks = ceil_div(p.rows, kNormRows);
    const Dropping<T> dropout(p.dropout);
    if (p.cols <= 8 * kLanes) return run(blocks, 0, NormKernel<T, 8>{p, dropout});
    if (p.cols <= 32 * kLanes) return run(blocks, 0, NormKernel<T, 32>{p, dropout});
    run(blocks, 0, NormKernel<T, 0>{p, dropout});
  }
  template <class T>
  void layer_norm_reverse(const LayerNormReverse<T>& p) const {
    if (p.dgain || p.dbias) columns<NormSums<T>>(p.rows, p.cols, NormTerms<T>{p}, PutNormSums<T>{p.dgain, p.dbias});
    if (p.dresidual || p.dx) run(ceil_div(p.rows, kNormRows), 0, NormReverseKernel<T>{p, Dropping<T>(p.dropout)});
  }

  template <class T>
  void attention(const Attention<T>& p) const {
    with_math<T>([&](auto math) {
      using Kernel = AttentionKernel<T, decltype(math)::value>;
      const Index blocks = attention_blocks(p, p.longest_queries()) + dead_blocks(p.dead_rows, p.all_queries());
      run(blocks, Kernel::Shared::bytes(), Kernel{p, Dropping<T>(p.dropout)});
    });
  }
  template <class T>
  void attention_reverse(const AttentionReverse<T>& r) const {
    Attention<T> p = r.forward;
    const Index statistics = p.all_queries() * p.heads;
    const Index query_blocks = attention_blocks(p, p.longest_queries()) + dead_blocks(p.dead_rows, p.all_queries());
    const Index key_blocks = attention_blocks(p, p.longest) + dead_blocks(p.dead_rows, p.rows);
    const Dropping<T> dropout(p.dropout);
    const auto lease = launcher_.lease(bytes<T>(3 * statistics));
    T* const scratch = static_cast<T*>(lease.data());
    const AttentionStatistics<T> found{scratch, scratch + statistics, scratch + 2 * statistics};
    p.out = r.out;
    with_math<T>([&](auto math) {
      constexpr Math m = decltype(math)::value;
      const std::size_t shared = AttentionShared<T, m>::bytes();
      run(query_blocks, shared, AttentionKernel<T, m>{p, dropout, found});
      // One buffer may take all three: dq is complete before dk and dv are begun.
      run(query_blocks, shared, AttentionQueryKernel<T, m>{r, dropout, found});
      if (r.dk || r.dv) run(key_blocks, shared, AttentionKeyKernel<T, m>{r, dropout, found});
    });
  }

  template <class T>
  void segment_pool(const SegmentPool<T>& p) const {
    run(p.segments + dead_blocks(p.dead_rows, p.rows), 0, SegmentPoolKernel<T>{p});
  }
  template <class T>
  void segment_pool_reverse(const SegmentPoolReverse<T>& q) const {
    const auto lease = launcher_.lease(bytes<T>(q.dscore ? q.forward.rows * q.forward.columns : 0));
    run(q.forward.segments + dead_blocks(q.forward.dead_rows, q.forward.rows), 0,
        SegmentPoolReverseKernel<T>{q, static_cast<T*>(lease.data())});
  }

  template <class T>
  void contrastive(const Contrastive<T>& p) const {
    const Index total = p.rows + p.queue_rows, anchors = p.anchors();
    const ContrastiveCut cut(p.rows, anchors, total, anchors);
    const Index chunks = ceil_div(total, ClassSumKernel<T>::kThreads), class_columns = p.classes * (p.width + 1);
    {
      const auto lease = launcher_.lease(bytes<T>(chunks * class_columns + 2 * cut.ranges * anchors));
      T *const sums = static_cast<T*>(lease.data()), *const top = sums + chunks * class_columns,
               *const all = top + cut.ranges * anchors;
      run(chunks, ClassSumKernel<T>::shared_bytes(), ClassSumKernel<T>{p, sums});
      map(class_columns, AddChunks<T, PutClassSum<T>>{sums, chunks, class_columns, PutClassSum<T>{p}});
      with_math<T>([&](auto math) {
        using Kernel = DenominatorKernel<T, decltype(math)::value>;
        run(cut.anchor_tiles * cut.ranges, Kernel::shared_bytes(), Kernel{p, cut, top, all});
      });
      run(ceil_div(anchors, AnchorKernel<T>::kAnchors), 0, AnchorKernel<T>{p, cut, top, all});
    }
    sum(anchors, ReadAnchorLoss<T>{p.anchor_loss}, T(1) / static_cast<T>(std::max<Index>(anchors, 1)),
        Target<T>{p.loss, false});
  }
  template <class T>
  void contrastive_reverse(const ContrastiveReverse<T>& q) const {
    const Contrastive<T>& p = q.forward;
    const ContrastiveCut cut(p.rows, p.anchors(), p.rows + p.queue_rows, p.rows);
    const auto lease = launcher_.lease(bytes<T>(cut.ranges * p.rows * p.width));
    T* const partial = static_cast<T*>(lease.data());
    with_math<T>([&](auto math) {
      const ContrastiveReverseKernel<T, decltype(math)::value> kernel{p, cut, partial};
      run(kernel.blocks(), kernel.shared_bytes(), kernel);
    });
    map(p.rows * p.width, AddRanges<T>{q, cut, partial});
  }

 protected:
  const Launcher& launcher() const { return launcher_; }
  void set_math(Math math) { math_ = math; }

 private:
  /// f(the arithmetic as a constant)
  template <class T, class F>
  void with_math(const F& f) const {
    if constexpr (std::is_same_v<T, float>) {
      if (math_ == Math::Tf32) return f(std::integral_constant<Math, Math::Tf32>{});
      if (math_ == Math::Bf16) return f(std::integral_constant<Math, Math::Bf16>{});
    }
    f(std::integral_constant<Math, Math::Fp32>{});
  }
  template <class T>
  void multiply(const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    with_math<T>([&](auto math) {
      const GemmKernel<T, decltype(math)::value> kernel{g, stride_a, stride_b, stride_c};
      run(kernel.blocks(batch), kernel.shared_bytes(), kernel);
    });
  }
  template <class T>
  static std::size_t bytes(Index n) {
    return static_cast<std::size_t>(n) * sizeof(T);
  }
  template <class K>
  void run(Index blocks, std::size_t shared_bytes, const K& kernel) const {
    static_assert(K::kThreads % kLanes == 0);
    if (blocks > 0) launcher_.launch(blocks, shared_bytes, kernel);
  }
  /// put(c, sum over r of f(r, c)) in numbers of type V.
  template <class V, class F, class Put>
  void columns(Index rows, Index cols, const F& f, const Put& put) const {
    using Kernel = ColumnsKernel<F, V, Put>;
    if (cols <= 0) return;
    const Index chunk = Kernel::rows_of_chunk(rows), chunks = std::max<Index>(1, ceil_div(rows, chunk));
    const Index column_blocks = ceil_div(cols, Kernel::kColumns);
    if (chunks == 1) return run(column_blocks, Kernel::shared_bytes(), Kernel{rows, cols, chunk, f, nullptr, put});
    const auto lease = launcher_.lease(bytes<V>(chunks * cols));
    V* const partial = static_cast<V*>(lease.data());
    run(column_blocks * chunks, Kernel::shared_bytes(), Kernel{rows, cols, chunk, f, partial, put});
    map(cols, AddChunks<V, Put>{partial, chunks, cols, put});
  }

  Launcher launcher_;
  Math math_;
};

}  // namespace ramer::backend::device
