// Random problems for every kernel of the contract, written once for all backends: a problem owns its inputs and outputs in
// the backend's memory, can be run many times, and gives its outputs to the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/reference.hpp"

namespace ramer::test {

using backend::Target;
using backend::Transpose;

/// An array in the memory of a backend, `shift` elements behind an aligned address.
template <class U, class B>
class Array {
 public:
  Array(B& b, std::vector<U> host, std::size_t shift) : host_(std::move(host)), shift_(shift) {
    data_ = static_cast<U*>(B::Memory::allocate((shift_ + std::max<std::size_t>(1, host_.size())) * sizeof(U)));
    reset(b);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { B::Memory::deallocate(data_); }
  U* data() const { return data_ + shift_; }
  void reset(B& b) { b.from_host(host_.data(), static_cast<Index>(host_.size()), data()); }
  std::vector<U> now(B& b) const {
    std::vector<U> result(host_.size());
    b.to_host(data(), static_cast<Index>(result.size()), result.data());
    return result;
  }

 private:
  std::vector<U> host_;
  std::size_t shift_;
  U* data_ = nullptr;
};

template <class T, class B>
class Problem {
 public:
  std::string name;
  std::function<void(B&)> run;

  explicit Problem(B& b) : b_(b) {}
  const T* input(std::vector<T> host) { return add(inputs_, std::move(host)); }
  const Index* input(std::vector<Index> host) { return add(offsets_, std::move(host)); }
  const std::int32_t* input(std::vector<std::int32_t> host) { return add(indices_, std::move(host)); }
  const std::uint8_t* input(std::vector<std::uint8_t> host) { return add(masks_, std::move(host)); }
  const std::uint64_t* input(std::vector<std::uint64_t> host) { return add(keys_, std::move(host)); }
  /// An output of n elements: NaN where it is to be overwritten, numbers where it is to be added to.
  Target<T> output(Index n, bool accumulate, std::mt19937_64& rng) {
    std::vector<T> host(static_cast<std::size_t>(n), std::numeric_limits<T>::quiet_NaN());
    if (accumulate)
      for (T& x : host) x = static_cast<T>(std::uniform_real_distribution<double>(-1, 1)(rng));
    return {add(outputs_, std::move(host)), accumulate};
  }
  void reset() {
    for (auto& o : outputs_) o->reset(b_);
  }
  std::vector<std::vector<T>> outputs() const {
    std::vector<std::vector<T>> result;
    for (const auto& o : outputs_) result.push_back(o->now(b_));
    return result;
  }

 private:
  template <class U>
  U* add(std::vector<std::unique_ptr<Array<U, B>>>& list, std::vector<U> host) {
    list.push_back(std::make_unique<Array<U, B>>(b_, std::move(host), list.size() % 3));  // aligned to elements alone
    return list.back()->data();
  }
  B& b_;
  std::vector<std::unique_ptr<Array<T, B>>> inputs_, outputs_;
  std::vector<std::unique_ptr<Array<Index, B>>> offsets_;
  std::vector<std::unique_ptr<Array<std::int32_t, B>>> indices_;
  std::vector<std::unique_ptr<Array<std::uint8_t, B>>> masks_;
  std::vector<std::unique_ptr<Array<std::uint64_t, B>>> keys_;
};

// Functors, as autodiff would write them.
template <class T>
struct ScaleAndAdd {
  const T* x;
  Target<T> y;
  RAMER_HD void operator()(Index i) const { y.put(i, T(3) * x[i] + T(0.5)); }
};
template <class T>
struct AddColumn {
  const T *x, *column;
  Index cols;
  Target<T> y;
  RAMER_HD void operator()(Index r, Index c) const { y.put(r * cols + c, x[r * cols + c] * column[c]); }
};
/// Four columns in a call.
template <class T>
struct AddColumns {
  static constexpr Index kBlock = 4;
  AddColumn<T> one;
  RAMER_HD void operator()(Index r, Index block) const {
    for (Index c = kBlock * block; c < kBlock * (block + 1) && c < one.cols; ++c) one(r, c);
  }
};
template <class T>
struct Square {
  const T* x;
  RAMER_HD T operator()(Index i) const { return x[i] * x[i]; }
};
template <class T>
struct Product {
  const T *x, *y;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return x[r * cols + c] * y[r * cols + c]; }
};
template <class T>
struct PutTo {
  Target<T> to;
  RAMER_HD void operator()(Index r, T value) const { to.put(r, value); }
};
/// Array s begins at offsets[s] and is scaled by factor[s].
template <class T>
struct ScaleArrays {
  const T *x, *factor;
  const Index* offsets;
  Target<T> y;
  struct One {
    const T* x;
    T factor;
    Target<T> y;
    RAMER_HD void operator()(Index i) const { y.put(i, factor * x[i] + T(0.5)); }
  };
  RAMER_HD One operator()(Index s) const { return {x + offsets[s], factor[s], y.at(offsets[s])}; }
};
template <class T>
struct SquareArrays {
  const T* x;
  const Index* offsets;
  RAMER_HD Square<T> operator()(Index s) const { return {x + offsets[s]}; }
};

/// A number of 8 bits near x.
inline double in_eight_bits(double x) {
  int exponent = 0;
  const double m = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(m, 8)), exponent - 8);
}

