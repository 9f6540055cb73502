// Attention inside groups of rows. A block has 16 rows of one group and head of its own, queries or, in the reverse's second kernel,
// keys, and walks over the group's other rows in tiles of 64. Scores live in registers and, where others need them, in shared memory.
#pragma once

#include "ramer/backend/device/attention_tiles.hpp"
#include "ramer/backend/device/dead_rows.hpp"

namespace ramer::backend::device {

/// What a block works on.
struct AttentionPlace {
  Index group, head;
  Index begin, rows;     ///< of k and v
  Index first, queries;  ///< of q and out
  Index own;             ///< first of the block's own rows, counted inside the group
};

template <class T>
RAMER_HD AttentionPlace attention_place(const Attention<T>& p, Index id, Index longest_own) {
  const Index tiles = ceil_div(longest_own, kOwnRows);
  AttentionPlace at{};
  at.own = id % tiles * kOwnRows;
  at.head = id / tiles % p.heads;
  at.group = id / tiles / p.heads;
  at.begin = p.offsets[at.group], at.rows = p.offsets[at.group + 1] - at.begin;
  at.first = p.queries()[at.group], at.queries = p.queries()[at.group + 1] - at.first;
  return at;
}
template <class T>
RAMER_HD Index attention_blocks(const Attention<T>& p, Index longest_own) {
  return p.groups * p.heads * ceil_div(longest_own, kOwnRows);
}
/// The blocks behind attention_blocks are for dead rows. False: block `id` is none of them.
template <class T, class Block, class... Targets>
RAMER_HD bool is_for_dead_rows(Block& block, const Attention<T>& p, Index id, Index longest_own, const std::int32_t* offsets,
                               Index rows, Index ld, const Targets&... to) {
  const Index first = attention_blocks(p, longest_own);
  if (id < first) return false;
  (clear_dead_rows<kAttentionThreads>(block, id - first, to, offsets[p.groups], rows, p.heads * p.width, ld), ...);
  return true;
}

/// Whether a group attends uniformly; a barrier lies between this and what follows.
template <class T, class Block>
RAMER_HD bool attends_uniformly(Block& block, const Attention<T>& p, const AttentionPlace& at, int* any) {
  if (p.uniform && p.uniform[at.group]) return true;
  if (!p.key) return false;
  typename Block::template Own<int, 1> found(block);
  block.own([&](int t) {
    int mine = 0;
    for (Index j = t; j < at.rows; j += kAttentionThreads) mine = mine || p.key[at.begin + j];
    *found(t) = mine;
  });
  block.max_lanes(found);
  block.each([&](int t) {
    if (t % kLanes == 0) any[t / kLanes] = *found(t);
  });
  bool keys = false;
  for (int w = 0; w < kWarps; ++w) keys = keys || any[w];
  return !keys;
}

/// Puts 0 at the block's own rows of `to`.
template <class T, class Block>
RAMER_HD void put_nothing(Block& block, const Target<T>& to, Index row, Index rows, Index ld, Index column, Index width) {
  block.own([&](int t) {
    for (int k = 0; k < kRowsOfThread; ++k)
      for (Index d = t % kLanes; own_row(t, k) < rows && d < width; d += kLanes)
        to.put((row + own_row(t, k)) * ld + column + d, T(0));
  });
}

/// What the reverse needs of each query and head: (query rows, heads) each.
template <class T>
struct AttentionStatistics {
  T *largest = nullptr, *total = nullptr;  ///< p = exp(s - largest) / total
  T* mean = nullptr;                       ///< sum over keys of p dropout <dout, v>
};

/// The forward pass with a running maximum. `out` may be null; `statistics` are for the reverse.
template <class T, Math math = Math::Fp32>
struct AttentionKernel {
  using Tile = AttentionTiles<T, math>;
  using Shared = AttentionShared<T, math>;
  static constexpr int kThreads = kAttentionThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  Attention<T> p;
  Dropping<T> dropout;
  AttentionStatistics<T> statistics{};

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    if (is_for_dead_rows(block, p, id, p.longest_queries(), p.queries(), p.all_queries(), p.ld_out, Target<T>{p.out}))
      return;
    const AttentionPlace at = attention_place(p, id, p.longest_queries());
    if (at.own >= at.queries) return;
    Shared shared;
    shared.carve(base);
    const bool uniform = attends_uniformly(block, p, at, shared.any);
    typename Block::template Own<T, kPairsOfThread> s(block);
    typename Block::template Own<T, kRowsOfThread> top(block), total(block), top_of_tile(block), total_of_tile(block),
        shrink(block);
    block.own([&](int t) {
      for (int k = 0; k < kRowsOfThread; ++k) top(t)[k] = lowest<T>(), total(t)[k] = T(0);
    });
    if (at.rows == 0 && p.out) {
      put_nothing(block, Target<T>{p.out, false}, at.first + at.own, at.queries - at.own, p.ld_out, at.head * p.width,
                  p.width);
    }
    const T *const q = p.q + at.head * p.width, *const key = p.k + at.head * p.width, *const v = p.v + at.head * p.width;
    for (Index from = 0; from < at.rows; from += kOtherRows) {
      if (uniform) {
        block.own([&](int t) {
          for (int k = 0; k < kPairsOfThread; ++k) s(t)[k] = T(0);
        });
      } else {
        Tile::score(
            block, s, p.width,
            [&](int i, Index d) { return at.own + i < at.queries ? p.scale * q[(at.first + at.own + i) * p.ld + d] : T(0); },
            [&](int j, Index d) { return from + j < at.rows ? key[(at.begin + from + j) * p.ld + d] : T(0); }, shared);
      }
      const auto counts = [&](int t, int k) {  // whether the row is a key
        const Index j = from + other_row(t, k);
        return j < at.rows && (uniform || !p.key || p.key[at.begin + j]);
      };
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) {
          T most = lowest<T>();
          for (int j = 0; j < 2; ++j) {
            if (counts(t, j)) most = largest(most, s(t)[2 * k + j]);
          }
          top_of_tile(t)[k] = most;
        }
      });
      block.max_lanes(top_of_tile);
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) {
          const T before = top(t)[k], now = largest(before, top_of_tile(t)[k]);
          shrink(t)[k] = before == now ? T(1) : exponential(before - now);
          top(t)[k] = now;
          T sum = 0;
          const Index i = at.own + own_row(t, k);
          for (int j = 0; j < 2; ++j) {
            const bool key_row = counts(t, j);
            const T weight = key_row ? exponential(s(t)[2 * k + j] - now) : T(0);
            sum += weight;
            const Index other = at.begin + from + other_row(t, j);
            const T factor = !key_row || i >= at.queries || !p.dropout.active()
                                 ? T(1)
                                 : dropout.factor(attention_row(p.dropout.key(at.first + i), at.head),
                                                  attention_column(p.key_of_row(other)));
            shared.weight[own_row(t, k) * Shared::kScoreRow + other_row(t, j)] = weight * factor;
          }
          total_of_tile(t)[k] = sum;
        }
      });
      block.sum_lanes(total_of_tile);
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) total(t)[k] = total(t)[k] * shrink(t)[k] + total_of_tile(t)[k];
      });
      if (!p.out) continue;
      const bool first = from == 0, last = from + kOtherRows >= at.rows;
      Tile::apply(
          block, shared.weight, p.width,
          [&](int j, Index d) { return from + j < at.rows ? v[(at.begin + from + j) * p.ld + d] : T(0); },
          [&](int t, int k, Index d, T sum) {
            const Index i = at.own + own_row(t, k);
            if (i >= at.queries) return;
            T& out = p.out[(at.first + i) * p.ld_out + at.head * p.width + d];
            if (!first) sum += out * shrink(t)[k];
            if (last) sum /= total(t)[k];
            out = sum;
          },
          shared);
    }
    if (!statistics.total) return;
    block.own([&](int t) {
      for (int k = 0; k < kRowsOfThread; ++k) {
        const Index i = at.own + own_row(t, k), place = (at.first + i) * p.heads + at.head;
        if (i >= at.queries || t % kLanes != 0) continue;
        statistics.largest[place] = top(t)[k];
        statistics.total[place] = total(t)[k];
      }
    });
  }
};

