// Whole products, made of tiles.
#pragma once

#include "ramer/backend/device/tiles.hpp"

namespace ramer::backend::device {

/// A finished element: bias, preactivation, activation, target.
template <class T>
RAMER_HD void finish_product(const Gemm<T>& g, Index i, Index j, T value) {
  if (g.epilogue.bias) value += g.epilogue.bias[j];
  if (g.epilogue.preactivation) g.epilogue.preactivation[i * g.epilogue.preactivation_stride + j] = value;
  g.c.put(i * g.ldc + j, activate(g.epilogue.activation, value));
}

/// Products of a batch whose results lie apart.
template <class T, Math math = Math::Fp32>
struct GemmKernel {
  using Tile = Tiles<T, math>;
  static constexpr int kThreads = kTileThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  Gemm<T> first;
  Index stride_a = 0, stride_b = 0, stride_c = 0;

  Index blocks(Index batch) const { return batch * ceil_div(first.m, kTile) * ceil_div(first.n, kTile); }
  static constexpr std::size_t shared_bytes() { return static_cast<std::size_t>(Tile::kHeld) * sizeof(typename Tile::Held); }

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const {
    const Index columns = ceil_div(first.n, kTile), tiles = ceil_div(first.m, kTile) * columns;
    Gemm<T> g = first;
    const Index which = id / tiles;
    g.a += which * stride_a, g.b += which * stride_b, g.c = g.c.at(which * stride_c);
    const Index row = id % tiles / columns * kTile, column = id % columns * kTile;
    const bool ta = g.trans_a == Transpose::Yes, tb = g.trans_b == Transpose::Yes;
    typename Tile::template Sum<Block> sum(block);
    clear<Block, T, kOfTile>(block, sum);
    Tile::multiply(
        block, sum, g.k,
        [&](int i, Index l) { return row + i >= g.m ? T(0)
                                     : ta           ? g.a[l * g.lda + row + i]
                                                    : g.a[(row + i) * g.lda + l]; },
        !ta,
        [&](int j, Index l) {
          return column + j >= g.n ? T(0) : tb ? g.b[(column + j) * g.ldb + l] : g.b[l * g.ldb + column + j];
        },
        tb, reinterpret_cast<typename Tile::Held*>(shared));
    block.own([&](int t) {
      RAMER_UNROLL
      for (int i = 0; i < Tile::kRows; ++i) {
        RAMER_UNROLL
        for (int j = 0; j < Tile::kColumns; ++j) {
          const Index r = row + Tile::row(t, i), c = column + Tile::column(t, j);
          if (r < g.m && c < g.n) finish_product(g, r, c, g.alpha * sum(t)[Tile::kColumns * i + j]);
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
