// Dense products. Every element of C is the sum over blocks of k (kDepth, or kSliceBlock of a slice) of fused multiply-adds in ascending k,
// whatever the tile that computes it, so that cutting C into blocks cannot change its bits. F: how factors are held (Factor).
#pragma once

#include "ramer/backend/cpu/tile.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

inline constexpr Index kPackedColumns = 1024;  ///< of op(B) packed at a time
inline constexpr Index kPackedDepth = 4096;    ///< of op(B) packed at a time: a multiple of kDepth
inline constexpr Index kSliceBlock =
    120;  ///< block of k where a long one is cut: two of both operands stay in the second-level cache
inline constexpr Index kTaskRows = 48, kTaskColumns = 256;
inline constexpr Index kSerialWork = 64 * 64 * 64;  ///< m n k below which threads do not pay

/// F of scratch of `gemm_serial`.
template <class F, class T>
constexpr Index serial_size(const Gemm<T>& g) {
  return packed_size<T, F>(g.k, g.n) + left_size<F>(g.trans_a == Transpose::Yes, g.m, g.k);
}
/// A product inside one task; scratch is aligned to 64 bytes.
template <class F, class T>
void gemm_serial(const Gemm<T>& g, F* scratch) {
  if (g.m <= 0 || g.n <= 0) return;
  pack_b(g.trans_b == Transpose::Yes, g.b, g.ldb, g.k, g.n, scratch);
  multiply_packed(g, scratch, 0, g.m, 0, g.n, scratch + packed_size<T, F>(g.k, g.n));
}

/// The part of a product that starts at (row, col) of C and at l of k.
template <class T>
Gemm<T> gemm_part(Gemm<T> g, Index row, Index rows, Index col, Index cols, Index l, Index depth) {
  g.a += g.trans_a == Transpose::Yes ? l * g.lda + row : row * g.lda + l;
  g.b += g.trans_b == Transpose::Yes ? col * g.ldb + l : l * g.ldb + col;
  g.c = g.c.at(row * g.ldc + col);
  if (g.epilogue.bias) g.epilogue.bias += col;
  if (g.epilogue.preactivation) g.epilogue.preactivation += row * g.epilogue.preactivation_stride + col;
  g.m = rows, g.n = cols, g.k = depth;
  return g;
}

/// One product whose op(B) is packed at once, shared by all tasks.
template <class F, class T>
void gemm_blocks(Workers& workers, const Gemm<T>& g) {
  const Index row_tasks = ceil_div(g.m, kTaskRows), col_tasks = ceil_div(g.n, kTaskColumns);
  const Index task_rows = ceil_div(ceil_div(g.m, row_tasks), Tile<T>::rows) * Tile<T>::rows;
  const auto scratch =
      workers.lease(static_cast<std::size_t>(packed_size<T, F>(g.k, g.n)) * sizeof(F),
                    static_cast<std::size_t>(left_size<F>(g.trans_a == Transpose::Yes, task_rows, g.k)) * sizeof(F));
  F* packed = static_cast<F*>(scratch.shared());
  const bool trans_b = g.trans_b == Transpose::Yes;
  pack_b(workers, trans_b, g.b, g.ldb, g.k, g.n, packed);
  workers.run(ceil_div(g.m, task_rows) * col_tasks, [&](Index i, int slot) {
    const Index row = i / col_tasks * task_rows, col = i % col_tasks * kTaskColumns;
    multiply_packed(g, packed, row, std::min(task_rows, g.m - row), col, std::min(g.n, col + kTaskColumns),
                    static_cast<F*>(scratch.slot(slot)));
  });
}

/// Few rows: a task packs the columns of op(B) that it needs for all of them, and no thread reads what another has packed.
template <class F, class T>
void gemm_columns(Workers& workers, const Gemm<T>& g) {
  constexpr Index kColumns = 64;
  static_assert(kColumns % Tile<T>::cols == 0);
  const auto part = [&](Index i) {
    return gemm_part(g, 0, g.m, i * kColumns, std::min(kColumns, g.n - i * kColumns), 0, g.k);
  };
  const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size<F>(part(0))) * sizeof(F));
  workers.run(ceil_div(g.n, kColumns),
              [&](Index i, int slot) { gemm_serial(part(i), static_cast<F*>(scratch.slot(slot))); });
}

/// Asks for all lines of `rows` rows of two matrices, some at each call.
template <class T>
struct FetchAhead {
  const T* x[2];
  Index stride[2], width[2], rows, lines;  ///< lines of either a call
  Index row = 0, column = 0;

  void operator()() {
    for (Index i = 0; i < lines && row < rows; ++i) {
      for (int m = 0; m < 2; ++m)
        if (column < width[m]) prefetch(x[m] + row * stride[m] + column);
      column += kLine<T>;
      if (column >= std::max(width[0], width[1])) column = 0, ++row;
    }
  }
};

