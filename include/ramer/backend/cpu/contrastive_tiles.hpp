// What the forward and the reverse of the contrastive loss share: packed unit vectors, sums per class, tiles of kAnchorRows anchors
// by kDepth others.
#pragma once

#include "ramer/backend/cpu/gemm.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

inline constexpr Index kAnchorRows =
    96;  ///< a tile of (96, 256) floats and the vectors beside it fit the second-level cache

/// Where a block of anchors lies: in the rows or in the queue, never in both.
struct AnchorBlock {
  Index first, rows;
  AnchorBlock(Index block, Index in_rows, Index in_queue) {
    const Index row_blocks = ceil_div(in_rows, kAnchorRows);
    const bool queue = block >= row_blocks;
    const Index at = (queue ? block - row_blocks : block) * kAnchorRows;
    first = at + (queue ? in_rows : 0);
    rows = std::min(kAnchorRows, (queue ? in_queue : in_rows) - at);
  }
  static Index count(Index in_rows, Index in_queue) {
    return ceil_div(in_rows, kAnchorRows) + ceil_div(in_queue, kAnchorRows);
  }
};

/// The unit vectors in the two orders in which products want them: z^T (width, n) and z (n, width), of the rows and of the
/// queue apart.
template <class T>
struct ContrastiveScratch {
  T *rows_t = nullptr, *queue_t = nullptr, *rows = nullptr, *queue = nullptr;
  T* class_sum = nullptr;                 // (classes, width) of the anchors alone
  T* partial = nullptr;                   // (blocks, classes, width)
  T *share = nullptr, *scaled = nullptr;  // (N)
  double* sum = nullptr;                  // (groups, anchors)

  /// Tasks that share the anchors.
  static Index groups(const Contrastive<T>& p) {
    return std::min<Index>(32, AnchorBlock::count(p.rows, p.anchors() - p.rows));
  }
  static constexpr Index kClassBlock = 512;
  static std::size_t layout(void* base, const Contrastive<T>& p, bool reverse, ContrastiveScratch& s) {
    const Index n = p.rows + p.queue_rows;
    Carver carver(base);
    s.rows_t = carver.take<T>(packed_size<T>(p.width, p.rows));
    s.queue_t = carver.take<T>(packed_size<T>(p.width, p.queue_rows));
    s.partial = carver.take<T>(ceil_div(n, kClassBlock) * p.classes * p.width);
    if (!reverse) {
      s.sum = carver.take<double>(groups(p) * p.anchors());
    } else {
      s.rows = carver.take<T>(packed_size<T>(p.rows, p.width));
      s.queue = carver.take<T>(packed_size<T>(p.queue_rows, p.width));
      s.class_sum = carver.take<T>(p.classes * p.width);
      s.share = carver.take<T>(n);
      s.scaled = carver.take<T>(n);
    }
    return carver.used();
  }

  void pack(Workers& workers, const Contrastive<T>& p, bool reverse) const {
    pack_b(workers, true, p.features, p.width, p.width, p.rows, rows_t);
    pack_b(workers, true, p.queue, p.width, p.width, p.queue_rows, queue_t);
    if (!reverse) return;
    pack_b(workers, false, p.features, p.width, p.rows, p.width, rows);
    pack_b(workers, false, p.queue, p.width, p.queue_rows, p.width, queue);
  }
};

/// sum (classes, width) of the unit vectors [0, n) per class.
template <class T>
void class_sums(Workers& workers, const Contrastive<T>& p, Index n, T* partial, T* sum) {
  constexpr Index kBlock = ContrastiveScratch<T>::kClassBlock;
  const Index size = p.classes * p.width, blocks = ceil_div(n, kBlock);
  workers.run(blocks, [&](Index block, int) {
    T* to = partial + block * size;
    std::fill_n(to, size, T(0));
    const Index end = std::min(n, (block + 1) * kBlock);
    for (Index i = block * kBlock; i < end; ++i)
      if (p.id(i) >= 0) add_scaled(T(1), p.row(i), p.width, to + p.id(i) * p.width);
  });
  std::fill_n(sum, size, T(0));
  for (Index block = 0; block < blocks; ++block) add_scaled(T(1), partial + block * size, size, sum);
}

/// Calls f(set of keys: 0 rows or 1 queue, first key in it, count) for all tiles of keys from number `first` of the N on. In its
/// set `first` is a multiple of Tile::cols.
template <class T, class F>
void for_key_tiles(const Contrastive<T>& p, Index first, const F& f) {
  for (int set = 0; set < 2; ++set) {
    const Index n = set == 0 ? p.rows : p.queue_rows, begin = std::max<Index>(0, set == 0 ? first : first - p.rows);
    for (Index key = begin; key < n; key += kDepth) f(set, key, std::min(kDepth, n - key));
  }
}

/// Similarities of anchors [0, rows) behind `anchor` with keys [key, key + count) of a packed set of n: (rows, kDepth).
template <class T>
void similarity_tile(const Contrastive<T>& p, const T* anchor, Index rows, const T* packed, Index n, Index key, Index count,
                     T* tile) {
  static_assert(kAnchorRows % Tile<T>::cols == 0 && kDepth % Tile<T>::cols == 0, "keys begin where an anchor's block does");
  Gemm<T> g;
  g.m = rows, g.n = n, g.k = p.width, g.alpha = T(1) / p.temperature;
  g.a = anchor, g.lda = p.width;
  g.c = {tile, false}, g.ldc = kDepth;
  multiply_packed(g, packed, 0, rows, key, key + count, static_cast<T*>(nullptr), key);
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
