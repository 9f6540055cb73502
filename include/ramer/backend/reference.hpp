// The oracle: every kernel of the contract as plain loops, in the order in which its law is written. Slow and obvious.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/host_arrays.hpp"

namespace ramer::backend {

/// One thread, host memory, no state.
class Reference : public HostArrays {
 public:
  static constexpr const char* name = "reference";

  template <class F>
  void map(Index n, F f) const {
    for (Index i = 0; i < n; ++i) f(i);
  }
  template <class F>
  void map_2d(Index rows, Index cols, F f) const {
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < cols; ++c) f(r, c);
  }
  template <class F, class T>
  void sum(Index n, F f, T scale, Target<T> out) const {
    double total = 0;
    for (Index i = 0; i < n; ++i) total += static_cast<double>(f(i));
    out.put(0, static_cast<T>(static_cast<double>(scale) * total));
  }
  template <class F, class Put>
  void reduce_rows(Index rows, Index cols, F f, Put put) const {
    for (Index r = 0; r < rows; ++r) {
      decltype(f(r, Index{0})) total{};
      for (Index c = 0; c < cols; ++c) total += f(r, c);
      put(r, total);
    }
  }
  template <class F, class T>
  void reduce_columns(Index rows, Index cols, F f, Target<T> out) const {
    for (Index c = 0; c < cols; ++c) {
      T total{};
      for (Index r = 0; r < rows; ++r) total += f(r, c);
      out.put(c, total);
    }
  }
  template <class F>
  void map_arrays(const Arrays& arrays, F f) const {
    for (Index s = 0; s < arrays.count; ++s) map(arrays.size(s), f(s));
  }
  template <class F, class T>
  void sum_arrays(const Arrays& arrays, F f, Target<T> out) const {
    for (Index s = 0; s < arrays.count; ++s) sum(arrays.size(s), f(s), T(1), out.at(s));
  }

  template <class T>
  void gemm(const Gemm<T>& g) const {
    for (Index i = 0; i < g.m; ++i) {
      for (Index j = 0; j < g.n; ++j) {
        T total{};
        for (Index l = 0; l < g.k; ++l) {
          const T a = g.trans_a == Transpose::Yes ? g.a[l * g.lda + i] : g.a[i * g.lda + l];
          const T b = g.trans_b == Transpose::Yes ? g.b[j * g.ldb + l] : g.b[l * g.ldb + j];
          total += a * b;
        }
        total *= g.alpha;
        if (g.epilogue.bias) total += g.epilogue.bias[j];
        if (g.epilogue.preactivation) g.epilogue.preactivation[i * g.epilogue.preactivation_stride + j] = total;
        g.c.put(i * g.ldc + j, activate(g.epilogue.activation, total));
      }
    }
  }
  template <class T>
  void gemm_batched(Gemm<T> g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    for (Index i = 0; i < batch; ++i) {
      gemm(g);
      g.a += stride_a;
      g.b += stride_b;
      g.c = g.c.at(stride_c);
    }
  }

  template <class T>
  void layer_norm(const LayerNorm<T>& p) const {
    std::vector<T> h(static_cast<std::size_t>(p.cols));
    for (Index r = 0; r < p.rows; ++r) {
      T mean{}, variance{};
      for (Index c = 0; c < p.cols; ++c) {
        T value = p.x[r * p.cols + c];
        if (p.dropout.active()) value *= static_cast<T>(p.dropout.factor(p.dropout.key(r), static_cast<std::uint32_t>(c)));
        if (p.residual) value += p.residual[r * p.cols + c];
        h[static_cast<std::size_t>(c)] = value;
      }
      const T origin = h.empty() ? T(0) : h[0];
      for (T& value : h) mean += value -= origin;
      mean /= static_cast<T>(p.cols);
      for (T value : h) variance += (value - mean) * (value - mean);
      variance /= static_cast<T>(p.cols);
      const T inverse_sd = T(1) / std::sqrt(variance + p.eps);
      if (p.inverse_sd) p.inverse_sd[r] = inverse_sd;
      for (Index c = 0; c < p.cols; ++c) {
        const T normalized = (h[static_cast<std::size_t>(c)] - mean) * inverse_sd;
        if (p.normalized) p.normalized[r * p.cols + c] = normalized;
        p.y[r * p.cols + c] = p.gain[c] * normalized + p.bias[c];
      }
    }
  }
  template <class T>
  void layer_norm_reverse(const LayerNormReverse<T>& p) const {
    const auto normalized = [&p](Index r, Index c) {
      const Index at = r * p.cols + c;
      return p.normalized ? p.normalized[at] : (p.y[at] - p.bias[c]) / p.gain[c];
    };
    for (Index c = 0; c < p.cols; ++c) {
      T dgain{}, dbias{};
      for (Index r = 0; r < p.rows; ++r) {
        dgain += p.dy[r * p.cols + c] * normalized(r, c);
        dbias += p.dy[r * p.cols + c];
      }
      if (p.dgain) p.dgain.put(c, dgain);
      if (p.dbias) p.dbias.put(c, dbias);
    }
    for (Index r = 0; r < p.rows; ++r) {
      const T* dy = p.dy + r * p.cols;
      T mean_g{}, mean_gn{};
      for (Index c = 0; c < p.cols; ++c) {
        mean_g += dy[c] * p.gain[c];
        mean_gn += dy[c] * p.gain[c] * normalized(r, c);
      }
      mean_g /= static_cast<T>(p.cols);
      mean_gn /= static_cast<T>(p.cols);
      for (Index c = 0; c < p.cols; ++c) {
        const T dh = p.inverse_sd[r] * (dy[c] * p.gain[c] - mean_g - normalized(r, c) * mean_gn);
        if (p.dresidual) p.dresidual.put(r * p.cols + c, dh);
        if (p.dx) {
          const T factor =
              p.dropout.active() ? static_cast<T>(p.dropout.factor(p.dropout.key(r), static_cast<std::uint32_t>(c))) : T(1);
          p.dx.put(r * p.cols + c, dh * factor);
        }
      }
    }
  }

