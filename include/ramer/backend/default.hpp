// The backend that is meant when none is named.
#pragma once

namespace ramer {

namespace backend {
class Cpu;
}  // namespace backend

/// Complete once backend/cpu.hpp (or ramer.hpp) is included.
using DefaultBackend = backend::Cpu;

}  // namespace ramer
