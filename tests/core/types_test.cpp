#include "ramer/core/types.hpp"

#include <doctest/doctest.h>

#include <type_traits>

namespace {

RAMER_HD constexpr int twice(int x) { return 2 * x; }

}  // namespace

TEST_CASE("Index is signed and has 64 bits") {
  CHECK(std::is_signed_v<ramer::Index>);
  CHECK(sizeof(ramer::Index) == 8);
}

TEST_CASE("RAMER_HD leaves a host function as it is") { CHECK(twice(21) == 42); }
