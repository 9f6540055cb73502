// Label-wise pooling of ragged segments: a block to a segment.
#pragma once

#include "ramer/backend/device/dead_rows.hpp"

namespace ramer::backend::device {

inline constexpr int kPoolThreads = 128;

template <class T>
RAMER_HD bool pools_uniformly(const SegmentPool<T>& p, Index s) {
  if (p.uniform && p.uniform[s]) return true;
  if (!p.mask) return false;
  bool any = false;
  for (Index r = p.offsets[s]; r < p.offsets[s + 1]; ++r) any = any || p.mask[r];
  return !any;
}

template <class T>
struct SegmentPoolKernel {
  static constexpr int kThreads = kPoolThreads;
  SegmentPool<T> p;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index s, std::byte*) const {
    if (s >= p.segments) {
      return clear_dead_rows<kThreads>(block, s - p.segments, Target<T>{p.weight}, p.offsets[p.segments], p.rows, p.columns,
                                       p.columns);
    }
    const Index begin = p.offsets[s], end = p.offsets[s + 1];
    const bool uniform = pools_uniformly(p, s);
    block.each([&](int t) {  // a thread to a column
      for (Index c = t; c < p.columns; c += kThreads) {
        T most = lowest<T>(), total = 0;
        for (Index r = begin; r < end; ++r)
          if (!uniform && counts(r)) most = largest(most, p.score[r * p.columns + c]);
        for (Index r = begin; r < end; ++r) {
          const T a = uniform ? T(1) : counts(r) ? exponential(p.score[r * p.columns + c] - most) : T(0);
          p.weight[r * p.columns + c] = a;
          total += a;
        }
        for (Index r = begin; r < end; ++r) p.weight[r * p.columns + c] /= total;
      }
    });
    block.own([&](int t) {
      for (Index e = t; e < p.columns * p.width; e += kThreads) {
        const Index c = e / p.width, d = e % p.width;
        T value = 0;
        for (Index r = begin; r < end; ++r) value += p.weight[r * p.columns + c] * p.x[r * p.width + d];
        p.out[s * p.columns * p.width + e] = value;
      }
    });
  }

 private:
  RAMER_HD bool counts(Index r) const { return !p.mask || p.mask[r]; }
};

/// `dweight` (R, C): room for <dout, x>.
template <class T>
struct SegmentPoolReverseKernel {
  static constexpr int kThreads = kPoolThreads, kWarpsOfBlock = kThreads / kLanes;
  SegmentPoolReverse<T> q;
  T* dweight;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index s, std::byte*) const {
    const SegmentPool<T>& p = q.forward;
    if (s >= p.segments) {
      clear_dead_rows<kThreads>(block, s - p.segments, q.dscore, p.offsets[p.segments], p.rows, p.columns, p.columns);
      return clear_dead_rows<kThreads>(block, s - p.segments, q.dx, p.offsets[p.segments], p.rows, p.width, p.width);
    }
    const Index begin = p.offsets[s], rows = p.offsets[s + 1] - begin, columns = p.columns, width = p.width;
    const T* const dout = q.dout + s * columns * width;
    if (q.dscore) {
      const bool uniform = pools_uniformly(p, s);
      const Index pairs = uniform ? 0 : rows * columns;
      for (Index from = 0; from < pairs; from += kWarpsOfBlock) {  // a warp to a pair of row and column
        typename Block::template Own<T, 1> product(block);
        block.own([&](int t) {
          const Index e = from + t / kLanes, r = begin + e / columns, c = e % columns;
          T total = 0;
          for (Index d = t % kLanes; e < pairs && d < width; d += kLanes) total += dout[c * width + d] * p.x[r * width + d];
          *product(t) = total;
        });
        block.sum_lanes(product);
        block.own([&](int t) {
          const Index e = from + t / kLanes;
          if (e < pairs && t % kLanes == 0) dweight[begin * columns + e] = *product(t);
        });
      }
      block.barrier();
      block.own([&](int t) {
        for (Index c = t; c < columns; c += kThreads) {
          T mean = 0;
          for (Index r = begin; !uniform && r < begin + rows; ++r)
            mean += p.weight[r * columns + c] * dweight[r * columns + c];
          for (Index r = begin; r < begin + rows; ++r) {
            const Index at = r * columns + c;
            q.dscore.put(at, uniform ? T(0) : p.weight[at] * (dweight[at] - mean));
          }
        }
      });
    }
    if (!q.dx) return;
    block.own([&](int t) {
      for (Index e = t; e < rows * width; e += kThreads) {
        const Index r = begin + e / width, d = e % width;
        T value = 0;
        for (Index c = 0; c < columns; ++c) value += p.weight[r * columns + c] * dout[c * width + d];
        q.dx.put(r * width + d, value);
      }
    });
  }
};

}  // namespace ramer::backend::device