  template <class T>
  void attention(const Attention<T>& p) const {
    std::vector<T> weight;
    for (Index g = 0; g < p.groups; ++g) {
      const Index begin = p.offsets[g], n = p.offsets[g + 1] - begin;
      const Index first = p.queries()[g], queries = p.queries()[g + 1] - first;
      for (Index h = 0; h < p.heads; ++h) {
        attention_weights(p, g, h, weight);
        for (Index i = 0; i < queries; ++i) {
          for (Index d = 0; d < p.width; ++d) {
            T total{};
            for (Index j = 0; j < n; ++j) {
              total += weight[static_cast<std::size_t>(i * n + j)] * attention_factor(p, first + i, begin + j, h) *
                       p.v[(begin + j) * p.ld + h * p.width + d];
            }
            p.out[(first + i) * p.ld_out + h * p.width + d] = total;
          }
        }
      }
    }
    if (p.dead_rows) put_zeros(Target<T>{p.out, false}, p.queries()[p.groups], p.all_queries(), p.heads * p.width, p.ld_out);
  }
  template <class T>
  void attention_reverse(const AttentionReverse<T>& r) const {
    Attention<T> p = r.forward;
    if (r.out) {
      p.out = r.out;
      attention(p);
    }
    std::vector<T> weight, dscore;
    for (Index g = 0; g < p.groups; ++g) {
      const Index begin = p.offsets[g], n = p.offsets[g + 1] - begin;
      const Index first = p.queries()[g], queries = p.queries()[g + 1] - first;
      for (Index h = 0; h < p.heads; ++h) {
        const bool uniform = attention_weights(p, g, h, weight);
        dscore.assign(static_cast<std::size_t>(queries * n), T(0));
        for (Index i = 0; i < queries && !uniform; ++i) {
          const T* dout = r.dout + (first + i) * p.ld_out + h * p.width;
          T mean{};
          for (int pass = 0; pass < 2; ++pass) {
            for (Index j = 0; j < n; ++j) {
              T dp{};
              for (Index d = 0; d < p.width; ++d) dp += dout[d] * p.v[(begin + j) * p.ld + h * p.width + d];
              dp *= attention_factor(p, first + i, begin + j, h);
              const T w = weight[static_cast<std::size_t>(i * n + j)];
              if (pass == 0) {
                mean += w * dp;
              } else {
                dscore[static_cast<std::size_t>(i * n + j)] = w * (dp - mean);
              }
            }
          }
        }
        std::vector<T> dq(static_cast<std::size_t>(queries * p.width)), dk(static_cast<std::size_t>(n * p.width)), dv(dk);
        for (Index i = 0; i < queries; ++i) {
          for (Index j = 0; j < n; ++j) {
            const T ds = p.scale * dscore[static_cast<std::size_t>(i * n + j)];
            const T w = weight[static_cast<std::size_t>(i * n + j)] * attention_factor(p, first + i, begin + j, h);
            for (Index d = 0; d < p.width; ++d) {
              const Index column = h * p.width + d;
              dq[static_cast<std::size_t>(i * p.width + d)] += ds * p.k[(begin + j) * p.ld + column];
              dk[static_cast<std::size_t>(j * p.width + d)] += ds * p.q[(first + i) * p.ld + column];
              dv[static_cast<std::size_t>(j * p.width + d)] += w * r.dout[(first + i) * p.ld_out + column];
            }
          }
        }
        const auto put = [&p, h](Target<T> to, Index row, const std::vector<T>& x) {
          for (std::size_t i = 0; to && i < x.size(); ++i)
            to.put((row + static_cast<Index>(i) / p.width) * p.ld + h * p.width + static_cast<Index>(i) % p.width, x[i]);
        };
        put(r.dq, first, dq);
        put(r.dk, begin, dk);
        put(r.dv, begin, dv);
      }
    }
    if (!p.dead_rows) return;
    put_zeros(r.dq, p.queries()[p.groups], p.all_queries(), p.heads * p.width, p.ld);
    put_zeros(r.dk, p.offsets[p.groups], p.rows, p.heads * p.width, p.ld);
    put_zeros(r.dv, p.offsets[p.groups], p.rows, p.heads * p.width, p.ld);
  }

