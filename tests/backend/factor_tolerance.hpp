// What is asked of a backend that rounds the factors of products, relative to the largest magnitude of a result.
#pragma once

#include <string>

#include "ramer/backend/device/factors.hpp"

namespace ramer::test {

inline double factor_tolerance(backend::device::Math math, const std::string& problem) {
  using backend::device::Math;
  const auto has = [&](const char* word) { return problem.find(word) != std::string::npos; };
  if (math == Math::Fp32 || !(has("gemm") || has("attention") || has("contrastive"))) return 2e-5;
  return math == Math::Tf32 ? 4e-3 : 3e-2;
}

}  // namespace ramer::test
