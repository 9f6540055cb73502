// Uses ramer and what it brings along, cheaply.
#include <tbb/version.h>

#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>

#include "ramer/core/random.hpp"
#include "ramer/core/tensor.hpp"

int main() {
  ramer::Tensor<float, 2> tensor({3, 4});  // (3, 4)
  const ramer::RandomStream stream(1, ramer::name_hash("consumer"));
  for (ramer::Index i = 0; i < tensor.size(); ++i) tensor.data()[i] = stream.uniform(0, static_cast<std::uint32_t>(i));
  const Eigen::Map<const Eigen::MatrixXf> map(tensor.data(), 4, 3);
  return map.minCoeff() >= 0 && map.maxCoeff() < 1 && TBB_VERSION_MAJOR >= 2021 ? 0 : 1;
}
