// How a test says that it found nothing to run on.
#pragma once

#include <iostream>
#include <string_view>

namespace ramer::test {

namespace detail {
inline bool current_case_skipped = false;
}  // namespace detail

/// Prints "[skipped] <what>", for instance "3 golden files: kind carat is not supported". The program that runs the case
/// returns 77 when every case that it ran was skipped and none failed; CTest shows that as skipped.
inline void skip(std::string_view what) {
  detail::current_case_skipped = true;
  std::cout << "[skipped] " << what << std::endl;
}

}  // namespace ramer::test
