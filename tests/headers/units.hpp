// What the two units of the one-definition check tell each other.
#pragma once

#include <cstdint>

namespace ramer::test {

/// Addresses of an inline function and results of the library, as one unit sees them.
struct Seen {
  const void* function;
  std::uint64_t hash;
  std::uint32_t word;
};

Seen first_unit();
Seen second_unit();

}  // namespace ramer::test
