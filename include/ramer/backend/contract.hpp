// What a backend provides. A backend is a cheap policy object (its threads or its stream), passed by reference and never
// global. The list is short on purpose: everything else is an elementwise functor that runs through `map` or `map_2d`.
//
// Laws that hold for every kernel
//   * Matrices are row-major. `T` is float or double; index arrays are std::int32_t, masks std::uint8_t. Arrays are aligned to
//     their elements; more is not asked for.
//   * An output is a Target: it is overwritten (never read first) or accumulated into, as the Target says. What lies between the
//     end of a row and the next one's start is left alone.
//   * Outputs overlap neither inputs nor each other, unless the kernel's law allows it. A functor may read what it overwrites.
//   * The same arguments give the same bits on one machine, whatever the number of threads: work is cut by shape alone and
//     partial sums are added in a fixed order. Backends agree up to rounding.
//   * Offsets of groups or segments begin at 0, never descend and end at the number of rows. Groups may be empty.
//   * A problem that says `dead_rows` may have offsets that end before: the rows behind them, dead ones, belong to no group. Nothing of
//     them is read; what they would get is 0 where it is put and stays as it is where it is accumulated into.
//   * Not-a-number is not hidden: it reaches every result that it is part of. What a mask leaves out must be finite.
//   * Extents may be 0; the sum of nothing is 0. A kernel neither allocates from the heap after it has seen its largest shape nor
//     waits for the host.
//   * Functors are named structs marked RAMER_HD with a const operator(); different indices write different places. One that
//     handles many elements in a call says how many in `kBlock`, so that `map_2d` is cut finely enough.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "ramer/backend/arrays.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::backend {

/// Where a result goes: `=` when `accumulate` is false, `+=` when it is true. Null when nobody wants it.
template <class T>
struct Target {
  T* data = nullptr;        ///< first element; null: not wanted
  bool accumulate = false;  ///< `+=`

  /// Whether anybody wants it.
  RAMER_HD explicit operator bool() const { return data != nullptr; }
  /// Puts or adds element i.
  RAMER_HD void put(Index i, T value) const { data[i] = accumulate ? data[i] + value : value; }
  /// The target `offset` elements further on.
  RAMER_HD Target at(Index offset) const { return {data + offset, accumulate}; }
};

/// Whether a factor is read by columns.
enum class Transpose : bool { No = false, Yes = true };

/// What becomes of a pre-activation, see `activate`.
enum class Activation { None, Relu, Tanh, Gelu, Sigmoid };

/// y = act(u). Gelu is the exact one: u Phi(u).
template <class T>
RAMER_HD T activate(Activation act, T u) {
  switch (act) {
    case Activation::Relu: return u < T(0) ? T(0) : u;  // not-a-number stays
    case Activation::Tanh: return std::tanh(u);
    case Activation::Gelu: return T(0.5) * u * (T(1) + std::erf(u * T(0.70710678118654752440)));
    case Activation::Sigmoid: return u >= T(0) ? T(1) / (T(1) + std::exp(-u)) : std::exp(u) / (T(1) + std::exp(u));
    case Activation::None: break;
  }
  return u;
}

/// Whether act'(u) needs u itself; the others are functions of y = act(u).
constexpr bool needs_preactivation(Activation act) { return act == Activation::Gelu; }

/// act'(u), from y = act(u), or from u for Gelu.
template <class T>
RAMER_HD T activation_slope(Activation act, T u, T y) {
  switch (act) {
    case Activation::Relu: return y > T(0) ? T(1) : T(0);
    case Activation::Tanh: return T(1) - y * y;
    case Activation::Gelu: {
      const T cdf = T(0.5) * (T(1) + std::erf(u * T(0.70710678118654752440)));
      return cdf + u * T(0.39894228040143267794) * std::exp(-T(0.5) * u * u);
    }
    case Activation::Sigmoid: return y * (T(1) - y);
    case Activation::None: break;
  }
  return T(1);
}

/// What `gemm` does to a finished row-major result: add `bias` (n) to every row, keep that sum in `preactivation` (m, n) if
/// not null, then apply `activation`.
template <class T>
struct Epilogue {
  const T* bias = nullptr;                   ///< (n); null: none
  Activation activation = Activation::None;  ///< applied last
  T* preactivation = nullptr;                ///< (m, n) before the activation; null: not wanted
  Index preactivation_stride = 0;            ///< between its rows
};

