#include "ramer/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

using namespace ramer;

namespace {

std::array<std::uint32_t, 4> words(const Philox4& p) { return {p.v[0], p.v[1], p.v[2], p.v[3]}; }

// Sample moments and the largest distance between the sample's distribution and the one asked for.
struct Statistics {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0, ks = 0;
};

template <class Cdf>
Statistics describe(std::vector<double> x, Cdf cdf) {
  const double n = static_cast<double>(x.size());
  Statistics s;
  for (double v : x) s.mean += v / n;
  double m2 = 0, m3 = 0, m4 = 0;
  for (double v : x) {
    const double d = v - s.mean;
    m2 += d * d / n, m3 += d * d * d / n, m4 += d * d * d * d / n;
  }
  s.variance = m2;
  s.skewness = m3 / std::pow(m2, 1.5);
  s.kurtosis = m4 / (m2 * m2);
  std::sort(x.begin(), x.end());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(x[i]), below = static_cast<double>(i) / n, above = static_cast<double>(i + 1) / n;
    s.ks = std::max({s.ks, std::abs(f - below), std::abs(f - above)});
  }
  return s;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
  const double n = static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) ma += a[i] / n, mb += b[i] / n;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

constexpr int kRows = 2000, kColumns = 50;
constexpr double kDraws = kRows * kColumns;
// With a fixed seed these tests are not random; the bound says how far from its law a draw may be: five standard errors.
constexpr double kErrors = 5;
// The Kolmogorov-Smirnov distance of n draws is above 2 / sqrt(n) with probability 2 exp(-8) = 7e-4.
constexpr double kKolmogorov = 2;

