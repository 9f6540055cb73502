// Prints the bits of every kernel's results.
#include <cstdio>

#include "mixed/unit.hpp"

int main() { std::printf("%016llx\n", static_cast<unsigned long long>(ramer::test::native_unit().digest)); }