/// Draws problems. `large` ones are cut into several blocks by a parallel backend; with `short_factors` what is multiplied in products and
/// in the contrastive loss has 8 bits.
template <class T, class B>
class ProblemMaker {
 public:
  using P = Problem<T, B>;
  ProblemMaker(B& b, std::uint64_t seed, bool large, bool short_factors = false)
      : b_(b), rng_(seed), large_(large), short_factors_(short_factors) {}

  /// One problem for every kernel.
  std::vector<std::unique_ptr<P>> all() {
    std::vector<std::unique_ptr<P>> list;
    const auto take = [&](const char* name, auto make) {
      list.push_back(std::make_unique<P>(b_));
      list.back()->name = name;
      make(*list.back());
    };
    take("map", [&](P& p) { map(p); });
    take("map_2d", [&](P& p) { map_2d(p); });
    take("sum", [&](P& p) { sum(p); });
    take("reduce_rows", [&](P& p) { reduce_rows(p); });
    take("reduce_columns", [&](P& p) { reduce_columns(p); });
    take("map_arrays", [&](P& p) { arrays(p, false); });
    take("sum_arrays", [&](P& p) { arrays(p, true); });
    take("gemm", [&](P& p) { gemm(p, extent(), extent(), extent()); });
    take("gemm with a long k", [&](P& p) { gemm(p, 1 + below(40), 1 + below(70), large_ ? 3000 + below(2000) : extent()); });
    take("gemm_batched", [&](P& p) { gemm_batched(p); });
    take("layer_norm", [&](P& p) { layer_norm(p); });
    take("layer_norm_reverse", [&](P& p) { layer_norm_reverse(p); });
    take("attention", [&](P& p) { attention(p, false); });
    take("attention_reverse", [&](P& p) { attention(p, true); });
    take("cross-attention", [&](P& p) { cross_attention(p, false); });
    take("cross-attention_reverse", [&](P& p) { cross_attention(p, true); });
    take("segment_pool", [&](P& p) { segment_pool(p, false); });
    take("segment_pool_reverse", [&](P& p) { segment_pool(p, true); });
    take("contrastive", [&](P& p) { contrastive(p, false); });
    take("contrastive_reverse", [&](P& p) { contrastive(p, true); });
    return list;
  }

  void gemm(P& p, Index m, Index n, Index k) {
    backend::Gemm<T> g = gemm_shape(m, n, k);
    g.a = p.input(numbers((ta(g) ? g.k : g.m) * g.lda));
    g.b = p.input(numbers((tb(g) ? g.n : g.k) * g.ldb));
    const bool accumulate = coin();
    g.c = p.output(g.m * g.ldc, accumulate, rng_);
    if (!accumulate) epilogue(p, g);
    p.run = [g](B& b) { b.gemm(g); };
  }

