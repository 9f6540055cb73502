// Attention inside ragged groups of rows. A task is one (group, head); it works on kQueryRows queries at a time, so that its
// memory grows with the length of the group and not with its square. Forward: 4 m n width FLOP for each head of a group of m
// queries and n rows; reverse: 10 m n width, since probabilities are recomputed, and 2 more for `out`.
#pragma once

#include "ramer/backend/cpu/dropout.hpp"
#include "ramer/backend/cpu/gemm.hpp"

namespace ramer::backend::cpu {

inline constexpr Index kQueryRows = 60;  ///< five tiles of 12 rows

/// What a task needs, laid out in the scratch of its thread.
template <class T>
struct AttentionScratch {
  T *key_t = nullptr, *key = nullptr, *value = nullptr, *value_again = nullptr;  // packed
  T *p = nullptr, *dp = nullptr, *dropped = nullptr;     // (kQueryRows, stride)
  T *factor = nullptr, *mask = nullptr;                  // (longest)
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;         // (longest queries or rows, width)
  T* product = nullptr;                                  // packed

  /// @param again whether a reverse gives the forward's out, too
  static std::size_t layout(void* base, const Attention<T>& p, bool reverse, bool again, AttentionScratch& s) {
    const Index n = p.longest, queries = p.longest_queries();
    const Index stride = padded_columns<T>(n), rows = std::min(kQueryRows, queries);
    Carver carver(base);
    s.key_t = carver.take<T>(packed_size<T>(p.width, n));
    s.value = carver.take<T>(reverse ? packed_size<T>(p.width, n) : packed_size<T>(n, p.width));
    s.p = carver.take<T>(rows * stride);
    s.factor = carver.take<T>(stride);
    s.mask = carver.take<T>(stride);
    if (reverse) {
      s.key = carver.take<T>(packed_size<T>(n, p.width));
      s.value_again = carver.take<T>(again ? packed_size<T>(n, p.width) : 0);
      s.dp = carver.take<T>(rows * stride);
      s.dropped = carver.take<T>(p.dropout.active() ? rows * stride : 0);
      s.dq = carver.take<T>(queries * p.width);
      s.dk = carver.take<T>(n * p.width);
      s.dv = carver.take<T>(n * p.width);
      s.product = carver.take<T>(packed_size<T>(rows, p.width));
    }
    return carver.used();
  }
};

/// One group and head.
template <class T>
struct AttentionTask {
  const Attention<T>& p;
  Index group, head;
  Index begin = p.offsets[group], n = p.offsets[group + 1] - begin;
  Index first = p.queries()[group], queries = p.queries()[group + 1] - first;
  Index stride = padded_columns<T>(n);
  bool uniform = n == 0 || (p.uniform && p.uniform[group]);
  bool consecutive = true;  ///< keys of the rows count up by one, so that their draws come in quads

  /// Fills mask (stride): 1 for keys, 0 for other rows and beyond the group.
  AttentionTask(const Attention<T>& attention, Index g, Index h, T* mask) : p(attention), group(g), head(h) {
    std::fill_n(mask, n, T(1));
    std::fill(mask + n, mask + stride, T(0));
    if (!uniform && p.key) {
      Index keys = 0;
      for (Index j = 0; j < n; ++j) {
        mask[j] = p.key[begin + j] ? T(1) : T(0);
        keys += p.key[begin + j] ? 1 : 0;
      }
      uniform = keys == 0;
    }
    if (p.dropout.active() && n > 0) {
      const std::uint32_t column = attention_column(p.key_of_row(begin));
      for (Index j = 0; j < n && consecutive; ++j)
        consecutive = attention_column(p.key_of_row(begin + j)) == column + static_cast<std::uint32_t>(j);
    }
  }

  const T* at(const T* x) const { return x + begin * p.ld + head * p.width; }
  const T* query_at(Index query) const { return p.q + (first + query) * p.ld + head * p.width; }

  /// Packs the keys as op(B) of the scores: (width, n).
  void pack_keys(T* key_t) const {
    if (!uniform) pack_b(true, at(p.k), p.ld, p.width, n, key_t);
  }