  template <class T>
  void segment_pool(const SegmentPool<T>& p) const {
    for (Index s = 0; s < p.segments; ++s) {
      const Index begin = p.offsets[s], end = p.offsets[s + 1];
      const bool uniform = pool_is_uniform(p, s);
      for (Index c = 0; c < p.columns; ++c) {
        T largest = -std::numeric_limits<T>::infinity(), total{};
        for (Index r = begin; r < end; ++r)
          if (uniform || !p.mask || p.mask[r]) largest = std::max(largest, uniform ? T(0) : p.score[r * p.columns + c]);
        for (Index r = begin; r < end; ++r) {
          const bool in = uniform || !p.mask || p.mask[r];
          p.weight[r * p.columns + c] = in ? std::exp((uniform ? T(0) : p.score[r * p.columns + c]) - largest) : T(0);
          total += p.weight[r * p.columns + c];
        }
        for (Index r = begin; r < end; ++r) p.weight[r * p.columns + c] /= total;
        for (Index d = 0; d < p.width; ++d) {
          T value{};
          for (Index r = begin; r < end; ++r) value += p.weight[r * p.columns + c] * p.x[r * p.width + d];
          p.out[(s * p.columns + c) * p.width + d] = value;
        }
      }
    }
    if (p.dead_rows) put_zeros(Target<T>{p.weight, false}, p.offsets[p.segments], p.rows, p.columns, p.columns);
  }
  template <class T>
  void segment_pool_reverse(const SegmentPoolReverse<T>& q) const {
    const SegmentPool<T>& p = q.forward;
    for (Index s = 0; s < p.segments; ++s) {
      const Index begin = p.offsets[s], end = p.offsets[s + 1];
      const bool uniform = pool_is_uniform(p, s);
      const T* dout = q.dout + s * p.columns * p.width;
      for (Index r = begin; r < end && q.dx; ++r) {
        for (Index d = 0; d < p.width; ++d) {
          T value{};
          for (Index c = 0; c < p.columns; ++c) value += p.weight[r * p.columns + c] * dout[c * p.width + d];
          q.dx.put(r * p.width + d, value);
        }
      }
      for (Index c = 0; c < p.columns && q.dscore; ++c) {
        T mean{};
        for (int pass = 0; pass < 2; ++pass) {
          for (Index r = begin; r < end; ++r) {
            T da{};
            for (Index d = 0; d < p.width; ++d) da += dout[c * p.width + d] * p.x[r * p.width + d];
            if (pass == 0) {
              mean += p.weight[r * p.columns + c] * da;
            } else {
              q.dscore.put(r * p.columns + c, uniform ? T(0) : p.weight[r * p.columns + c] * (da - mean));
            }
          }
        }
      }
    }
    if (!p.dead_rows) return;
    put_zeros(q.dx, p.offsets[p.segments], p.rows, p.width, p.width);
    put_zeros(q.dscore, p.offsets[p.segments], p.rows, p.columns, p.columns);
  }

  template <class T>
  void contrastive(const Contrastive<T>& p) const {
    contrastive_class_sums(p);
    const Index n = p.rows + p.queue_rows, anchors = p.anchors();
    double total = 0;
    for (Index i = 0; i < anchors; ++i) {
      T largest = -std::numeric_limits<T>::infinity(), denominator{}, positive{}, count{};
      for (Index a = 0; a < n; ++a) largest = std::max(largest, similarity(p, i, a));
      for (Index a = 0; a < n; ++a) {
        if (a == i) continue;
        denominator += std::exp(similarity(p, i, a) - largest);
        if (p.id(a) >= 0 && p.id(a) == p.id(i)) {
          positive += similarity(p, i, a);
          count += T(1);
        }
      }
      p.log_denominator[i] = largest + std::log(denominator + T(1e-12));
      p.anchor_loss[i] = -(positive - count * p.log_denominator[i]) / (count + T(1e-12));
      total += static_cast<double>(p.anchor_loss[i]);
    }
    *p.loss = anchors ? static_cast<T>(total / static_cast<double>(anchors)) : T(0);
  }
  template <class T>
  void contrastive_reverse(const ContrastiveReverse<T>& q) const {
    const Contrastive<T>& p = q.forward;
    const Index n = p.rows + p.queue_rows, anchors = p.anchors();
    const T w = anchors ? *q.dloss / static_cast<T>(anchors) : T(0);
    for (Index i = 0; i < p.rows; ++i) {
      for (Index d = 0; d < p.width; ++d) {
        T total{};
        for (Index a = 0; a < n; ++a) {
          if (a == i) continue;
          const T s = similarity(p, i, a);
          total += (contrastive_slope(p, i, a, s) + (a < anchors ? contrastive_slope(p, a, i, s) : T(0))) * p.row(a)[d];
        }
        q.dfeatures.put(i * p.width + d, w * total / p.temperature);
      }
    }
  }