template <class Draw>
std::vector<double> draws(Draw draw) {
  std::vector<double> x;
  for (std::uint64_t row = 0; row < kRows; ++row)
    for (std::uint32_t column = 0; column < kColumns; ++column) x.push_back(draw(row, column));
  return x;
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the published known answers") {
  // kat_vectors of Random123 1.x: counter, key, result.
  CHECK(words(philox({{0, 0, 0, 0}}, 0, 0)) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(words(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff)) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("mix64 and name_hash give the published answers") {
  // splitmix64 from state 0: its first two outputs. The state of the second is the first's increment.
  CHECK(mix64(0) == 0xE220A8397B1DCDAFull);
  CHECK(mix64(0x9E3779B97F4A7C15ull) == 0x6E789E6AA1B965F4ull);
  // FNV-1a with 64 bits, from its authors' test vectors.
  CHECK(name_hash("") == 0xcbf29ce484222325ull);
  CHECK(name_hash("a") == 0xaf63dc4c8601ec8cull);
  CHECK(name_hash("foobar") == 0x85944171f73967e8ull);
}

TEST_CASE("uniform01 keeps 24 bits and stays below 1") {
  CHECK(uniform01(0) == 0.0f);
  CHECK(uniform01(0xff) == 0.0f);
  CHECK(uniform01(0x100) == 0x1p-24f);
  CHECK(uniform01(0x80000000u) == 0.5f);
  CHECK(uniform01(0xffffffffu) == 1.0f - 0x1p-24f);
}

TEST_CASE("a draw depends on seed, stream, step, row and column, and on nothing else") {
  const RandomStream stream(7, name_hash("dropout"), 3);
  CHECK(stream.word(5, 6) == RandomStream(7, name_hash("dropout"), 3).word(5, 6));
  CHECK(stream.quad(5, 1).v[2] == stream.word(5, 6));

  const std::uint64_t far = std::uint64_t{1} << 32;
  std::set<std::uint32_t> seen{stream.word(5, 6),
                               RandomStream(8, name_hash("dropout"), 3).word(5, 6),
                               RandomStream(7, name_hash("init"), 3).word(5, 6),
                               RandomStream(7, name_hash("dropout"), 4).word(5, 6),
                               stream.word(6, 6),
                               stream.word(5 + far, 6),
                               stream.word(5, 7),
                               stream.word(5, 10)};
  CHECK(seen.size() == 8);
  // Seed and stream are not interchangeable.
  CHECK(RandomStream(1, 2).word(0, 0) != RandomStream(2, 1).word(0, 0));
}

TEST_CASE("uniform draws are uniform") {
  const RandomStream stream(1, name_hash("uniform"));
  const Statistics s =
      describe(draws([&](auto r, auto c) { return static_cast<double>(stream.uniform(r, c)); }), [](double x) { return x; });
  CHECK(std::abs(s.mean - 0.5) < kErrors * std::sqrt(1.0 / 12 / kDraws));
  CHECK(std::abs(s.variance - 1.0 / 12) < kErrors * std::sqrt(1.0 / 180 / kDraws));
  CHECK(s.ks < kKolmogorov / std::sqrt(kDraws));
}

TEST_CASE("every bit of a word is fair") {
  const RandomStream stream(2, name_hash("bits"));
  std::array<int, 32> ones{};
  for (std::uint64_t row = 0; row < kRows; ++row)
    for (std::uint32_t column = 0; column < kColumns; ++column)
      for (std::uint32_t bit = 0, w = stream.word(row, column); bit < 32; ++bit) ones[bit] += static_cast<int>(w >> bit & 1);
  for (int n : ones) CHECK(std::abs(n - kDraws / 2) < kErrors * std::sqrt(kDraws) / 2);
}

TEST_CASE("normal draws are standard normal") {
  const RandomStream stream(3, name_hash("normal"));
  const Statistics s = describe(draws([&](auto r, auto c) { return stream.normal(r, c); }),
                                [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); });
  CHECK(std::abs(s.mean) < kErrors / std::sqrt(kDraws));
  CHECK(std::abs(s.variance - 1) < kErrors * std::sqrt(2 / kDraws));
  CHECK(std::abs(s.skewness) < kErrors * std::sqrt(6 / kDraws));
  CHECK(std::abs(s.kurtosis - 3) < kErrors * std::sqrt(24 / kDraws));
  CHECK(s.ks < kKolmogorov / std::sqrt(kDraws));
}

TEST_CASE("neighbouring draws, rows, steps and streams are uncorrelated") {
  const RandomStream stream(4, name_hash("a")), next_step(4, name_hash("a"), 1), other_stream(4, name_hash("b")),
      other_seed(5, name_hash("a"));
  const double bound = kErrors / std::sqrt(kDraws);
  auto uniform = [&](const RandomStream& s, std::uint64_t dr, std::uint32_t dc) {
    return draws([&, dr, dc](auto r, auto c) { return static_cast<double>(s.uniform(r + dr, c + dc)); });
  };
  const std::vector<double> base = uniform(stream, 0, 0);
  CHECK(correlation(base, base) == doctest::Approx(1));
  CHECK(std::abs(correlation(base, uniform(stream, 0, 1))) < bound);
  CHECK(std::abs(correlation(base, uniform(stream, 1, 0))) < bound);
  CHECK(std::abs(correlation(base, uniform(next_step, 0, 0))) < bound);
  CHECK(std::abs(correlation(base, uniform(other_stream, 0, 0))) < bound);
  CHECK(std::abs(correlation(base, uniform(other_seed, 0, 0))) < bound);

  // The two normals of a pair share their words: as squares, too, they must be uncorrelated.
  std::vector<double> even, odd, even_square, odd_square;
  for (std::uint64_t row = 0; row < 100000; ++row) {
    even.push_back(stream.normal(row, 0));
    odd.push_back(stream.normal(row, 1));
    even_square.push_back(even.back() * even.back());
    odd_square.push_back(odd.back() * odd.back());
  }
  CHECK(std::abs(correlation(even, odd)) < bound);
  CHECK(std::abs(correlation(even_square, odd_square)) < bound);
}

TEST_CASE("below(n) is uniform over 0 ... n - 1") {
  const RandomStream stream(6, name_hash("below"));
  for (std::uint64_t n : {1u, 2u, 7u, 10u}) {
    CAPTURE(n);
    const std::uint64_t rows = 100000;
    std::vector<double> count(n);
    for (std::uint64_t row = 0; row < rows; ++row) {
      const std::uint64_t k = stream.below(row, n);
      REQUIRE(k < n);
      ++count[k];
    }
    double chi2 = 0;
    const double expected = static_cast<double>(rows) / static_cast<double>(n);
    for (double c : count) chi2 += (c - expected) * (c - expected) / expected;
    CHECK(chi2 < 30);  // 9 degrees of freedom at most: above 30 with probability 4e-4
  }
  // A range near 2^64 reaches its upper half.
  const std::uint64_t huge = ~std::uint64_t{0};
  int upper = 0;
  for (std::uint64_t row = 0; row < 1000; ++row) upper += stream.below(row, huge) > huge / 2;
  CHECK(std::abs(upper - 500) < kErrors * std::sqrt(1000.0) / 2);
}
