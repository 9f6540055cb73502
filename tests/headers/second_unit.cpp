// The other translation unit that includes every header.
#include "all_headers.hpp"
#include "headers/units.hpp"

namespace ramer::test {

Seen second_unit() {
  return {reinterpret_cast<const void*>(&philox), name_hash("dropout"), RandomStream(1, 2, 3).word(4, 5)};
}

}  // namespace ramer::test