/// Of a query and a key: the weight, its dropout, and the weight's adjoint.
template <class T>
struct AttentionPair {
  T weight = T(0), factor = T(1), dweight = T(0);
  /// The score's adjoint. Exactly 0 for a query's only key, whose `mean` is its own term.
  RAMER_HD T dscore(T scale, T mean) const { return scale * weight * (dweight - mean); }
};
template <class T>
RAMER_HD AttentionPair<T> attention_pair(const Attention<T>& p, const Dropping<T>& dropout,
                                         const AttentionStatistics<T>& statistics, bool uniform, Index head, Index query,
                                         Index key, T score, T product) {  // the score with its scale
  AttentionPair<T> pair;
  if (!uniform && p.key && !p.key[key]) return pair;
  const Index place = query * p.heads + head;
  if (p.dropout.active())
    pair.factor = dropout.factor(attention_row(p.dropout.key(query), head), attention_column(p.key_of_row(key)));
  pair.weight = (uniform ? T(1) : exponential(score - statistics.largest[place])) / statistics.total[place];
  pair.dweight = rounded_product(pair.factor, product);
  return pair;
}

/// statistics.mean, and dq = scale sum over keys of dscore k if it is wanted. The block's own rows are queries.
template <class T, Math math = Math::Fp32>
struct AttentionQueryKernel {
  using Tile = AttentionTiles<T, math>;
  using Shared = AttentionShared<T, math>;
  static constexpr int kThreads = kAttentionThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  AttentionReverse<T> r;
  Dropping<T> dropout;
  AttentionStatistics<T> statistics;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    const Attention<T>& p = r.forward;
    if (is_for_dead_rows(block, p, id, p.longest_queries(), p.queries(), p.all_queries(), p.ld, r.dq)) return;
    const AttentionPlace at = attention_place(p, id, p.longest_queries());
    if (at.own >= at.queries) return;
    Shared shared;
    shared.carve(base);
    const Index column = at.head * p.width;
    if (attends_uniformly(block, p, at, shared.any) || at.rows == 0) {  // no score counts
      if (r.dq) put_nothing(block, r.dq, at.first + at.own, at.queries - at.own, p.ld, column, p.width);
      return;
    }
    typename Block::template Own<T, kPairsOfThread> s(block), product(block);
    typename Block::template Own<T, kRowsOfThread> mean(block);
    const auto query = [&](const T* x, Index ld, T scale) {
      return [&at, x, ld, scale, column](int i, Index d) {
        return at.own + i < at.queries ? scale * x[(at.first + at.own + i) * ld + column + d] : T(0);
      };
    };
    const auto key = [&](const T* x, Index from) {
      return [&at, x, from, column, ld = p.ld](int j, Index d) {
        return from + j < at.rows ? x[(at.begin + from + j) * ld + column + d] : T(0);
      };
    };
    const auto products = [&](Index from) {
      Tile::score(block, s, p.width, query(p.q, p.ld, p.scale), key(p.k, from), shared);
      Tile::score(block, product, p.width, query(r.dout, p.ld_out, T(1)), key(p.v, from), shared);
    };
    const auto pair_of = [&](int t, int k, int j, Index from) {
      const Index i = at.own + own_row(t, k), other = from + other_row(t, j);
      if (i >= at.queries || other >= at.rows) return AttentionPair<T>{};
      return attention_pair(p, dropout, statistics, false, at.head, at.first + i, at.begin + other, s(t)[2 * k + j],
                            product(t)[2 * k + j]);
    };
    block.own([&](int t) {
      for (int k = 0; k < kRowsOfThread; ++k) mean(t)[k] = T(0);
    });
    for (Index from = 0; from < at.rows; from += kOtherRows) {
      products(from);
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) {
          for (int j = 0; j < 2; ++j) {
            const AttentionPair<T> pair = pair_of(t, k, j, from);
            mean(t)[k] += pair.weight * pair.dweight;
          }
        }
      });
    }
    block.sum_lanes(mean);
    block.own([&](int t) {
      for (int k = 0; k < kRowsOfThread; ++k) {
        const Index i = at.own + own_row(t, k);
        if (i < at.queries && t % kLanes == 0) statistics.mean[(at.first + i) * p.heads + at.head] = mean(t)[k];
      }
    });
    if (!r.dq) return;
    for (Index from = 0; from < at.rows; from += kOtherRows) {
      if (at.rows > kOtherRows) products(from);  // else they are still there
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) {
          for (int j = 0; j < 2; ++j) {
            shared.dscore[own_row(t, k) * Shared::kScoreRow + other_row(t, j)] =
                pair_of(t, k, j, from).dscore(p.scale, mean(t)[k]);
          }
        }
      });
      const Target<T> dq{r.dq.data, r.dq.accumulate || from > 0};
      Tile::apply(
          block, shared.dscore, p.width, key(p.k, from),
          [&](int t, int k, Index d, T sum) {
            const Index i = at.own + own_row(t, k);
            if (i < at.queries) dq.put((at.first + i) * p.ld + column + d, sum);
          },
          shared);
    }
  }
};

