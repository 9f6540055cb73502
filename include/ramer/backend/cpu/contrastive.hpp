// The supervised contrastive loss in tiles of kAnchorRows anchors by kDepth others: a tile of similarities lives in the
// scratch of a thread, and N x N is never stored. Forward 2 width FLOP and an exponential for each pair of an anchor with another
// row, of two anchors once where similarities are bounded; reverse 4 rows N width FLOP and rows N exponentials. Scratch: O(N width).
#pragma once

#include "ramer/backend/cpu/contrastive_tiles.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

/// log_denominator and loss of one anchor from the largest of its similarities and sum_{a != i} exp(s_ia - largest).
template <class T>
void finish_anchor(const Contrastive<T>& p, Index anchor, T largest, double sum) {
  const T log_denominator = static_cast<T>(static_cast<double>(largest) + std::log(sum + 1e-12));
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

/// Any similarities: each anchor against all keys, with a running maximum.
template <class T>
void streamed_denominators(Workers& workers, const Contrastive<T>& p, const ContrastiveScratch<T>& s,
                           const Workers::Lease& scratch) {
  const Index queue_anchors = p.anchors() - p.rows;
  workers.run(AnchorBlock::count(p.rows, queue_anchors), [&](Index b, int slot) {
    const AnchorBlock block(b, p.rows, queue_anchors);
    T* const tile = static_cast<T*>(scratch.slot(slot));
    T largest[kAnchorRows];
    double denominator[kAnchorRows];
    std::fill_n(largest, kAnchorRows, -std::numeric_limits<T>::infinity());
    std::fill_n(denominator, kAnchorRows, 0.0);
    for_key_tiles(p, 0, [&](int set, Index key, Index count) {
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
    for (Index i = 0; i < block.rows; ++i) finish_anchor(p, block.first + i, largest[i], denominator[i]);
  });
}

/// Unit vectors: every row's largest similarity is the one with itself, `reach`, and exp(s - reach) is representable whatever s. So no
/// maximum needs to be found, and the similarity of two anchors, found once, counts for both: in a row of its tile and in a column.
/// Blocks of anchors are dealt to a number of tasks, each with sums of its own, which are then added in order.
template <class T>
void symmetric_denominators(Workers& workers, const Contrastive<T>& p, const ContrastiveScratch<T>& s,
                            const Workers::Lease& scratch, T reach) {
  const Index groups = ContrastiveScratch<T>::groups(p);
  const Index anchors = p.anchors(), queue_anchors = anchors - p.rows, blocks = AnchorBlock::count(p.rows, queue_anchors);
  workers.run(groups, [&](Index group, int slot) {
    T* const tile = static_cast<T*>(scratch.slot(slot));
    double* const sum = s.sum + group * anchors;
    std::fill_n(sum, anchors, 0.0);
    for (Index b = group; b < blocks; b += groups) {
      const AnchorBlock block(b, p.rows, queue_anchors);
      for_key_tiles(p, block.first, [&](int set, Index key, Index count) {
        similarity_tile(p, p.row(block.first), block.rows, set == 0 ? s.rows_t : s.queue_t, set == 0 ? p.rows : p.queue_rows,
                        key, count, tile);
        const Index first = key + (set == 0 ? 0 : p.rows);  // of the keys among the N
        T column_sum[kDepth];
        std::fill_n(column_sum, count, T(0));
        for (Index i = 0; i < block.rows; ++i) {
          T* const row = tile + i * kDepth;
          const Index anchor = block.first + i;
          for (Index a = 0; a < count && first + a <= anchor; ++a)
            row[a] = std::numeric_limits<T>::lowest();  // found elsewhere
          RAMER_CPU_INDEPENDENT
          for (Index a = 0; a < count; ++a) {
            row[a] = fast_exp(row[a] - reach);
            column_sum[a] += row[a];
          }
          sum[anchor] += static_cast<double>(sum_of<T>(0, count, [row](Index a) { return row[a]; }));
        }
        for (Index a = 0; a < count && first + a < anchors; ++a) sum[first + a] += static_cast<double>(column_sum[a]);
      });
    }
  });
  constexpr Index kBlock = 256;
  workers.run(ceil_div(anchors, kBlock), [&](Index block, int) {
    for (Index i = block * kBlock; i < std::min(anchors, (block + 1) * kBlock); ++i) {
      double sum = 0;
      for (Index group = 0; group < groups; ++group) sum += s.sum[group * anchors + i];
      finish_anchor(p, i, reach, sum);
    }
  });
}

template <class T>
void contrastive(Workers& workers, const Contrastive<T>& p) {
  const Index anchors = p.anchors(), n = p.rows + p.queue_rows;
  ContrastiveScratch<T> s;
  const auto scratch = workers.lease(ContrastiveScratch<T>::layout(nullptr, p, false, s),
                                     static_cast<std::size_t>(kAnchorRows * kDepth) * sizeof(T));
  ContrastiveScratch<T>::layout(scratch.shared(), p, false, s);
  s.pack(workers, p, false);
  class_sums(workers, p, n, s.partial, p.class_sum);
  std::fill_n(p.class_count, p.classes, T(0));
  T square{}, smallest_square = std::numeric_limits<T>::infinity();
  for (Index i = 0; i < n; ++i) {
    const T own = dot(p.row(i), p.row(i), p.width);
    square = std::max(square, own);
    if (i < anchors) smallest_square = std::min(smallest_square, own);
    if (p.id(i) >= 0) p.class_count[p.id(i)] += T(1);
  }
  // |s| <= reach by Cauchy and Schwarz, so that exp(s - reach) >= e^-56: far from what fast_exp gives for entries that are masked, e^-80.
  // Where anchors are the longest rows and equally long up to rounding, reach is what the law calls max_i, which matters to its 1e-12 alone.
  const T reach = square / p.temperature;
  if (reach <= T(28) && square - smallest_square <= T(16) * std::numeric_limits<T>::epsilon() * square) {
    symmetric_denominators(workers, p, s, scratch, reach);
  } else {
    streamed_denominators(workers, p, s, scratch);
  }
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
    for_key_tiles(p, 0, [&](int set, Index key, Index count) {
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

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
