// Dense products. Every element of C is the sum over blocks of k (kDepth, or kSliceBlock of a slice) of fused multiply-adds in ascending k,
// whatever the tile that computes it, so that cutting C into blocks cannot change its bits.
//
// op(B) is packed into panels of two vectors' width; A is read where it lies, or packed when it is transposed. A tile of
// `rows` by two vectors of C stays in registers over a block of k. 2 m n k FLOP; A, B and C are read once from memory and
// op(B) again from the second-level cache for every `rows` rows of C.
#pragma once

#include <Eigen/Core>

#include "ramer/backend/cpu/lanes.hpp"
#include "ramer/backend/cpu/loops.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

template <class T>
struct Tile {
  using Packet = typename Eigen::internal::packet_traits<T>::type;
  static constexpr int packet = Eigen::internal::unpacket_traits<Packet>::size;
  static constexpr int cols = 2 * packet;
  /// 24 accumulators of the 32 registers of AVX-512 and Neon; 12 of the 16 of AVX2; 8 where a product needs a register too.
#if defined(__AVX512F__) || defined(__ARM_NEON)
  static constexpr int rows = 12;
#elif defined(__FMA__)
  static constexpr int rows = 6;
#else
  static constexpr int rows = 4;
#endif
};

inline constexpr Index kDepth = 256;           ///< block of k: a panel of A stays in the first-level cache
inline constexpr Index kPackedColumns = 1024;  ///< of op(B) packed at a time
inline constexpr Index kPackedDepth = 4096;    ///< of op(B) packed at a time: a multiple of kDepth
inline constexpr Index kSliceBlock =
    120;  ///< block of k where a long one is cut: two of both operands stay in the second-level cache
inline constexpr Index kTaskRows = 48, kTaskColumns = 256;
inline constexpr Index kSerialWork = 64 * 64 * 64;  ///< m n k below which threads do not pay

template <class T>
constexpr Index padded_columns(Index n) {
  return ceil_div(n, Tile<T>::cols) * Tile<T>::cols;
}

/// to (W, W) = transposed from (rows, W) and zeros below, W a packet; rows of `to` Tile::cols apart.
template <class T>
void transpose_square(const T* from, Index stride, Index rows, T* to) {
  constexpr int w = Tile<T>::packet;
  using Row = Lanes<T, w>;
  typename Row::Vector row[w];
  if (rows == w) {
    for (int r = 0; r < w; ++r) row[r] = Row::load(from + r * stride);
  } else {
    for (int r = 0; r < w; ++r) row[r] = r < rows ? Row::load(from + r * stride) : typename Row::Vector{};
  }
  Row::transpose(row);
  for (int r = 0; r < w; ++r) Row::store(row[r], to + r * Tile<T>::cols);
}

/// Where panel `col` of the block of k that starts at `l` lies in a packed op(B) (k, n).
template <class T>
constexpr Index packed_at(Index k, Index n, Index l, Index col) {
  return l * padded_columns<T>(n) + col * std::min(kDepth, k - l);
}

/// Packs columns [col, col_end) of one block of k of op(B) (k, n), b at the block's first row: a panel is (depth,
/// Tile::cols) with zeros beyond n. col is a multiple of Tile::cols.
template <class T>
void pack_block(bool transposed, const T* b, Index ldb, Index depth, Index n, Index col, Index col_end, T* to) {
  constexpr Index w = Tile<T>::packet, cols = Tile<T>::cols;
  if (!transposed) {  // in the order of memory
    for (Index l = 0; l < depth; ++l) {
      const T* const from = b + l * ldb;
      for (Index j = col; j < col_end; j += cols) {
        T* const row = to + (j - col) * depth + l * cols;
        if (j + cols <= n) {
          copy_fixed<cols>(from + j, row);
        } else {
          std::copy_n(from + j, n - j, row);
          std::fill(row + n - j, row + cols, T(0));
        }
      }
    }
    return;
  }
  for (Index j = col; j < col_end; j += w) {  // w columns of a panel
    T* const panel = to + (j - col) / cols * cols * depth + (j - col) % cols;
    Index l = 0;
    for (; l + w <= depth; l += w) {
      // Weights that a prediction of one sample reads once come from far away, in runs too short for the processor to foresee.
      if (j + 2 * w <= n)
        for (Index r = 0; r < w; ++r) prefetch(b + (j + w + r) * ldb + l);
      transpose_square(b + j * ldb + l, ldb, std::clamp<Index>(n - j, 0, w), panel + l * cols);
    }
    for (; l < depth; ++l)
      for (Index r = 0; r < w; ++r) panel[l * cols + r] = j + r < n ? b[(j + r) * ldb + l] : T(0);
  }
}