/// C (m, n) = or += alpha op(A) (m, k) op(B) (k, n); the epilogue is allowed only with `=`. In `gemm_batched` a stride of 0
/// gives all products one A or one B; one C, into which they are added in their order, if it is accumulated into.
template <class T>
struct Gemm {
  Transpose trans_a = Transpose::No, trans_b = Transpose::No;  ///< Yes: A is stored (k, m), B (n, k)
  Index m = 0, n = 0, k = 0;                                   ///< rows and columns of C, length of the sums
  T alpha = T(1);                                              ///< factor of the product
  const T* a = nullptr;                                        ///< A
  Index lda = 0;                                               ///< between A's rows, as stored
  const T* b = nullptr;                                        ///< B
  Index ldb = 0;                                               ///< between B's rows, as stored
  Target<T> c{};                                               ///< C
  Index ldc = 0;                                               ///< between C's rows
  Epilogue<T> epilogue{};                                      ///< nothing unless asked for
};

/// The product with alpha = 1; only this way is it short where it is asked for.
template <class T>
Gemm<T> product(Transpose trans_a, Transpose trans_b, Index m, Index n, Index k, const T* a, Index lda, const T* b,
                Index ldb, std::type_identity_t<Target<T>> c, Index ldc, std::type_identity_t<Epilogue<T>> epilogue = {}) {
  return {trans_a, trans_b, m, n, k, T(1), a, lda, b, ldb, c, ldc, epilogue};
}

/// Inverted dropout at logical places: element (row, column) is kept when its draw is >= rate, and divided by 1 - rate.
/// `row_key[r]` is the logical row, so that a token draws the same whether packed or padded.
struct DropoutPlan {
  RandomStream stream;                     ///< of all draws
  double rate = 0;                         ///< probability of 0 for an element
  const std::uint64_t* row_key = nullptr;  ///< (R); null: the row's number
  const std::uint32_t* step = nullptr;  ///< where the step's number lies, for launches that are replayed; null: the stream's

  /// Whether anything is dropped at all.
  RAMER_HD bool active() const { return rate > 0; }
  /// The stream, at the step at hand.
  RAMER_HD RandomStream draws() const {
    RandomStream now = stream;
    if (step) now.step = *step;
    return now;
  }
  /// What an element is multiplied with: 0 or 1 / (1 - rate).
  RAMER_HD double factor(std::uint64_t row, std::uint32_t column) const {
    return draws().uniform(row, column) >= static_cast<float>(rate) ? 1.0 / (1.0 - rate) : 0.0;
  }
  /// Logical row of a row.
  RAMER_HD std::uint64_t key(Index row) const { return row_key ? row_key[row] : static_cast<std::uint64_t>(row); }
};

/// y (R, D) = gain * x^ + bias, x^ = (h - mean h) / sqrt(var h + eps), h = dropout(x) + residual; population variance over D.
/// Two passes; in a row of equal numbers x^ is exactly 0. y may be x.
template <class T>
struct LayerNorm {
  Index rows = 0, cols = 0;     ///< R, D
  const T* x = nullptr;         ///< (R, D)
  const T* residual = nullptr;  ///< null: h = x
  DropoutPlan dropout{};        ///< acts on x
  const T* gain = nullptr;      ///< (D)
  const T* bias = nullptr;      ///< (D)
  T eps = T(1e-12);             ///< keeps a row of equal numbers finite
  T* y = nullptr;               ///< (R, D)
  T* normalized = nullptr;      ///< (R, D) x^, kept for the reverse; null: not wanted
  T* inverse_sd = nullptr;      ///< (R)
};

/// The reverse of LayerNorm. dx and dresidual may be one buffer (a row that is its own residual): dresidual is put first, then dx.
template <class T>
struct LayerNormReverse {
  Index rows = 0, cols = 0;       ///< R, D
  const T* dy = nullptr;          ///< (R, D)
  const T* normalized = nullptr;  ///< null: x^ = (y - bias) / gain, for gains that are normal numbers
  const T* y = nullptr;           ///< (R, D), where `normalized` is null
  const T* bias = nullptr;        ///< (D)
  const T* inverse_sd = nullptr;  ///< (R)
  const T* gain = nullptr;        ///< (D)
  DropoutPlan dropout{};          ///< the forward's
  Target<T> dx{};                 ///< (R, D)
  Target<T> dresidual{};          ///< (R, D)
  Target<T> dgain{}, dbias{};     ///< (D) sums over rows
};

