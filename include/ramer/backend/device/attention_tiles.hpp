// The two products of attention's tiles: scores of a block's 16 own rows with 64 other ones, and such weights times the others' columns,
// by the threads' own arithmetic or by tensor cores. Warp w owns rows w, w + 4, ...; lane l handles columns l and l + 32 of a tile.
#pragma once

#include "ramer/backend/device/block.hpp"

namespace ramer::backend::device {

inline constexpr int kAttentionThreads = 128, kWarps = kAttentionThreads / kLanes;
inline constexpr int kOwnRows = 16, kOtherRows = 2 * kLanes;  ///< of a block, of a tile
inline constexpr int kRowsOfThread = kOwnRows / kWarps;       ///< 4
inline constexpr int kPairsOfThread = 2 * kRowsOfThread;      ///< of (own row, other row)

RAMER_HD constexpr int own_row(int t, int k) { return t / kLanes + kWarps * k; }
RAMER_HD constexpr int other_row(int t, int k) { return t % kLanes + kLanes * k; }

template <class T, Math math>
struct AttentionTiles;

template <class T, Math math>
struct AttentionShared {
  using Tiles = AttentionTiles<T, math>;
  typename Tiles::Held *own, *other;  ///< slices of rows
  T *weight, *dscore;                 ///< (16, 64) each
  T* result;
  int* any;                                           ///< (4)
  static constexpr int kScoreRow = Tiles::kScoreRow;  ///< how far rows of the two are apart

  RAMER_HD std::size_t carve(std::byte* base) {
    Carver carver(base);
    own = carver.take<typename Tiles::Held>(Tiles::kOwn), other = carver.take<typename Tiles::Held>(Tiles::kOther);
    weight = carver.take<T>(kOwnRows * kScoreRow), dscore = carver.take<T>(kOwnRows * kScoreRow);
    result = carver.take<T>(Tiles::kResult);
    any = carver.take<int>(kWarps);
    return carver.used();
  }
  static std::size_t bytes() { return AttentionShared{}.carve(nullptr); }
};

/// score: s[2 i + j] = sum over d < width of own(row i, d) other(row j, d), for the thread's rows. The two are asked for any of the 16 and
/// 64 rows, and answer 0 where there is nothing. `weight` may be overwritten; each thread reads last what is at its own pairs.
///
/// apply: put(t, k, d, sum over j < 64 of w(own row k, j) other(j, d)) for all d < width, by the thread t that owns row and column.
/// w lies in shared memory and was written before; a barrier follows.
template <class T, Math math = Math::Fp32>
struct AttentionTiles {
  using Shared = AttentionShared<T, math>;
  using Held = T;
  static constexpr int kWide = kLanes;  ///< columns of q, k, v that are in shared memory at a time
  static constexpr int kRow = kWide + 1, kScoreRow = kOtherRows + 1;
  static constexpr Index kOwn = kOwnRows * kRow, kOther = kOtherRows * kRow, kResult = 0;
  static constexpr int kBlocksAtOnce = sizeof(T) == 8 ? 3 : 0;

  template <class Block, class A, class B>
  RAMER_HD static void score(Block& block, typename Block::template Own<T, kPairsOfThread>& s, Index width, const A& own,
                             const B& other, const Shared& shared) {
    block.own([&](int t) {
      RAMER_UNROLL
      for (int k = 0; k < kPairsOfThread; ++k) s(t)[k] = T(0);
    });
    for (Index from = 0; from < width; from += kWide) {
      block.each([&](int t) {
        const int lane = t % kLanes;
        const bool in = from + lane < width;
        for (int i = t / kLanes; i < kOwnRows; i += kWarps) shared.own[i * kRow + lane] = in ? own(i, from + lane) : T(0);
        for (int j = t / kLanes; j < kOtherRows; j += kWarps)
          shared.other[j * kRow + lane] = in ? other(j, from + lane) : T(0);
      });
      block.each([&](int t) {
        RAMER_UNROLL
        for (int d = 0; d < kWide; ++d) {
          const T y0 = shared.other[other_row(t, 0) * kRow + d], y1 = shared.other[other_row(t, 1) * kRow + d];
          RAMER_UNROLL
          for (int i = 0; i < kRowsOfThread; ++i) {
            const T x = shared.own[own_row(t, i) * kRow + d];
            s(t)[2 * i] += x * y0;
            s(t)[2 * i + 1] += x * y1;
          }
        }
      });
    }
  }

