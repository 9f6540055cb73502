// Whether training steps are replayed, on the driver that pretends.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "backend/pretended.hpp"
#include "train/trace.hpp"

namespace ramer::test {

/// What steps leave that are all replayed from the fifth on, with the bits of kernel after kernel.
struct ReplayedSteps {
  std::vector<double> values;           ///< of eight steps
  backend::device::GraphCounts counts;  ///< in them
};
/// In the first step scratch memory grows, the second is plain, the next two make the graphs of their sides.
template <class R>
ReplayedSteps check_replayed(const BatchSpec& spec, bool padded) {
  const auto run = [&](const Pretended& b, std::uint64_t steps) {
    return trace<R, Pretended, Float>(spec, b, {steps, false, true, padded});
  };
  const Pretended four(60), eight(60);
  run(four, 4);
  const ReplayedSteps all{run(eight, 8), eight.graph_counts()};
  const auto first = four.graph_counts();
  CHECK(all.values == run(Pretended(0), 8));
  CHECK(first.instantiated > 0);
  CHECK(all.counts.plain == first.plain);
  CHECK(all.counts.instantiated == first.instantiated);
  CHECK(all.counts.updated == 0);
  CHECK(all.counts.replayed >= first.replayed + 2 * first.instantiated);
  return all;
}

}  // namespace ramer::test
