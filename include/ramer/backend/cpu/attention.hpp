// Attention inside ragged groups of rows. A task is one (group, head); it works on kQueryRows queries at a time, so that its
// memory grows with the length of the group and not with its square. Forward: 4 m n width FLOP for each head of a group of m
// queries and n rows; reverse: 10 m n width, since probabilities are recomputed, and 2 more for `out`.
#pragma once

#include "ramer/backend/cpu/dead_rows.hpp"
#include "ramer/backend/cpu/dropout.hpp"
#include "ramer/backend/cpu/gemm.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

inline constexpr Index kQueryRows = 60;  ///< five tiles of 12 rows

/// f(j) for j < stride, a multiple of Tile::cols, in loops whose length is known: rows of 64 are too short for the code that
/// surrounds a loop of any length.
template <class T, class F>
RAMER_IN_LOOPS void for_tiles(Index stride, const F& f) {
  for (Index j = 0; j < stride; j += Tile<T>::cols) {
    RAMER_CPU_INDEPENDENT
    for (Index l = 0; l < Tile<T>::cols; ++l) f(j + l);
  }
}
template <class T, class F>
RAMER_IN_LOOPS T sum_of_tiles(Index stride, const F& f) {
  constexpr int kCols = Tile<T>::cols;
  alignas(64) T lane[kCols]{};
  for (Index j = 0; j < stride; j += kCols) {
    RAMER_CPU_INDEPENDENT
    for (Index l = 0; l < kCols; ++l) lane[l] += f(j + l);
  }
  using Row = Lanes<T, Tile<T>::packet>;
  return Row::sum(Row::load(lane) + Row::load(lane + Tile<T>::packet));
}
template <class T, class F>
RAMER_IN_LOOPS T max_of_tiles(Index stride, const F& f) {
  constexpr int kCols = Tile<T>::cols;
  alignas(64) T lane[kCols];
  std::fill_n(lane, kCols, std::numeric_limits<T>::lowest());
  for (Index j = 0; j < stride; j += kCols) {
    RAMER_CPU_INDEPENDENT
    for (Index l = 0; l < kCols; ++l) {
      const T x = f(j + l);
      lane[l] = lane[l] < x ? x : lane[l];
    }
  }
  using Row = Lanes<T, Tile<T>::packet>;
  return Row::largest(Row::larger(Row::load(lane), Row::load(lane + Tile<T>::packet)));
}

/// What a task needs, laid out in the scratch of its thread.
template <class T>
struct AttentionScratch {
  T *key_t = nullptr, *key = nullptr, *value = nullptr, *value_again = nullptr;  // packed
  T *p = nullptr, *dp = nullptr, *dropped = nullptr;                             // (kQueryRows, stride)
  T *factor = nullptr, *mask = nullptr;                                          // (longest)
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;                                 // (longest queries or rows, width)
  T* product = nullptr;                                                          // packed

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

  /// Asks for what the next head reads of a row of x. A head's part of a row is short and the next row far away: no processor foresees that.
  void prefetch_next(const T* x) const {
    if (head + 1 == p.heads) return;
    for (Index d = 0; d < p.width; d += kLine<T>) prefetch(x + p.width + d);
  }

  /// Packs the keys as op(B) of the scores: (width, n).
  void pack_keys(T* key_t) const {
    if (!uniform) pack_b(true, at(p.k), p.ld, p.width, n, key_t);
  }

