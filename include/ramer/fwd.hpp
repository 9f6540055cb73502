// Forward declarations, for headers that only pass things on.
#pragma once

#include "ramer/backend/default.hpp"
#include "ramer/core/precision.hpp"

namespace ramer {

struct Batch;
struct Schema;
struct HostMemory;

namespace backend {
class Reference;
}  // namespace backend

namespace data {
class Dataset;
}  // namespace data

namespace recipe {
struct Ramer;
struct Tailor;
struct TailorUnaligned;
}  // namespace recipe

}  // namespace ramer
