// Tiles of products, 64 x 64 of them to a block of 256 threads, 16 to a thread: by the threads' own arithmetic, or by tensor cores.
#pragma once

#include "ramer/backend/device/block.hpp"

namespace ramer::backend::device {

inline constexpr int kTile = 64, kTileThreads = 256, kOfTile = kTile * kTile / kTileThreads;

/// The products of a block. Which are a thread's: kRows x kColumns, of which (i, j) is sum(t)[kColumns i + j] and lies in the tile at
/// (row(t, i), column(t, j)); kParts threads share a row, each knows its part. Columns 2 j and 2 j + 1 are neighbours.
///
/// multiply: sum(i, j) += sum over l < depth of a(i, l) b(j, l). `a` and `b` are asked for 0 <= i, j < 64 and l < depth, and answer 0
/// where there is nothing; neighbours among threads go along the depth or along the rows, as the flags say. `a_stays`: a is what it was in
/// the call before. multiply_kept has as `a` a matrix (64, 64) that threads put into shared memory by `keep`, in pairs of neighbours,
/// and goes through b along its rows. Both end behind a barrier.
///
/// Here each thread has 4 x 4 and does them in the numbers' own type.
template <class T, Math math = Math::Fp32>
struct Tiles {
  static constexpr int kRows = 4, kColumns = 4, kParts = 16, kBlocksAtOnce = 0;
  RAMER_HD static constexpr int row(int t, int i) { return t / 16 * 4 + i; }
  RAMER_HD static constexpr int column(int t, int j) { return t % 16 * 4 + j; }
  RAMER_HD static constexpr int part(int t) { return t % 16; }

  using Held = T;                                              ///< in shared memory
  static constexpr int kSlice = sizeof(T) == 8 ? 8 : 16;       ///< depth that is there at a time
  static constexpr int kStride = kTile + 4;                    ///< so that a column of loads meets few banks twice
  static constexpr Index kHeld = Index{2} * kSlice * kStride;  ///< for multiply and multiply_kept
  static constexpr int kKeptRow = kTile + 1;
  static constexpr Index kKept = Index{kTile} * kKeptRow;  ///< for keep
  template <class Block>
  using Sum = typename Block::template Own<T, kOfTile>;

  RAMER_HD static void keep(T* kept, int i, int j, T first, T second) {
    kept[i * kKeptRow + j] = first;
    kept[i * kKeptRow + j + 1] = second;
  }
  template <class Block, class B>
  RAMER_HD static void multiply_kept(Block& block, Sum<Block>& sum, const T* kept, const B& b, T* held) {
    multiply(
        block, sum, kTile, [&](int i, Index l) { return kept[i * kKeptRow + l]; }, true, b, false, held);
  }
  template <class Block, class A, class B>
  RAMER_HD static void multiply(Block& block, Sum<Block>& sum, Index depth, const A& a, bool a_along_depth, const B& b,
                                bool b_along_depth, T* held, bool = false) {
    T *const a_slice = held, *const b_slice = held + kSlice * kStride;
    for (Index from = 0; from < depth; from += kSlice) {
      block.each([&](int t) {
        fill(t, from, depth, a, a_along_depth, a_slice);
        fill(t, from, depth, b, b_along_depth, b_slice);
      });
      block.each([&](int t) {
        T* const own = sum(t);
        RAMER_UNROLL
        for (int l = 0; l < kSlice; ++l) {
          T x[kRows], y[kColumns];
          RAMER_UNROLL
          for (int i = 0; i < kRows; ++i) x[i] = a_slice[l * kStride + row(t, i)];
          RAMER_UNROLL
          for (int j = 0; j < kColumns; ++j) y[j] = b_slice[l * kStride + column(t, j)];
          RAMER_UNROLL
          for (int i = 0; i < kRows; ++i) {
            RAMER_UNROLL
            for (int j = 0; j < kColumns; ++j) own[kColumns * i + j] += x[i] * y[j];
          }
        }
      });
    }
  }

