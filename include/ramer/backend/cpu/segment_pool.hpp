// Label-wise pooling of ragged segments. A task is one segment; 2 R C D FLOP forward and 4 R C D reverse.
#pragma once

#include "ramer/backend/cpu/dead_rows.hpp"
#include "ramer/backend/cpu/loops.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

template <class T>
bool pools_uniformly(const SegmentPool<T>& p, Index s) {
  if (p.uniform && p.uniform[s]) return true;
  return p.mask && std::none_of(p.mask + p.offsets[s], p.mask + p.offsets[s + 1], [](std::uint8_t m) { return m != 0; });
}

template <class T>
void segment_pool(Workers& workers, const SegmentPool<T>& p) {
  const Index columns = p.columns;
  const auto scratch = workers.lease(0, static_cast<std::size_t>(2 * columns) * sizeof(T));
  workers.run(p.segments, [&](Index s, int slot) {
    const Index begin = p.offsets[s], end = p.offsets[s + 1];
    const bool uniform = pools_uniformly(p, s);
    T *const largest = static_cast<T*>(scratch.slot(slot)), *const total = largest + columns;
    T* const weight = p.weight;
    if (uniform) {
      std::fill(weight + begin * columns, weight + end * columns, T(1) / static_cast<T>(end - begin));
    } else {
      std::fill_n(largest, columns, -std::numeric_limits<T>::infinity());
      std::fill_n(total, columns, T(0));
      for (Index r = begin; r < end; ++r) {
        if (p.mask && !p.mask[r]) continue;
        const T* score = p.score + r * columns;
        for (Index c = 0; c < columns; ++c) largest[c] = std::max(largest[c], score[c]);
      }
      for (Index r = begin; r < end; ++r) {
        const T* score = p.score + r * columns;
        T* a = weight + r * columns;
        if (p.mask && !p.mask[r]) {
          std::fill_n(a, columns, T(0));
          continue;
        }
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < columns; ++c) {
          a[c] = fast_exp(score[c] - largest[c]);
          total[c] += a[c];
        }
      }
      for (Index r = begin; r < end; ++r) {
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < columns; ++c) weight[r * columns + c] /= total[c];
      }
    }
    T* const out = p.out + s * columns * p.width;
    std::fill_n(out, columns * p.width, T(0));
    for (Index r = begin; r < end; ++r)
      for (Index c = 0; c < columns; ++c) add_scaled(weight[r * columns + c], p.x + r * p.width, p.width, out + c * p.width);
  });
  clear_dead_rows(p);
}

template <class T>
void segment_pool_reverse(Workers& workers, const SegmentPoolReverse<T>& q) {
  const SegmentPool<T>& p = q.forward;
  const Index columns = p.columns, width = p.width;
  const auto carve = [columns, width](void* base, T*& dx, T*& mean) {
    Carver carver(base);
    dx = carver.take<T>(width), mean = carver.take<T>(columns);
    return carver.used();
  };
  // da of a segment is kept from the first pass to the second: (R, C) of shared scratch, rows of different segments apart.
  T *unused = nullptr, *unused_too = nullptr;
  const auto scratch = workers.lease(static_cast<std::size_t>(q.dscore ? p.rows * columns : 0) * sizeof(T),
                                     carve(nullptr, unused, unused_too));
  T* const da = static_cast<T*>(scratch.shared());
  workers.run(p.segments, [&](Index s, int slot) {
    const Index begin = p.offsets[s], end = p.offsets[s + 1];
    const T* const dout = q.dout + s * columns * width;
    T *dx = nullptr, *mean = nullptr;
    carve(scratch.slot(slot), dx, mean);
    if (q.dscore && pools_uniformly(p, s)) {
      put_all(q.dscore.at(begin * columns), (end - begin) * columns, [](Index) { return T(0); });
    } else if (q.dscore) {
      std::fill_n(mean, columns, T(0));
      for (Index r = begin; r < end; ++r) {
        for (Index c = 0; c < columns; ++c) {
          da[r * columns + c] = dot(dout + c * width, p.x + r * width, width);
          mean[c] += p.weight[r * columns + c] * da[r * columns + c];
        }
      }
      for (Index r = begin; r < end; ++r) {
        const T *const a = p.weight + r * columns, *const d = da + r * columns, *const m = mean;
        put_all(q.dscore.at(r * columns), columns, [a, d, m](Index c) { return a[c] * (d[c] - m[c]); });
      }
    }
    for (Index r = begin; r < end && q.dx; ++r) {
      std::fill_n(dx, width, T(0));
      for (Index c = 0; c < columns; ++c) add_scaled(p.weight[r * columns + c], dout + c * width, width, dx);
      put_all(q.dx.at(r * width), width, [dx](Index d) { return dx[d]; });
    }
  });
  clear_dead_rows(q);
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
