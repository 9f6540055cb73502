// The backend that is meant when none is named.
#pragma once

#include "ramer/backend/instruction_set.hpp"

namespace ramer {

namespace backend::inline RAMER_INSTRUCTION_SET {
class Cpu;
}  // namespace backend::inline RAMER_INSTRUCTION_SET

/// Complete once backend/cpu.hpp (or ramer.hpp) is included.
using DefaultBackend = backend::Cpu;

}  // namespace ramer
