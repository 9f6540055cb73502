// map, map_2d, sum, the row and column reductions, and what goes through many arrays: generic functors over blocks that depend on the shape alone.
#pragma once

#include "ramer/backend/cpu/math.hpp"
#include "ramer/backend/cpu/workers.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

inline constexpr Index kMapBlock = 16384;  ///< elements; several microseconds of work

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

/// Calls of a functor that make a block.
template <class F>
constexpr Index calls_in_block() {
  if constexpr (requires { F::kBlock; }) {
    return std::max<Index>(1, kMapBlock / F::kBlock);
  } else {
    return kMapBlock;
  }
}

template <class F>
void map(Workers& workers, Index n, const F& f) {
  workers.run(ceil_div(n, kMapBlock), [&](Index block, int) {
    const F g = f;  // a copy that nobody else can see, so that stores through its pointers cannot change it
    const Index end = std::min(n, (block + 1) * kMapBlock);
    RAMER_CPU_INDEPENDENT
    for (Index i = block * kMapBlock; i < end; ++i) g(i);
  });
}

template <class F>
void map_2d(Workers& workers, Index rows, Index cols, const F& f) {
  if (rows <= 0 || cols <= 0) return;
  const Index block_cols = std::min(cols, calls_in_block<F>()), col_blocks = ceil_div(cols, block_cols);
  const Index block_rows = std::max<Index>(1, calls_in_block<F>() / block_cols);
  workers.run(ceil_div(rows, block_rows) * col_blocks, [&](Index block, int) {
    const F g = f;
    const Index row = block / col_blocks * block_rows, row_end = std::min(rows, row + block_rows);
    const Index col = block % col_blocks * block_cols, col_end = std::min(cols, col + block_cols);
    for (Index r = row; r < row_end; ++r) {
      RAMER_CPU_INDEPENDENT
      for (Index c = col; c < col_end; ++c) g(r, c);
    }
  });
}

/// Accumulated in double, whatever f returns.
template <class F, class T>
void sum(Workers& workers, Index n, const F& f, T scale, Target<T> out) {
  const Index blocks = ceil_div(n, kMapBlock);
  const auto scratch = workers.lease(static_cast<std::size_t>(blocks) * sizeof(double), 0);
  double* partial = static_cast<double*>(scratch.shared());
  workers.run(blocks, [&](Index block, int) {
    const F g = f;
    partial[block] = sum_of<double>(block * kMapBlock, std::min(n, (block + 1) * kMapBlock), g);
  });
  double total = 0;
  for (Index b = 0; b < blocks; ++b) total += partial[b];
  out.put(0, static_cast<T>(static_cast<double>(scale) * total));
}

template <class F, class Put>
void reduce_rows(Workers& workers, Index rows, Index cols, const F& f, const Put& put) {
  using A = decltype(f(Index{}, Index{}));
  const Index block_rows = std::max<Index>(1, kMapBlock / std::max<Index>(cols, 1));
  workers.run(ceil_div(rows, block_rows), [&](Index block, int) {
    const F g = f;
    const Index end = std::min(rows, (block + 1) * block_rows);
    for (Index r = block * block_rows; r < end; ++r) put(r, sum_of<A>(0, cols, [&g, r](Index c) { return g(r, c); }));
  });
}

/// Blocks of rows give partial rows (blocks, cols), which are then added from the first to the last.
template <class F, class T>
void reduce_columns(Workers& workers, Index rows, Index cols, const F& f, Target<T> out) {
  if (cols <= 0) return;
  constexpr Index kMaxColumns = 1024;
  const Index block_cols = std::min(cols, kMaxColumns), col_blocks = ceil_div(cols, block_cols);
  const Index block_rows = std::max<Index>(16, std::max(kMapBlock / block_cols, ceil_div(rows, 256)));
  const Index row_blocks = std::max<Index>(1, ceil_div(rows, block_rows));
  const auto scratch = workers.lease(static_cast<std::size_t>(row_blocks * cols) * sizeof(T), 0);
  T* partial = static_cast<T*>(scratch.shared());
  workers.run(row_blocks * col_blocks, [&](Index block, int) {
    const F g = f;
    const Index row = block / col_blocks * block_rows, row_end = std::min(rows, row + block_rows);
    const Index col = block % col_blocks * block_cols, n = std::min(cols - col, block_cols);
    T* total = partial + block / col_blocks * cols + col;
    std::fill_n(total, n, T(0));
    for (Index r = row; r < row_end; ++r) {
      RAMER_CPU_INDEPENDENT
      for (Index c = 0; c < n; ++c) total[c] += static_cast<T>(g(r, col + c));
    }
  });
  for (Index b = 1; b < row_blocks; ++b) add_scaled(T(1), partial + b * cols, cols, partial);
  put_all(out, cols, [partial](Index c) { return partial[c]; });
}

template <class F>
void map_arrays(Workers& workers, const Arrays& arrays, const F& f) {
  workers.run(arrays.blocks(kMapBlock), [&](Index id, int) {
    const auto [array, begin, end] = arrays.block(id, kMapBlock);
    const auto g = f(array);
    RAMER_CPU_INDEPENDENT
    for (Index i = begin; i < end; ++i) g(i);
  });
}

/// Each array's sum has the bits that `sum` gives it.
template <class F, class T>
void sum_arrays(Workers& workers, const Arrays& arrays, const F& f, Target<T> out) {
  const Index blocks = arrays.blocks(kMapBlock);
  const auto scratch = workers.lease(static_cast<std::size_t>(blocks) * sizeof(double), 0);
  double* partial = static_cast<double*>(scratch.shared());
  workers.run(blocks, [&](Index id, int) {
    const auto block = arrays.block(id, kMapBlock);
    const auto g = f(block.array);
    partial[id] = sum_of<double>(block.begin, block.end, g);
  });
  for (Index s = 0; s < arrays.count; ++s) {
    const double* const first = partial + arrays.first_block(s, kMapBlock);
    double total = 0;
    for (Index b = 0; b < ceil_div(arrays.size(s), kMapBlock); ++b) total += first[b];
    out.put(s, static_cast<T>(total));
  }
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
