// One of two translation units that include every header. A definition that is not inline does not link.
#include <cstdio>

#include "all_headers.hpp"
#include "headers/units.hpp"

namespace ramer::test {

Seen first_unit() {
  return {reinterpret_cast<const void*>(&philox), name_hash("dropout"), RandomStream(1, 2, 3).word(4, 5)};
}

}  // namespace ramer::test

int main() {
  const ramer::test::Seen a = ramer::test::first_unit(), b = ramer::test::second_unit();
  if (a.function != b.function || a.hash != b.hash || a.word != b.word) {
    std::puts("the two translation units do not share the library's inline functions");
    return 1;
  }
  return 0;
}
