// The conformance suite: every kernel of a backend against the plain loops of `reference`. Whoever includes this has named the backends
// on trial in RAMER_BACKENDS, each a struct with `T`, `Backend` and `make()`, for TEST_CASE_TEMPLATE; one that rounds factors has a
// `tolerance(name of a problem)`. RAMER_NEEDS(S) may return from a case whose backend cannot be made here; for slow ones RAMER_SEEDS
// and RAMER_LARGEST_PRODUCT say how much is tried.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "backend/problems.hpp"

#if !defined(RAMER_NEEDS)
#define RAMER_NEEDS(S)
#endif
#if !defined(RAMER_SEEDS)
#define RAMER_SEEDS 150
#endif
#if !defined(RAMER_LARGEST_PRODUCT)
#define RAMER_LARGEST_PRODUCT 1e300
#endif

namespace {

using namespace ramer;
using backend::Transpose;

template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 2e-5 : 1e-11;

/// Whether a backend rounds the factors of products.
template <class S>
constexpr bool kRounds = requires {
  S::tolerance(std::string());
};
template <class S>
double tolerance_of(const std::string& problem) {
  if constexpr (kRounds<S>) {
    return S::tolerance(problem);
  } else {
    return kTolerance<typename S::T>;
  }
}

template <class T, class P, class Q>
void check_same(const P& found, const Q& expected, double tolerance = kTolerance<T>) {
  const auto a = found.outputs();
  const auto b = expected.outputs();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(test::difference(a[i], b[i]) <= tolerance);
  }
}

template <class S>
void check_seeds(std::uint64_t first, std::uint64_t count, bool large) {
  using T = typename S::T;
  auto b = S::make();
  backend::Reference oracle;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto found = test::ProblemMaker<T, typename S::Backend>(b, seed, large, kRounds<S>).all();
    const auto expected = test::ProblemMaker<T, backend::Reference>(oracle, seed, large, kRounds<S>).all();
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      found[i]->run(b);
      expected[i]->run(oracle);
      CAPTURE(seed);
      CAPTURE(found[i]->name);
      check_same<T>(*found[i], *expected[i], tolerance_of<S>(found[i]->name));
    }
  }
}

TEST_CASE_TEMPLATE("small problems, empty and odd extents", S, RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  check_seeds<S>(1, RAMER_SEEDS, false);
}

TEST_CASE_TEMPLATE("problems of several blocks", S, RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  check_seeds<S>(1000, std::min(6, RAMER_SEEDS / 10), true);
}

TEST_CASE_TEMPLATE("products at the edges of every blocking constant", S, RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  using T = typename S::T;
  auto b = S::make();
  backend::Reference oracle;
  const Index shapes[][3] = {{300, 1, 1},  {1, 300, 300}, {1, 1, 5000},   {257, 1030, 40}, {4300, 3, 4200},
                             {64, 64, 64}, {65, 64, 65},  {100, 90, 961}, {700, 800, 20},  {60, 256, 256},
                             {0, 5, 5},    {5, 0, 5},     {5, 5, 0},      {800, 700, 0},   {49, 257, 512}};
  std::uint64_t seed = 77;
  for (const auto& shape : shapes) {
    if (static_cast<double>(shape[0] * shape[1] * shape[2]) > RAMER_LARGEST_PRODUCT) continue;
    for (int repeat = 0; repeat < 4; ++repeat, ++seed) {
      test::Problem<T, typename S::Backend> found(b);
      test::Problem<T, backend::Reference> expected(oracle);
      test::ProblemMaker<T, typename S::Backend>(b, seed, true).gemm(found, shape[0], shape[1], shape[2]);
      test::ProblemMaker<T, backend::Reference>(oracle, seed, true).gemm(expected, shape[0], shape[1], shape[2]);
      found.run(b);
      expected.run(oracle);
      CAPTURE(shape[0]);
      CAPTURE(shape[1]);
      CAPTURE(shape[2]);
      CAPTURE(seed);
      // The oracle adds k numbers one after another; its own rounding errors grow with k.
      check_same<T>(found, expected, tolerance_of<S>("gemm") * (1 + static_cast<double>(shape[2]) / 1000));
    }
  }
}