  /// Probabilities of queries [query, query + rows): (rows, stride).
  void probabilities(Index query, Index rows, const AttentionScratch<T>& s) const {
    if (uniform) {
      for (Index i = 0; i < rows; ++i)
        std::fill_n(std::fill_n(s.p + i * stride, n, T(1) / static_cast<T>(n)), stride - n, T(0));
      return;
    }
    Gemm<T> g;
    g.m = rows, g.n = n, g.k = p.width, g.alpha = p.scale;
    g.a = query_at(query), g.lda = p.ld;
    g.c = {s.p, false}, g.ldc = stride;
    multiply_packed(g, s.key_t, 0, rows, 0, stride, static_cast<T*>(nullptr));  // whole tiles; rows are as long
    // Step by step for all rows: what waits for a row's maximum or sum does not hold up the next row.
    const T* const mask = s.mask;
    T largest[kQueryRows], inverse[kQueryRows];
    for (Index i = 0; i < rows; ++i) {
      T* const row = s.p + i * stride;
      RAMER_CPU_INDEPENDENT
      for (Index j = 0; j < stride; ++j) row[j] = mask[j] != T(0) ? row[j] : std::numeric_limits<T>::lowest();
    }
    for (Index i = 0; i < rows; ++i) largest[i] = max_of(s.p + i * stride, stride);
    for (Index i = 0; i < rows; ++i) {
      T* const row = s.p + i * stride;
      const T shift = largest[i];
      RAMER_CPU_INDEPENDENT
      for (Index j = 0; j < stride; ++j) row[j] = mask[j] * fast_exp(row[j] - shift);  // fast_exp alone does not reach 0
    }
    for (Index i = 0; i < rows; ++i) inverse[i] = T(1) / sum_of<T>(0, stride, [row = s.p + i * stride](Index j) { return row[j]; });
    for (Index i = 0; i < rows; ++i) {
      T* const row = s.p + i * stride;
      const T factor = inverse[i];
      RAMER_CPU_INDEPENDENT
      for (Index j = 0; j < stride; ++j) row[j] *= factor;
    }
  }

  /// Dropout factors of one query's row, (stride); beyond the group they are of no account.
  void factors(Index query, T* factor) const {
    const std::uint64_t row = attention_row(p.dropout.key(first + query), head);
    if (consecutive) return dropout_factors(p.dropout, row, n > 0 ? attention_column(p.key_of_row(begin)) : 0, stride, factor);
    for (Index j = 0; j < stride; ++j)
      factor[j] = j < n ? static_cast<T>(p.dropout.factor(row, attention_column(p.key_of_row(begin + j)))) : T(0);
  }

  void forward(const AttentionScratch<T>& s) const {
    pack_keys(s.key_t);
    pack_b(false, at(p.v), p.ld, n, p.width, s.value);
    for (Index query = 0; query < queries; query += kQueryRows) {
      const Index rows = std::min(kQueryRows, queries - query);
      probabilities(query, rows, s);
      for (Index i = 0; i < rows && p.dropout.active(); ++i) {
        factors(query + i, s.factor);
        T* const row = s.p + i * stride;
        const T* const factor = s.factor;
        RAMER_CPU_INDEPENDENT
        for (Index j = 0; j < stride; ++j) row[j] *= factor[j];
      }
      put_out(s.p, query, rows, s.value, p.out);
    }
  }
  /// Rows of out: weight (rows, stride) times a packed V.
  void put_out(const T* weight, Index query, Index rows, const T* value, T* out) const {
    Gemm<T> g;
    g.m = rows, g.n = p.width, g.k = n;
    g.a = weight, g.lda = stride;
    g.c = {out + (first + query) * p.ld_out + head * p.width, false}, g.ldc = p.ld_out;
    multiply_packed(g, value, 0, rows, 0, p.width, static_cast<T*>(nullptr));
  }