  /// s.p <- exp(score - largest of the row) of queries [query, query + rows), (rows, stride) with 0 where no key is;
  /// inverse[i] <- 1 / the sum of row i, what makes its entries probabilities.
  void exponentials(Index query, Index rows, const AttentionScratch<T>& s, T* inverse) const {
    if (uniform) {
      for (Index i = 0; i < rows; ++i) {
        std::fill_n(std::fill_n(s.p + i * stride, n, T(1) / static_cast<T>(n)), stride - n, T(0));
        inverse[i] = T(1);
      }
      return;
    }
    Gemm<T> g;
    g.m = rows, g.n = n, g.k = p.width, g.alpha = p.scale;
    g.a = query_at(query), g.lda = p.ld;
    g.c = {s.p, false}, g.ldc = stride;
    multiply_packed(g, s.key_t, 0, rows, 0, stride, static_cast<T*>(nullptr));  // whole tiles; rows are as long
    const T* const mask = s.mask;
    T largest[kQueryRows];
    // Step by step for all rows: what waits for a row's maximum or sum does not hold up the next row.
    for (Index i = 0; i < rows; ++i) {
      const T* const row = s.p + i * stride;
      largest[i] = max_of_tiles<T>(
          stride, [row, mask](Index j) { return mask[j] != T(0) ? row[j] : std::numeric_limits<T>::lowest(); });
    }
    for (Index i = 0; i < rows; ++i) {
      T* const row = s.p + i * stride;
      const T shift = largest[i];
      prefetch_next(query_at(query + i));
      for_tiles<T>(stride, [row, mask, shift](Index j) {
        row[j] = mask[j] * fast_exp(row[j] - shift);
      });  // fast_exp alone does not reach 0
    }
    for (Index i = 0; i < rows; ++i)
      inverse[i] = T(1) / sum_of_tiles<T>(stride, [row = s.p + i * stride](Index j) { return row[j]; });
  }

  /// Dropout factors of one query's row, (stride); beyond the group they are of no account.
  void factors(Index query, T* factor) const {
    const std::uint64_t row = attention_row(p.dropout.key(first + query), head);
    if (consecutive)
      return dropout_factors(p.dropout, row, n > 0 ? attention_column(p.key_of_row(begin)) : 0, stride, factor);
    for (Index j = 0; j < stride; ++j)
      factor[j] = j < n ? static_cast<T>(p.dropout.factor(row, attention_column(p.key_of_row(begin + j)))) : T(0);
  }

