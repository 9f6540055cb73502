// map, map_2d, sum, the reductions and what goes through many arrays as kernels. Who adds what to what depends on the shape alone.
#pragma once

#include "ramer/backend/device/block.hpp"

namespace ramer::backend::device {

template <class T>
struct Fill {
  T* x;
  T value;
  RAMER_HD void operator()(Index i) const { x[i] = value; }
};

template <class F>
struct MapKernel {
  static constexpr int kThreads = 256;
  Index n;
  F f;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    block.own([&](int t) {
      const Index i = id * kThreads + t;
      if (i < n) f(i);
    });
  }
};

template <class F>
struct Map2dKernel {
  static constexpr int kThreads = 256;
  Index rows, cols;
  F f;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    block.own([&](int t) {
      const Index i = id * kThreads + t;
      if (i >= rows * cols) return;
      if (rows * cols <= Index{0xFFFFFFFF}) {  // dividing 64-bit numbers takes five times as long
        const std::uint32_t r = static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(cols);
        f(Index{r}, i - Index{r} * cols);
      } else {
        f(i / cols, i % cols);
      }
    });
  }
};

/// Adds up the numbers of all threads; every thread may ask for the sum behind the barrier. `shared`: one number per 32 threads.
template <class Block, class T>
RAMER_HD T sum_of_block(Block& block, typename Block::template Own<T, 1>& x, int threads, T* shared) {
  block.sum_lanes(x);
  block.each([&](int t) {
    if (t % kLanes == 0) shared[t / kLanes] = *x(t);
  });
  T total = shared[0];
  for (int w = 1; w < threads / kLanes; ++w) total += shared[w];
  return total;
}

/// Partial sums of kElements terms each in double; with one block, or for the partial sums themselves, the result.
template <class F, class T>
struct SumKernel {
  static constexpr int kThreads = 256;
  static constexpr Index kElements = 4096;
  Index n, elements;  // terms of a block
  F f;
  double scale;
  double* partial;  // (blocks); null: `out` is wanted
  Target<T> out;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const {
    typename Block::template Own<double, 1> sum(block);
    block.own([&](int t) {
      double total = 0;
      const Index end = least(n, (id + 1) * elements);
      for (Index i = id * elements + t; i < end; i += kThreads) total += static_cast<double>(f(i));
      *sum(t) = total;
    });
    const double total = sum_of_block<Block, double>(block, sum, kThreads, reinterpret_cast<double*>(shared));
    block.own([&](int t) {
      if (t > 0) return;
      if (partial) {
        partial[id] = total;
      } else {
        out.put(0, static_cast<T>(scale * total));
      }
    });
  }
};
struct ReadPartial {
  const double* x;
  RAMER_HD double operator()(Index i) const { return x[i]; }
};

/// 32 threads to a row.
template <class F, class Put, class A>
struct RowsKernel {
  static constexpr int kThreads = 256, kRows = kThreads / kLanes;
  Index rows, cols;
  F f;
  Put put;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    typename Block::template Own<A, 1> sum(block);
    block.own([&](int t) {
      const Index r = id * kRows + t / kLanes;
      A total{};
      for (Index c = t % kLanes; r < rows && c < cols; c += kLanes) total += f(r, c);
      *sum(t) = total;
    });
    block.sum_lanes(sum);
    block.own([&](int t) {
      const Index r = id * kRows + t / kLanes;
      if (r < rows && t % kLanes == 0) put(r, *sum(t));
    });
  }
};
/// One thread to a row, for short ones.
template <class F, class Put, class A>
struct ShortRowsKernel {
  static constexpr int kThreads = 128;
  static constexpr Index kLongest = 16;
  Index rows, cols;
  F f;
  Put put;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    block.own([&](int t) {
      const Index r = id * kThreads + t;
      if (r >= rows) return;
      A total{};
      for (Index c = 0; c < cols; ++c) total += f(r, c);
      put(r, total);
    });
  }
};

