// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A draw is a function of (seed, stream, step, position): the same on every backend, in any order, packed or padded.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "ramer/core/types.hpp"

namespace ramer {

/// Four 32-bit words.
struct Philox4 {
  std::uint32_t v[4];  ///< in the order in which the cipher gives them
};

namespace detail {

RAMER_HD inline std::uint32_t mul_hi(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}

}  // namespace detail

/// Philox4x32 with 10 rounds: a bijection of the counter for each key.
RAMER_HD inline Philox4 philox(Philox4 c, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t hi0 = detail::mul_hi(0xD2511F53u, c.v[0]), lo0 = 0xD2511F53u * c.v[0];
    const std::uint32_t hi1 = detail::mul_hi(0xCD9E8D57u, c.v[2]), lo1 = 0xCD9E8D57u * c.v[2];
    c = {{hi1 ^ c.v[1] ^ k0, lo1, hi0 ^ c.v[3] ^ k1, lo0}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/// Uniform in [0, 1) with 24 bits: exact in float, and so the same in every precision.
RAMER_HD inline float uniform01(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// Mixes 64 bits (the finalizer of splitmix64).
RAMER_HD constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// A stable number for a name: streams are called by name, so that adding one leaves the others alone. (FNV-1a)
constexpr std::uint64_t name_hash(std::string_view name) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return h;
}

/// One named sequence of draws at one step.
/// A position is (row, column): row might be sample * 2^32 + token, column a channel.
struct RandomStream {
  std::uint32_t key0 = 0, key1 = 0;  ///< of the cipher: mixed from seed and stream
  std::uint32_t step = 0;            ///< the counter's last word

  RandomStream() = default;
  /// `stream`: usually name_hash of a name.
  RAMER_HD constexpr RandomStream(std::uint64_t seed, std::uint64_t stream, std::uint64_t at_step = 0)
      : key0(static_cast<std::uint32_t>(mix64(seed ^ mix64(stream)))),
        key1(static_cast<std::uint32_t>(mix64(seed ^ mix64(stream)) >> 32)),
        step(static_cast<std::uint32_t>(at_step)) {}

  /// Four words for columns 4 * quad ... 4 * quad + 3 of a row.
  RAMER_HD Philox4 quad(std::uint64_t row, std::uint32_t quad_index) const {
    return philox({{quad_index, static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32), step}}, key0, key1);
  }
  /// The draw at a position: 32 bits, or uniform in [0, 1).
  RAMER_HD std::uint32_t word(std::uint64_t row, std::uint32_t column) const { return quad(row, column / 4).v[column % 4]; }
  RAMER_HD float uniform(std::uint64_t row, std::uint32_t column) const { return uniform01(word(row, column)); }

  /// Standard normal by Box-Muller, in double; columns 2k and 2k+1 share a pair of words.
  double normal(std::uint64_t row, std::uint32_t column) const {
    const Philox4 w = quad(row, column / 2);
    const double u = (static_cast<double>(w.v[0]) + 0.5) * 0x1p-32;  // (0, 1)
    const double a = 6.283185307179586476925286766559 * (static_cast<double>(w.v[1]) + 0.5) * 0x1p-32;
    const double r = std::sqrt(-2.0 * std::log(u));
    return column % 2 ? r * std::sin(a) : r * std::cos(a);
  }
  /// An integer in [0, n), n > 0. The bias is below n / 2^64.
  std::uint64_t below(std::uint64_t row, std::uint64_t n) const {
    const Philox4 w = quad(row, 0x80000000u);
    const std::uint64_t x = (static_cast<std::uint64_t>(w.v[0]) << 32) | w.v[1];
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(x) * n) >> 64);
  }
};

}  // namespace ramer
