// Random scores and labels for the tests of this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"

namespace cases {

using ramer::Index;
using ramer::View;

/// N samples, C labels: coarse scores (so that ties occur), labels that follow them somewhat, a mask.
struct Cells {
  Index n, c;
  std::vector<double> score;
  std::vector<std::uint8_t> truth, mask;

  Cells(Index samples, Index labels, std::uint64_t seed, double informative = 0.5) : n(samples), c(labels) {
    const ramer::RandomStream random(seed, ramer::name_hash("test"));
    for (Index i = 0; i < n * c; ++i) {
      const auto row = static_cast<std::uint64_t>(i);
      const double s = static_cast<double>(random.below(row, 21)) / 20.0;
      score.push_back(s);
      truth.push_back(random.uniform(row, 8) < 0.2 + informative * s);
      mask.push_back(random.uniform(row, 16) < 0.85f);
    }
  }
  View<const double, 2> scores() const { return {score.data(), {n, c}}; }
  View<const std::uint8_t, 2> labels() const { return {truth.data(), {n, c}}; }
  View<const std::uint8_t, 2> masks() const { return {mask.data(), {n, c}}; }
};

inline const View<const std::uint8_t, 2> kNoMask{};

}  // namespace cases
