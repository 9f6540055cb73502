// The supervised contrastive loss in tiles of 64 anchors by 64 rows. N x N is never stored: a block keeps running maxima and sums of its
// anchors over a range of rows, and a second kernel puts the ranges together.
#pragma once

#include "ramer/backend/device/tiles.hpp"

namespace ramer::backend::device {

/// How a problem is cut: by its shape alone.
struct ContrastiveCut {
  Index rows, anchors, total;  ///< of the batch; that are anchors; of batch and queue
  Index anchor_tiles, tiles;
  Index ranges, tiles_of_range;  ///< of the rows that anchors are compared with

  /// @param own anchors, or in the reverse rows, that tiles are made of
  ContrastiveCut(Index batch_rows, Index anchor_rows, Index total_rows, Index own)
      : rows(batch_rows),
        anchors(anchor_rows),
        total(total_rows),
        anchor_tiles(ceil_div(own, kTile)),
        tiles(ceil_div(total_rows, kTile)) {
    constexpr Index kBlocks = 512;  // enough for a large GPU
    const Index wanted = ceil_div(kBlocks, largest<Index>(anchor_tiles, 1));
    tiles_of_range = largest<Index>(1, ceil_div(tiles, largest<Index>(1, least(wanted, ceil_div(tiles, 4)))));
    ranges = ceil_div(tiles, tiles_of_range);
  }
};

/// z_i, 0 behind the last row.
template <class T>
struct ContrastiveRow {
  const Contrastive<T>& p;
  Index first, end;
  RAMER_HD T operator()(int i, Index d) const { return first + i < end ? p.row(first + i)[d] : T(0); }
};

/// Sums of vectors and their number per class over 256 rows: partial[chunk, class, width + 1].
template <class T>
struct ClassSumKernel {
  static constexpr int kThreads = 256;
  Contrastive<T> p;
  T* partial;
  static constexpr std::size_t shared_bytes() { return kThreads * sizeof(std::int32_t); }

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    std::int32_t* const ids = reinterpret_cast<std::int32_t*>(base);
    const Index first = id * kThreads, total = p.rows + p.queue_rows;
    block.each([&](int t) { ids[t] = first + t < total ? p.id(first + t) : -1; });
    const Index columns = p.width + 1, n = p.classes * columns;
    block.own([&](int t) {
      for (Index e = t; e < n; e += kThreads) {
        const Index c = e / columns, d = e % columns;
        T sum = 0;
        for (int r = 0; r < kThreads; ++r)
          if (ids[r] == c) sum += d < p.width ? p.row(first + r)[d] : T(1);
        partial[id * n + e] = sum;
      }
    });
  }
};
template <class T>
struct PutClassSum {
  Contrastive<T> p;
  RAMER_HD void operator()(Index e, T sum) const {
    const Index c = e / (p.width + 1), d = e % (p.width + 1);
    if (d < p.width) {
      p.class_sum[c * p.width + d] = sum;
    } else {
      p.class_count[c] = sum;
    }
  }
};

