// Products of rounded factors, as tensor cores make them, run by the host.
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "backend/emulated.hpp"
#include "backend/factor_tolerance.hpp"
#include "backend/problems.hpp"

namespace {

using namespace ramer;
using backend::Reference;
using backend::device::Factors;
using backend::device::Math;
using test::Emulated;

constexpr Math kRounding[] = {Math::Tf32, Math::Bf16};
constexpr int bits_of(Math math) { return math == Math::Fp32 ? 24 : math == Math::Tf32 ? 11 : 8; }

/// x with so many bits, subnormal ones with fewer.
double rounded(double x, int bits, bool ties_to_even) {
  if (!std::isfinite(x) || x == 0) return x;
  const int last = std::max(std::ilogb(x), -126) - bits + 1;
  const double in_units = std::ldexp(x, -last),
               result = std::ldexp(ties_to_even ? std::nearbyint(in_units) : std::round(in_units), last);
  return std::abs(result) > std::numeric_limits<float>::max() ? std::copysign(std::numeric_limits<double>::infinity(), x)
                                                              : result;
}

TEST_CASE("factors are rounded to nearest; not-a-number and infinity stay") {
  const auto tf32 = [](float x) {
    return Factors<Math::Tf32>::number(Factors<Math::Tf32>::word([&](int) { return x; }), 0);
  };
  const auto bf16 = [](float x, int which) {
    return Factors<Math::Bf16>::number(Factors<Math::Bf16>::word([&](int h) { return h == which ? x : -7.0f; }), which);
  };
  const auto check = [&](float x) {
    CAPTURE(x);
    const double t = tf32(x), b = bf16(x, 0), b1 = bf16(x, 1);
    if (std::isnan(x)) {
      CHECK(std::isnan(t));
      CHECK(std::isnan(b));
      CHECK(std::isnan(b1));
      return;
    }
    CHECK(t == rounded(x, 11, false));
    CHECK(b == rounded(x, 8, true));
    CHECK(b1 == b);
  };
  std::mt19937 rng(1);
  for (int k = 0; k < 20000; ++k) check(std::bit_cast<float>(static_cast<std::uint32_t>(rng())));
  using Limits = std::numeric_limits<float>;
  for (const float x :
       {0.0f, -0.0f, 1.0f, Limits::infinity(), -Limits::infinity(), Limits::max(), Limits::min(), Limits::denorm_min(),
        Limits::quiet_NaN(), std::bit_cast<float>(0x7FFFFFFFu), std::bit_cast<float>(0xFFFFFFFFu)})
    check(x);
  for (const std::uint32_t tie : {0x3F801000u, 0x3F803000u, 0x3F808000u, 0x3F818000u, 0x3F808001u, 0xBF807FFFu})
    check(std::bit_cast<float>(tie));
}

/// Sizes that are no multiple of a tile, a slice or a piece, and some that are.
TEST_CASE("of factors that have few bits, products and the contrastive loss are those of fp32") {
  Reference oracle;
  const auto compare = [&](Math math, std::uint64_t seed, bool large, const auto& make) {
    CAPTURE(static_cast<int>(math));
    CAPTURE(seed);
    Emulated<> b(math);
    test::Problem<float, Emulated<>> found(b);
    test::Problem<float, Reference> expected(oracle);
    test::ProblemMaker<float, Emulated<>> here(b, seed, large, true);
    test::ProblemMaker<float, Reference> there(oracle, seed, large, true);
    make(here, found);
    make(there, expected);
    found.run(b);
    expected.run(oracle);
    const auto x = found.outputs(), y = expected.outputs();
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(test::difference(x[i], y[i]) <= 2e-5);
  };
  for (const Math math : kRounding) {
    const Index shapes[][3] = {{64, 64, 64}, {65, 63, 65}, {1, 1, 1}, {130, 70, 17}, {16, 8, 200}, {3, 5, 0}};
    std::uint64_t seed = 1;
    for (const auto& shape : shapes)
      for (int repeat = 0; repeat < 4; ++repeat)  // transposed or not
        compare(math, ++seed, true, [&](auto& maker, auto& p) { maker.gemm(p, shape[0], shape[1], shape[2]); });
    for (int repeat = 0; repeat < 30; ++repeat)
      compare(math, ++seed, repeat % 15 == 0, [](auto& maker, auto& p) { maker.contrastive(p, false); });
  }
}

struct Vectors {
  Index rows, width;
  std::vector<float> x;
  std::vector<std::int32_t> ids;
};
/// Unit vectors that lie about their class's centre.
Vectors vectors(Index rows, Index width, std::int32_t classes, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<double> normal;
  std::vector<double> centre(static_cast<std::size_t>(classes * width));
  for (double& c : centre) c = normal(rng);
  Vectors v{rows, width, {}, {}};
  for (Index i = 0; i < rows; ++i) {
    const auto id = static_cast<std::int32_t>(rng() % static_cast<std::uint64_t>(classes));
    v.ids.push_back(id);
    std::vector<double> row;
    double square = 0;
    for (Index d = 0; d < width; ++d) {
      row.push_back(normal(rng) + centre[static_cast<std::size_t>(id * width + d)]);
      square += row.back() * row.back();
    }
    for (const double r : row) v.x.push_back(static_cast<float>(r / std::sqrt(square)));
  }
  return v;
}

/// class sums, class counts, log-denominators, losses of anchors, loss, gradient
template <class T, class B>
std::vector<std::vector<T>> solve(B b, const Vectors& v, double temperature) {
  test::Problem<T, B> p(b);
  std::mt19937_64 rng(1);
  backend::Contrastive<T> f;
  f.rows = v.rows, f.width = v.width, f.classes = 8, f.temperature = static_cast<T>(temperature);
  f.features = p.input(std::vector<T>(v.x.begin(), v.x.end())), f.ids = p.input(v.ids);
  f.class_sum = p.output(f.classes * f.width, false, rng).data, f.class_count = p.output(f.classes, false, rng).data;
  f.log_denominator = p.output(f.rows, false, rng).data, f.anchor_loss = p.output(f.rows, false, rng).data;
  f.loss = p.output(1, false, rng).data;
  b.contrastive(f);
  backend::ContrastiveReverse<T> r;
  r.forward = f;
  r.dloss = p.input(std::vector<T>(1, T(1)));
  r.dfeatures = p.output(f.rows * f.width, false, rng);
  b.contrastive_reverse(r);
  return p.outputs();
}

double apart(const std::vector<float>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  return most;
}
double largest_of(const std::vector<double>& x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

/// A factor of p bits is off by at most 2^-p of itself, a product of unit vectors therefore by 2^(1-p), and the logarithm of a sum of
/// exponentials by no more than its terms' exponents are.
TEST_CASE("rounded factors move log-denominators and losses by no more than 2^(1-p) / temperature") {
  for (const Math math : kRounding) {
    for (const double temperature : {0.07, 0.5}) {
      for (const Index width : {8, 64, 96}) {
        CAPTURE(static_cast<int>(math));
        CAPTURE(temperature);
        CAPTURE(width);
        const Vectors v = vectors(150, width, 5, static_cast<std::uint64_t>(width));
        const auto found = solve<float>(Emulated<>(math), v, temperature), fp32 = solve<float>(Emulated<>(), v, temperature);
        const auto exact = solve<double>(Reference(), v, temperature);
        const double bound = std::ldexp(1, 1 - bits_of(math)) / temperature;
        for (const std::size_t output : {2u, 3u, 4u}) CHECK(apart(found[output], exact[output]) <= bound);
        // It is rounded, and the sums per class are not.
        CHECK(apart(found[2], exact[2]) > 4 * apart(fp32[2], exact[2]));
        CHECK(found[0] == fp32[0]);
        CHECK(found[1] == fp32[1]);
        const double gradient = apart(found[5], exact[5]) / largest_of(exact[5]);
        CHECK(gradient <= (math == Math::Tf32 ? 4e-3 : 3e-2));
      }
    }
  }
}

/// The softmax is 1 whatever the similarity: the reverse must know it as the forward pass did.
TEST_CASE("the gradient of two rows alone in one class vanishes in every arithmetic") {
  for (const Math math : {Math::Fp32, Math::Tf32, Math::Bf16}) {
    CAPTURE(static_cast<int>(math));
    const auto found = solve<float>(Emulated<>(math), vectors(2, 64, 1, 3), 0.07);
    for (const float g : found[5]) CHECK(std::abs(g) < 1e-4f);
  }
}

TEST_CASE("not-a-number in a row reaches every anchor and every gradient of a batch of several tiles") {
  for (const Math math : kRounding) {
    CAPTURE(static_cast<int>(math));
    Vectors v = vectors(100, 20, 3, 4);
    v.x[90 * 20 + 3] = std::numeric_limits<float>::quiet_NaN();
    const auto found = solve<float>(Emulated<>(math), v, 0.07);
    for (const std::size_t output : {2u, 3u, 4u, 5u})
      for (const float x : found[output]) CHECK(std::isnan(x));
  }
}

/// The score is the same whoever computes it, and so the softmax 1 to the bit.
TEST_CASE("a query's only key has a score's gradient of exactly 0 in every arithmetic") {
  for (const Math math : {Math::Fp32, Math::Tf32, Math::Bf16}) {
    CAPTURE(static_cast<int>(math));
    Emulated<> b(math);
    test::Problem<float, Emulated<>> p(b);
    std::mt19937_64 rng(8);
    const Index groups = 5, width = 40;
    std::vector<std::int32_t> offsets;
    for (std::int32_t g = 0; g <= groups; ++g) offsets.push_back(g);
    const auto numbers = [&] {
      std::vector<float> x(static_cast<std::size_t>(groups * width));
      for (float& v : x) v = std::uniform_real_distribution<float>(-3, 3)(rng);
      return x;
    };
    backend::AttentionReverse<float> r;
    backend::Attention<float>& f = r.forward;
    f.groups = f.rows = groups, f.heads = 1, f.width = f.ld = f.ld_out = width, f.longest = 1, f.scale = 0.3f;
    f.offsets = p.input(offsets), f.q = p.input(numbers()), f.k = p.input(numbers()), f.v = p.input(numbers());
    const auto dout = numbers();
    r.dout = p.input(dout);
    r.dq = p.output(groups * width, false, rng), r.dk = p.output(groups * width, false, rng);
    r.dv = p.output(groups * width, false, rng);
    b.attention_reverse(r);
    const auto found = p.outputs();
    for (const std::size_t output : {0u, 1u})
      for (const float x : found[output]) CHECK(x == 0.0f);
    CHECK(test::difference(found[2], dout) <= std::ldexp(1, -bits_of(math)));
  }
}

template <class T, class F>
bool is_sum_in_order(const std::vector<T>& found, const std::vector<T>& a, const std::vector<T>& b, Index n, Index k,
                     const F& add) {
  for (std::size_t e = 0; e < found.size(); ++e) {
    const auto i = static_cast<Index>(e) / n, j = static_cast<Index>(e) % n;
    T sum = 0;
    for (Index l = 0; l < k; ++l)
      sum = add(sum, a[static_cast<std::size_t>(i * k + l)], b[static_cast<std::size_t>(j * k + l)]);
    if (std::memcmp(&sum, &found[e], sizeof sum) != 0) return false;
  }
  return true;
}

TEST_CASE("in fp32 a product has the bits of its terms added in their order") {
  const Index m = 70, n = 67, k = 45;
  std::mt19937_64 rng(6);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> x(static_cast<std::size_t>(m * k)), y(static_cast<std::size_t>(n * k));
  for (auto* v : {&x, &y})
    for (float& value : *v) value = uniform(rng);
  const auto product = [&](Math math) {
    Emulated<> b(math);
    test::Problem<float, Emulated<>> p(b);
    backend::Gemm<float> g;
    g.m = m, g.n = n, g.k = k, g.lda = k, g.ldb = k, g.ldc = n, g.trans_b = backend::Transpose::Yes;
    g.a = p.input(x), g.b = p.input(y), g.c = p.output(m * n, false, rng);
    b.gemm(g);
    return p.outputs()[0];
  };
  // A compiler may contract all of them or none.
  const auto fused = [](float sum, float a, float b) { return std::fma(a, b, sum); };
  const auto plain = [](float sum, float a, float b) { return sum + backend::device::rounded_product(a, b); };
  const auto in_order = [&](const std::vector<float>& found) {
    return is_sum_in_order(found, x, y, n, k, fused) || is_sum_in_order(found, x, y, n, k, plain);
  };
  CHECK(in_order(product(Math::Fp32)));
  CHECK(!in_order(product(Math::Tf32)));
  CHECK(!in_order(product(Math::Bf16)));
}

TEST_CASE("double is double in every arithmetic") {
  for (const Math math : kRounding) {
    const Vectors v = vectors(70, 20, 3, 5);
    CHECK(solve<double>(Emulated<>(math), v, 0.07) == solve<double>(Emulated<>(), v, 0.07));
  }
}

}  // namespace
