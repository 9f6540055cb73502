// Training steps on batches of different lengths, padded to one bucket: graphs of one step do for the next.
#include <doctest/doctest.h>

#include "backend/replayed.hpp"

using namespace ramer;
using test::Pretended;

#if defined(RAMER_CLEARS_PADDING)
TEST_CASE("Steps on padded batches are replayed, whatever the lengths of their samples and whatever is missing") {
  test::BatchSpec spec;
  spec.size = 3, spec.segments = 5, spec.modalities = {"text", "audio"}, spec.target = false, spec.annotated = 1;
  const auto padded = test::check_replayed<recipe::Carat>(spec, true);
  const Pretended as_they_come(60);
  const auto values = test::trace<recipe::Carat, Pretended, Float>(spec, as_they_come, {8, false, true, false});
  const auto other = as_they_come.graph_counts();
  CHECK(other.updated + other.instantiated + other.plain > padded.counts.instantiated + padded.counts.plain);
  REQUIRE(values.size() == padded.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK(values[i] == doctest::Approx(padded.values[i]).epsilon(1e-3));
  }
}
#endif
