// Layer normalization with its dropout and residual. Memory-bound: one read of each input, one write of each output.
#pragma once

#include "ramer/backend/cpu/dropout.hpp"
#include "ramer/backend/cpu/loops.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

template <class T>
void layer_norm(Workers& workers, const LayerNorm<T>& p) {
  const Index n = p.cols, block_rows = std::max<Index>(1, kMapBlock / std::max<Index>(n, 1));
  const auto carve = [n](void* base, T*& h, T*& factor) {
    Carver carver(base);
    h = carver.take<T>(n), factor = carver.take<T>(n);
    return carver.used();
  };
  T *h = nullptr, *factor = nullptr;
  const auto scratch = workers.lease(0, carve(nullptr, h, factor));
  workers.run(ceil_div(p.rows, block_rows), [&](Index block, int slot) {
    T *value = nullptr, *keep = nullptr;
    carve(scratch.slot(slot), value, keep);
    const T *const gain = p.gain, *const bias = p.bias;
    const T scale = T(1) / static_cast<T>(n);
    const Index end = std::min(p.rows, (block + 1) * block_rows);
    for (Index r = block * block_rows; r < end; ++r) {
      const T* x = p.x + r * n;
      const T* residual = p.residual ? p.residual + r * n : nullptr;
      if (p.dropout.active()) {
        dropout_factors(p.dropout, p.dropout.key(r), 0, n, keep);
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) value[c] = x[c] * keep[c];
        x = value;
      }
      // About the first element: rows far from 0 keep their digits, and equal numbers have mean 0 and variance 0 exactly.
      const T origin = n == 0 ? T(0) : residual ? x[0] + residual[0] : x[0];
      if (residual) {
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) value[c] = (x[c] + residual[c]) - origin;
      } else {
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) value[c] = x[c] - origin;
      }
      const T mean = scale * sum_of<T>(0, n, [value](Index c) { return value[c]; });
      const T variance = scale * sum_of<T>(0, n, [value, mean](Index c) { return (value[c] - mean) * (value[c] - mean); });
      const T inverse_sd = T(1) / std::sqrt(variance + p.eps);
      if (p.inverse_sd) p.inverse_sd[r] = inverse_sd;
      T* const y = p.y + r * n;
      if (p.normalized) {
        T* const normalized = p.normalized + r * n;
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) {
          const T x_hat = (value[c] - mean) * inverse_sd;
          normalized[c] = x_hat;
          y[c] = multiply_add(gain[c], x_hat, bias[c]);
        }
      } else {
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) y[c] = multiply_add(gain[c], (value[c] - mean) * inverse_sd, bias[c]);
      }
    }
  });
}

template <class T>
void layer_norm_reverse(Workers& workers, const LayerNormReverse<T>& p) {
  const Index n = p.cols, block_rows = std::max<Index>(1, kMapBlock / std::max<Index>(n, 1));
  const Index blocks = ceil_div(p.rows, block_rows);
  const bool sums = p.dgain || p.dbias;
  struct Scratch {
    T *dh, *factor, *x_hat, *inverse_gain;  // (n)
  };
  const auto carve = [n](void* base, Scratch& s) {
    Carver carver(base);
    for (T** x : {&s.dh, &s.factor, &s.x_hat, &s.inverse_gain}) *x = carver.take<T>(n);
    return carver.used();
  };
  Scratch sizes;
  const auto scratch = workers.lease(static_cast<std::size_t>(sums ? 2 * blocks * n : 0) * sizeof(T), carve(nullptr, sizes));
  T* const partial = static_cast<T*>(scratch.shared());  // (blocks, 2, n): of gain and bias
  workers.run(blocks, [&](Index block, int slot) {
    Scratch own;
    carve(scratch.slot(slot), own);
    T *const dh = own.dh, *const keep = own.factor, *const x_hat = own.x_hat, *const inverse_gain = own.inverse_gain;
    const T *const gain = p.gain, *const bias = p.bias;
    for (Index c = 0; c < n && !p.normalized; ++c) inverse_gain[c] = T(1) / gain[c];
    const T scale = T(1) / static_cast<T>(n);
    T *const dgain = sums ? partial + 2 * block * n : nullptr, *const dbias = sums ? dgain + n : nullptr;
    if (sums) std::fill_n(dgain, 2 * n, T(0));
    const Index end = std::min(p.rows, (block + 1) * block_rows);
    for (Index r = block * block_rows; r < end; ++r) {
      const T *dy = p.dy + r * n, *normalized = x_hat;
      if (p.normalized) {
        normalized = p.normalized + r * n;
      } else {
        const T* const y = p.y + r * n;
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) x_hat[c] = (y[c] - bias[c]) * inverse_gain[c];
      }
      if (sums) {
        RAMER_CPU_INDEPENDENT
        for (Index c = 0; c < n; ++c) {
          dgain[c] = multiply_add(dy[c], normalized[c], dgain[c]);
          dbias[c] += dy[c];
        }
      }
      if (!p.dresidual && !p.dx) continue;
      RAMER_CPU_INDEPENDENT
      for (Index c = 0; c < n; ++c) dh[c] = dy[c] * gain[c];
      const T mean_g = scale * sum_of<T>(0, n, [dh](Index c) { return dh[c]; });
      const T mean_gn = scale * sum_of<T>(0, n, [dh, normalized](Index c) { return dh[c] * normalized[c]; });
      const T inverse_sd = p.inverse_sd[r];
      RAMER_CPU_INDEPENDENT
      for (Index c = 0; c < n; ++c) dh[c] = inverse_sd * (dh[c] - mean_g - normalized[c] * mean_gn);
      if (p.dresidual) put_all(p.dresidual.at(r * n), n, [dh](Index c) { return dh[c]; });
      if (!p.dx) continue;
      if (p.dropout.active()) {
        dropout_factors(p.dropout, p.dropout.key(r), 0, n, keep);
        put_all(p.dx.at(r * n), n, [dh, keep](Index c) { return dh[c] * keep[c]; });
      } else {
        put_all(p.dx.at(r * n), n, [dh](Index c) { return dh[c]; });
      }
    }
  });
  if (!sums) return;
  if (blocks == 0) {
    if (p.dgain) put_all(p.dgain, n, [](Index) { return T(0); });
    if (p.dbias) put_all(p.dbias, n, [](Index) { return T(0); });
    return;
  }
  for (Index b = 1; b < blocks; ++b) add_scaled(T(1), partial + 2 * b * n, 2 * n, partial);
  if (p.dgain) put_all(p.dgain, n, [partial](Index c) { return partial[c]; });
  if (p.dbias) put_all(p.dbias, n, [partial, n](Index c) { return partial[n + c]; });
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
