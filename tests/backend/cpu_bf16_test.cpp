// Products with factors in bf16: the sums of the rounded factors, for every shape and form; the same bits with 1, 2 and 4 threads.
#include <doctest/doctest.h>

#include <oneapi/tbb/global_control.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "ramer/backend/cpu_bf16.hpp"

namespace {

using namespace ramer;
using backend::Gemm;
using backend::Transpose;
using backend::cpu::bf16_bits;
using backend::cpu::Bf16Pair;
using backend::cpu::Pairs;
using backend::cpu::PlainPairs;

float from_bits(std::uint32_t upper_half) { return std::bit_cast<float>(upper_half << 16); }
float rounded(float x) { return from_bits(bf16_bits(x)); }

std::vector<float> numbers(Index n, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(rng);
  return x;
}

TEST_CASE("rounding to bf16: nearest, ties to even, infinities and not-a-number") {
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(1.0f + 0x1p-8f) == 1.0f);                      // a tie: down to even
  CHECK(rounded(1.0f + 0x1p-7f + 0x1p-8f) == 1.0f + 0x1p-6f);  // a tie: up to even
  CHECK(rounded(1.0f + 0x1.1p-8f) == 1.0f + 0x1p-7f);
  CHECK(rounded(-2.0f - 0x1.8p-6f) == -2.0f - 0x1p-5f);
  CHECK(rounded(0.0f) == 0.0f);
  CHECK(std::signbit(rounded(-0.0f)));
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(rounded(infinity) == infinity);
  CHECK(rounded(std::numeric_limits<float>::max()) == infinity);
  for (const std::uint32_t bits : {0x7F800001u, 0x7FFFFFFFu, 0xFF800001u, 0xFFFFFFFFu})
    CHECK(std::isnan(rounded(std::bit_cast<float>(bits))));
}

TEST_CASE("pairs: what the processor has an instruction for is what plain operations give") {
  constexpr int w = PlainPairs::width;
  const auto x = numbers(2 * w, 1), y = numbers(2 * w, 2);
  Bf16Pair got[w], want[w];
  Pairs::along(x.data(), got), PlainPairs::along(x.data(), want);
  CHECK(std::memcmp(got, want, sizeof(got)) == 0);
  Pairs::across(x.data(), y.data(), got), PlainPairs::across(x.data(), y.data(), want);
  CHECK(std::memcmp(got, want, sizeof(got)) == 0);

  const auto sum = numbers(w, 3);
  using Packet = PlainPairs::Packet;
  const auto start = Eigen::internal::ploadu<Packet>(sum.data());
  float by_instruction[w], by_operations[w];
  Eigen::internal::pstoreu(by_instruction, Pairs::multiply_add(Pairs::splat(want[0]), Pairs::load(want), start));
  Eigen::internal::pstoreu(by_operations,
                           PlainPairs::multiply_add(PlainPairs::splat(want[0]), PlainPairs::load(want), start));
  for (int i = 0; i < w; ++i) {
    const double exact = static_cast<double>(sum[static_cast<std::size_t>(i)]) +
                         static_cast<double>(rounded(x[0])) * rounded(x[static_cast<std::size_t>(i)]) +
                         static_cast<double>(rounded(y[0])) * rounded(y[static_cast<std::size_t>(i)]);
    CHECK(by_instruction[i] == doctest::Approx(exact).epsilon(1e-6));
    CHECK(by_operations[i] == doctest::Approx(exact).epsilon(1e-6));
  }
}

struct Product {
  Gemm<float> g;
  std::vector<float> a, b, c, before, bias, pre;

  Product(Index m, Index n, Index k, bool trans_a, bool trans_b, bool accumulate, bool epilogue, std::uint64_t seed)
      : a(numbers((trans_a ? k : m) * (trans_a ? m + 3 : k + 3), seed)),
        b(numbers((trans_b ? n : k) * (trans_b ? k + 1 : n + 1), seed + 1)),
        before(numbers(m * (n + 2), seed + 2)),
        bias(numbers(n, seed + 3)),
        pre(static_cast<std::size_t>(m * n)) {
    c = before;
    g.trans_a = trans_a ? Transpose::Yes : Transpose::No, g.trans_b = trans_b ? Transpose::Yes : Transpose::No;
    g.m = m, g.n = n, g.k = k, g.alpha = 0.5f;
    g.a = a.data(), g.lda = trans_a ? m + 3 : k + 3, g.b = b.data(), g.ldb = trans_b ? k + 1 : n + 1;
    g.c = {c.data(), accumulate}, g.ldc = n + 2;
    if (epilogue) g.epilogue = {bias.data(), backend::Activation::Relu, pre.data(), n};
  }
  /// How far C is from the sums of rounded factors, in units of the sums of magnitudes, and whether what lies between its rows was left.
  double error() const {
    double worst = 0;
    for (Index i = 0; i < g.m; ++i) {
      for (Index j = 0; j < g.n; ++j) {
        double sum = 0, size = 1;
        for (Index l = 0; l < g.k; ++l) {
          const float x = g.a[g.trans_a == Transpose::Yes ? l * g.lda + i : i * g.lda + l];
          const float y = g.b[g.trans_b == Transpose::Yes ? j * g.ldb + l : l * g.ldb + j];
          const double term = static_cast<double>(rounded(x)) * static_cast<double>(rounded(y));
          sum += term, size += std::abs(term);
        }
        double want = 0.5 * sum;
        const auto at = static_cast<std::size_t>(i * g.ldc + j);
        if (g.c.accumulate) want += static_cast<double>(before[at]);
        if (g.epilogue.bias) want = std::max(0.0, want + static_cast<double>(bias[static_cast<std::size_t>(j)]));
        worst = std::max(worst, std::abs(static_cast<double>(c[at]) - want) / size);
      }
      for (Index j = g.n; j < g.ldc; ++j) {
        const auto at = static_cast<std::size_t>(i * g.ldc + j);
        if (std::memcmp(&c[at], &before[at], sizeof(float)) != 0) return std::numeric_limits<double>::infinity();
      }
    }
    return worst;
  }
};