  void forward(const AttentionScratch<T>& s) const {
    pack_keys(s.key_t);
    pack_b(false, at(p.v), p.ld, n, p.width, s.value);
    for (Index query = 0; query < queries; query += kQueryRows) {
      const Index rows = std::min(kQueryRows, queries - query);
      T inverse[kQueryRows];
      exponentials(query, rows, s, inverse);
      for (Index i = 0; i < rows; ++i) {
        T *const row = s.p + i * stride, scale = inverse[i];
        prefetch_next(p.out + (first + query + i) * p.ld_out + head * p.width);
        if (query + i < n) prefetch_next(at(p.k) + (query + i) * p.ld), prefetch_next(at(p.v) + (query + i) * p.ld);
        if (p.dropout.active()) {
          const T* const factor = s.factor;
          factors(query + i, s.factor);
          for_tiles<T>(stride, [row, factor, scale](Index j) { row[j] = row[j] * scale * factor[j]; });
        } else {
          for_tiles<T>(stride, [row, scale](Index j) { row[j] *= scale; });
        }
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
      T inverse[kQueryRows], mean[kQueryRows];
      exponentials(query, rows, s, inverse);
      if (scores) {
        Gemm<T> g;  // dP = dO V^T
        g.m = rows, g.n = n, g.k = p.width;
        g.a = dout, g.lda = p.ld_out;
        g.c = {s.dp, false}, g.ldc = stride;
        multiply_packed(g, s.value, 0, rows, 0, stride, static_cast<T*>(nullptr));
      }
      for (Index i = 0; i < rows; ++i) {
        T *const row = s.p + i * stride, *const dp = s.dp + i * stride, scale = inverse[i];
        if (query + i < n) prefetch_next(at(p.k) + (query + i) * p.ld), prefetch_next(at(p.v) + (query + i) * p.ld);
        if (p.dropout.active()) {
          T* const out = s.dropped + i * stride;
          const T* const factor = s.factor;
          factors(query + i, s.factor);
          for_tiles<T>(stride, [row, out, factor, scale](Index j) { out[j] = (row[j] *= scale) * factor[j]; });
          if (scores) for_tiles<T>(stride, [dp, factor](Index j) { dp[j] *= factor[j]; });
        } else {
          for_tiles<T>(stride, [row, scale](Index j) { row[j] *= scale; });
        }
        if (scores)
          mean[i] = sum_of_tiles<T>(stride, [row, dp](Index j) { return row[j] * dp[j]; });  // both are 0 beyond the group
      }
      const T* const dropped = p.dropout.active() ? s.dropped : s.p;
      if (r.out) put_out(dropped, query, rows, s.value_again, r.out);
      if (r.dv) add_transposed_product(dropped, T(1), dout, p.ld_out, rows, s.product, {s.dv, query > 0});
      if (!scores) continue;
      for (Index i = 0; i < rows; ++i) {  // dS = P * (dP - sum P dP)
        const T *const row = s.p + i * stride, m = mean[i];
        T* const dp = s.dp + i * stride;
        prefetch_next(dout + i * p.ld_out);
        if (r.out) prefetch_next(r.out + (first + query + i) * p.ld_out + head * p.width);
        for_tiles<T>(stride, [row, dp, m](Index j) { dp[j] = row[j] * (dp[j] - m); });
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
    for (Index i = 0; to && i < count; ++i) {
      const Target<T> at = to.at((row + i) * p.ld + head * p.width);
      prefetch_next(at.data);
      put_all(at, p.width, [y = x + i * p.width](Index d) { return y[d]; });
    }
  }

  /// c (n, width) = or += alpha weight (rows, n)^T b (rows, width).
  void add_transposed_product(const T* weight, T alpha, const T* b, Index ldb, Index rows, T* scratch, Target<T> c) const {
    pack_b(false, b, ldb, rows, p.width, scratch);
    for_row_tiles<Tile<T>::rows>(
        0, n, [&](Index i, auto height) {  // a row of weights is short: no need to pack the transposed
          for (Index j = 0; j < p.width; j += Tile<T>::cols)
            multiply_tile<T, decltype(height)::value>(rows, alpha, weight + i, 1, stride,
                                                      scratch + packed_at<T>(rows, p.width, 0, j), c.data + i * p.width + j,
                                                      p.width, std::min<Index>(Tile<T>::cols, p.width - j), c.accumulate);
        });
  }
};

/// f(group, head, slot). One thread does all heads of a group, which share cache lines and pages, where there are groups enough for that.
template <class T, class F>
void for_heads(Workers& workers, const Attention<T>& p, const F& f) {
  constexpr Index kManyGroups = 32;
  const Index heads = p.groups >= kManyGroups ? p.heads : 1, tasks = p.heads / heads;
  workers.run(p.groups * tasks, [&](Index i, int slot) {
    for (Index head = i % tasks * heads, end = head + heads; head < end; ++head) f(i / tasks, head, slot);
  });
}

template <class T>
void attention(Workers& workers, const Attention<T>& p) {
  AttentionScratch<T> sizes;
  const auto scratch = workers.lease(0, AttentionScratch<T>::layout(nullptr, p, false, false, sizes));
  for_heads(workers, p, [&](Index group, Index head, int slot) {
    AttentionScratch<T> s;
    AttentionScratch<T>::layout(scratch.slot(slot), p, false, false, s);
    AttentionTask<T>(p, group, head, s.mask).forward(s);
  });
  clear_dead_rows(p, p.out);
}

template <class T>
void attention_reverse(Workers& workers, const AttentionReverse<T>& r) {
  const Attention<T>& p = r.forward;
  AttentionScratch<T> sizes;
  const auto scratch = workers.lease(0, AttentionScratch<T>::layout(nullptr, p, true, r.out != nullptr, sizes));
  for_heads(workers, p, [&](Index group, Index head, int slot) {
    AttentionScratch<T> s;
    AttentionScratch<T>::layout(scratch.slot(slot), p, true, r.out != nullptr, s);
    AttentionTask<T>(p, group, head, s.mask).reverse(r, s);
  });
  clear_dead_rows(r);
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