  template <class Block, class B, class Put>
  RAMER_HD static void apply(Block& block, const T* w, Index width, const B& other, const Put& put, const Shared& shared) {
    for (Index from = 0; from < width; from += kWide) {
      block.each([&](int t) {
        const int lane = t % kLanes;
        for (int j = t / kLanes; j < kOtherRows; j += kWarps)
          shared.other[j * kRow + lane] = from + lane < width ? other(j, from + lane) : T(0);
      });
      block.each([&](int t) {
        const int lane = t % kLanes;
        T sum[kRowsOfThread]{};
        RAMER_UNROLL
        for (int j = 0; j < kOtherRows; ++j) {
          const T y = shared.other[j * kRow + lane];
          RAMER_UNROLL
          for (int k = 0; k < kRowsOfThread; ++k) sum[k] += w[own_row(t, k) * kScoreRow + j] * y;
        }
        RAMER_UNROLL
        for (int k = 0; k < kRowsOfThread; ++k)
          if (from + lane < width) put(t, k, from + lane, sum[k]);
      });
    }
  }
};

/// By tensor cores: a warp has the 16 rows, and in `score` 16 columns of the 64, in `apply` 8 of 32. What they find goes through shared
/// memory to the threads that own it.
template <Math math>
requires(math != Math::Fp32) struct AttentionTiles<float, math> {
  using Shared = AttentionShared<float, math>;
  using Factor = Factors<math>;
  using Held = std::uint32_t;
  static constexpr int kBlocksAtOnce = 3;
  static constexpr int kSlice = 32;  ///< words of a row in `score`
  static constexpr int kWide = 32;   ///< columns in `apply`
  /// Threads of a warp ask for 8 rows of 4 words, or 4 words of 8 columns, and no bank is asked twice.
  static constexpr int kRow = kSlice + 4, kWordApart = kWide + 8, kScoreRow = kOtherRows + 4, kResultRow = kWide + 1;
  static constexpr int kDepth = kOtherRows / Factor::kOfWord;  ///< words of a column in `apply`
  static constexpr Index kOwn = kOwnRows * kRow, kResult = kOwnRows * kResultRow;
  static constexpr Index kOther = kOtherRows * kRow < kDepth * kWordApart ? kDepth * kWordApart : kOtherRows * kRow;

  template <class Block, class A, class B>
  RAMER_HD static void score(Block& block, typename Block::template Own<float, kPairsOfThread>& s, Index width, const A& own,
                             const B& other, const Shared& shared) {
    constexpr int kPieces = 2, kNumbers = 4 * kPieces;
    typename Block::template Own<std::uint32_t, 4> x(block);
    typename Block::template Own<std::uint32_t, 2 * kPieces> y(block);
    typename Block::template Own<float, kNumbers> sum(block);
    block.own([&](int t) {
      RAMER_UNROLL
      for (int k = 0; k < kNumbers; ++k) sum(t)[k] = 0;
    });
    const auto column = [](int t, int piece) { return (t / kLanes * kPieces + piece) * kFragmentColumns; };
    for (Index from = 0; from < width; from += kSlice * Factor::kOfWord) {
      const Index left = ceil_div(width - from, kFragmentWords * Factor::kOfWord) * kFragmentWords;
      const int words = static_cast<int>(least<Index>(kSlice, left));
      block.each([&](int t) {
        const int w = t % kLanes;
        if (w >= words) return;
        const Index d = from + w * Factor::kOfWord;
        RAMER_UNROLL_BY_2
        for (int i = t / kLanes; i < kOwnRows; i += kWarps)
          shared.own[i * kRow + w] = Factor::word([&](int h) { return d + h < width ? own(i, d + h) : 0.0f; });
        RAMER_UNROLL_BY_2
        for (int j = t / kLanes; j < kOtherRows; j += kWarps)
          shared.other[j * kRow + w] = Factor::word([&](int h) { return d + h < width ? other(j, d + h) : 0.0f; });
      });
      for (int w = 0; w < words; w += kFragmentWords) {
        block.own([&](int t) {
          RAMER_UNROLL
          for (int k = 0; k < 4; ++k) x(t)[k] = shared.own[fragment_a_row(t, k) * kRow + w + fragment_a_word(t, k)];
          RAMER_UNROLL
          for (int k = 0; k < 2 * kPieces; ++k)
            y(t)[k] = shared.other[(column(t, k / 2) + fragment_b_column(t)) * kRow + w + fragment_b_word(t, k % 2)];
        });
        block.template add_products<math>(sum, x, y);
      }
      block.barrier();
    }
    block.each([&](int t) {
      RAMER_UNROLL
      for (int i = 0; i < 2; ++i) {
        RAMER_UNROLL
        for (int j = 0; j < 2 * kPieces; ++j)
          shared.weight[fragment_c_row(t, 2 * i) * kScoreRow + column(t, j / 2) + fragment_c_column(t, j % 2)] =
              sum(t)[2 * kPieces * i + j];
      }
    });
    block.own([&](int t) {
      RAMER_UNROLL
      for (int k = 0; k < kPairsOfThread; ++k) s(t)[k] = shared.weight[own_row(t, k / 2) * kScoreRow + other_row(t, k % 2)];
    });
  }

  template <class Block, class B, class Put>
  RAMER_HD static void apply(Block& block, const float* w, Index width, const B& other, const Put& put,
                             const Shared& shared) {
    typename Block::template Own<std::uint32_t, 4> x(block);
    typename Block::template Own<std::uint32_t, 2> y(block);
    typename Block::template Own<float, 4> sum(block);
    const auto column = [](int t) { return t / kLanes * kFragmentColumns; };
    for (Index from = 0; from < width; from += kWide) {
      block.each([&](int t) {
        const int lane = t % kLanes;
        RAMER_UNROLL_BY_2
        for (int j = t / kLanes; j < kDepth; j += kWarps)
          shared.other[j * kWordApart + lane] =
              Factor::word([&](int h) { return from + lane < width ? other(j * Factor::kOfWord + h, from + lane) : 0.0f; });
        RAMER_UNROLL
        for (int k = 0; k < 4; ++k) sum(t)[k] = 0;
      });
      RAMER_UNROLL
      for (int at = 0; at < kDepth; at += kFragmentWords) {
        block.own([&](int t) {
          RAMER_UNROLL
          for (int k = 0; k < 4; ++k) {
            const float* const pair = w + fragment_a_row(t, k) * kScoreRow + (at + fragment_a_word(t, k)) * Factor::kOfWord;
            x(t)[k] = Factor::word([&](int h) { return pair[h]; });
          }
          RAMER_UNROLL
          for (int k = 0; k < 2; ++k)
            y(t)[k] = shared.other[(at + fragment_b_word(t, k)) * kWordApart + column(t) + fragment_b_column(t)];
        });
        block.template add_products<math>(sum, x, y);
      }
      block.each([&](int t) {
        RAMER_UNROLL
        for (int k = 0; k < 4; ++k)
          shared.result[fragment_c_row(t, k) * kResultRow + column(t) + fragment_c_column(t, k)] = sum(t)[k];
      });
      block.each([&](int t) {
        const int lane = t % kLanes;
        RAMER_UNROLL
        for (int k = 0; k < kRowsOfThread; ++k)
          if (from + lane < width) put(t, k, from + lane, shared.result[own_row(t, k) * kResultRow + lane]);
      });
    }
  }
};

}  // namespace ramer::backend::device