template <class T>
constexpr const T* row_of_b(bool transposed, const T* b, Index ldb, Index l) {
  return transposed ? b + l : b + l * ldb;
}

/// Packs all of op(B) (k, n).
template <class T>
void pack_b(bool transposed, const T* b, Index ldb, Index k, Index n, T* packed) {
  for (Index l = 0; l < k; l += kDepth)
    pack_block(transposed, row_of_b(transposed, b, ldb, l), ldb, std::min(kDepth, k - l), n, 0, padded_columns<T>(n),
               packed + packed_at<T>(k, n, l, 0));
}

/// The same with tasks.
template <class T>
void pack_b(Workers& workers, bool transposed, const T* b, Index ldb, Index k, Index n, T* packed) {
  constexpr Index kColumns = 128;
  static_assert(kColumns % Tile<T>::cols == 0);
  const Index columns = padded_columns<T>(n), col_tasks = ceil_div(columns, kColumns);
  workers.run(ceil_div(k, kDepth) * col_tasks, [&](Index i, int) {
    const Index l = i / col_tasks * kDepth, col = i % col_tasks * kColumns;
    pack_block(transposed, row_of_b(transposed, b, ldb, l), ldb, std::min(kDepth, k - l), n, col,
               std::min(columns, col + kColumns), packed + packed_at<T>(k, n, l, col));
  });
}

/// C (Rows, cols) = or += alpha A (Rows, k) panel (k, Tile::cols); element (i, l) of A is a[i * row + l * step].
template <class T, int Rows>
void multiply_tile(Index k, T alpha, const T* a, Index row, Index step, const T* panel, T* c, Index ldc, Index cols,
                   bool accumulate) {
  using Packet = typename Tile<T>::Packet;
  namespace ei = Eigen::internal;
  constexpr Index w = Tile<T>::packet;
  // Rows in threes, two of which are reached by an index, keep the number of live pointers small.
  constexpr int kGroups = (Rows + 2) / 3;
  const T* at[kGroups];
  for (int g = 0; g < kGroups; ++g) at[g] = a + 3 * g * row;
  Packet acc[Rows][2];
  for (int i = 0; i < Rows; ++i) acc[i][0] = acc[i][1] = ei::pset1<Packet>(T(0));
  const T* b = panel;
  for (Index l = 0; l < k; ++l, b += 2 * w) {
    const Packet b0 = ei::pload<Packet>(b), b1 = ei::pload<Packet>(b + w);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Packet value = ei::pset1<Packet>(at[i / 3][i % 3 * row]);
      acc[i][0] = ei::pmadd(value, b0, acc[i][0]);
      acc[i][1] = ei::pmadd(value, b1, acc[i][1]);
    }
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) at[g] += step;
  }
  const Packet scale = ei::pset1<Packet>(alpha);
  if (cols == 2 * w) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        T* to = c + i * ldc + v * w;
        const Packet value = ei::pmul(scale, acc[i][v]);
        ei::pstoreu(to, accumulate ? ei::padd(ei::ploadu<Packet>(to), value) : value);
      }
    }
    return;
  }
  alignas(64) T tile[Rows * 2 * w];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    ei::pstore(tile + 2 * i * w, ei::pmul(scale, acc[i][0]));
    ei::pstore(tile + (2 * i + 1) * w, ei::pmul(scale, acc[i][1]));
  }
  for (int i = 0; i < Rows; ++i)
    for (Index j = 0; j < cols; ++j) c[i * ldc + j] = (accumulate ? c[i * ldc + j] : T(0)) + tile[2 * i * w + j];
}

