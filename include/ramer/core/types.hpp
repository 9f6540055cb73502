// The few names that everything else is written with.
#pragma once

#include <cstdint>

/// Marks a function that compiles for the host and, under nvcc, for the device as well.
#if defined(__CUDACC__)
#define RAMER_HD __host__ __device__
#else
#define RAMER_HD
#endif

namespace ramer {

/// Extents, positions and counts. Signed, so that differences and loops downwards are safe.
using Index = std::int64_t;

}  // namespace ramer
