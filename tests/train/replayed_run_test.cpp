// A training run on a backend that replays recorded steps.
#include <doctest/doctest.h>

#include "backend/pretended.hpp"
#include "ramer/model/recipes.hpp"
#include "train/kept_run.hpp"

using namespace ramer;
using namespace ramer::testing;
using test::Pretended;

TEST_CASE("A trainer pads its batches where steps are replayed, and ends where it does without") {
  const auto data = small_data(60);
  KeptOptions asked;
  asked.epochs = 3;
  asked.view = data::PersonView::kAll;  // one person, the whole sample is asked about
  const Pretended replaying(100);
  const KeptRun plain = run_kept<recipe::Carat>(data, 1, asked, Pretended(0)),
                replayed = run_kept<recipe::Carat>(data, 1, asked, replaying);
  REQUIRE(replayed.scores.size() == plain.scores.size());
  for (std::size_t i = 0; i < plain.scores.size(); ++i) {
    CAPTURE(i);
    CHECK(replayed.scores[i] == doctest::Approx(plain.scores[i]).epsilon(2e-3));
  }
  const auto counts = replaying.graph_counts();
  CHECK(counts.instantiated > 0);
#if defined(RAMER_CLEARS_PADDING)
  CHECK(counts.replayed > 0);
#endif
  CHECK((run_kept<recipe::Carat>(data, 0, asked, Pretended(100)) == replayed));  // sent, not kept: the same bits
}
