// Tiles of products, 64 x 64 of them to a block of 256 threads, 4 x 4 to a thread; and whole products made of them.
#pragma once

#include "ramer/backend/device/block.hpp"

namespace ramer::backend::device {

inline constexpr int kTile = 64, kTileThreads = 256, kMicro = 4;

/// Depth of a slice that is held in shared memory.
template <class T>
inline constexpr int kSlice = sizeof(T) == 8 ? 8 : 16;
template <class T>
inline constexpr Index kSliceStride =
    kTile + 4;  ///< rows of a slice are apart, so that a column of loads meets few banks twice
template <class T>
inline constexpr Index kTileShared = 2 * kSlice<T>* kSliceStride<T>;  ///< numbers of shared memory

/// First row and column of a thread's 4 x 4.
RAMER_HD constexpr int micro_row(int t) { return t / 16 * kMicro; }
RAMER_HD constexpr int micro_column(int t) { return t % 16 * kMicro; }

/// Calls put(place in shared memory, i, l) for a slice's elements, so that neighbours among threads go along l or along i.
template <class T, class F>
RAMER_HD void for_slice(int t, bool along_depth, const F& put) {
  constexpr int slice = kSlice<T>;
  RAMER_UNROLL
  for (int e = t; e < kTile * slice; e += kTileThreads) {
    const int i = along_depth ? e / slice : e % kTile, l = along_depth ? e % slice : e / kTile;
    put(l * kSliceStride<T> + i, i, l);
  }
}

/// sum[4 i + j] += sum over l < depth of a(i, l) b(j, l) for the thread's rows i and columns j. `a` and `b` are asked for 0 <= i, j < 64
/// and l < depth, and answer 0 where there is nothing. Ends behind a barrier.
template <class T, class Block, class A, class B>
RAMER_HD void multiply_tiles(Block& block, typename Block::template Own<T, kMicro * kMicro>& sum, Index depth, const A& a,
                             bool a_along_depth, const B& b, bool b_along_depth, T* shared) {
  T *const a_slice = shared, *const b_slice = shared + kSlice<T> * kSliceStride<T>;
  for (Index from = 0; from < depth; from += kSlice<T>) {
    block.each([&](int t) {
      for_slice<T>(t, a_along_depth,
                   [&](Index at, int i, int l) { a_slice[at] = from + l < depth ? a(i, from + l) : T(0); });
      for_slice<T>(t, b_along_depth,
                   [&](Index at, int j, int l) { b_slice[at] = from + l < depth ? b(j, from + l) : T(0); });
    });
    block.each([&](int t) {
      T* const own = sum(t);
      const int row = micro_row(t), column = micro_column(t);
      RAMER_UNROLL
      for (int l = 0; l < kSlice<T>; ++l) {
        T x[kMicro], y[kMicro];
        RAMER_UNROLL
        for (int i = 0; i < kMicro; ++i) x[i] = a_slice[l * kSliceStride<T> + row + i];
        RAMER_UNROLL
        for (int j = 0; j < kMicro; ++j) y[j] = b_slice[l * kSliceStride<T> + column + j];
        RAMER_UNROLL
        for (int i = 0; i < kMicro; ++i) {
          RAMER_UNROLL
          for (int j = 0; j < kMicro; ++j) own[kMicro * i + j] += x[i] * y[j];
        }
      }
    });
  }
}

template <class Block, class T, int N>
RAMER_HD void clear(Block& block, typename Block::template Own<T, N>& x) {
  block.own([&](int t) {
    RAMER_UNROLL
    for (int k = 0; k < N; ++k) x(t)[k] = T(0);
  });
}

/// A finished element: bias, preactivation, activation, target.
template <class T>
RAMER_HD void finish_product(const Gemm<T>& g, Index i, Index j, T value) {
  if (g.epilogue.bias) value += g.epilogue.bias[j];
  if (g.epilogue.preactivation) g.epilogue.preactivation[i * g.epilogue.preactivation_stride + j] = value;
  g.c.put(i * g.ldc + j, activate(g.epilogue.activation, value));
}

/// Products of a batch whose results lie apart.
template <class T>
struct GemmKernel {
  static constexpr int kThreads = kTileThreads;
  Gemm<T> first;
  Index stride_a = 0, stride_b = 0, stride_c = 0;

  Index blocks(Index batch) const { return batch * ceil_div(first.m, kTile) * ceil_div(first.n, kTile); }
  static constexpr std::size_t shared_bytes() { return static_cast<std::size_t>(kTileShared<T>) * sizeof(T); }

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const {
    const Index columns = ceil_div(first.n, kTile), tiles = ceil_div(first.m, kTile) * columns;
    Gemm<T> g = first;
    const Index which = id / tiles;
    g.a += which * stride_a, g.b += which * stride_b, g.c = g.c.at(which * stride_c);
    const Index row = id % tiles / columns * kTile, column = id % columns * kTile;
    const bool ta = g.trans_a == Transpose::Yes, tb = g.trans_b == Transpose::Yes;
    typename Block::template Own<T, kMicro * kMicro> sum(block);
    clear<Block, T, kMicro * kMicro>(block, sum);
    multiply_tiles<T>(
        block, sum, g.k,
        [&](int i, Index l) { return row + i >= g.m ? T(0)
                                     : ta           ? g.a[l * g.lda + row + i]
                                                    : g.a[(row + i) * g.lda + l]; },
        !ta,
        [&](int j, Index l) {
          return column + j >= g.n ? T(0) : tb ? g.b[(column + j) * g.ldb + l] : g.b[l * g.ldb + column + j];
        },
        tb, reinterpret_cast<T*>(shared));
    block.own([&](int t) {
      RAMER_UNROLL
      for (int i = 0; i < kMicro; ++i) {
        RAMER_UNROLL
        for (int j = 0; j < kMicro; ++j) {
          const Index r = row + micro_row(t) + i, c = column + micro_column(t) + j;
          if (r < g.m && c < g.n) finish_product(g, r, c, g.alpha * sum(t)[kMicro * i + j]);
        }
      }
    });
  }
};

/// The epilogue of a product that another library has put into C.
template <class T>
struct FinishProduct {
  Gemm<T> g;
  RAMER_HD void operator()(Index i, Index j) const { finish_product(g, i, j, g.c.data[i * g.ldc + j]); }
};

}  // namespace ramer::backend::device
