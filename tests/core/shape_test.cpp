#include "ramer/core/shape.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <sstream>
#include <type_traits>
#include <vector>

using namespace ramer;

namespace {

constexpr Index kMax = std::numeric_limits<Index>::max();

template <int Rank>
std::string text(const Shape<Rank>& shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

}  // namespace

TEST_CASE("a shape has extents, a size and a text") {
  constexpr Shape<3> shape{{2, 3, 4}};
  static_assert(shape.size() == 24);
  CHECK(shape[0] == 2);
  CHECK(shape[2] == 4);
  CHECK(text(shape) == "(2, 3, 4)");
  CHECK(text(Shape<1>{{7}}) == "(7)");

  Shape<3> other = shape;
  CHECK(other == shape);
  other[1] = 5;
  CHECK(other != shape);
  CHECK(other.size() == 40);
}

TEST_CASE("a scalar has size 1, an empty axis makes size 0") {
  CHECK(Shape<0>{}.size() == 1);
  CHECK(text(Shape<0>{}) == "()");
  CHECK(Shape<3>{{4, 0, 5}}.size() == 0);
}

TEST_CASE("checked_size multiplies extents of any container") {
  CHECK(checked_size(std::array<Index, 3>{2, 3, 4}) == 24);
  CHECK(checked_size(std::vector<Index>{}) == 1);
  CHECK(checked_size(std::vector<Index>{5, 0, 7}) == 0);
  CHECK(checked_size(std::vector<Index>{kMax}) == kMax);
  CHECK(checked_size(std::vector<Index>{1, kMax, 1}) == kMax);
}

TEST_CASE("checked_size refuses negative extents and overflow") {
  CHECK_THROWS_WITH_AS(checked_size(std::vector<Index>{2, -3}), "negative extent -3", ShapeError);
  CHECK_THROWS_AS(checked_size(std::vector<Index>{kMax, 2}), ShapeError);
  CHECK_THROWS_AS(checked_size(std::vector<Index>{Index{1} << 32, Index{1} << 31}), ShapeError);
  CHECK(checked_size(std::vector<Index>{Index{1} << 31, Index{1} << 31}) == Index{1} << 62);
  // The largest product that fits, and the next: 2^63 - 1 = 7 * 1317624576693539401.
  CHECK(checked_size(std::vector<Index>{7, 1317624576693539401}) == kMax);
  CHECK_THROWS_AS(checked_size(std::vector<Index>{7, 1317624576693539402}), ShapeError);
}

TEST_CASE("an empty axis hides neither a negative extent nor an overflow") {
  CHECK_THROWS_AS(checked_size(std::vector<Index>{0, -1}), ShapeError);
  CHECK_THROWS_AS(checked_size(std::vector<Index>{0, kMax, 2}), ShapeError);
  CHECK_THROWS_AS(checked_size(std::vector<Index>{kMax, 2, 0}), ShapeError);
}