/// A small C with a long k (the gradient of a weight): slices of k give partial products, added from the first to the last. While a block of
/// a slice is multiplied, the next one comes closer.
template <class F, class T>
void gemm_sliced(Workers& workers, const Gemm<T>& g, Index slices) {
  const Index depth = ceil_div(g.k, slices), size = g.m * g.n;
  Gemm<T> part = g;
  part.ldc = g.n, part.epilogue = {};
  part.k = std::min(depth, kSliceBlock);
  const auto scratch = workers.lease(static_cast<std::size_t>(slices * size) * sizeof(T),
                                     static_cast<std::size_t>(serial_size<F>(part)) * sizeof(F));
  const bool plain = g.trans_a == Transpose::Yes && g.trans_b == Transpose::No;  // both are read by rows
  const Index tiles = ceil_div(g.m, Tile<T>::rows) * ceil_div(g.n, Tile<T>::cols);
  const Index lines = ceil_div(kSliceBlock * ceil_div(std::max(g.m, g.n) * static_cast<Index>(sizeof(T)), 64), tiles);
  T* partial = static_cast<T*>(scratch.shared());
  workers.run(slices, [&](Index s, int slot) {
    const Index begin = s * depth, end = std::min(g.k, begin + depth);
    F* const packed = static_cast<F*>(scratch.slot(slot));
    for (Index l = begin; l < end; l += kSliceBlock) {
      const Index next = std::min(l + kSliceBlock, end);
      Gemm<T> block = gemm_part(part, 0, g.m, 0, g.n, l, next - l);
      block.c = {partial + s * size, l > begin};
      pack_b(g.trans_b == Transpose::Yes, block.b, g.ldb, block.k, g.n, packed);
      const Gemm<T> ahead = gemm_part(part, 0, g.m, 0, g.n, next, 0);
      FetchAhead<T> fetch{
          {ahead.a, ahead.b}, {g.lda, g.ldb}, {g.m, g.n}, plain ? std::min(kSliceBlock, end - next) : 0, lines};
      multiply_packed(block, packed, 0, g.m, 0, g.n, packed + packed_size<T, F>(block.k, g.n), 0, fetch);
    }
  });
  const Index block_rows = std::max<Index>(1, kMapBlock / g.n);
  workers.run(ceil_div(g.m, block_rows), [&](Index block, int) {
    const Index row = block * block_rows, end = std::min(g.m, row + block_rows);
    T* total = partial + row * g.n;
    for (Index s = 1; s < slices; ++s) add_scaled(T(1), total + s * size, (end - row) * g.n, total);
    for (Index i = row; i < end; ++i) put_all(g.c.at(i * g.ldc), g.n, [p = partial + i * g.n](Index j) { return p[j]; });
    finish_rows(g.epilogue, row, end - row, 0, g.n, g.c.data, g.ldc);
  });
}

template <class F, class T>
void gemm(Workers& workers, const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.m * g.n * g.k <= kSerialWork) {
    const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size<F>(g)) * sizeof(F));
    return gemm_serial(g, static_cast<F*>(scratch.slot(0)));
  }
  constexpr Index kFewRows = 128 * 1024;  // elements of A, which then stays in the second-level cache beside a panel
  if (g.m * g.k <= kFewRows && g.k <= kPackedDepth && g.n > Tile<T>::cols) return gemm_columns<F>(workers, g);
  constexpr Index kSlice = 480, kMostSlices = 16, kSlicedSize = 512 * 1024;
  if (g.k >= 2 * kSlice && g.m * g.n <= kSlicedSize && g.k >= g.m) {
    // Every slice has work: slices < k / 480 means that ceil(k / slices) * (slices - 1) < k.
    return gemm_sliced<F>(workers, g, std::min(kMostSlices, g.k / kSlice));
  }
  for (Index col = 0; col < g.n; col += kPackedColumns) {
    const Index cols = std::min(kPackedColumns, g.n - col);
    for (Index l = 0; l == 0 || l < g.k; l += kPackedDepth) {
      const Index depth = std::min(kPackedDepth, g.k - l);
      Gemm<T> part = gemm_part(g, 0, g.m, col, cols, l, depth);
      part.c.accumulate = g.c.accumulate || l > 0;
      if (l + depth < g.k) part.epilogue = {};
      gemm_blocks<F>(workers, part);
    }
  }
}

/// Small products are whole tasks; large ones are cut themselves. A stride_c of 0 adds every product to one C in order.
template <class F, class T>
void gemm_batched(Workers& workers, const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) {
  const auto item = [&](Index i) {
    Gemm<T> one = g;
    one.a += i * stride_a, one.b += i * stride_b, one.c = g.c.at(i * stride_c);
    return one;
  };
  if (stride_c == 0 || batch < 2 || g.m * g.n * g.k > 256 * 256 * 64) {
    for (Index i = 0; i < batch; ++i) gemm<F>(workers, item(i));
    return;
  }
  const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size<F>(g)) * sizeof(F));
  workers.run(batch, [&](Index i, int slot) { gemm_serial(item(i), static_cast<F*>(scratch.slot(slot))); });
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
