#include "ramer/core/gather.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "ramer/core/random.hpp"

using namespace ramer;

namespace {

/// The places of each source, by looking at every place.
std::vector<std::vector<std::int32_t>> plain_places(const std::vector<std::int32_t>& index, Index sources) {
  std::vector<std::vector<std::int32_t>> places(static_cast<std::size_t>(sources));
  for (std::size_t p = 0; p < index.size(); ++p)
    if (index[p] >= 0) places[static_cast<std::size_t>(index[p])].push_back(static_cast<std::int32_t>(p));
  return places;
}

void check(const GatherPlan& plan, Index sources) {
  const GatherView view = plan.view();
  CHECK(view.size == static_cast<Index>(plan.index.size()));
  CHECK(view.sources == sources);
  CHECK(view.index == plan.index.data());
  REQUIRE(view.offsets[0] == 0);
  const auto want = plain_places(plan.index, sources);
  for (Index r = 0; r < sources; ++r)
    CHECK(std::vector<std::int32_t>(view.places + view.offsets[r], view.places + view.offsets[r + 1]) ==
          want[static_cast<std::size_t>(r)]);
}

}  // namespace

TEST_CASE("gather: the places of each source in ascending order") {
  GatherPlan plan;
  plan.index = {2, -1, 0, 2, 2, -1};
  plan.finish(4);
  check(plan, 4);
  const GatherView view = plan.view();
  CHECK(std::vector<std::int32_t>(view.offsets, view.offsets + 5) == std::vector<std::int32_t>{0, 1, 1, 4, 4});
  CHECK(std::vector<std::int32_t>(view.places, view.places + 4) == std::vector<std::int32_t>{2, 0, 3, 4});
}

TEST_CASE("gather: one plan used again for random indices, growing and shrinking") {
  const RandomStream stream(1, 2);
  GatherPlan plan;
  std::uint64_t draw = 0;
  for (std::uint64_t round = 0; round < 200; ++round) {
    const auto sources = stream.below(draw++, 12), places = stream.below(draw++, 40);
    plan.index.resize(places);
    for (auto& i : plan.index) i = static_cast<std::int32_t>(stream.below(draw++, sources + 1)) - 1;
    plan.finish(static_cast<Index>(sources));
    check(plan, static_cast<Index>(sources));
  }
}

TEST_CASE("gather: nothing to take, nothing to take from, and only blanks") {
  GatherPlan plan;
  plan.finish(0);
  check(plan, 0);
  plan.finish(3);
  check(plan, 3);
  plan.index = {-1, -1};
  plan.finish(0);
  check(plan, 0);
  plan.finish(2);
  check(plan, 2);
}

TEST_CASE("gather: an index that is not there is refused by name, and the plan can be mended") {
  GatherPlan plan;
  plan.index = {0, 3};
  CHECK_THROWS_WITH_AS(plan.finish(3), "gather index 3 outside [-1, 3)", ShapeError);
  plan.index = {0, -2};
  CHECK_THROWS_WITH_AS(plan.finish(3), "gather index -2 outside [-1, 3)", ShapeError);
  plan.index = {0};
  CHECK_THROWS_AS(plan.finish(0), ShapeError);
  CHECK_THROWS_AS(plan.finish(-1), ShapeError);
  CHECK_THROWS_AS(plan.finish(Index{1} << 31), ShapeError);  // refused before it is counted
  plan.finish(1);
  check(plan, 1);
}
