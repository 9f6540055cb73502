// The supervised contrastive loss in tiles of kAnchorRows anchors by kDepth others: a tile of similarities lives in the
// scratch of a thread, and N x N is never stored. Forward 2 N_anchor N width FLOP and N_anchor N exponentials; reverse
// 4 rows N width FLOP and rows N exponentials. Scratch: O(N width).
#pragma once

#include "ramer/backend/cpu/gemm.hpp"

namespace ramer::backend::cpu {

inline constexpr Index kAnchorRows =
    96;  ///< a tile of (96, 256) floats and the vectors beside it fit the second-level cache

/// The unit vectors in the two orders in which products want them: z^T (width, n) and z (n, width), of the rows and of the
/// queue apart.
template <class T>
struct ContrastiveScratch {
  T *rows_t = nullptr, *queue_t = nullptr, *rows = nullptr, *queue = nullptr;
  T* class_sum = nullptr;                 // (classes, width) of the anchors alone
  T* partial = nullptr;                   // (blocks, classes, width)
  T *share = nullptr, *scaled = nullptr;  // (N)

  static constexpr Index kClassBlock = 512;
  static std::size_t layout(void* base, const Contrastive<T>& p, bool reverse, ContrastiveScratch& s) {
    const Index n = p.rows + p.queue_rows;
    Carver carver(base);
    s.rows_t = carver.take<T>(packed_size<T>(p.width, p.rows));
    s.queue_t = carver.take<T>(packed_size<T>(p.width, p.queue_rows));
    s.partial = carver.take<T>(ceil_div(n, kClassBlock) * p.classes * p.width);
    if (reverse) {
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

/// Calls f(set of keys: 0 rows or 1 queue, first key in it, count) for all tiles of keys.
template <class T, class F>
void for_key_tiles(const Contrastive<T>& p, const F& f) {
  for (int set = 0; set < 2; ++set) {
    const Index n = set == 0 ? p.rows : p.queue_rows;
    for (Index key = 0; key < n; key += kDepth) f(set, key, std::min(kDepth, n - key));
  }
}

/// Similarities of anchors [0, rows) behind `anchor` with keys [key, key + count) of a packed set of n: (rows, kDepth).
template <class T>
void similarity_tile(const Contrastive<T>& p, const T* anchor, Index rows, const T* packed, Index n, Index key, Index count,
                     T* tile) {
  Gemm<T> g;
  g.m = rows, g.n = n, g.k = p.width, g.alpha = T(1) / p.temperature;
  g.a = anchor, g.lda = p.width;
  g.c = {tile, false}, g.ldc = kDepth;
  multiply_packed(g, packed, 0, rows, key, key + count, static_cast<T*>(nullptr), key);
}

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

template <class T>
void contrastive(Workers& workers, const Contrastive<T>& p) {
  const Index anchors = p.anchors();
  ContrastiveScratch<T> s;
  const auto scratch = workers.lease(ContrastiveScratch<T>::layout(nullptr, p, false, s),
                                     static_cast<std::size_t>(kAnchorRows * kDepth) * sizeof(T));
  ContrastiveScratch<T>::layout(scratch.shared(), p, false, s);
  s.pack(workers, p, false);
  class_sums(workers, p, p.rows + p.queue_rows, s.partial, p.class_sum);
  std::fill_n(p.class_count, p.classes, T(0));
  for (Index i = 0; i < p.rows + p.queue_rows; ++i)
    if (p.id(i) >= 0) p.class_count[p.id(i)] += T(1);

  const Index queue_anchors = anchors - p.rows;
  workers.run(AnchorBlock::count(p.rows, queue_anchors), [&](Index b, int slot) {
    const AnchorBlock block(b, p.rows, queue_anchors);
    T* const tile = static_cast<T*>(scratch.slot(slot));
    T largest[kAnchorRows];
    double denominator[kAnchorRows];
    std::fill_n(largest, kAnchorRows, -std::numeric_limits<T>::infinity());
    std::fill_n(denominator, kAnchorRows, 0.0);
    for_key_tiles(p, [&](int set, Index key, Index count) {
      similarity_tile(p, p.row(block.first), block.rows, set == 0 ? s.rows_t : s.queue_t, set == 0 ? p.rows : p.queue_rows,
                      key, count, tile);
      for (Index i = 0; i < block.rows; ++i) {
        T* const row = tile + i * kDepth;
        const T most = max_of(row, count);
        if (most > largest[i]) {
          denominator[i] *= std::exp(static_cast<double>(largest[i] - most));
          largest[i] = most;
        }
        const Index self = block.first + i - (set == 0 ? 0 : p.rows) - key;  // counts for the maximum alone
        const T shift = largest[i];
        if (self >= 0 && self < count) row[self] = std::numeric_limits<T>::lowest();
        denominator[i] +=
            static_cast<double>(sum_of<T>(0, count, [row, shift](Index a) { return fast_exp(row[a] - shift); }));
      }
    });
    for (Index i = 0; i < block.rows; ++i) {
      const Index anchor = block.first + i;
      const T log_denominator = static_cast<T>(static_cast<double>(largest[i]) + std::log(denominator[i] + 1e-12));
      const T* z = p.row(anchor);
      const std::int32_t id = p.id(anchor);
      T loss{};
      if (id >= 0 && p.class_count[id] > T(1)) {
        const T positives = p.class_count[id] - T(1);
        const T similarity = (dot(z, p.class_sum + id * p.width, p.width) - dot(z, z, p.width)) / p.temperature;
        loss = -(similarity - positives * log_denominator) / (positives + T(1e-12));
      }
      p.log_denominator[anchor] = log_denominator;
      p.anchor_loss[anchor] = loss;
    }
  });
  double total = 0;
  for (Index i = 0; i < anchors; ++i) total += static_cast<double>(p.anchor_loss[i]);
  *p.loss = anchors ? static_cast<T>(total / static_cast<double>(anchors)) : T(0);
}

/// With W_ia = share_i exp(s_ia - L_i) + share_a exp(s_ia - L_a), the second only where a is an anchor:
///   dz_i = dloss / (anchors temperature) (sum_a W_ia z_a - sum over positives of both kinds).
/// Where the L are close together, as those of unit vectors are, W_ia = exp(s_ia - M) (u_i + u_a): one exponential.
template <class T>
void contrastive_reverse(Workers& workers, const ContrastiveReverse<T>& q) {
  const Contrastive<T>& p = q.forward;
  const Index anchors = p.anchors(), n = p.rows + p.queue_rows;
  if (p.rows <= 0 || p.width <= 0 || !q.dfeatures) return;
  const auto carve = [&p](void* base, T*& tile, T*& total) {
    Carver carver(base);
    tile = carver.take<T>(kAnchorRows * kDepth), total = carver.take<T>(kAnchorRows * p.width);
    return carver.used();
  };
  ContrastiveScratch<T> s;
  T *unused = nullptr, *unused_too = nullptr;
  const auto scratch = workers.lease(ContrastiveScratch<T>::layout(nullptr, p, true, s), carve(nullptr, unused, unused_too));
  ContrastiveScratch<T>::layout(scratch.shared(), p, true, s);
  s.pack(workers, p, true);
  class_sums(workers, p, anchors, s.partial, s.class_sum);

  T smallest = std::numeric_limits<T>::infinity(), middle = -smallest;
  for (Index a = 0; a < n; ++a) {
    const bool counts = a < anchors && p.id(a) >= 0 && p.class_count[p.id(a)] > T(1);
    const T positives = counts ? p.class_count[p.id(a)] - T(1) : T(0);
    s.share[a] = counts ? positives / (positives + T(1e-12)) : T(0);
    if (!counts) continue;
    smallest = std::min(smallest, p.log_denominator[a]);
    middle = std::max(middle, p.log_denominator[a]);
  }
  // s_ia - L_i is at most 27.6 (the 1e-12 of the law), so that with this spread neither factor leaves the range of a float.
  const bool one_exponential = middle - smallest <= T(40);
  const T shift = middle;
  for (Index a = 0; a < n && one_exponential; ++a)
    s.scaled[a] = s.share[a] > T(0) ? s.share[a] * std::exp(shift - p.log_denominator[a]) : T(0);

  const T scale = *q.dloss / (static_cast<T>(anchors) * p.temperature);
  workers.run(AnchorBlock::count(p.rows, 0), [&](Index b, int slot) {
    const AnchorBlock block(b, p.rows, 0);
    T *tile = nullptr, *total = nullptr;
    carve(scratch.slot(slot), tile, total);
    std::fill_n(total, block.rows * p.width, T(0));
    for_key_tiles(p, [&](int set, Index key, Index count) {
      similarity_tile(p, p.row(block.first), block.rows, set == 0 ? s.rows_t : s.queue_t, set == 0 ? p.rows : p.queue_rows,
                      key, count, tile);
      const Index first = key + (set == 0 ? 0 : p.rows);
      for (Index i = 0; i < block.rows; ++i) {
        const Index anchor = block.first + i;
        T* const row = tile + i * kDepth;
        if (one_exponential) {
          const T own = s.scaled[anchor];
          const T* const other = s.scaled + first;
          RAMER_CPU_INDEPENDENT
          for (Index a = 0; a < count; ++a) row[a] = fast_exp(row[a] - shift) * (own + other[a]);
        } else {
          const T own_share = s.share[anchor], own_log = p.log_denominator[anchor];
          const T* const share = s.share + first;
          for (Index a = 0; a < count; ++a) {
            const T other = share[a] > T(0) ? share[a] * fast_exp(row[a] - p.log_denominator[first + a]) : T(0);
            row[a] = own_share * fast_exp(row[a] - own_log) + other;
          }
        }
        if (anchor >= first && anchor < first + count) row[anchor - first] = T(0);
      }
      Gemm<T> g;
      g.m = block.rows, g.n = p.width, g.k = count;
      g.a = tile, g.lda = kDepth;
      g.c = {total, true}, g.ldc = p.width;
      const T* packed = (set == 0 ? s.rows : s.queue) + packed_at<T>(set == 0 ? p.rows : p.queue_rows, p.width, key, 0);
      multiply_packed(g, packed, 0, block.rows, 0, p.width, static_cast<T*>(nullptr));
    });
    for (Index i = 0; i < block.rows; ++i) {
      const Index anchor = block.first + i;
      const T *const z = p.row(anchor), *const softmax = total + i * p.width;
      const Target<T> to = q.dfeatures.at(anchor * p.width);
      const std::int32_t id = p.id(anchor);
      if (s.share[anchor] > T(0)) {
        const T inverse = T(1) / (p.class_count[id] - T(1) + T(1e-12));
        const T *const all = p.class_sum + id * p.width, *const as_anchors = s.class_sum + id * p.width;
        put_all(to, p.width,
                [=](Index d) { return scale * (softmax[d] - inverse * ((all[d] - z[d]) + (as_anchors[d] - z[d]))); });
      } else {
        put_all(to, p.width, [=](Index d) { return scale * softmax[d]; });
      }
    }
  });
}

}  // namespace ramer::backend::cpu
