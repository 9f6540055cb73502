// Every kernel of every backend against the plain loops of `reference`.
#include <doctest/doctest.h>

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;
using backend::Transpose;

// A backend on trial. A further one is a further struct in the list below.
template <class Number>
struct OnCpu {
  using T = Number;
  using Backend = backend::Cpu;
  static Backend make() { return Backend(2); }
};
template <class Number>
struct OnOneThread {
  using T = Number;
  using Backend = backend::Cpu;
  static Backend make() { return Backend(1); }
};

}  // namespace

TYPE_TO_STRING_AS("cpu, float", OnCpu<float>);
TYPE_TO_STRING_AS("cpu, double", OnCpu<double>);
TYPE_TO_STRING_AS("cpu with one thread, float", OnOneThread<float>);

namespace {

#define RAMER_BACKENDS OnCpu<float>, OnCpu<double>, OnOneThread<float>

template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 2e-5 : 1e-11;

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
    const auto found = test::ProblemMaker<T, typename S::Backend>(b, seed, large).all();
    const auto expected = test::ProblemMaker<T, backend::Reference>(oracle, seed, large).all();
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      found[i]->run(b);
      expected[i]->run(oracle);
      CAPTURE(seed);
      CAPTURE(found[i]->name);
      check_same<T>(*found[i], *expected[i]);
    }
  }
}

TEST_CASE_TEMPLATE("small problems, empty and odd extents", S, RAMER_BACKENDS) { check_seeds<S>(1, 150, false); }

TEST_CASE_TEMPLATE("problems of several blocks", S, RAMER_BACKENDS) { check_seeds<S>(1000, 6, true); }

TEST_CASE_TEMPLATE("products at the edges of every blocking constant", S, RAMER_BACKENDS) {
  using T = typename S::T;
  auto b = S::make();
  backend::Reference oracle;
  const Index shapes[][3] = {{300, 1, 1},  {1, 300, 300}, {1, 1, 5000},   {257, 1030, 40}, {4300, 3, 4200},
                             {64, 64, 64}, {65, 64, 65},  {100, 90, 961}, {700, 800, 20},  {60, 256, 256},
                             {0, 5, 5},    {5, 0, 5},     {5, 5, 0},      {800, 700, 0},   {49, 257, 512}};
  std::uint64_t seed = 77;
  for (const auto& shape : shapes) {
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
      check_same<T>(found, expected, kTolerance<T> * (1 + static_cast<double>(shape[2]) / 1000));
    }
  }
}

TEST_CASE_TEMPLATE("not-a-number reaches the result", S, RAMER_BACKENDS) {
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

TEST_CASE_TEMPLATE("attention's adjoints may take the places of its inputs", S, RAMER_BACKENDS) {
  using T = typename S::T;
  using Backend = typename S::Backend;
  if constexpr (Backend::Memory::host) {
    auto b = S::make();
    for (const bool uniform : {false, true}) {
      std::mt19937_64 rng(5);
      const std::vector<std::int32_t> offsets{0, 70, 70, 75};
      const std::vector<std::uint8_t> flags(3, uniform ? 1 : 0);
      const Index width = 20, heads = 3, ld = heads * width, n = 75 * ld;
      const auto numbers = [&] {
        std::vector<T> x(static_cast<std::size_t>(n));
        for (T& value : x) value = std::uniform_real_distribution<T>(-2, 2)(rng);
        return x;
      };
      auto q = numbers(), k = numbers(), v = numbers(), dout = numbers();
      std::vector<T> dq(q.size()), dk(q.size()), dv(q.size());
      backend::Attention<T> f;
      f.groups = 3, f.rows = 75, f.heads = heads, f.width = width, f.longest = 70, f.offsets = offsets.data(), f.uniform = flags.data();
      f.scale = T(0.3), f.q = q.data(), f.k = k.data(), f.v = v.data(), f.ld = ld, f.ld_out = ld, f.dropout = {RandomStream(1, 2), 0.2, nullptr};
      b.attention_reverse(backend::AttentionReverse<T>{f, dout.data(), {dq.data()}, {dk.data()}, {dv.data()}, nullptr});
      b.attention_reverse(backend::AttentionReverse<T>{f, dout.data(), {q.data()}, {k.data()}, {v.data()}, nullptr});
      CHECK(q == dq);
      CHECK(k == dk);
      CHECK(v == dv);
    }
  }
}

TEST_CASE_TEMPLATE("a row of equal numbers is normalized to zeros, whatever the number; a far one keeps its digits", S,
                   RAMER_BACKENDS) {
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

TEST_CASE("the oracle keeps the laws of equal rows too") {
  backend::Reference b;
  const std::vector<float> x(37, 5.1f), one(37, 1.0f), zero(37, 0.0f);
  std::vector<float> y(37, 9.0f);
  backend::LayerNorm<float> f;
  f.rows = 1, f.cols = 37, f.x = x.data(), f.gain = one.data(), f.bias = zero.data(), f.y = y.data();
  b.layer_norm(f);
  CHECK(y == zero);
}

}  // namespace

TEST_CASE("the contrastive loss with more blocks of anchors than tasks") {
  const Index rows = 1700, queue_rows = 1700, width = 6, classes = 5;  // 36 blocks of 96, 32 tasks
  std::mt19937_64 rng(3);
  const auto unit = [&](Index n) {
    std::vector<float> x(static_cast<std::size_t>(n * width));
    for (Index r = 0; r < n; ++r) {
      float square = 0;
      for (Index d = 0; d < width; ++d) {
        float& v = x[static_cast<std::size_t>(r * width + d)];
        v = std::normal_distribution<float>()(rng);
        square += v * v;
      }
      for (Index d = 0; d < width; ++d) x[static_cast<std::size_t>(r * width + d)] /= std::sqrt(square);
    }
    return x;
  };
  const auto features = unit(rows), queue = unit(queue_rows);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(rows)), queue_ids(static_cast<std::size_t>(queue_rows));
  for (auto& id : ids) id = static_cast<std::int32_t>(rng() % 6) - 1;
  for (auto& id : queue_ids) id = static_cast<std::int32_t>(rng() % 6) - 1;
  const auto log_denominators = [&](const auto& backend) {
    std::vector<float> class_sum(classes * width), class_count(classes), log_denominator(ids.size() + queue_ids.size()), loss(log_denominator), mean(1);
    backend::Contrastive<float> p;
    p.rows = rows, p.queue_rows = queue_rows, p.width = width, p.classes = classes, p.queue_anchors = true;
    p.features = features.data(), p.ids = ids.data(), p.queue = queue.data(), p.queue_ids = queue_ids.data();
    p.class_sum = class_sum.data(), p.class_count = class_count.data(), p.log_denominator = log_denominator.data();
    p.anchor_loss = loss.data(), p.loss = mean.data();
    backend.contrastive(p);
    return log_denominator;
  };
  const auto expected = log_denominators(backend::Reference{}), found = log_denominators(backend::Cpu(2));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}