/// Largest similarity of each anchor over a range of rows, itself included, and sum of exp(s - largest) without itself:
/// (ranges, anchors) each.
template <class T, Math math = Math::Fp32>
struct DenominatorKernel {
  using Tile = Tiles<T, math>;
  static constexpr int kThreads = kTileThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  Contrastive<T> p;
  ContrastiveCut cut;
  T *top, *total;
  static constexpr int kRow = Tile::kParts + 1;  ///< of what threads have found, a number for each part of a row
  static constexpr std::size_t shared_bytes() {
    return static_cast<std::size_t>(Tile::kHeld) * sizeof(typename Tile::Held) + 2 * kTile * kRow * sizeof(T);
  }

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    Carver carver(base);
    auto* const held = carver.take<typename Tile::Held>(Tile::kHeld);
    T *const tops = carver.take<T>(kTile * kRow), *const totals = carver.take<T>(kTile * kRow);
    const Index range = id / cut.anchor_tiles, row = id % cut.anchor_tiles * kTile;
    typename Tile::template Sum<Block> s(block);
    typename Block::template Own<T, Tile::kRows> most(block), sum(block);
    block.own([&](int t) {
      for (int i = 0; i < Tile::kRows; ++i) most(t)[i] = lowest<T>(), sum(t)[i] = T(0);
    });
    const Index first = range * cut.tiles_of_range, last = least(cut.tiles, first + cut.tiles_of_range);
    for (Index tile = first; tile < last; ++tile) {
      clear<Block, T, kOfTile>(block, s);
      Tile::multiply(block, s, p.width, ContrastiveRow<T>{p, row, cut.anchors}, true,
                     ContrastiveRow<T>{p, tile * kTile, cut.total}, true, held, tile > first);
      block.own([&](int t) {
        RAMER_UNROLL
        for (int i = 0; i < Tile::kRows; ++i) {
          const Index anchor = row + Tile::row(t, i);
          T now = most(t)[i];
          RAMER_UNROLL
          for (int j = 0; j < Tile::kColumns; ++j) {
            T& similarity = s(t)[Tile::kColumns * i + j];
            similarity /= p.temperature;
            if (tile * kTile + Tile::column(t, j) < cut.total) now = largest(now, similarity);
          }
          if (now != most(t)[i]) sum(t)[i] *= exponential(most(t)[i] - now);
          most(t)[i] = now;
          RAMER_UNROLL
          for (int j = 0; j < Tile::kColumns; ++j) {
            const Index a = tile * kTile + Tile::column(t, j);
            if (a < cut.total && a != anchor) sum(t)[i] += exponential(s(t)[Tile::kColumns * i + j] - now);
          }
        }
      });
    }
    block.each([&](int t) {
      for (int i = 0; i < Tile::kRows; ++i) {
        tops[Tile::row(t, i) * kRow + Tile::part(t)] = most(t)[i];
        totals[Tile::row(t, i) * kRow + Tile::part(t)] = sum(t)[i];
      }
    });
    block.own([&](int t) {
      const Index anchor = row + t;
      if (t >= kTile || anchor >= cut.anchors) return;
      T now = lowest<T>(), all = 0;
      for (int k = 0; k < Tile::kParts; ++k) now = largest(now, tops[t * kRow + k]);
      for (int k = 0; k < Tile::kParts; ++k) all += scaled(totals[t * kRow + k], tops[t * kRow + k], now);
      top[range * cut.anchors + anchor] = now;
      total[range * cut.anchors + anchor] = all;
    });
  }

  /// A sum about one maximum as one about another; nothing stays nothing.
  RAMER_HD static T scaled(T sum, T about, T now) { return sum == T(0) ? T(0) : sum * exponential(about - now); }
};

/// log_denominator and anchor_loss: 32 threads to an anchor.
template <class T>
struct AnchorKernel {
  static constexpr int kThreads = 256, kAnchors = kThreads / kLanes;
  Contrastive<T> p;
  ContrastiveCut cut;
  const T *top, *total;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    typename Block::template Own<T, 2> product(block);  // with the class's sum, and with itself
    block.own([&](int t) {
      const Index i = id * kAnchors + t / kLanes;
      T with_class = 0, with_itself = 0;
      if (i < cut.anchors && p.id(i) >= 0) {
        const T *const z = p.row(i), *const sums = p.class_sum + p.id(i) * p.width;
        for (Index d = t % kLanes; d < p.width; d += kLanes) {
          with_class += z[d] * sums[d];
          with_itself += z[d] * z[d];
        }
      }
      product(t)[0] = with_class;
      product(t)[1] = with_itself;
    });
    block.sum_lanes(product);
    block.own([&](int t) {
      const Index i = id * kAnchors + t / kLanes;
      if (i >= cut.anchors || t % kLanes != 0) return;
      T now = lowest<T>(), all = 0;
      for (Index k = 0; k < cut.ranges; ++k) now = largest(now, top[k * cut.anchors + i]);
      for (Index k = 0; k < cut.ranges; ++k)
        all += DenominatorKernel<T>::scaled(total[k * cut.anchors + i], top[k * cut.anchors + i], now);
      const T log_denominator = now + std::log(all + T(1e-12));
      const T count = p.id(i) >= 0 ? p.class_count[p.id(i)] - T(1) : T(0);
      const T positive = count > T(0) ? (product(t)[0] - product(t)[1]) / p.temperature : T(0);
      p.log_denominator[i] = log_denominator;
      p.anchor_loss[i] = -(positive - count * log_denominator) / (count + T(1e-12));
    });
  }
};
template <class T>
struct ReadAnchorLoss {
  const T* x;
  RAMER_HD double operator()(Index i) const { return static_cast<double>(x[i]); }
};

/// Sums over a range of rows a != i of [slope(i, a) + slope(a, i)] z_a: partial[range, i, d], for 64 columns d at a time.
template <class T, Math math = Math::Fp32>
struct ContrastiveReverseKernel {
  using Tile = Tiles<T, math>;
  static constexpr int kThreads = kTileThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  Contrastive<T> p;
  ContrastiveCut cut;
  T* partial;