  void reverse(const AttentionReverse<T>& r, const AttentionScratch<T>& s) const {
    const bool scores = !uniform && (r.dq || r.dk);
    if (uniform) {
      std::fill_n(s.dq, queries * p.width, T(0));
      std::fill_n(s.dk, n * p.width, T(0));
    }
    if (queries == 0) {
      std::fill_n(s.dk, n * p.width, T(0));
      std::fill_n(s.dv, n * p.width, T(0));
    }
    pack_keys(s.key_t);
    if (scores) {
      pack_b(true, at(p.v), p.ld, p.width, n, s.value);
      pack_b(false, at(p.k), p.ld, n, p.width, s.key);
    }
    if (r.out) pack_b(false, at(p.v), p.ld, n, p.width, s.value_again);
    for (Index query = 0; query < queries; query += kQueryRows) {
      const Index rows = std::min(kQueryRows, queries - query);
      const T* dout = r.dout + (first + query) * p.ld_out + head * p.width;
      probabilities(query, rows, s);
      if (scores) {
        Gemm<T> g;  // dP = dO V^T
        g.m = rows, g.n = n, g.k = p.width;
        g.a = dout, g.lda = p.ld_out;
        g.c = {s.dp, false}, g.ldc = stride;
        multiply_packed(g, s.value, 0, rows, 0, stride, static_cast<T*>(nullptr));
      }
      const T* dropped = s.p;
      if (p.dropout.active()) {
        dropped = s.dropped;
        for (Index i = 0; i < rows; ++i) {
          factors(query + i, s.factor);
          T *const out = s.dropped + i * stride, *const dp = s.dp + i * stride;
          const T *const row = s.p + i * stride, *const factor = s.factor;
          RAMER_CPU_INDEPENDENT
          for (Index j = 0; j < stride; ++j) out[j] = row[j] * factor[j];
          if (!scores) continue;
          RAMER_CPU_INDEPENDENT
          for (Index j = 0; j < stride; ++j) dp[j] *= factor[j];
        }
      }
      if (r.out) put_out(dropped, query, rows, s.value_again, r.out);
      if (r.dv) add_transposed_product(dropped, T(1), dout, p.ld_out, rows, s.product, {s.dv, query > 0});
      if (!scores) continue;
      T mean[kQueryRows];  // dS = P * (dP - sum P dP)
      for (Index i = 0; i < rows; ++i) mean[i] = dot(s.p + i * stride, s.dp + i * stride, stride);  // both are 0 beyond the group
      for (Index i = 0; i < rows; ++i) {
        const T* const row = s.p + i * stride;
        T* const dp = s.dp + i * stride;
        const T m = mean[i];
        RAMER_CPU_INDEPENDENT
        for (Index j = 0; j < stride; ++j) dp[j] = row[j] * (dp[j] - m);
      }
      if (r.dq) {
        Gemm<T> g;
        g.m = rows, g.n = p.width, g.k = n, g.alpha = p.scale;
        g.a = s.dp, g.lda = stride;
        g.c = {s.dq + query * p.width, false}, g.ldc = p.width;
        multiply_packed(g, s.key, 0, rows, 0, p.width, static_cast<T*>(nullptr));
      }
      if (r.dk) add_transposed_product(s.dp, p.scale, query_at(query), p.ld, rows, s.product, {s.dk, query > 0});
    }
    put_rows(r.dq, first, queries, s.dq);  // in this order: the three may be one buffer
    put_rows(r.dk, begin, n, s.dk);
    put_rows(r.dv, begin, n, s.dv);
  }

  /// Rows of x (count, width) to rows [row, row + count) of a target.
  void put_rows(Target<T> to, Index row, Index count, const T* x) const {
    for (Index i = 0; to && i < count; ++i)
      put_all(to.at((row + i) * p.ld + head * p.width), p.width, [y = x + i * p.width](Index d) { return y[d]; });
  }

  /// c (n, width) = or += alpha weight (rows, n)^T b (rows, width).
  void add_transposed_product(const T* weight, T alpha, const T* b, Index ldb, Index rows, T* scratch, Target<T> c) const {
    pack_b(false, b, ldb, rows, p.width, scratch);
    for_row_tiles<Tile<T>::rows>(0, n, [&](Index i, auto height) {  // a row of weights is short: no need to pack the transposed
      for (Index j = 0; j < p.width; j += Tile<T>::cols)
        multiply_tile<T, decltype(height)::value>(rows, alpha, weight + i, 1, stride, scratch + packed_at<T>(rows, p.width, 0, j),
                                                  c.data + i * p.width + j, p.width, std::min<Index>(Tile<T>::cols, p.width - j), c.accumulate);
    });
  }
};

template <class T>
void attention(Workers& workers, const Attention<T>& p) {
  AttentionScratch<T> sizes;
  const auto scratch = workers.lease(0, AttentionScratch<T>::layout(nullptr, p, false, false, sizes));
  workers.run(p.groups * p.heads, [&](Index i, int slot) {
    AttentionScratch<T> s;
    AttentionScratch<T>::layout(scratch.slot(slot), p, false, false, s);
    AttentionTask<T>(p, i / p.heads, i % p.heads, s.mask).forward(s);
  });
}

template <class T>
void attention_reverse(Workers& workers, const AttentionReverse<T>& r) {
  const Attention<T>& p = r.forward;
  AttentionScratch<T> sizes;
  const auto scratch = workers.lease(0, AttentionScratch<T>::layout(nullptr, p, true, r.out != nullptr, sizes));
  workers.run(p.groups * p.heads, [&](Index i, int slot) {
    AttentionScratch<T> s;
    AttentionScratch<T>::layout(scratch.slot(slot), p, true, r.out != nullptr, s);
    AttentionTask<T>(p, i / p.heads, i % p.heads, s.mask).reverse(r, s);
  });
}

}  // namespace ramer::backend::cpu