template <class T, int Rows>
void prefetch_tile(const T* x, Index stride) {
  for (int r = 0; r < Rows; ++r, x += stride) prefetch(x), prefetch(x + Tile<T>::packet);
}

/// Calls f(first row, integral_constant<int, rows>) for tiles of decreasing height that cover m rows.
template <int Rows, class F>
void for_row_tiles(Index begin, Index m, const F& f) {
  for (; begin + Rows <= m; begin += Rows) f(begin, std::integral_constant<int, Rows>{});
  if constexpr (Rows > 1) {
    if (begin < m) for_row_tiles<(Rows > 8 ? 8 : Rows > 4 ? 4 : Rows / 2)>(begin, m, f);
  }
}

template <Activation Act, class T>
void activate_row(T* y, Index n) {
  RAMER_CPU_INDEPENDENT
  for (Index j = 0; j < n; ++j) y[j] = fast_activate<Act>(y[j]);
}

/// u (n) += bias, and a copy of it. Apart from the activation: one loop for all of it is not vectorized.
template <class T>
void add_bias(T* u, Index n, const T* bias, T* copy) {
  if (!bias) {
    if (copy) std::copy_n(u, n, copy);
  } else if (copy) {
    RAMER_CPU_INDEPENDENT
    for (Index j = 0; j < n; ++j) copy[j] = u[j] += bias[j];
  } else {
    RAMER_CPU_INDEPENDENT
    for (Index j = 0; j < n; ++j) u[j] += bias[j];
  }
}

template <class T>
void finish_rows(const Epilogue<T>& e, Index row, Index rows, Index col, Index cols, T* c, Index ldc) {
  if (!e.bias && !e.preactivation && e.activation == Activation::None) return;
  for (Index i = row; i < row + rows; ++i) {
    T* const y = c + i * ldc + col;
    add_bias(y, cols, e.bias ? e.bias + col : nullptr,
             e.preactivation ? e.preactivation + i * e.preactivation_stride + col : nullptr);
    if (e.activation != Activation::None)
      with_activation(e.activation, [y, cols](auto act) { activate_row<act()>(y, cols); });
  }
}

/// Elements of scratch that a packed op(B) (k, n) takes, and that `multiply_packed` needs for `m` rows.
template <class T>
constexpr Index packed_size(Index k, Index n) {
  return padded_columns<T>(n) * k;
}
template <class T>
constexpr Index left_size(bool transposed, Index m, Index k) {
  return transposed ? m * std::min(k, kDepth) : 0;
}

struct Nothing {
  void operator()() const {}
};

/// Rows [row, row + rows) and columns [col, col_end) of g's C, from a packed op(B) (g.k, g.n); col is a multiple of
/// Tile::cols. `left` has left_size(rows). Column `c_col` of the product is column 0 of the memory behind C. `before_tile` is called for each.
template <class T, class F = Nothing>
void multiply_packed(const Gemm<T>& g, const T* packed, Index row, Index rows, Index col, Index col_end, T* left,
                     Index c_col = 0, F&& before_tile = {}) {
  const bool trans_a = g.trans_a == Transpose::Yes;
  T* const c = g.c.data + row * g.ldc;
  if (g.k == 0 && !g.c.accumulate)
    for (Index i = 0; i < rows; ++i) std::fill_n(c + i * g.ldc + col - c_col, col_end - col, T(0));
  for (Index l = 0; l < g.k; l += kDepth) {
    const Index depth = std::min(kDepth, g.k - l);
    const bool accumulate = g.c.accumulate || l > 0, last = l + depth == g.k;
    if (trans_a) {  // tiles of (depth, height), read in the order of memory
      for (Index t = 0; t < depth; ++t) {
        const T* const from = g.a + (l + t) * g.lda + row;
        for_row_tiles<Tile<T>::rows>(0, rows, [&](Index i, auto height) {
          constexpr int kHeight = decltype(height)::value;
          copy_fixed<kHeight>(from + i, left + i * depth + t * kHeight);
        });
      }
    }
    for_row_tiles<Tile<T>::rows>(0, rows, [&](Index i, auto height) {
      constexpr int kHeight = decltype(height)::value;
      const T* const a = trans_a ? left + i * depth : g.a + (row + i) * g.lda + l;
      const Index a_row = trans_a ? 1 : g.lda, a_step = trans_a ? kHeight : 1;
      for (Index j = col; j < col_end; j += Tile<T>::cols) {
        before_tile();
        // Tall operands come from far away; a tile takes long enough to fetch what the next ones need.
        if (!trans_a && i + kHeight < rows && j - col < depth)
          prefetch_tile<T, kHeight>(a + kHeight * g.lda + (j - col), g.lda);
        if (accumulate && j + Tile<T>::cols < col_end)
          prefetch_tile<T, kHeight>(c + i * g.ldc + j - c_col + Tile<T>::cols, g.ldc);
        multiply_tile<T, kHeight>(depth, g.alpha, a, a_row, a_step, packed + packed_at<T>(g.k, g.n, l, j),
                                  c + i * g.ldc + j - c_col, g.ldc, std::min<Index>(Tile<T>::cols, col_end - j), accumulate);
      }
      if (last) finish_rows(g.epilogue, row + i, kHeight, col, col_end - col, g.c.data, g.ldc);
    });
  }
  if (g.k == 0) finish_rows(g.epilogue, row, rows, col, col_end - col, g.c.data, g.ldc);
}