TEST_CASE("a product is the sum of its rounded factors, in every shape") {
  const backend::CpuBf16 cpu(2);
  std::uint64_t seed = 0;
  for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{{0, 3, 4},
                                                                 {3, 0, 4},
                                                                 {3, 4, 0},
                                                                 {1, 1, 1},
                                                                 {2, 3, 5},
                                                                 {12, 32, 2},
                                                                 {13, 33, 7},
                                                                 {50, 70, 33},
                                                                 {61, 96, 257},
                                                                 {200, 90, 130},
                                                                 {37, 1100, 300},
                                                                 {40, 30, 2000},
                                                                 {96, 64, 1441},
                                                                 {260, 31, 515}}) {
    for (int form = 0; form < 4; ++form) {
      for (int way = 0; way < 3; ++way) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(form);
        CAPTURE(way);
        Product p(m, n, k, form & 1, form & 2, way == 1, way == 2, ++seed);
        cpu.gemm(p.g);
        CHECK(p.error() < 1e-6);
      }
    }
  }
}

TEST_CASE("products of a batch, and into one C") {
  const backend::CpuBf16 cpu(2);
  for (const bool one : {false, true}) {
    constexpr Index kBatch = 5, m = 7, n = 9, k = 11;
    const auto a = numbers(kBatch * m * k, 1), b = numbers(kBatch * k * n, 2);
    std::vector<float> c(static_cast<std::size_t>(one ? m * n : kBatch * m * n), 0.0f);
    Gemm<float> g = backend::product(Transpose::No, Transpose::No, m, n, k, a.data(), k, b.data(), n, {c.data(), one}, n);
    cpu.gemm_batched(g, kBatch, m * k, k * n, one ? 0 : m * n);
    std::vector<double> want(c.size(), 0.0);
    for (Index s = 0; s < kBatch; ++s)
      for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < n; ++j)
          for (Index l = 0; l < k; ++l)
            want[static_cast<std::size_t>((one ? 0 : s * m * n) + i * n + j)] +=
                static_cast<double>(rounded(a[static_cast<std::size_t>(s * m * k + i * k + l)])) *
                static_cast<double>(rounded(b[static_cast<std::size_t>(s * k * n + l * n + j)]));
    for (std::size_t i = 0; i < c.size(); ++i) CHECK(c[i] == doctest::Approx(want[i]).epsilon(1e-4));
  }
}

TEST_CASE("not-a-number and infinity reach the result") {
  const backend::CpuBf16 cpu(1);
  Product p(14, 40, 9, false, true, false, false, 3);
  p.a[static_cast<std::size_t>(2 * p.g.lda + 4)] = std::numeric_limits<float>::quiet_NaN();
  p.a[static_cast<std::size_t>(5 * p.g.lda + 8)] = std::numeric_limits<float>::infinity();
  cpu.gemm(p.g);
  for (Index j = 0; j < 40; ++j) {
    CHECK(std::isnan(p.c[static_cast<std::size_t>(2 * p.g.ldc + j)]));
    CHECK(std::isinf(p.c[static_cast<std::size_t>(5 * p.g.ldc + j)]));
    CHECK(std::isfinite(p.c[static_cast<std::size_t>(3 * p.g.ldc + j)]));
  }
}

TEST_CASE("the same bits with 1, 2 and 4 threads; doubles are Cpu's") {
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  const backend::CpuBf16 one(1), two(2), four(4);
  for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{{300, 200, 100}, {60, 256, 256}, {96, 128, 3000}}) {
    for (int form = 0; form < 4; ++form) {
      Product p(m, n, k, form & 1, form & 2, false, false, 9), q = p;
      q.g = p.g, q.g.c.data = q.c.data();
      one.gemm(p.g);
      for (const backend::CpuBf16* other : {&two, &four}) {
        other->gemm(q.g);
        CHECK(std::memcmp(p.c.data(), q.c.data(), p.c.size() * sizeof(float)) == 0);
      }
    }
  }
  const std::vector<double> x{1.0 + 0x1p-40, 3.0};
  double y[2];
  one.gemm(backend::product(Transpose::No, Transpose::No, Index{2}, Index{1}, Index{1}, x.data(), Index{1}, x.data(),
                            Index{1}, {y, false}, Index{1}));
  CHECK(y[0] == x[0] * x[0]);
}

}  // namespace