/// Multi-head attention inside contiguous groups of rows (a sample's tokens, a segment's persons, ...).
/// In a group every row is a query, and rows with key[r] != 0 are keys:
///   p = softmax over keys of scale <q, k>;   out = dropout(p) v.
/// A group flagged `uniform`, or one without keys, attends uniformly to all of its rows, whatever q and k are.
/// Head h uses columns [h * width, (h + 1) * width) of q, k, v and out.
/// Cross-attention: with `query_offsets` the queries are rows of their own, q and out having query_rows rows, and group g's
/// queries attend to group g's rows of k and v. A group without rows gives its queries 0.
/// `longest` and `longest_query` may be larger than what they name, so that problems of different groups have one shape.
template <class T>
struct Attention {
  Index groups = 0, rows = 0, heads = 1, width = 0;  ///< width: of a head
  const std::int32_t* offsets = nullptr;             ///< (groups + 1)
  Index longest = 0;                                 ///< rows of the longest group, or more
  bool dead_rows = false;                            ///< rows or queries may lie behind the last group
  const std::uint8_t* key = nullptr;                 ///< (rows); null: all
  const std::uint8_t* uniform = nullptr;             ///< (groups); null: none
  T scale = T(1);                                    ///< of <q, k>, usually 1 / sqrt(width)
  const T *q = nullptr, *k = nullptr, *v = nullptr;  ///< (rows, heads width)
  Index ld = 0;                                      ///< row stride of q, k and v
  DropoutPlan
      dropout{};  ///< on p: row = key of the query with the head in bits 20..31, column = low 20 bits of the key row's key
  T* out = nullptr;                             ///< (rows or query_rows, heads width)
  Index ld_out = 0;                             ///< between rows of `out`
  const std::int32_t* query_offsets = nullptr;  ///< (groups + 1); null: the queries are the rows
  Index query_rows = 0, longest_query = 0;      ///< of the queries, where they are rows of their own
  const std::uint64_t* key_row_key =
      nullptr;  ///< (rows) logical rows of the keys, where the queries are rows of their own; null: their numbers

  /// Whether queries are rows of their own; their offsets; their number; rows of their longest group.
  RAMER_HD bool crosses() const { return query_offsets != nullptr; }
  RAMER_HD const std::int32_t* queries() const { return crosses() ? query_offsets : offsets; }
  RAMER_HD Index all_queries() const { return crosses() ? query_rows : rows; }
  RAMER_HD Index longest_queries() const { return crosses() ? longest_query : longest; }
  /// Logical row of row `r` of k and v.
  RAMER_HD std::uint64_t key_of_row(Index r) const {
    return !crosses() ? dropout.key(r) : key_row_key ? key_row_key[r] : static_cast<std::uint64_t>(r);
  }
};

/// Logical place of an attention weight for dropout.
RAMER_HD inline std::uint64_t attention_row(std::uint64_t query_key, Index head) {
  return query_key | (static_cast<std::uint64_t>(head) << 20);
}
/// Column of the draw, from the logical row of the key.
RAMER_HD inline std::uint32_t attention_column(std::uint64_t key_key) {
  return static_cast<std::uint32_t>(key_key & 0xFFFFFu);
}

/// The reverse of Attention; probabilities are recomputed. dq, dk and dv may be one buffer: dq is put first, then dk, then dv. In the host's
/// memory each may take the place of its own input: a head's are read before any of them is put.
template <class T>
struct AttentionReverse {
  Attention<T> forward{};      ///< the problem as it was solved
  const T* dout = nullptr;     ///< as `out`
  Target<T> dq{}, dk{}, dv{};  ///< as q, k, v
  T* out =
      nullptr;  ///< where the forward's out is wanted again, rows ld_out apart; forward.out is not looked at and may be null
};

/// Label-wise pooling: for each segment of rows and each column c of the scores,
///   a[r, c] = softmax over the segment's rows with mask[r] != 0 of score[r, c], 0 in its others;
///   out[s, c, :] = sum_r a[r, c] x[r, :].
/// A segment flagged `uniform`, or one without unmasked rows, pools all of its rows with equal weight; an empty one gives 0.
template <class T>
struct SegmentPool {
  Index segments = 0, rows = 0, columns = 0, width = 0;  ///< S, R, C, D
  const std::int32_t* offsets = nullptr;                 ///< (S + 1)
  const std::uint8_t* mask = nullptr;                    ///< (R); null: all
  const std::uint8_t* uniform = nullptr;                 ///< (S); null: none
  const T* x = nullptr;                                  ///< (R, D)
  const T* score = nullptr;                              ///< (R, C)
  T* weight = nullptr;                                   ///< (R, C) a, kept for the reverse and for inspection
  T* out = nullptr;                                      ///< (S, C, D)
  bool dead_rows = false;                                ///< rows may lie behind offsets[S]; their weight is 0
};

/// The reverse of SegmentPool, from the weights that it left. dscore is 0 in uniform segments.
template <class T>
struct SegmentPoolReverse {
  SegmentPool<T> forward{};  ///< the problem as it was solved, with its weights
  const T* dout = nullptr;   ///< (S, C, D)
  Target<T> dx{};            ///< (R, D)
  Target<T> dscore{};        ///< (R, C)
};

