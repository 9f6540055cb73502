// Post-norm transformer layers: of an encoder, and of a decoder that looks at a memory.
#pragma once

#include <algorithm>
#include <cmath>

#include "ramer/autodiff/ops/feed_forward.hpp"
#include "ramer/autodiff/ops/multi_head_attention.hpp"
#include "ramer/nn/linear.hpp"
#include "ramer/nn/norm.hpp"

namespace ramer::nn {

/// Rows of one encoder: which attend to which, and each row's logical place for dropout. Arrays where the backend computes.
struct TokenRows {
  autodiff::AttentionGroups groups;        ///< who attends to whom
  const std::uint64_t* row_key = nullptr;  ///< (R) sample * 2^32 + position
};

/// Multi-head attention of x to a memory, or to itself, with biased projections:
///   y = LN(dropout(O(attention(Q x, K memory, V memory))) + x), scores / sqrt(H / heads), dropout on the probabilities.
template <class E>
struct Attention {
  Index heads = 1;                         ///< of width H / heads
  Linear<E> query, key, value, output;     ///< (H, H) each
  LayerNorm<E> norm;                       ///< of the sum with x
  Dropout weight_dropout, output_dropout;  ///< of probabilities, of the result before the sum
  int recomputed = 0;  ///< of queries, keys and values: how many training computes again instead of keeping them

  Attention() = default;
  /// Weights from N(0, 0.02), biases 0. @throws ConfigError
  Attention(Index width, Index head_count, double dropout)
      : heads(head_count),
        query(width, width, Init::normal(0.02), Init::constant(0)),
        key(width, width, Init::normal(0.02), Init::constant(0)),
        value(width, width, Init::normal(0.02), Init::constant(0)),
        output(width, width, Init::normal(0.02), Init::constant(0)),
        norm(width),
        weight_dropout{dropout},
        output_dropout{dropout} {
    require<ConfigError>(head_count > 0 && width % head_count == 0, "attention: width ", width, " is no multiple of ",
                         head_count, " heads");
  }

  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, const TokenRows& rows) const { return (*this)(ctx, x, x, rows); }
  /// x (Q, H), memory (R, H); the groups of `rows` have queries of their own.
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, Var<E, 2> memory, const TokenRows& rows) const {
    using Real = typename E::Real;
    const auto map = [&](const Linear<E>& linear) {
      return autodiff::Affine<Real>{ctx.template use<2>(linear.weight), ctx.template use<1>(linear.bias)};
    };
    const Index head_width = x.extent(1) / heads;
    const Real scale = Real(1) / std::sqrt(static_cast<Real>(head_width));
    const Var<E, 2> o = autodiff::multi_head_attention(
        ctx.tape, x, memory, autodiff::AttentionMaps<Real>{map(query), map(key), map(value), map(output)}, rows.groups,
        heads, scale, ctx.dropout(weight_dropout, rows.row_key), recomputed);
    return norm(ctx, o, x, ctx.dropout(output_dropout, rows.row_key), autodiff::Input::Consumed);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("query", self.query);
    visit("key", self.key);
    visit("value", self.value);
    visit("output", self.output);
    visit("norm", self.norm);
    visit("weight_dropout", self.weight_dropout);
    visit("output_dropout", self.output_dropout);
  }
};

/// y = LN(dropout(W2 gelu(W1 x)) + x).
template <class E>
struct FeedForward {
  Linear<E> inner, outer;                        ///< W1 (I, H), W2 (H, I)
  LayerNorm<E> norm;                             ///< of the sum with x
  Dropout dropout;                               ///< of the result before the sum
  autodiff::Inner kept = autodiff::Inner::Kept;  ///< whether gelu's input stays for the reverse

  FeedForward() = default;
  FeedForward(Index width, Index inner_width, double rate)
      : inner(width, inner_width, Init::normal(0.02), Init::constant(0)),
        outer(inner_width, width, Init::normal(0.02), Init::constant(0)),
        norm(width),
        dropout{rate} {}

  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, const TokenRows& rows) const {
    const Var<E, 2> y =
        autodiff::feed_forward(ctx.tape, x, ctx.template use<2>(inner.weight), ctx.template use<1>(inner.bias),
                               ctx.template use<2>(outer.weight), ctx.template use<1>(outer.bias), kept);
    return norm(ctx, y, x, ctx.dropout(dropout, rows.row_key), autodiff::Input::Consumed);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("inner", self.inner);
    visit("outer", self.outer);
    visit("norm", self.norm);
    visit("dropout", self.dropout);
  }
};

/// y = feed_forward(attention(x)), post-norm.
template <class E>
struct TransformerLayer {
  Attention<E> attention;       ///< of x to itself
  FeedForward<E> feed_forward;  ///< of the result

  TransformerLayer() = default;
  TransformerLayer(Index width, Index heads, Index inner, double dropout)
      : attention(width, heads, dropout), feed_forward(width, inner, dropout) {}
  /// Training then computes `count` of the arrays again that it keeps for the reverse: the inner one, queries, keys, values.
  void recompute(Index count) {
    feed_forward.kept = count > 0 ? autodiff::Inner::Recomputed : autodiff::Inner::Kept;
    attention.recomputed = static_cast<int>(std::max(count - 1, Index{0}));
  }

  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, const TokenRows& rows) const {
    return feed_forward(ctx, attention(ctx, x, rows), rows);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("attention", self.attention);
    visit("feed_forward", self.feed_forward);
  }
};

/// Attention of x to itself, then to the memory, then the feed-forward part.
template <class E>
struct DecoderLayer {
  Attention<E> self_attention, cross_attention;  ///< to x, to the memory
  FeedForward<E> feed_forward;                   ///< of the result

  DecoderLayer() = default;
  DecoderLayer(Index width, Index heads, Index inner, double dropout)
      : self_attention(width, heads, dropout), cross_attention(width, heads, dropout), feed_forward(width, inner, dropout) {}

  /// `to_memory` has the rows of x as queries and those of the memory as keys.
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, Var<E, 2> memory, const TokenRows& rows,
                       const TokenRows& to_memory) const {
    return feed_forward(ctx, cross_attention(ctx, self_attention(ctx, x, rows), memory, to_memory), rows);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("self_attention", self.self_attention);
    visit("cross_attention", self.cross_attention);
    visit("feed_forward", self.feed_forward);
  }
};

}  // namespace ramer::nn