 private:
  /// 0 for the first `cols` elements of the rows [begin, end), which lie `ld` apart.
  template <class T>
  static void put_zeros(Target<T> to, Index begin, Index end, Index cols, Index ld) {
    for (Index r = begin; r < end && to; ++r)
      for (Index c = 0; c < cols; ++c) to.put(r * ld + c, T(0));
  }
  template <class T>
  static T attention_factor(const Attention<T>& p, Index query, Index key, Index head) {
    if (!p.dropout.active()) return T(1);
    return static_cast<T>(p.dropout.factor(attention_row(p.dropout.key(query), head), attention_column(p.key_of_row(key))));
  }
  /// Fills weight (n, n) for a group and head; true when the group attends uniformly.
  template <class T>
  static bool attention_weights(const Attention<T>& p, Index g, Index h, std::vector<T>& weight) {
    const Index begin = p.offsets[g], n = p.offsets[g + 1] - begin;
    const Index first = p.queries()[g], queries = p.queries()[g + 1] - first;
    weight.assign(static_cast<std::size_t>(queries * n), T(0));
    bool uniform = p.uniform && p.uniform[g];
    if (!uniform && p.key) uniform = std::none_of(p.key + begin, p.key + begin + n, [](std::uint8_t k) { return k != 0; });
    for (Index i = 0; i < queries; ++i) {
      T* row = weight.data() + i * n;
      T largest = -std::numeric_limits<T>::infinity(), total{};
      for (Index j = 0; j < n; ++j) {
        for (Index d = 0; d < p.width && !uniform; ++d)
          row[j] += p.q[(first + i) * p.ld + h * p.width + d] * p.k[(begin + j) * p.ld + h * p.width + d];
        row[j] *= p.scale;
        if (uniform || !p.key || p.key[begin + j]) largest = std::max(largest, row[j]);
      }
      for (Index j = 0; j < n; ++j) {
        row[j] = uniform || !p.key || p.key[begin + j] ? std::exp(row[j] - largest) : T(0);
        total += row[j];
      }
      for (Index j = 0; j < n; ++j) row[j] /= total;
    }
    return uniform;
  }
  template <class T>
  static bool pool_is_uniform(const SegmentPool<T>& p, Index s) {
    if (p.uniform && p.uniform[s]) return true;
    return p.mask && std::none_of(p.mask + p.offsets[s], p.mask + p.offsets[s + 1], [](std::uint8_t m) { return m != 0; });
  }
  template <class T>
  static T similarity(const Contrastive<T>& p, Index i, Index a) {
    T dot{};
    for (Index d = 0; d < p.width; ++d) dot += p.row(i)[d] * p.row(a)[d];
    return dot / p.temperature;
  }
  template <class T>
  static void contrastive_class_sums(const Contrastive<T>& p) {
    std::fill_n(p.class_sum, p.classes * p.width, T(0));
    std::fill_n(p.class_count, p.classes, T(0));
    for (Index i = 0; i < p.rows + p.queue_rows; ++i) {
      if (p.id(i) < 0) continue;
      p.class_count[p.id(i)] += T(1);
      for (Index d = 0; d < p.width; ++d) p.class_sum[p.id(i) * p.width + d] += p.row(i)[d];
    }
  }
  /// d loss_i / d s_ia for anchor i.
  template <class T>
  static T contrastive_slope(const Contrastive<T>& p, Index i, Index a, T s) {
    const T count = p.id(i) >= 0 ? p.class_count[p.id(i)] - T(1) : T(0);
    const T share = count / (count + T(1e-12));
    const bool positive = p.id(i) >= 0 && p.id(i) == p.id(a);
    return share * std::exp(s - p.log_denominator[i]) - (positive ? T(1) / (count + T(1e-12)) : T(0));
  }
};

static_assert(Backend<Reference>);

}  // namespace ramer::backend