/// Scratch elements of `gemm_serial`.
template <class T>
constexpr Index serial_size(const Gemm<T>& g) {
  return packed_size<T>(g.k, g.n) + left_size<T>(g.trans_a == Transpose::Yes, g.m, g.k);
}
/// A product inside one task; scratch is aligned to 64 bytes.
template <class T>
void gemm_serial(const Gemm<T>& g, T* scratch) {
  if (g.m <= 0 || g.n <= 0) return;
  pack_b(g.trans_b == Transpose::Yes, g.b, g.ldb, g.k, g.n, scratch);
  multiply_packed(g, scratch, 0, g.m, 0, g.n, scratch + packed_size<T>(g.k, g.n));
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
template <class T>
void gemm_blocks(Workers& workers, const Gemm<T>& g) {
  const Index row_tasks = ceil_div(g.m, kTaskRows), col_tasks = ceil_div(g.n, kTaskColumns);
  const Index task_rows = ceil_div(ceil_div(g.m, row_tasks), Tile<T>::rows) * Tile<T>::rows;
  const auto scratch =
      workers.lease(static_cast<std::size_t>(packed_size<T>(g.k, g.n)) * sizeof(T),
                    static_cast<std::size_t>(left_size<T>(g.trans_a == Transpose::Yes, task_rows, g.k)) * sizeof(T));
  T* packed = static_cast<T*>(scratch.shared());
  const bool trans_b = g.trans_b == Transpose::Yes;
  pack_b(workers, trans_b, g.b, g.ldb, g.k, g.n, packed);
  workers.run(ceil_div(g.m, task_rows) * col_tasks, [&](Index i, int slot) {
    const Index row = i / col_tasks * task_rows, col = i % col_tasks * kTaskColumns;
    multiply_packed(g, packed, row, std::min(task_rows, g.m - row), col, std::min(g.n, col + kTaskColumns),
                    static_cast<T*>(scratch.slot(slot)));
  });
}

/// Few rows: a task packs the columns of op(B) that it needs for all of them, and no thread reads what another has packed.
template <class T>
void gemm_columns(Workers& workers, const Gemm<T>& g) {
  constexpr Index kColumns = 64;
  static_assert(kColumns % Tile<T>::cols == 0);
  const auto part = [&](Index i) {
    return gemm_part(g, 0, g.m, i * kColumns, std::min(kColumns, g.n - i * kColumns), 0, g.k);
  };
  const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size(part(0))) * sizeof(T));
  workers.run(ceil_div(g.n, kColumns),
              [&](Index i, int slot) { gemm_serial(part(i), static_cast<T*>(scratch.slot(slot))); });
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
template <class T>
void gemm_sliced(Workers& workers, const Gemm<T>& g, Index slices) {
  const Index depth = ceil_div(g.k, slices), size = g.m * g.n;
  Gemm<T> part = g;
  part.ldc = g.n, part.epilogue = {};
  part.k = std::min(depth, kSliceBlock);
  const auto scratch = workers.lease(static_cast<std::size_t>(slices * size) * sizeof(T),
                                     static_cast<std::size_t>(serial_size(part)) * sizeof(T));
  const bool plain = g.trans_a == Transpose::Yes && g.trans_b == Transpose::No;  // both are read by rows
  const Index tiles = ceil_div(g.m, Tile<T>::rows) * ceil_div(g.n, Tile<T>::cols);
  const Index lines = ceil_div(kSliceBlock * ceil_div(std::max(g.m, g.n) * static_cast<Index>(sizeof(T)), 64), tiles);
  T* partial = static_cast<T*>(scratch.shared());
  workers.run(slices, [&](Index s, int slot) {
    const Index begin = s * depth, end = std::min(g.k, begin + depth);
    T* const packed = static_cast<T*>(scratch.slot(slot));
    for (Index l = begin; l < end; l += kSliceBlock) {
      const Index next = std::min(l + kSliceBlock, end);
      Gemm<T> block = gemm_part(part, 0, g.m, 0, g.n, l, next - l);
      block.c = {partial + s * size, l > begin};
      pack_b(g.trans_b == Transpose::Yes, block.b, g.ldb, block.k, g.n, packed);
      const Gemm<T> ahead = gemm_part(part, 0, g.m, 0, g.n, next, 0);
      FetchAhead<T> fetch{
          {ahead.a, ahead.b}, {g.lda, g.ldb}, {g.m, g.n}, plain ? std::min(kSliceBlock, end - next) : 0, lines};
      multiply_packed(block, packed, 0, g.m, 0, g.n, packed + packed_size<T>(block.k, g.n), 0, fetch);
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

template <class T>
void gemm(Workers& workers, const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.m * g.n * g.k <= kSerialWork) {
    const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size(g)) * sizeof(T));
    return gemm_serial(g, static_cast<T*>(scratch.slot(0)));
  }
  constexpr Index kFewRows = 128 * 1024;  // elements of A, which then stays in the second-level cache beside a panel
  if (g.m * g.k <= kFewRows && g.k <= kPackedDepth && g.n > Tile<T>::cols) return gemm_columns(workers, g);
  constexpr Index kSlice = 480, kMostSlices = 16, kSlicedSize = 512 * 1024;
  if (g.k >= 2 * kSlice && g.m * g.n <= kSlicedSize && g.k >= g.m) {
    // Every slice has work: slices < k / 480 means that ceil(k / slices) * (slices - 1) < k.
    return gemm_sliced(workers, g, std::min(kMostSlices, g.k / kSlice));
  }
  for (Index col = 0; col < g.n; col += kPackedColumns) {
    const Index cols = std::min(kPackedColumns, g.n - col);
    for (Index l = 0; l == 0 || l < g.k; l += kPackedDepth) {
      const Index depth = std::min(kPackedDepth, g.k - l);
      Gemm<T> part = gemm_part(g, 0, g.m, col, cols, l, depth);
      part.c.accumulate = g.c.accumulate || l > 0;
      if (l + depth < g.k) part.epilogue = {};
      gemm_blocks(workers, part);
    }
  }
}

/// Small products are whole tasks; large ones are cut themselves. A stride_c of 0 adds every product to one C in order.
template <class T>
void gemm_batched(Workers& workers, const Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) {
  const auto item = [&](Index i) {
    Gemm<T> one = g;
    one.a += i * stride_a, one.b += i * stride_b, one.c = g.c.at(i * stride_c);
    return one;
  };
  if (stride_c == 0 || batch < 2 || g.m * g.n * g.k > 256 * 256 * 64) {
    for (Index i = 0; i < batch; ++i) gemm(workers, item(i));
    return;
  }
  const auto scratch = workers.lease(0, static_cast<std::size_t>(serial_size(g)) * sizeof(T));
  workers.run(batch, [&](Index i, int slot) { gemm_serial(item(i), static_cast<T*>(scratch.slot(slot))); });
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
