#include "ramer/core/error.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

using namespace ramer;

TEST_CASE("fail joins the parts of its message and throws the type asked for") {
  CHECK_THROWS_WITH_AS(fail<IoError>("file ", std::string("a.bin"), ": found ", 3, " bytes, expected ", 8u),
                       "file a.bin: found 3 bytes, expected 8", IoError);
  CHECK_THROWS_WITH_AS(fail("x = ", -1.5), "x = -1.5", Error);
}

TEST_CASE("require throws only where its condition is false") {
  CHECK_NOTHROW(require<ShapeError>(true, "never seen"));
  CHECK_THROWS_WITH_AS(require<ShapeError>(false, "D is ", 3), "D is 3", ShapeError);
}

TEST_CASE_TEMPLATE("every error is an Error and a runtime_error", E, ShapeError, DataError, ConfigError, IoError,
                   NumericError) {
  CHECK_THROWS_AS(fail<E>("x"), Error);
  CHECK_THROWS_AS(fail<E>("x"), std::runtime_error);
  CHECK_FALSE(std::is_same_v<E, Error>);
}