/// Sums over columns: a block has 32 of them and `chunk` rows, of which every eighth is one thread's. Put(c, sum) where there is one
/// chunk of rows; else partial[chunk, c].
template <class F, class V, class Put>
struct ColumnsKernel {
  static constexpr int kThreads = 256, kColumns = kLanes, kParts = kThreads / kColumns;
  Index rows, cols, chunk;
  F f;
  V* partial;
  Put put;
  static constexpr std::size_t shared_bytes() { return kParts * kColumns * sizeof(V); }
  /// Rows of a chunk: at most 64 chunks.
  static Index rows_of_chunk(Index rows) {
    return rows <= 512 ? largest<Index>(rows, 1) : largest<Index>(512, ceil_div(rows, 64));
  }
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const {
    V* const sums = reinterpret_cast<V*>(shared);  // (kParts, kColumns)
    const Index column_blocks = ceil_div(cols, kColumns), row = id / column_blocks * chunk, end = least(rows, row + chunk);
    const Index column = id % column_blocks * kColumns;
    block.each([&](int t) {
      const Index c = column + t % kColumns;
      V total{};
      for (Index r = row + t / kColumns; r < end && c < cols; r += kParts) total += static_cast<V>(f(r, c));
      sums[t] = total;
    });
    block.own([&](int t) {
      const Index c = column + t;
      if (t >= kColumns || c >= cols) return;
      V total = sums[t];
      for (int part = 1; part < kParts; ++part) total += sums[part * kColumns + t];
      if (partial) {
        partial[id / column_blocks * cols + c] = total;
      } else {
        put(c, total);
      }
    });
  }
};
/// put(c, sum over chunks of partial[chunk, c]).
template <class V, class Put>
struct AddChunks {
  const V* partial;
  Index chunks, cols;
  Put put;
  RAMER_HD void operator()(Index c) const {
    V total{};
    for (Index k = 0; k < chunks; ++k) total += partial[k * cols + c];
    put(c, total);
  }
};
template <class T>
struct PutTarget {
  Target<T> out;
  RAMER_HD void operator()(Index c, T value) const { out.put(c, value); }
};

template <class F>
struct MapArraysKernel {
  static constexpr int kThreads = 256;
  static constexpr Index kElements = 2048;
  Arrays arrays;
  F f;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    const Arrays::Block part = arrays.block(id, kElements);
    const auto g = f(part.array);
    block.own([&](int t) {
      for (Index i = part.begin + t; i < part.end; i += kThreads) g(i);
    });
  }
};

/// partial[block] = the sum of a block's terms.
template <class F>
struct SumArraysKernel {
  static constexpr int kThreads = 256;
  static constexpr Index kElements = 4096;
  Arrays arrays;
  F f;
  double* partial;
  static constexpr std::size_t shared_bytes() { return kThreads / kLanes * sizeof(double); }
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte* shared) const {
    const Arrays::Block part = arrays.block(id, kElements);
    const auto g = f(part.array);
    typename Block::template Own<double, 1> sum(block);
    block.own([&](int t) {
      double total = 0;
      for (Index i = part.begin + t; i < part.end; i += kThreads) total += static_cast<double>(g(i));
      *sum(t) = total;
    });
    const double total = sum_of_block<Block, double>(block, sum, kThreads, reinterpret_cast<double*>(shared));
    block.own([&](int t) {
      if (t == 0) partial[id] = total;
    });
  }
};
/// 32 threads add up the blocks of an array.
template <class T>
struct AddBlocksKernel {
  static constexpr int kThreads = 256, kArrays = kThreads / kLanes;
  Arrays arrays;
  Index elements;  // of a block
  const double* partial;
  Target<T> out;
  template <class Block>
  RAMER_HD void operator()(Block& block, Index id, std::byte*) const {
    typename Block::template Own<double, 1> sum(block);
    block.own([&](int t) {
      const Index s = id * kArrays + t / kLanes;
      double total = 0;
      if (s < arrays.count) {
        const Index first = arrays.first_block(s, elements), blocks = ceil_div(arrays.size(s), elements);
        for (Index b = t % kLanes; b < blocks; b += kLanes) total += partial[first + b];
      }
      *sum(t) = total;
    });
    block.sum_lanes(sum);
    block.own([&](int t) {
      const Index s = id * kArrays + t / kLanes;
      if (s < arrays.count && t % kLanes == 0) out.put(s, static_cast<T>(*sum(t)));
    });
  }
};

}  // namespace ramer::backend::device