/// dk = scale sum over queries of dscore q, dv = sum over queries of dropout(p) dout. The block's own rows are keys; the thread that
/// has an element puts dk first, then dv.
template <class T, Math math = Math::Fp32>
struct AttentionKeyKernel {
  using Tile = AttentionTiles<T, math>;
  using Shared = AttentionShared<T, math>;
  static constexpr int kThreads = kAttentionThreads, kBlocksAtOnce = Tile::kBlocksAtOnce;
  AttentionReverse<T> r;
  Dropping<T> dropout;
  AttentionStatistics<T> statistics;

  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* base) const {
    const Attention<T>& p = r.forward;
    if (is_for_dead_rows(block, p, id, p.longest, p.offsets, p.rows, p.ld, r.dk, r.dv)) return;
    const AttentionPlace at = attention_place(p, id, p.longest);
    if (at.own >= at.rows) return;
    Shared shared;
    shared.carve(base);
    const Index column = at.head * p.width;
    const bool uniform = attends_uniformly(block, p, at, shared.any);
    if (at.queries == 0) {
      if (r.dk) put_nothing(block, r.dk, at.begin + at.own, at.rows - at.own, p.ld, column, p.width);
      if (r.dv) put_nothing(block, r.dv, at.begin + at.own, at.rows - at.own, p.ld, column, p.width);
      return;
    }
    typename Block::template Own<T, kPairsOfThread> s(block), product(block);
    const auto key = [&](const T* x) {
      return [&at, &p = p, x, column](int i, Index d) {
        return at.own + i < at.rows ? x[(at.begin + at.own + i) * p.ld + column + d] : T(0);
      };
    };
    for (Index from = 0; from < at.queries; from += kOtherRows) {
      const auto query = [&](const T* x, Index ld, T scale) {
        return [&at, x, ld, scale, from, column](int j, Index d) {
          return from + j < at.queries ? scale * x[(at.first + from + j) * ld + column + d] : T(0);
        };
      };
      if (uniform) {
        block.own([&](int t) {
          for (int k = 0; k < kPairsOfThread; ++k) s(t)[k] = product(t)[k] = T(0);
        });
      } else {
        Tile::score(block, s, p.width, key(p.k), query(p.q, p.ld, p.scale), shared);
        Tile::score(block, product, p.width, key(p.v), query(r.dout, p.ld_out, T(1)), shared);
      }
      block.own([&](int t) {
        for (int k = 0; k < kRowsOfThread; ++k) {
          for (int j = 0; j < 2; ++j) {
            const Index mine = at.own + own_row(t, k), i = from + other_row(t, j);
            const int place = own_row(t, k) * Shared::kScoreRow + other_row(t, j);
            shared.weight[place] = shared.dscore[place] = T(0);
            if (mine >= at.rows || i >= at.queries) continue;
            const AttentionPair<T> pair = attention_pair(p, dropout, statistics, uniform, at.head, at.first + i,
                                                         at.begin + mine, s(t)[2 * k + j], product(t)[2 * k + j]);
            shared.weight[place] = pair.weight * pair.factor;
            if (!uniform) shared.dscore[place] = pair.dscore(p.scale, statistics.mean[(at.first + i) * p.heads + at.head]);
          }
        }
      });
      const auto add_to = [&](const Target<T>& to) {
        return [&at, &p = p, target = Target<T>{to.data, to.accumulate || from > 0}, column](int t, int k, Index d, T sum) {
          const Index mine = at.own + own_row(t, k);
          if (mine < at.rows) target.put((at.begin + mine) * p.ld + column + d, sum);
        };
      };
      if (r.dk) Tile::apply(block, shared.dscore, p.width, query(p.q, p.ld, T(1)), add_to(r.dk), shared);
      if (r.dv) Tile::apply(block, shared.weight, p.width, query(r.dout, p.ld_out, T(1)), add_to(r.dv), shared);
    }
  }
};

}  // namespace ramer::backend::device
