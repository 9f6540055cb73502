// The two products of a tall float matrix with a few double vectors, summed in a fixed order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "ramer/core/tensor.hpp"

namespace ramer::baseline::detail {

/// Lanes of a dot product, summed apart and joined at the end: the compiler may not reorder a sum by itself.
typedef double Lanes __attribute__((vector_size(4 * sizeof(double))));
inline void load(const double* from, Lanes& to) { std::memcpy(&to, from, sizeof to); }
inline double total(const Lanes& v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/// Vectors over the columns of a matrix are padded with zeros to whole lanes.
constexpr Index kLanes = 4;
constexpr Index kTileRows = 4;
constexpr Index kTileColumns = 256;
constexpr Index padded(Index columns) { return (columns + kLanes - 1) / kLanes * kLanes; }

/// Four rows of a strip of columns in double, small enough for the first-level cache; zero where the matrix has ended.
struct Tile {
  double x[kTileRows][kTileColumns];
};

/// f(first row, rows, first column, padded columns, tile), strip by strip, from the top down.
template <class F>
void for_each_tile(View<const float, 2> x, F&& f) {
  const Index n = x.extent(0), d = x.extent(1);
  Tile tile;
  for (Index column = 0; column < d; column += kTileColumns) {
    const Index columns = std::min(kTileColumns, d - column);
    for (Index row = 0; row < n; row += kTileRows) {
      const Index rows = std::min(kTileRows, n - row);
      for (Index r = 0; r < kTileRows; ++r) {
        double* out = tile.x[r];
        const float* in = r < rows ? x.data() + (row + r) * d + column : nullptr;
        if (in) std::copy_n(in, columns, out);
        std::fill(out + (in ? columns : 0), out + padded(columns), 0.0);
      }
      f(row, rows, column, padded(columns), tile);
    }
  }
}

/// out[k] (N) = x (N, D) . u[k] (padded D)
inline void multiply(View<const float, 2> x, const std::vector<const double*>& u, const std::vector<double*>& out) {
  for (double* o : out) std::fill_n(o, x.extent(0), 0.0);
  for_each_tile(x, [&](Index row, Index rows, Index column, Index width, const Tile& tile) {
    for (std::size_t k = 0; k < u.size(); ++k) {
      const double* v = u[k] + column;
      Lanes s0{}, s1{}, s2{}, s3{}, a, b;
      for (Index j = 0; j < width; j += kLanes) {
        load(v + j, b);
        load(tile.x[0] + j, a), s0 += a * b;
        load(tile.x[1] + j, a), s1 += a * b;
        load(tile.x[2] + j, a), s2 += a * b;
        load(tile.x[3] + j, a), s3 += a * b;
      }
      const Lanes* sums[kTileRows] = {&s0, &s1, &s2, &s3};
      for (Index r = 0; r < rows; ++r) out[k][row + r] += total(*sums[r]);
    }
  });
}

/// out[k] (padded D) = x (N, D)^T . r[k] (N)
inline void multiply_transposed(View<const float, 2> x, const std::vector<const double*>& r,
                                const std::vector<double*>& out) {
  for (double* o : out) std::fill_n(o, padded(x.extent(1)), 0.0);
  for_each_tile(x, [&](Index row, Index rows, Index column, Index width, const Tile& tile) {
    for (std::size_t k = 0; k < r.size(); ++k) {
      double w[kTileRows] = {};
      std::copy_n(r[k] + row, rows, w);
      double* sum = out[k] + column;
      Lanes x0, x1, x2, x3, to;
      for (Index j = 0; j < width; j += kLanes) {
        load(tile.x[0] + j, x0);
        load(tile.x[1] + j, x1);
        load(tile.x[2] + j, x2);
        load(tile.x[3] + j, x3);
        load(sum + j, to);
        to += (w[0] * x0 + w[1] * x1) + (w[2] * x2 + w[3] * x3);
        std::memcpy(sum + j, &to, sizeof to);
      }
    }
  });
}

inline double dot(const double* a, const double* b, Index n) {
  Lanes sum{}, x, y;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) load(a + i, x), load(b + i, y), sum += x * y;
  double rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  return total(sum) + rest;
}

}  // namespace ramer::baseline::detail