 private:
  /// slice[l, i] = f(i, from + l)
  template <class F>
  RAMER_HD static void fill(int t, Index from, Index depth, const F& f, bool along_depth, T* slice) {
    RAMER_UNROLL
    for (int e = t; e < kTile * kSlice; e += kTileThreads) {
      const int i = along_depth ? e / kSlice : e % kTile, l = along_depth ? e % kSlice : e / kTile;
      slice[l * kStride + i] = from + l < depth ? f(i, from + l) : T(0);
    }
  }
};

/// By tensor cores: a warp has 16 x 32 in four pieces side by side, of which a thread has 2 x 2 each.
template <Math math>
requires(math != Math::Fp32) struct Tiles<float, math> {
  using Factor = Factors<math>;
  static constexpr int kRows = 2, kColumns = 8, kParts = 8, kPieces = 4, kBlocksAtOnce = 2;
  RAMER_HD static constexpr int first_row(int t) { return t / kLanes / 2 * kFragmentRows; }
  RAMER_HD static constexpr int first_column(int t) { return t / kLanes % 2 * kPieces * kFragmentColumns; }
  RAMER_HD static constexpr int row(int t, int i) { return first_row(t) + fragment_c_row(t, 2 * i); }
  RAMER_HD static constexpr int column(int t, int j) {
    return first_column(t) + j / 2 * kFragmentColumns + fragment_c_column(t, j % 2);
  }
  RAMER_HD static constexpr int part(int t) { return t / kLanes % 2 * 4 + t % 4; }

  using Held = std::uint32_t;
  static constexpr int kSlice = 32;  ///< words
  /// Threads of a warp ask for 8 rows of 4 words: rows 36 words apart, or words 72 apart, and no bank is asked twice.
  static constexpr int kRowApart = kSlice + 4, kWordApart = kTile + 8;
  static constexpr Index kOperand = Index{kTile} * kRowApart;
  static_assert(kOperand == Index{kSlice} * kWordApart);
  static constexpr Index kHeld = 2 * kOperand;
  static constexpr int kKeptRow = kTile / Factor::kOfWord + 4;
  static constexpr Index kKept = Index{kTile} * kKeptRow;
  template <class Block>
  using Sum = typename Block::template Own<float, kOfTile>;

  RAMER_HD static void keep(Held* kept, int i, int j, float first, float second) {
    const auto pair = [&](int k) { return k == 0 ? first : second; };
    Held* const to = kept + i * kKeptRow + j / Factor::kOfWord;
    RAMER_UNROLL
    for (int k = 0; k < 2; k += Factor::kOfWord) to[k] = Factor::word([&](int h) { return pair(k + h); });
  }
  template <class Block, class B>
  RAMER_HD static void multiply_kept(Block& block, Sum<Block>& sum, const Held* kept, const B& b, Held* held) {
    Held* const slice = held + kOperand;  // the first is for an `a` that stays
    RAMER_UNROLL
    for (int from = 0; from < kTile; from += kSlice * Factor::kOfWord) {
      block.each([&](int t) { fill(t, from, kTile, b, false, slice); });
      add(block, sum, Words{kept + from / Factor::kOfWord, kKeptRow, 1}, words(slice, false));
    }
  }
  template <class Block, class A, class B>
  RAMER_HD static void multiply(Block& block, Sum<Block>& sum, Index depth, const A& a, bool a_along_depth, const B& b,
                                bool b_along_depth, Held* held, bool a_stays = false) {
    constexpr Index step = kSlice * Factor::kOfWord;
    a_stays = a_stays && depth <= step;
    for (Index from = 0; from < depth; from += step) {
      block.each([&](int t) {
        if (!a_stays) fill(t, from, depth, a, a_along_depth, held);
        fill(t, from, depth, b, b_along_depth, held + kOperand);
      });
      add(block, sum, words(held, a_along_depth), words(held + kOperand, b_along_depth));
    }
  }

 private:
  RAMER_HD static Words words(const Held* slice, bool along_depth) {
    return {slice, along_depth ? kRowApart : 1, along_depth ? 1 : kWordApart};
  }
  template <class F>
  RAMER_HD static void fill(int t, Index from, Index depth, const F& f, bool along_depth, Held* slice) {
    RAMER_UNROLL_BY_2  // all of them take so many registers that few blocks run at a time
        for (int k = 0; k < kTile * kSlice / kTileThreads; ++k) {
      const int e = t + k * kTileThreads;
      const int i = along_depth ? e / kSlice : e % kTile, w = along_depth ? e % kSlice : e / kTile;
      const Index first = from + w * Factor::kOfWord;
      slice[along_depth ? i * kRowApart + w : w * kWordApart + i] =
          Factor::word([&](int h) { return first + h < depth ? f(i, first + h) : 0.0f; });
    }
  }
  /// sum += a b over the words of a slice. Ends behind a barrier.
  template <class Block>
  RAMER_HD static void add(Block& block, Sum<Block>& sum, const Words a, const Words b) {
    typename Block::template Own<std::uint32_t, 4> x(block);
    typename Block::template Own<std::uint32_t, 2 * kPieces> y(block);
    RAMER_UNROLL
    for (int from = 0; from < kSlice; from += kFragmentWords) {
      block.own([&x, &y, a, b, from](int t) {
        RAMER_UNROLL
        for (int k = 0; k < 4; ++k) x(t)[k] = a(first_row(t) + fragment_a_row(t, k), from + fragment_a_word(t, k));
        RAMER_UNROLL
        for (int k = 0; k < 2 * kPieces; ++k) {
          const int column = first_column(t) + k / 2 * kFragmentColumns + fragment_b_column(t);
          y(t)[k] = b(column, from + fragment_b_word(t, k % 2));
        }
      });
      block.template add_products<math>(sum, x, y);
    }
    block.barrier();
  }
};

template <class Block, class T, int N>
RAMER_HD void clear(Block& block, typename Block::template Own<T, N>& x) {
  block.own([&](int t) {
    RAMER_UNROLL
    for (int k = 0; k < N; ++k) x(t)[k] = T(0);
  });
}

}  // namespace ramer::backend::device
