// A block of a dense product: factors packed into panels, and tiles of C that stay in registers.
//
// op(B) is packed into panels of two vectors' width; A is read where it lies, or packed when it is transposed. A tile of `rows` by two
// vectors of C stays in registers over a block of k. 2 m n k FLOP; A, B and C are read once from memory and op(B) again from the
// second-level cache for every `rows` rows of C.
//
// Factors are held as numbers of C's type, or as something else (F, see Factor) that is made of them while they are packed.
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

inline constexpr Index kDepth = 256;  ///< block of k: a panel of A stays in the first-level cache
/// How factors are held until they are multiplied: as F. Here as numbers of C's type.
template <class F>
struct Factor {
  using Packet = typename Tile<F>::Packet;
  static constexpr Index together = 1;    ///< of k in an F
  static constexpr bool in_place = true;  ///< A is read where it lies, if its rows are along k
  static Packet load(const F* from) { return Eigen::internal::pload<Packet>(from); }
  static Packet splat(F x) { return Eigen::internal::pset1<Packet>(x); }
  static Packet multiply_add(const Packet& a, const Packet& b, const Packet& c) { return Eigen::internal::pmadd(a, b, c); }
};
/// F along k that hold `k` numbers.
template <class F>
constexpr Index steps(Index k) {
  return ceil_div(k, Factor<F>::together);
}

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
template <class T, class F = T>
constexpr Index packed_at(Index k, Index n, Index l, Index col) {
  return steps<F>(l) * padded_columns<T>(n) + col * steps<F>(std::min(kDepth, k - l));
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
template <class T, class F>
void pack_b(bool transposed, const T* b, Index ldb, Index k, Index n, F* packed) {
  for (Index l = 0; l < k; l += kDepth)
    pack_block(transposed, row_of_b(transposed, b, ldb, l), ldb, std::min(kDepth, k - l), n, 0, padded_columns<T>(n),
               packed + packed_at<T, F>(k, n, l, 0));
}

/// The same with tasks.
template <class T, class F>
void pack_b(Workers& workers, bool transposed, const T* b, Index ldb, Index k, Index n, F* packed) {
  constexpr Index kColumns = 128;
  static_assert(kColumns % Tile<T>::cols == 0);
  const Index columns = padded_columns<T>(n), col_tasks = ceil_div(columns, kColumns);
  workers.run(ceil_div(k, kDepth) * col_tasks, [&](Index i, int) {
    const Index l = i / col_tasks * kDepth, col = i % col_tasks * kColumns;
    pack_block(transposed, row_of_b(transposed, b, ldb, l), ldb, std::min(kDepth, k - l), n, col,
               std::min(columns, col + kColumns), packed + packed_at<T, F>(k, n, l, col));
  });
}

/// Calls f(first row, integral_constant<int, rows>) for tiles of decreasing height that cover m rows.
template <int Rows, class F>
void for_row_tiles(Index begin, Index m, const F& f) {
  for (; begin + Rows <= m; begin += Rows) f(begin, std::integral_constant<int, Rows>{});
  if constexpr (Rows > 1) {
    if (begin < m) for_row_tiles<(Rows > 8 ? 8 : Rows > 4 ? 4 : Rows / 2)>(begin, m, f);
  }
}

/// Packs `rows` rows of op(A) from `row` on, `depth` of k from `l` on. Read in the order of memory: as rows, or where A is transposed as tiles of
/// (depth, height). Row i's tile begins at i * steps(depth).
template <class T>
void pack_left(const Gemm<T>& g, Index row, Index rows, Index l, Index depth, T* left) {
  for (Index t = 0; t < depth; ++t) {
    const T* const from = g.a + (l + t) * g.lda + row;
    for_row_tiles<Tile<T>::rows>(0, rows, [&](Index i, auto height) {
      constexpr int kHeight = decltype(height)::value;
      copy_fixed<kHeight>(from + i, left + i * depth + t * kHeight);
    });
  }
}

/// C (Rows, cols) = or += alpha A (Rows, k) panel (k, Tile::cols), k in F; element (i, l) of A is a[i * row + l * step].
template <class T, int Rows, class F>
void multiply_tile(Index k, T alpha, const F* a, Index row, Index step, const F* panel, T* c, Index ldc, Index cols,
                   bool accumulate) {
  using Packet = typename Tile<T>::Packet;
  namespace ei = Eigen::internal;
  constexpr Index w = Tile<T>::packet;
  // Rows in threes, two of which are reached by an index, keep the number of live pointers small.
  constexpr int kGroups = (Rows + 2) / 3;
  const F* at[kGroups];
  for (int g = 0; g < kGroups; ++g) at[g] = a + 3 * g * row;
  Packet acc[Rows][2];
  for (int i = 0; i < Rows; ++i) acc[i][0] = acc[i][1] = ei::pset1<Packet>(T(0));
  const F* b = panel;
  for (Index l = 0; l < k; ++l, b += 2 * w) {
    const auto b0 = Factor<F>::load(b), b1 = Factor<F>::load(b + w);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const auto value = Factor<F>::splat(at[i / 3][i % 3 * row]);
      acc[i][0] = Factor<F>::multiply_add(value, b0, acc[i][0]);
      acc[i][1] = Factor<F>::multiply_add(value, b1, acc[i][1]);
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

/// F of scratch that a packed op(B) (k, n) takes, and that `multiply_packed` needs for `m` rows.
template <class T, class F = T>
constexpr Index packed_size(Index k, Index n) {
  return padded_columns<T>(n) * steps<F>(k);
}
template <class F>
constexpr Index left_size(bool transposed, Index m, Index k) {
  return transposed || !Factor<F>::in_place ? m * steps<F>(std::min(k, kDepth)) : 0;
}

struct Nothing {
  void operator()() const {}
};

/// Rows [row, row + rows) and columns [col, col_end) of g's C, from a packed op(B) (g.k, g.n); col is a multiple of
/// Tile::cols. `left` has left_size(rows). Column `c_col` of the product is column 0 of the memory behind C. `before_tile` is called for each.
template <class T, class F, class Before = Nothing>
void multiply_packed(const Gemm<T>& g, const F* packed, Index row, Index rows, Index col, Index col_end, F* left,
                     Index c_col = 0, Before&& before_tile = {}) {
  const bool trans_a = g.trans_a == Transpose::Yes;
  T* const c = g.c.data + row * g.ldc;
  if (g.k == 0 && !g.c.accumulate)
    for (Index i = 0; i < rows; ++i) std::fill_n(c + i * g.ldc + col - c_col, col_end - col, T(0));
  for (Index l = 0; l < g.k; l += kDepth) {
    const Index depth = std::min(kDepth, g.k - l);
    const bool accumulate = g.c.accumulate || l > 0, last = l + depth == g.k;
    const bool in_place = Factor<F>::in_place && !trans_a;
    if (!in_place) pack_left(g, row, rows, l, depth, left);
    for_row_tiles<Tile<T>::rows>(0, rows, [&](Index i, auto height) {
      constexpr int kHeight = decltype(height)::value;
      const F* a = left + i * steps<F>(depth);
      if constexpr (Factor<F>::in_place)
        if (in_place) a = g.a + (row + i) * g.lda + l;
      const Index a_row = in_place ? g.lda : trans_a ? 1 : steps<F>(depth), a_step = trans_a ? kHeight : 1;
      for (Index j = col; j < col_end; j += Tile<T>::cols) {
        before_tile();
        // Tall operands come from far away; a tile takes long enough to fetch what the next ones need.
        if constexpr (Factor<F>::in_place)
          if (in_place && i + kHeight < rows && j - col < depth)
            prefetch_tile<T, kHeight>(a + kHeight * g.lda + (j - col), g.lda);
        if (accumulate && j + Tile<T>::cols < col_end)
          prefetch_tile<T, kHeight>(c + i * g.ldc + j - c_col + Tile<T>::cols, g.ldc);
        multiply_tile<T, kHeight>(steps<F>(depth), g.alpha, a, a_row, a_step, packed + packed_at<T, F>(g.k, g.n, l, j),
                                  c + i * g.ldc + j - c_col, g.ldc, std::min<Index>(Tile<T>::cols, col_end - j), accumulate);
      }
      if (last) finish_rows(g.epilogue, row + i, kHeight, col, col_end - col, g.c.data, g.ldc);
    });
  }
  if (g.k == 0) finish_rows(g.epilogue, row, rows, col, col_end - col, g.c.data, g.ldc);
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
