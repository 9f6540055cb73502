// Training steps on batches of different lengths, padded to one bucket: graphs of one step do for the next.
#include <doctest/doctest.h>

#include "backend/pretended.hpp"
#include "train/trace.hpp"

using namespace ramer;
using test::Pretended;

#if defined(RAMER_CLEARS_PADDING)
TEST_CASE("Steps on padded batches are replayed, whatever the lengths of their samples and whatever is missing") {
  test::BatchSpec spec;
  spec.size = 3, spec.segments = 5, spec.modalities = {"text", "audio"}, spec.target = false, spec.annotated = 1;
  const auto run = [&](const Pretended& b, std::uint64_t steps, bool padded) {
    return test::trace<recipe::Carat, Pretended, Float>(spec, b, {steps, false, true, padded});
  };
  const auto plain = run(Pretended(0), 8, true);
  backend::device::GraphCounts counts[2];
  for (std::size_t k = 0; k < 2; ++k) {
    const Pretended b(60);
    const auto values = run(b, 4 + 4 * k, true);
    if (k == 1) CHECK(values == plain);
    counts[k] = b.graph_counts();
  }
  CHECK(counts[0].instantiated > 0);
  CHECK(counts[1].plain == counts[0].plain);
  CHECK(counts[1].instantiated == counts[0].instantiated);
  CHECK(counts[1].updated == 0);
  CHECK(counts[1].replayed > counts[0].replayed);

  const Pretended as_they_come(60);
  const auto values = run(as_they_come, 8, false);
  const auto other = as_they_come.graph_counts();
  CHECK(other.updated + other.instantiated + other.plain > counts[1].instantiated + counts[1].plain);
  REQUIRE(values.size() == plain.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK(values[i] == doctest::Approx(plain[i]).epsilon(1e-3));
  }
}
#endif