  /// An anchor, as its row of the softmax needs it; what is none has share and inverse 0, and an infinite denominator.
  struct Anchors {
    T *log_denominator, *share, *inverse;  // (64) each
    std::int32_t* id;
    RAMER_HD void carve(Carver& carver) {
      log_denominator = carver.take<T>(kTile), share = carver.take<T>(kTile), inverse = carver.take<T>(kTile);
      id = carver.take<std::int32_t>(kTile);
    }
  };
  struct Shared {
    typename Tile::Held *held, *weight;
    Anchors own, other;
    RAMER_HD std::size_t carve(std::byte* base) {
      Carver carver(base);
      held = carver.take<typename Tile::Held>(Tile::kHeld), weight = carver.take<typename Tile::Held>(Tile::kKept);
      own.carve(carver), other.carve(carver);
      return carver.used();
    }
  };
  static std::size_t shared_bytes() { return Shared{}.carve(nullptr); }
  Index slices_of_width() const { return ceil_div(p.width, kTile); }
  Index blocks() const { return cut.anchor_tiles * cut.ranges * slices_of_width(); }

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    Shared shared;
    shared.carve(base);
    const Index row = id % cut.anchor_tiles * kTile, range = id / cut.anchor_tiles % cut.ranges;
    const Index column = id / cut.anchor_tiles / cut.ranges * kTile;
    typename Tile::template Sum<Block> s(block), sum(block);
    clear<Block, T, kOfTile>(block, sum);
    block.each([&](int t) { load(shared.own, t, row, cut.rows); });
    const Index begin = range * cut.tiles_of_range, last = least(cut.tiles, begin + cut.tiles_of_range);
    for (Index tile = begin; tile < last; ++tile) {
      const Index first = tile * kTile;
      block.each([&](int t) { load(shared.other, t, first, cut.total); });
      clear<Block, T, kOfTile>(block, s);
      Tile::multiply(block, s, p.width, ContrastiveRow<T>{p, row, cut.rows}, true, ContrastiveRow<T>{p, first, cut.total},
                     true, shared.held, tile > begin);
      RAMER_UNROLL
      for (int i = 0; i < Tile::kRows; ++i) {
        block.each([&](int t) {  // a row after the other, for fewer registers
          RAMER_UNROLL
          for (int j = 0; j < Tile::kColumns; j += 2) {
            const int x = Tile::row(t, i), y = Tile::column(t, j);
            const auto weight = [&](int k) {
              const bool there = row + x < cut.rows && first + y + k < cut.total && row + x != first + y + k;
              const T similarity = s(t)[Tile::kColumns * i + j + k] / p.temperature;
              return there ? slope(shared.own, x, shared.other.id[y + k], similarity) +
                                 slope(shared.other, y + k, shared.own.id[x], similarity)
                           : T(0);
            };
            Tile::keep(shared.weight, x, y, weight(0), weight(1));
          }
        });
      }
      Tile::multiply_kept(
          block, sum, shared.weight,
          [&](int j, Index a) {
            return first + a < cut.total && column + j < p.width ? p.row(first + a)[column + j] : T(0);
          },
          shared.held);
    }
    block.own([&](int t) {
      RAMER_UNROLL
      for (int i = 0; i < Tile::kRows; ++i) {
        RAMER_UNROLL
        for (int j = 0; j < Tile::kColumns; ++j) {
          const Index r = row + Tile::row(t, i), d = column + Tile::column(t, j);
          if (r < cut.rows && d < p.width) partial[(range * cut.rows + r) * p.width + d] = sum(t)[Tile::kColumns * i + j];
        }
      }
    });
  }

 private:
  RAMER_HD void load(const Anchors& a, int t, Index first, Index end) const {
    if (t >= kTile) return;
    const Index i = first + t;
    const std::int32_t id = i < end ? p.id(i) : -1;
    const bool anchor = i < end && i < cut.anchors;
    const T count = anchor && id >= 0 ? p.class_count[id] - T(1) : T(0);
    a.id[t] = id;
    a.log_denominator[t] = anchor ? p.log_denominator[i] : -lowest<T>();
    a.share[t] = count / (count + T(1e-12));
    a.inverse[t] = anchor ? T(1) / (count + T(1e-12)) : T(0);
  }
  /// d loss_i / d s_ia, for anchor i at place x; 0 for what is no anchor.
  RAMER_HD static T slope(const Anchors& a, int x, std::int32_t other, T similarity) {
    return a.share[x] * exponential(similarity - a.log_denominator[x]) -
           (a.id[x] >= 0 && a.id[x] == other ? a.inverse[x] : T(0));
  }
};
/// dfeatures <- dloss / anchors / temperature * sum over ranges.
template <class T>
struct AddRanges {
  ContrastiveReverse<T> q;
  ContrastiveCut cut;
  const T* partial;
  RAMER_HD void operator()(Index e) const {
    T sum = 0;
    for (Index k = 0; k < cut.ranges; ++k) sum += partial[k * cut.rows * q.forward.width + e];
    const T w = cut.anchors ? *q.dloss / static_cast<T>(cut.anchors) : T(0);
    q.dfeatures.put(e, w * sum / q.forward.temperature);
  }
};

}  // namespace ramer::backend::device