  void contrastive(P& p, bool reverse) {
    backend::Contrastive<T> f;
    static constexpr Index widths[] = {1, 5, 16, 32, 64, 70};
    f.rows = large_ ? 250 + below(100) : below(60), f.queue_rows = below(3) == 0 ? 0 : large_ ? 500 : below(60);
    f.width = widths[below(std::size(widths))], f.classes = 1 + below(12);
    f.queue_anchors = coin();
    // With 0.03 similarities reach beyond what one exponential can bridge; with 0.004 log-denominators differ by more than that.
    static constexpr double temperatures[] = {0.07, 0.5, 1.0, 0.03, 0.004};
    f.temperature = static_cast<T>(temperatures[below(std::is_same_v<T, float> ? 4 : 5)]);
    auto features = unit_vectors(f.rows, f.width), queue = unit_vectors(f.queue_rows, f.width);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(f.rows)), queue_ids(static_cast<std::size_t>(f.queue_rows));
    for (auto& id : ids) id = static_cast<std::int32_t>(below(f.classes + 1)) - 1;
    for (auto& id : queue_ids) id = static_cast<std::int32_t>(below(f.classes + 1)) - 1;
    // Of two rows alone in one class the softmax is 1 and the gradient what rounding leaves of 0: nothing to compare.
    if (f.rows + f.queue_rows == 2) (f.queue_rows > 0 ? queue_ids : ids).back() = -1;
    if (f.temperature < T(0.01))  // not unit vectors: then the similarity with oneself does not bound all others
      for (std::size_t i = 0; i < features.size(); ++i)
        features[i] *= static_cast<T>(1 + static_cast<Index>(i) / f.width % 3) / T(3);
    f.features = p.input(features), f.queue = p.input(queue), f.ids = p.input(ids), f.queue_ids = p.input(queue_ids);
    const Index anchors = f.anchors();
    if (!reverse) {
      f.class_sum = p.output(f.classes * f.width, false, rng_).data;
      f.class_count = p.output(f.classes, false, rng_).data;
      f.log_denominator = p.output(anchors, false, rng_).data;
      f.anchor_loss = p.output(anchors, false, rng_).data;
      f.loss = p.output(1, false, rng_).data;
      p.run = [f](B& b) { b.contrastive(f); };
      return;
    }
    backend::Contrastive<T> host = f;
    std::vector<T> class_sum(static_cast<std::size_t>(f.classes * f.width)),
        class_count(static_cast<std::size_t>(f.classes)), log_denominator(static_cast<std::size_t>(anchors)),
        anchor_loss(static_cast<std::size_t>(anchors)), loss(1);
    host.features = features.data(), host.queue = queue.data(), host.ids = ids.data(), host.queue_ids = queue_ids.data();
    host.class_sum = class_sum.data(), host.class_count = class_count.data();
    host.log_denominator = log_denominator.data(), host.anchor_loss = anchor_loss.data(), host.loss = loss.data();
    backend::Reference{}.contrastive(host);
    backend::ContrastiveReverse<T> r;
    r.forward = f;
    r.forward.class_sum = const_cast<T*>(p.input(class_sum)), r.forward.class_count = const_cast<T*>(p.input(class_count));
    r.forward.log_denominator = const_cast<T*>(p.input(log_denominator));
    r.dloss = p.input(numbers(1));
    r.dfeatures = p.output(f.rows * f.width, coin(), rng_);
    p.run = [r](B& b) { b.contrastive_reverse(r); };
  }

 private:
  Index below(Index n) { return std::uniform_int_distribution<Index>(0, n - 1)(rng_); }
  bool coin() { return below(2) == 1; }
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(rng_); }
  /// Extents around those where tiles and blocks end.
  Index extent() {
    static constexpr Index small[] = {0, 1, 2, 3, 5, 7, 8, 11, 12, 13, 16, 17, 24, 31, 32, 33, 47, 48, 49, 60, 64, 65, 97};
    static constexpr Index big[] = {61, 95, 96, 97, 128, 130, 200, 255, 256, 257, 300};
    return large_ ? big[below(std::size(big))] : small[below(std::size(small))];
  }
  T number(double x) const { return static_cast<T>(short_factors_ ? in_eight_bits(x) : x); }
  std::vector<T> numbers(Index n, double low = -1, double high = 1) {
    std::vector<T> x(static_cast<std::size_t>(n));
    for (T& value : x) value = number(uniform(low, high));
    return x;
  }
  /// 0 and 1; sometimes all 0, so that a whole group is masked.
  std::vector<std::uint8_t> mask(Index n) {
    const double rate = below(4) == 0 ? 0.0 : uniform(0.1, 1.0);
    std::vector<std::uint8_t> x(static_cast<std::size_t>(n));
    for (auto& value : x) value = uniform(0, 1) < rate;
    return x;
  }
  /// Offsets of ragged groups; some are empty. Returns the rows of the longest.
  Index offsets(Index groups, Index longest, std::vector<std::int32_t>& at) {
    at.assign(1, 0);
    Index most = 0;
    for (Index g = 0; g < groups; ++g) {
      const Index n = g == 0 ? longest : below(longest + 1);
      most = std::max(most, n);
      at.push_back(at.back() + static_cast<std::int32_t>(n));
    }
    return most;
  }
  /// How many dead rows a problem has; often none.
  Index dead() { return below(3) ? 0 : 1 + below(large_ ? 60 : 20); }
  /// Not-a-number in the rows from `live` on: nobody reads them.
  static std::vector<T> with_dead(std::vector<T> x, Index live, Index stride) {
    std::fill(x.begin() + live * stride, x.end(), std::numeric_limits<T>::quiet_NaN());
    return x;
  }
  backend::DropoutPlan dropout(P& p, Index rows) {
    backend::DropoutPlan plan;
    const Index kind = below(3);
    if (kind == 0) return plan;
    plan.stream = RandomStream(rng_(), rng_(), static_cast<std::uint64_t>(below(1000)));
    plan.rate = uniform(0.05, 0.6);
    if (kind == 1) return plan;
    std::vector<std::uint64_t> key(static_cast<std::size_t>(rows));
    std::uint64_t next = static_cast<std::uint64_t>(below(1000)) << 32;
    for (auto& k : key) k = next += coin() ? 1 : static_cast<std::uint64_t>(1 + below(3));
    plan.row_key = p.input(key);
    return plan;
  }

  void map(P& p) {
    const Index n = large_ ? 50000 + below(30000) : extent() * extent();
    const ScaleAndAdd<T> f{p.input(numbers(n)), p.output(n, coin(), rng_)};
    p.run = [f, n](B& b) { b.map(n, f); };
  }
  void map_2d(P& p) {
    const Index rows = extent(), cols = large_ && coin() ? 20000 : extent();
    const AddColumn<T> f{p.input(numbers(rows * cols)), p.input(numbers(cols)), cols, p.output(rows * cols, coin(), rng_)};
    if (coin()) {
      p.run = [f, rows, cols](B& b) { b.map_2d(rows, (cols + 3) / 4, AddColumns<T>{f}); };
    } else {
      p.run = [f, rows, cols](B& b) { b.map_2d(rows, cols, f); };
    }
  }
  void sum(P& p) {
    const Index n = large_ ? 50000 + below(30000) : extent() * extent();
    const Square<T> f{p.input(numbers(n))};
    const Target<T> out = p.output(1, coin(), rng_);
    p.run = [f, n, out](B& b) { b.sum(n, f, T(0.25), out); };
  }
  void reduce_rows(P& p) {
    const Index rows = extent(), cols = extent();
    const Product<T> f{p.input(numbers(rows * cols)), p.input(numbers(rows * cols)), cols};
    const PutTo<T> put{p.output(rows, coin(), rng_)};
    p.run = [=](B& b) { b.reduce_rows(rows, cols, f, put); };
  }
  void reduce_columns(P& p) {
    const Index rows = large_ ? 1000 + below(1000) : extent(), cols = extent();
    const Product<T> f{p.input(numbers(rows * cols)), p.input(numbers(rows * cols)), cols};
    const Target<T> out = p.output(cols, coin(), rng_);
    p.run = [=](B& b) { b.reduce_columns(rows, cols, f, out); };
  }
  /// None, or many of which some are empty.
  void arrays(P& p, bool sum) {
    backend::Arrays a;
    a.count = below(large_ ? 20 : 12);
    std::vector<Index> at{0};
    for (Index s = 0; s < a.count; ++s)
      at.push_back(at.back() + (below(4) == 0 ? 0 : large_ && below(8) == 0 ? 50000 + below(30000) : extent() * extent()));
    a.total = at.back();
    a.offsets = p.input(at);
    const T* const x = p.input(numbers(a.total));
    if (sum) {
      const SquareArrays<T> f{x, a.offsets};
      const Target<T> out = p.output(a.count, coin(), rng_);
      p.run = [=](B& b) { b.sum_arrays(a, f, out); };
    } else {
      const ScaleArrays<T> f{x, p.input(numbers(a.count)), a.offsets, p.output(a.total, coin(), rng_)};
      p.run = [=](B& b) { b.map_arrays(a, f); };
    }
  }

  static bool ta(const backend::Gemm<T>& g) { return g.trans_a == Transpose::Yes; }
  static bool tb(const backend::Gemm<T>& g) { return g.trans_b == Transpose::Yes; }
  backend::Gemm<T> gemm_shape(Index m, Index n, Index k) {
    backend::Gemm<T> g;
    g.trans_a = coin() ? Transpose::Yes : Transpose::No;
    g.trans_b = coin() ? Transpose::Yes : Transpose::No;
    g.m = m, g.n = n, g.k = k;
    g.alpha = coin() ? T(1) : static_cast<T>(uniform(-2, 2));
    g.lda = (ta(g) ? m : k) + below(3), g.ldb = (tb(g) ? k : n) + below(3), g.ldc = n + below(3);
    return g;
  }
  void epilogue(P& p, backend::Gemm<T>& g) {
    using backend::Activation;
    static constexpr Activation kinds[] = {Activation::None, Activation::Relu, Activation::Tanh, Activation::Gelu,
                                           Activation::Sigmoid};
    g.epilogue.activation = kinds[below(5)];
    if (coin()) g.epilogue.bias = p.input(numbers(g.n));
    if (coin()) {
      g.epilogue.preactivation_stride = g.n + below(4);
      g.epilogue.preactivation = p.output(g.m * g.epilogue.preactivation_stride, false, rng_).data;
    }
  }
  void gemm_batched(P& p) {
    const Index batch = below(6);
    backend::Gemm<T> g = gemm_shape(extent(), extent(), large_ ? extent() / 2 : extent());
    const Index size_a = (ta(g) ? g.k : g.m) * g.lda, size_b = (tb(g) ? g.n : g.k) * g.ldb, size_c = g.m * g.ldc;
    const Index stride_a = coin() ? size_a + below(5) : 0, stride_b = coin() ? size_b + below(5) : 0;
    const Index stride_c = below(4) ? size_c + below(5) : 0;
    g.a = p.input(numbers(batch * stride_a + size_a));
    g.b = p.input(numbers(batch * stride_b + size_b));
    g.c = p.output(batch * stride_c + size_c, stride_c == 0 || coin(), rng_);
    p.run = [=](B& b) { b.gemm_batched(g, batch, stride_a, stride_b, stride_c); };
  }

  void layer_norm(P& p) {
    backend::LayerNorm<T> f;
    f.rows = large_ ? 4 * extent() : extent(), f.cols = std::max<Index>(1, extent());
    const Index n = f.rows * f.cols;
    f.x = p.input(numbers(n));
    if (coin()) f.residual = p.input(numbers(n));
    f.dropout = dropout(p, f.rows);
    f.gain = p.input(numbers(f.cols)), f.bias = p.input(numbers(f.cols));
    f.eps = T(1e-3);
    f.y = p.output(n, false, rng_).data;
    if (coin()) f.normalized = p.output(n, false, rng_).data;
    if (coin()) f.inverse_sd = p.output(f.rows, false, rng_).data;
    p.run = [f](B& b) { b.layer_norm(f); };
  }
  void layer_norm_reverse(P& p) {
    backend::LayerNormReverse<T> f;
    f.rows = large_ ? 4 * extent() : extent(), f.cols = std::max<Index>(1, extent());
    const Index n = f.rows * f.cols;
    f.dy = p.input(numbers(n)), f.inverse_sd = p.input(numbers(f.rows, 0.5, 2));
    if (coin()) {
      f.normalized = p.input(numbers(n, -2, 2));
      f.gain = p.input(numbers(f.cols));
    } else {
      f.y = p.input(numbers(n, -2, 2)), f.gain = p.input(numbers(f.cols, 0.5, 2)), f.bias = p.input(numbers(f.cols));
    }
    f.dropout = dropout(p, f.rows);
    if (below(4)) f.dresidual = p.output(n, coin(), rng_);
    if (below(4)) f.dx = f.dresidual && coin() ? Target<T>{f.dresidual.data, true} : p.output(n, coin(), rng_);
    if (coin()) f.dgain = p.output(f.cols, coin(), rng_);
    if (coin()) f.dbias = p.output(f.cols, coin(), rng_);
    p.run = [f](B& b) { b.layer_norm_reverse(f); };
  }

  void attention(P& p, bool reverse) {
    backend::Attention<T> f;
    static constexpr Index widths[] = {1, 3, 8, 16, 20, 32, 33, 64};
    f.groups = below(6), f.heads = 1 + below(3), f.width = widths[below(std::size(widths))];
    std::vector<std::int32_t> at;
    f.longest = offsets(f.groups, large_ ? 130 : below(70), at) + (coin() ? below(40) : 0);
    const Index live = at.back(), more = dead();
    f.rows = live + more, f.dead_rows = more > 0 || coin();
    f.offsets = p.input(at);
    if (coin()) {
      auto key = mask(f.rows);
      for (Index i = 0; f.groups > 1 && i < at[2] - at[1]; ++i)
        key[static_cast<std::size_t>(at[1] + i)] = 0;  // a group without keys
      f.key = p.input(key);
    }
    if (coin()) f.uniform = p.input(mask(f.groups));
    f.scale = T(1) / std::sqrt(static_cast<T>(f.width));
    const Index columns = f.heads * f.width, form = below(3);  // apart, side by side, or one for all
    f.ld = columns * (form == 1 ? 3 : 1) + below(3);
    f.q = p.input(with_dead(numbers(f.rows * f.ld, -3, 3), live, f.ld));
    f.k = form == 0 ? p.input(with_dead(numbers(f.rows * f.ld, -3, 3), live, f.ld)) : f.q + (form == 1 ? columns : 0);
    f.v = form == 0 ? p.input(with_dead(numbers(f.rows * f.ld), live, f.ld)) : f.q + (form == 1 ? 2 * columns : 0);
    f.dropout = dropout(p, f.rows);
    f.ld_out = columns + below(3);
    if (!reverse) {
      f.out = p.output(f.rows * f.ld_out, false, rng_).data;
      p.run = [f](B& b) { b.attention(f); };
      return;
    }
    backend::AttentionReverse<T> r;
    r.forward = f;
    r.dout = p.input(with_dead(numbers(f.rows * f.ld_out), live, f.ld_out));
    if (form == 0) {
      if (below(4)) r.dq = p.output(f.rows * f.ld, coin(), rng_);
      if (below(4)) r.dk = p.output(f.rows * f.ld, coin(), rng_);
      if (below(4)) r.dv = p.output(f.rows * f.ld, coin(), rng_);
    } else {
      const Target<T> all = p.output(f.rows * f.ld, coin(), rng_);
      r.dq = all;
      r.dk = form == 1 ? all.at(columns) : Target<T>{all.data, true};
      r.dv = form == 1 ? all.at(2 * columns) : Target<T>{all.data, true};
    }
    if (coin()) r.out = p.output(f.rows * f.ld_out, false, rng_).data;
    p.run = [r](B& b) { b.attention_reverse(r); };
  }

  /// Queries are rows of their own; groups may lack queries, rows, or both.
  void cross_attention(P& p, bool reverse) {
    backend::Attention<T> f;
    static constexpr Index widths[] = {1, 3, 8, 16, 20, 32, 33, 64};
    f.groups = below(6), f.heads = 1 + below(3), f.width = widths[below(std::size(widths))];
    std::vector<std::int32_t> at, query_at;
    const bool few = coin();  // either side may be the longer one
    f.longest = offsets(f.groups, few ? below(9) : large_ ? 130 : below(70), at) + (coin() ? below(40) : 0);
    f.longest_query = offsets(f.groups, few ? (large_ ? 130 : below(70)) : below(9), query_at) + (coin() ? below(40) : 0);
    const Index live = at.back(), live_queries = query_at.back();
    f.rows = live + dead(), f.query_rows = live_queries + dead();
    f.dead_rows = f.rows > live || f.query_rows > live_queries || coin();
    f.offsets = p.input(at), f.query_offsets = p.input(query_at);
    if (coin()) f.key = p.input(mask(f.rows));
    if (coin()) f.uniform = p.input(mask(f.groups));
    f.scale = T(1) / std::sqrt(static_cast<T>(f.width));
    f.ld = f.heads * f.width + below(3);
    f.q = p.input(with_dead(numbers(f.query_rows * f.ld, -3, 3), live_queries, f.ld));
    f.k = p.input(with_dead(numbers(f.rows * f.ld, -3, 3), live, f.ld));
    f.v = coin() ? f.k : p.input(with_dead(numbers(f.rows * f.ld), live, f.ld));
    f.dropout = dropout(p, f.query_rows);
    f.key_row_key = dropout(p, f.rows).row_key;
    f.ld_out = f.heads * f.width + below(3);
    if (!reverse) {
      f.out = p.output(f.query_rows * f.ld_out, false, rng_).data;
      p.run = [f](B& b) { b.attention(f); };
      return;
    }
    backend::AttentionReverse<T> r;
    r.forward = f;
    r.dout = p.input(with_dead(numbers(f.query_rows * f.ld_out), live_queries, f.ld_out));
    if (below(4)) r.dq = p.output(f.query_rows * f.ld, coin(), rng_);
    if (below(4)) r.dk = p.output(f.rows * f.ld, coin(), rng_);
    if (below(4)) r.dv = r.dk && coin() ? Target<T>{r.dk.data, true} : p.output(f.rows * f.ld, coin(), rng_);
    if (coin()) r.out = p.output(f.query_rows * f.ld_out, false, rng_).data;
    p.run = [r](B& b) { b.attention_reverse(r); };
  }

  void segment_pool(P& p, bool reverse) {
    backend::SegmentPool<T> f;
    f.segments = below(9), f.columns = 1 + below(9), f.width = std::max<Index>(1, extent());
    std::vector<std::int32_t> at;
    offsets(f.segments, below(40), at);
    const Index live = at.back(), more = dead();
    f.rows = live + more, f.dead_rows = more > 0 || coin();
    f.offsets = p.input(at);
    const auto keep = mask(f.rows);
    const auto uniform = mask(f.segments);
    if (coin()) f.mask = p.input(keep);
    if (coin()) f.uniform = p.input(uniform);
    const auto x = with_dead(numbers(f.rows * f.width), live, f.width),
               score = with_dead(numbers(f.rows * f.columns, -3, 3), live, f.columns);
    f.x = p.input(x), f.score = p.input(score);
    if (!reverse) {
      f.weight = p.output(f.rows * f.columns, false, rng_).data;
      f.out = p.output(f.segments * f.columns * f.width, false, rng_).data;
      p.run = [f](B& b) { b.segment_pool(f); };
      return;
    }
    // The weights come from the oracle, so that only the reverse is compared.
    backend::SegmentPool<T> host = f;
    std::vector<T> weight(score.size()), out(static_cast<std::size_t>(f.segments * f.columns * f.width));
    host.offsets = at.data(), host.mask = f.mask ? keep.data() : nullptr,
    host.uniform = f.uniform ? uniform.data() : nullptr;
    host.x = x.data(), host.score = score.data(), host.weight = weight.data(), host.out = out.data();
    backend::Reference{}.segment_pool(host);
    backend::SegmentPoolReverse<T> r;
    r.forward = f;
    r.forward.weight = const_cast<T*>(p.input(with_dead(weight, live, f.columns)));
    r.dout = p.input(numbers(f.segments * f.columns * f.width));
    if (below(4)) r.dx = p.output(f.rows * f.width, coin(), rng_);
    if (below(4)) r.dscore = p.output(f.rows * f.columns, coin(), rng_);
    p.run = [r](B& b) { b.segment_pool_reverse(r); };
  }

  std::vector<T> unit_vectors(Index n, Index width) {
    std::vector<T> x(static_cast<std::size_t>(n * width));
    for (Index i = 0; i < n; ++i) {
      double square = 0;
      std::vector<double> row(static_cast<std::size_t>(width));
      for (double& v : row) v = std::normal_distribution<double>()(rng_), square += v * v;
      for (Index d = 0; d < width; ++d)
        x[static_cast<std::size_t>(i * width + d)] = number(row[static_cast<std::size_t>(d)] / std::sqrt(square));
    }
    return x;
  }
  B& b_;
  std::mt19937_64 rng_;
  bool large_, short_factors_;
};

/// Largest difference relative to the largest magnitude expected; infinite where one is NaN and the other is not.
template <class T>
double difference(const std::vector<T>& found, const std::vector<T>& expected) {
  if (found.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) != std::isnan(expected[i])) return std::numeric_limits<double>::infinity();
    if (std::isnan(expected[i])) continue;
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    apart = std::max(apart, std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
  }
  return apart == 0 ? 0 : apart / largest;
}

}  // namespace ramer::test