TEST_CASE_TEMPLATE("not-a-number reaches the result", S, RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  using T = typename S::T;
  auto b = S::make();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<std::int32_t> offsets{0, 20, 40};
  std::vector<T> x(40 * 4, T(0.5));
  x[3] = nan;
  std::mt19937_64 rng(1);
  test::Problem<T, typename S::Backend> p(b);
  backend::Attention<T> f;
  f.groups = 2, f.rows = 40, f.width = 4, f.longest = 20, f.ld = 4, f.ld_out = 4;
  f.offsets = p.input(offsets);
  f.q = f.k = f.v = p.input(x);
  f.out = p.output(40 * 4, false, rng).data;
  b.attention(f);
  backend::SegmentPool<T> s;
  s.segments = 2, s.rows = 40, s.columns = 4, s.width = 4;
  s.offsets = f.offsets, s.x = f.q, s.score = f.q;
  s.weight = p.output(40 * 4, false, rng).data;
  s.out = p.output(2 * 4 * 4, false, rng).data;
  b.segment_pool(s);
  const auto out = p.outputs();
  for (Index i = 0; i < 20; ++i) CHECK(std::isnan(out[0][static_cast<std::size_t>(4 * i)]));
  for (Index i = 20 * 4; i < 40 * 4; ++i) CHECK(out[0][static_cast<std::size_t>(i)] == doctest::Approx(0.5));
  for (Index d = 0; d < 4; ++d) CHECK(std::isnan(out[2][static_cast<std::size_t>(3 * 4 + d)]));
  for (Index i = 16; i < 32; ++i) CHECK(out[2][static_cast<std::size_t>(i)] == doctest::Approx(0.5));

  backend::Contrastive<T> c;
  test::Problem<T, typename S::Backend> q(b);
  c.rows = 40, c.width = 4, c.classes = 1;
  c.features = q.input(x), c.ids = q.input(std::vector<std::int32_t>(40, 0));
  c.class_sum = q.output(4, false, rng).data, c.class_count = q.output(1, false, rng).data;
  c.log_denominator = q.output(40, false, rng).data, c.anchor_loss = q.output(40, false, rng).data;
  c.loss = q.output(1, false, rng).data;
  b.contrastive(c);
  CHECK(std::isnan(q.outputs()[4][0]));

  using backend::Activation;
  for (const auto act : {Activation::None, Activation::Relu, Activation::Tanh, Activation::Gelu, Activation::Sigmoid}) {
    CAPTURE(static_cast<int>(act));
    test::Problem<T, typename S::Backend> r(b);
    backend::Gemm<T> g;
    g.m = 10, g.n = 40, g.k = 4, g.trans_b = Transpose::Yes;
    g.a = r.input(std::vector<T>(10 * 4, T(-0.5))), g.lda = 4;
    g.b = r.input(x), g.ldb = 4;
    g.c = r.output(10 * 40, false, rng), g.ldc = 40;
    g.epilogue.activation = act;
    b.gemm(g);
    const auto product = r.outputs()[0];
    for (Index i = 0; i < 10 * 40; ++i) CHECK(std::isnan(product[static_cast<std::size_t>(i)]) == (i % 40 == 0));
  }
  test::Problem<T, typename S::Backend> l(b);
  backend::LayerNorm<T> n;
  n.rows = 40, n.cols = 4, n.x = l.input(x), n.eps = T(1e-3);
  n.gain = l.input(std::vector<T>(4, T(1))), n.bias = l.input(std::vector<T>(4, T(2)));
  n.y = l.output(40 * 4, false, rng).data;
  b.layer_norm(n);
  const auto normed = l.outputs()[0];
  for (Index i = 0; i < 40 * 4; ++i) {
    const T y = normed[static_cast<std::size_t>(i)];
    CHECK((i < 4 ? std::isnan(y) : y == T(2)));
  }
}

