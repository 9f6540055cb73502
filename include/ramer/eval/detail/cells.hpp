// What the metrics share: checks of their input, and the walk over annotated cells.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::eval::detail {

inline double ratio(Index a, Index b) { return b ? static_cast<double>(a) / static_cast<double>(b) : 0.0; }

/// Strictly above, in the precision of the scores: a float score that was set to the threshold is not above it.
template <class Score>
bool above(Score score, double threshold) {
  return score > static_cast<Score>(threshold);
}

inline bool annotated(View<const std::uint8_t, 2> mask, Index row, Index label) {
  return mask.data() == nullptr || mask(row, label) != 0;
}

template <class Score>
void check_cells(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask) {
  require<ShapeError>(scores.shape() == truth.shape(), "metrics: labels ", truth.shape(), ", expected those of the scores ",
                      scores.shape());
  require<ShapeError>(mask.data() == nullptr || mask.shape() == scores.shape(), "metrics: label mask ", mask.shape(),
                      ", expected that of the scores ", scores.shape());
  for (Index i = 0; i < scores.extent(0); ++i)
    for (Index c = 0; c < scores.extent(1); ++c)
      require<NumericError>(!std::isnan(scores(i, c)), "metrics: the score of sample ", i, ", label ", c, " is NaN");
}

/// f(row, label, score, true label) for every annotated cell, row by row.
template <class Score, class F>
void for_each_cell(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask, F&& f) {
  for (Index i = 0; i < scores.extent(0); ++i)
    for (Index c = 0; c < scores.extent(1); ++c)
      if (annotated(mask, i, c)) f(i, c, scores(i, c), truth(i, c) != 0);
}

/// f(row, Jaccard index) for every row with an annotated cell.
template <class Score, class F>
void for_each_row_jaccard(View<Score, 2> scores, View<const std::uint8_t, 2> truth, View<const std::uint8_t, 2> mask,
                          double threshold, F&& f) {
  for (Index i = 0; i < scores.extent(0); ++i) {
    Index both = 0, either = 0, cells = 0;
    for (Index c = 0; c < scores.extent(1); ++c) {
      if (!annotated(mask, i, c)) continue;
      const bool is = truth(i, c) != 0, said = above(scores(i, c), threshold);
      both += is && said;
      either += is || said;
      ++cells;
    }
    if (cells) f(i, ratio(both, either));
  }
}

/// Rows with at least one annotated cell.
inline Index annotated_rows(View<const std::uint8_t, 2> mask, Index rows, Index labels) {
  if (mask.data() == nullptr) return labels > 0 ? rows : 0;
  Index n = 0;
  for (Index i = 0; i < rows; ++i) {
    bool any = false;
    for (Index c = 0; c < labels; ++c) any = any || mask(i, c) != 0;
    n += any;
  }
  return n;
}

inline double round_decimal(double value, int digits) {
  if (!std::isfinite(value)) return value;
  char text[400];  // the largest double has 309 digits before the point
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr;
  double rounded = value;
  std::from_chars(text, end, rounded);
  return rounded;
}

}  // namespace ramer::eval::detail
