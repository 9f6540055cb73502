// Attention inside groups of rows, and label-wise pooling of segments. Laws: backend/contract.hpp.
#pragma once

#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

/// Which rows attend to which: contiguous groups, and the rows among them that are keys. In cross-attention the queries are rows
/// of their own, in as many groups.
struct AttentionGroups {
  Index groups = 0, longest = 0;                ///< their number, rows of the longest
  const std::int32_t* offsets = nullptr;        ///< (groups + 1)
  const std::uint8_t* key = nullptr;            ///< (R); null: all
  const std::uint8_t* uniform = nullptr;        ///< (groups); null: none
  const std::int32_t* query_offsets = nullptr;  ///< (groups + 1) groups of queries; null: the queries are the rows
  Index longest_query = 0;                      ///< queries of the largest group of them
  const std::uint64_t* key_row_key = nullptr;   ///< (R) logical rows of the keys for dropout, with query_offsets
  bool dead_rows = false;                       ///< rows may lie behind the last group; their y and adjoints are 0
};

namespace detail {

/// @throws ShapeError
template <class T>
backend::Attention<T> attention_problem(const Var<T, 2>& q, const Var<T, 2>& k, const Var<T, 2>& v,
                                        const AttentionGroups& groups, Index heads, T scale,
                                        const backend::DropoutPlan& dropout) {
  require<ShapeError>(k.shape() == v.shape() && (groups.query_offsets ? q.extent(1) == k.extent(1) : q.shape() == k.shape()),
                      "attention: q ", q.shape(), ", k ", k.shape(), ", v ", v.shape());
  require<ShapeError>(heads > 0 && q.extent(1) % heads == 0, "attention: width ", q.extent(1), " is no multiple of ", heads,
                      " heads");
  const Index width = q.extent(1);
  backend::Attention<T> p;
  p.groups = groups.groups, p.rows = k.extent(0), p.heads = heads, p.width = width / heads;
  p.offsets = groups.offsets, p.longest = groups.longest, p.key = groups.key, p.uniform = groups.uniform;
  p.scale = scale, p.q = q.data(), p.k = k.data(), p.v = v.data(), p.ld = width, p.dropout = dropout, p.ld_out = width;
  if (groups.query_offsets) {
    p.query_offsets = groups.query_offsets, p.query_rows = q.extent(0), p.longest_query = groups.longest_query;
    p.key_row_key = groups.key_row_key;
  }
  p.dead_rows = groups.dead_rows;
  return p;
}

}  // namespace detail

/// y (Q, H) = multi-head scaled dot-product attention of q (Q, H) to k, v (R, H): softmax(scale q k^T) v within each group, per
/// head of H / heads columns.
template <class Tp, class T>
Var<T, 2> attention(Tp& tape, Var<T, 2> q, Var<T, 2> k, Var<T, 2> v, const AttentionGroups& groups, Index heads, T scale,
                    const backend::DropoutPlan& dropout = {}) {
  backend::Attention<T> p = detail::attention_problem(q, k, v, groups, heads, scale, dropout);
  auto [y, out] = tape.output(q.shape(), q, k, v);
  p.out = out;
  tape.backend().attention(p);
  tape.record(y, [=](Tp& t, const T* dy) {
    const auto dq = t.target(q), dk = t.target(k), dv = t.target(v);
    t.backend().attention_reverse(backend::AttentionReverse<T>{p, dy, dq, dk, dv, nullptr});
  });
  return y;
}

/// Contiguous segments of rows, and the rows among them that count.
struct Segments {
  Index segments = 0;                     ///< S
  const std::int32_t* offsets = nullptr;  ///< (segments + 1)
  const std::uint8_t* mask = nullptr;     ///< (R); null: all
  const std::uint8_t* uniform = nullptr;  ///< (segments); null: none
  bool dead_rows = false;                 ///< rows may lie behind the last segment; they have no part in anything
};

/// y (S, C, D): per segment and column c, the average of x (R, D) with weights softmax over the segment's rows of score (R, C).
/// `weight_out`, if not null, receives the place of the weights (R, C).
template <class Tp, class T>
Var<T, 3> segment_pool(Tp& tape, Var<T, 2> x, Var<T, 2> score, const Segments& segments, const T** weight_out = nullptr) {
  require<ShapeError>(x.extent(0) == score.extent(0), "segment_pool: rows ", x.shape(), ", scores ", score.shape());
  // The kernel puts dx and dscore in an order of its own, so they must not be one buffer: an identity keeps them apart.
  if (x.tracked() && x.slot() == score.slot()) score = gradient_reversal(tape, score, T(-1));
  const Index rows = x.extent(0), columns = score.extent(1), width = x.extent(1);
  auto [y, out] = tape.output(Shape{segments.segments, columns, width}, x, score);
  T* weight = tape.template keep<T>(rows * columns);
  const backend::SegmentPool<T> p{
      segments.segments, rows,         columns, width, segments.offsets,  segments.mask, segments.uniform,
      x.data(),          score.data(), weight,  out,   segments.dead_rows};
  tape.backend().segment_pool(p);
  if (weight_out) *weight_out = weight;
  tape.record(y, [=](Tp& t, const T* dy) {
    const auto dx = t.target(x), dscore = t.target(score);
    t.backend().segment_pool_reverse(backend::SegmentPoolReverse<T>{p, dy, dx, dscore});
  });
  return y;
}

}  // namespace ramer::autodiff