TEST_CASE_TEMPLATE("rows behind the last group get 0 or nothing, and the others what they get without them", S,
                   RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  using T = typename S::T;
  auto b = S::make();
  const Index live = 75, width = 20, heads = 2, columns = heads * width, scores = 3;
  for (const Index dead : {1, 21, 200}) {
    for (const bool cross : {false, true}) {
      for (const bool accumulate : {false, true}) {
        CAPTURE(dead);
        CAPTURE(cross);
        CAPTURE(accumulate);
        struct Result {
          std::vector<std::vector<T>> before, after;
        };
        const auto run = [&](Index rows) {
          std::uint64_t seed = 5;
          test::Problem<T, typename S::Backend> p(b);
          const auto input = [&](Index cols) {
            std::mt19937_64 rng(++seed);
            std::vector<T> x(static_cast<std::size_t>(rows * cols), std::numeric_limits<T>::quiet_NaN());
            for (Index i = 0; i < live * cols; ++i)
              x[static_cast<std::size_t>(i)] = std::uniform_real_distribution<T>(-2, 2)(rng);
            return p.input(x);
          };
          const auto output = [&](Index n, bool add) {
            std::mt19937_64 rng(++seed);
            return p.output(n, add, rng);
          };
          backend::Attention<T> f;
          f.groups = 3, f.rows = rows, f.heads = heads, f.width = width, f.dead_rows = rows > live;
          f.offsets = p.input(std::vector<std::int32_t>{0, 70, 70, 75});
          f.longest = rows > live ? 96 : 70;
          if (cross) {
            f.query_offsets = p.input(std::vector<std::int32_t>{0, 7, 27, 75});
            f.query_rows = rows, f.longest_query = rows > live ? 64 : 48;
          }
          f.scale = T(0.3), f.ld = f.ld_out = columns;
          f.q = input(columns), f.k = input(columns), f.v = input(columns);
          f.dropout = {RandomStream(1, 2), 0.2, nullptr};
          f.out = output(rows * columns, false).data;
          backend::AttentionReverse<T> r;
          r.forward = f, r.dout = input(columns);
          r.dq = output(rows * columns, accumulate), r.dk = output(rows * columns, accumulate),
          r.dv = output(rows * columns, accumulate), r.out = output(rows * columns, false).data;
          backend::SegmentPool<T> s;
          s.segments = 3, s.rows = rows, s.columns = scores, s.width = columns, s.dead_rows = rows > live;
          s.offsets = f.offsets, s.x = f.q, s.score = input(scores);
          s.weight = output(rows * scores, false).data, s.out = output(3 * scores * columns, false).data;
          backend::SegmentPoolReverse<T> t;
          t.forward = s, t.dout = p.input(std::vector<T>(static_cast<std::size_t>(3 * scores * columns), T(0.7)));
          t.dx = output(rows * columns, accumulate), t.dscore = output(rows * scores, accumulate);
          Result result;
          result.before = p.outputs();
          b.attention(f);
          b.attention_reverse(r);
          b.segment_pool(s);
          b.segment_pool_reverse(t);
          result.after = p.outputs();
          return result;
        };
        const Result padded = run(live + dead), alone = run(live);
        for (std::size_t k = 0; k < alone.after.size(); ++k) {
          CAPTURE(k);
          const std::vector<T>&found = padded.after[k], &expected = alone.after[k];
          REQUIRE(std::none_of(expected.begin(), expected.end(), [](T x) { return std::isnan(x); }));
          CHECK(std::vector<T>(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(expected.size())) == expected);
          const bool kept = !std::isnan(padded.before[k].front());
          bool as_said = true;
          for (std::size_t i = expected.size(); i < found.size(); ++i)
            as_said = as_said && found[i] == (kept ? padded.before[k][i] : T(0));
          CHECK(as_said);
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("a row of equal numbers is normalized to zeros, whatever the number; a far one keeps its digits", S,
                   RAMER_BACKENDS) {
  RAMER_NEEDS(S);
  using T = typename S::T;
  auto b = S::make();
  std::mt19937_64 rng(3);
  for (const Index cols : {1, 2, 3, 7, 33, 74, 300}) {
    for (const bool residual : {false, true}) {
      CAPTURE(cols);
      const Index rows = 4;
      const T levels[rows]{T(0), T(5.1), T(-1234.567), T(3e5)};
      std::vector<T> x(static_cast<std::size_t>(rows * cols));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = levels[i / static_cast<std::size_t>(cols)];
      test::Problem<T, typename S::Backend> p(b);
      backend::LayerNorm<T> f;
      f.rows = rows, f.cols = cols, f.x = p.input(x);
      if (residual) f.residual = p.input(std::vector<T>(x.size(), T(0.1)));
      f.gain = p.input(std::vector<T>(static_cast<std::size_t>(cols), T(1)));
      f.bias = p.input(std::vector<T>(static_cast<std::size_t>(cols), T(0)));
      f.y = p.output(rows * cols, false, rng).data;
      f.inverse_sd = p.output(rows, false, rng).data;
      b.layer_norm(f);
      const auto out = p.outputs();
      CHECK(out[0] == std::vector<T>(x.size(), T(0)));
      for (const T inverse : out[1]) CHECK(inverse == doctest::Approx(1e6));
    }
  }
  // 4096 + {0, 1, 2, 3} is normalized as {0, 1, 2, 3} is.
  test::Problem<T, typename S::Backend> p(b);
  backend::LayerNorm<T> f;
  f.rows = 1, f.cols = 4, f.x = p.input(std::vector<T>{4096, 4097, 4098, 4099});
  f.gain = p.input(std::vector<T>(4, T(1))), f.bias = p.input(std::vector<T>(4, T(0)));
  f.y = p.output(4, false, rng).data;
  b.layer_norm(f);
  const double unit = 1 / std::sqrt(5.0);
  for (int c = 0; c < 4; ++c)
    CHECK(static_cast<double>(p.outputs()[0][static_cast<std::size_t>(c)]) ==
          doctest::Approx((2 * c - 3) * unit).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-12));
}

}  // namespace
