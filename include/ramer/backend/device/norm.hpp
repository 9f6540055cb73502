// Layer normalization: 32 threads to a row, each with four neighbouring columns of every 128.
#pragma once

#include "ramer/backend/device/loops.hpp"

namespace ramer::backend::device {

inline constexpr int kNormThreads = 256, kNormRows = kNormThreads / kLanes;

/// Column of a lane's v-th number.
RAMER_HD constexpr Index norm_column(int t, Index v) { return v / 4 * (4 * kLanes) + 4 * (t % kLanes) + v % 4; }

/// Rows of at most 32 N columns stay in registers; with N = 0 any, and y holds what is being worked on.
template <class T, int N>
struct NormKernel {
  static constexpr int kThreads = kNormThreads;
  LayerNorm<T> p;
  Dropping<T> dropout;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    typename Block::template Own<T, N == 0 ? 1 : N> registers(block);
    typename Block::template Own<T, 1> origin(block), mean(block), variance(block);
    const Index n = p.cols;
    const T scale = T(1) / static_cast<T>(n);
    // f(number, its column, column mod 4) for the numbers of a thread.
    const auto walk = [&](int t, const auto& f) {
      const Index r = id * kNormRows + t / kLanes;
      if (r >= p.rows) return;
      if constexpr (N > 0) {
        RAMER_UNROLL
        for (int v = 0; v < N; ++v)
          if (norm_column(t, v) < n) f(registers(t)[v], norm_column(t, v), v % 4);
      } else {
        for (Index v = 0; norm_column(t, v - v % 4) < n; ++v)
          if (norm_column(t, v) < n) f(p.y[r * n + norm_column(t, v)], norm_column(t, v), static_cast<int>(v % 4));
      }
    };
    block.own([&](int t) {
      const Index r = id * kNormRows + t / kLanes;
      *origin(t) = T(0);
      T factor[4]{};
      walk(t, [&](T& value, Index c, int part) {
        if (part == 0) dropout.factors(p.dropout.key(r), static_cast<std::uint32_t>(c / 4), factor);
        value = p.x[r * n + c];
        if (p.dropout.active()) value *= factor[part];
        if (p.residual) value += p.residual[r * n + c];
        if (c == 0) *origin(t) = value;
      });
    });
    // About the first element: rows far from 0 keep their digits, and equal numbers have mean 0 and variance 0 exactly.
    block.first_of_lanes(origin);
    block.own([&](int t) {
      T total = 0;
      walk(t, [&](T& value, Index, int) { total += value -= *origin(t); });
      *mean(t) = total;
    });
    block.sum_lanes(mean);
    block.own([&](int t) {
      *mean(t) *= scale;
      T total = 0;
      walk(t, [&](T& value, Index, int) { total += (value - *mean(t)) * (value - *mean(t)); });
      *variance(t) = total;
    });
    block.sum_lanes(variance);
    block.own([&](int t) {
      const Index r = id * kNormRows + t / kLanes;
      if (r >= p.rows) return;
      const T inverse_sd = T(1) / std::sqrt(*variance(t) * scale + p.eps);
      if (p.inverse_sd && t % kLanes == 0) p.inverse_sd[r] = inverse_sd;
      walk(t, [&](T& value, Index c, int) {
        const T x_hat = (value - *mean(t)) * inverse_sd;
        if (p.normalized) p.normalized[r * n + c] = x_hat;
        p.y[r * n + c] = p.gain[c] * x_hat + p.bias[c];
      });
    });
  }
};

template <class T>
RAMER_HD T normalized(const LayerNormReverse<T>& p, Index r, Index c) {
  const Index at = r * p.cols + c;
  return p.normalized ? p.normalized[at] : (p.y[at] - p.bias[c]) / p.gain[c];
}

/// dx and dresidual, by the thread that has the element; dresidual first.
template <class T>
struct NormReverseKernel {
  static constexpr int kThreads = kNormThreads;
  LayerNormReverse<T> p;
  Dropping<T> dropout;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    typename Block::template Own<T, 2> mean(block);  // of g = dy gain, and of g x^
    const Index n = p.cols;
    const T scale = T(1) / static_cast<T>(n);
    block.own([&](int t) {
      const Index r = id * kNormRows + t / kLanes;
      T g_total = 0, product_total = 0;
      for (Index v = 0; r < p.rows && norm_column(t, v - v % 4) < n; ++v) {
        const Index c = norm_column(t, v);
        if (c >= n) continue;
        const T g = p.dy[r * n + c] * p.gain[c];
        g_total += g;
        product_total += g * normalized(p, r, c);
      }
      mean(t)[0] = g_total;
      mean(t)[1] = product_total;
    });
    block.sum_lanes(mean);
    block.own([&](int t) {
      const Index r = id * kNormRows + t / kLanes;
      if (r >= p.rows) return;
      const T mean_g = scale * mean(t)[0], mean_gn = scale * mean(t)[1], inverse_sd = p.inverse_sd[r];
      T factor[4]{};
      for (Index v = 0; norm_column(t, v) < n; v += 4) {
        dropout.factors(p.dropout.key(r), static_cast<std::uint32_t>(norm_column(t, v) / 4), factor);
        RAMER_UNROLL
        for (int part = 0; part < 4; ++part) {
          const Index c = norm_column(t, v + part);
          if (c >= n) continue;
          const T dh = inverse_sd * (p.dy[r * n + c] * p.gain[c] - mean_g - normalized(p, r, c) * mean_gn);
          if (p.dresidual) p.dresidual.put(r * n + c, dh);
          if (p.dx) p.dx.put(r * n + c, p.dropout.active() ? dh * factor[part] : dh);
        }
      }
    });
  }
};

/// Sums of gain's and bias's gradient, in one pass over the rows.
template <class T>
struct NormSums {
  T gain, bias;
  RAMER_HD NormSums& operator+=(const NormSums& x) {
    gain += x.gain;
    bias += x.bias;
    return *this;
  }
};
template <class T>
struct NormTerms {
  LayerNormReverse<T> p;
  RAMER_HD NormSums<T> operator()(Index r, Index c) const {
    const T dy = p.dy[r * p.cols + c];
    return {dy * normalized(p, r, c), dy};
  }
};
template <class T>
struct PutNormSums {
  Target<T> dgain, dbias;
  RAMER_HD void operator()(Index c, NormSums<T> sums) const {
    if (dgain) dgain.put(c, sums.gain);
    if (dbias) dbias.put(c, sums.bias);
  }
};

}  // namespace ramer::backend::device