/// Supervised contrastive loss over N = rows + queue_rows unit vectors, rows first (Eq 11). With s = <z_i, z_a> / temperature,
///   loss_i = - sum_{p in P(i)} (s_ip - max_i - log(sum_{a != i} exp(s_ia - max_i) + 1e-12)) / (|P(i)| + 1e-12),
/// P(i) = the others of i's class; ids below 0 match nothing, yet count in every denominator; the others are below `classes`.
/// loss_i is 0 without positives. max_i runs over the whole row, i included. loss = mean of loss_i over the anchors: the rows, or
/// with `queue_anchors` all N.
/// N x N is never stored: denominators are summed tile by tile, and the positive part needs only sums per class.
/// Cost: 2 width FLOP for each pair of an anchor and another row; a backend may count a pair of two anchors once.
template <class T>
struct Contrastive {
  Index rows = 0, queue_rows = 0, width = 0, classes = 0;  ///< N = rows + queue_rows
  bool queue_anchors = false;                              ///< rows of the queue are anchors too
  T temperature = T(0.07);                                 ///< eta
  const T* features = nullptr;                             ///< (rows, width)
  const std::int32_t* ids = nullptr;                       ///< (rows)
  const T* queue = nullptr;                                ///< (queue_rows, width)
  const std::int32_t* queue_ids = nullptr;                 ///< (queue_rows)
  T* class_sum = nullptr;                                  ///< (classes, width) sum of unit vectors per class, all N
  T* class_count = nullptr;                                ///< (classes)
  T* log_denominator = nullptr;                            ///< (anchors) max_i + log(...)
  T* anchor_loss = nullptr;                                ///< (anchors) loss_i
  T* loss = nullptr;                                       ///< scalar

  /// Number of anchors; row i of all N, and its class.
  RAMER_HD Index anchors() const { return rows + (queue_anchors ? queue_rows : 0); }
  RAMER_HD const T* row(Index i) const { return i < rows ? features + i * width : queue + (i - rows) * width; }
  RAMER_HD std::int32_t id(Index i) const { return i < rows ? ids[i] : queue_ids[i - rows]; }
};

/// dfeatures (rows, width) = dloss * d loss / d features, with the row maximum held constant. One pass: the similarity of
/// (i, a) serves i's softmax and a's. Cost: 4 rows N width FLOP.
template <class T>
struct ContrastiveReverse {
  Contrastive<T> forward{};  ///< the problem as it was solved, with what it left
  const T* dloss = nullptr;  ///< scalar
  Target<T> dfeatures{};     ///< (rows, width)
};

namespace detail {
struct NoOp {
  RAMER_HD void operator()(Index) const {}
};
struct NoOp2 {
  RAMER_HD void operator()(Index, Index) const {}
};
struct Zero {
  RAMER_HD double operator()(Index) const { return 0; }
};
struct Zero2 {
  RAMER_HD double operator()(Index, Index) const { return 0; }
};
struct Drop {
  RAMER_HD void operator()(Index, double) const {}
};
struct NoOps {
  RAMER_HD NoOp operator()(Index) const { return {}; }
};
struct Zeros {
  RAMER_HD Zero operator()(Index) const { return {}; }
};
}  // namespace detail

/// The contract. A policy that misses a kernel is named by the first clause that it fails.
template <class B>
concept Backend = requires(B& b, double* p, const double* c, Index n, Target<double> t) {
  typename B::Memory;
  { B::name } -> std::convertible_to<const char*>;
  b.fill(p, n, 0.0);   // p[i] = value
  b.copy(c, n, p);     // device to device
  b.to_host(c, n, p);  // waits
  b.from_host(c, n, p);
  b.map(n, detail::NoOp{});                              // f(i), i < n
  b.map_2d(n, n, detail::NoOp2{});                       // f(r, c); c is the fast axis
  b.sum(n, detail::Zero{}, 1.0, t);                      // t[0] <- scale * sum_i f(i), Statistic accumulator
  b.reduce_rows(n, n, detail::Zero2{}, detail::Drop{});  // put(r, sum_c f(r, c))
  b.reduce_columns(n, n, detail::Zero2{}, t);            // t[c] <- sum_r f(r, c)
  b.map_arrays(Arrays{}, detail::NoOps{});               // f(s)(i) for every array s, i < its size
  b.sum_arrays(Arrays{}, detail::Zeros{}, t);            // t[s] <- sum_i f(s)(i), Statistic accumulator
  b.gemm(Gemm<double>{});
  b.gemm_batched(Gemm<double>{}, n, n, n, n);  // batch count, strides of a, b, c
  b.layer_norm(LayerNorm<double>{});
  b.layer_norm_reverse(LayerNormReverse<double>{});
  b.attention(Attention<double>{});
  b.attention_reverse(AttentionReverse<double>{});
  b.segment_pool(SegmentPool<double>{});
  b.segment_pool_reverse(SegmentPoolReverse<double>{});
  b.contrastive(Contrastive<double>{});
  b.contrastive_reverse(ContrastiveReverse<double>{});
};

}  // namespace ramer::backend
