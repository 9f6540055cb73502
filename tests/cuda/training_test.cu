// Training and prediction on a GPU against the plain loops.
#include <doctest/doctest.h>

#include "cuda/device.hpp"
#include "ramer/backend/reference.hpp"
#include "train/trace.hpp"

using namespace ramer;
using backend::Cuda;

namespace {

template <class R, class Precision>
void check_same(const test::BatchSpec& spec, double tolerance) {
  const auto host = test::trace<R, backend::Reference, Precision>(spec), device = test::trace<R, Cuda, Precision>(spec);
  REQUIRE(host.size() == device.size());
  for (std::size_t i = 0; i < host.size(); ++i) {
    CAPTURE(i);
    CHECK(device[i] == doctest::Approx(host[i]).epsilon(tolerance));
  }
}

}  // namespace

TEST_CASE("RAMer trains and predicts on a GPU as on the host") {
  RAMER_NEEDS();
  check_same<recipe::Ramer, Double>({}, 1e-8);
  check_same<recipe::Ramer, Float>({}, 1e-3);
}

TEST_CASE("TAILOR with unaligned input does too: LSTM, alignment, CTC") {
  RAMER_NEEDS();
  check_same<recipe::TailorUnaligned, Double>(test::without_target(), 1e-8);
}

TEST_CASE("a training run has the same bits from run to run") {
  RAMER_NEEDS();
  CHECK(test::trace<recipe::Ramer, Cuda, Float>({}) == test::trace<recipe::Ramer, Cuda, Float>({}));
}

TEST_CASE("training in graphs, ahead of the reports or not, has the bits of training kernel after kernel") {
  RAMER_NEEDS();
  const auto plain = test::trace<recipe::Ramer, Cuda, Float>({}, Cuda().with_graphs(0));
  for (const std::size_t longest : {std::size_t{0}, std::size_t{40}, std::size_t{256}, std::size_t{100000}}) {
    CAPTURE(longest);
    const Cuda gpu = Cuda().with_graphs(longest);
    CHECK(test::trace<recipe::Ramer, Cuda, Float>({}, gpu, {3, true, true}) == plain);
    CHECK(test::trace<recipe::Ramer, Cuda, Float>({}, gpu, {3, true, false}) == plain);  // every form has been met
    CHECK((gpu.graph_counts().instantiated > 0) == (longest > 0));
  }
}

TEST_CASE("steps of one shape are replayed") {
  RAMER_NEEDS();
  test::BatchSpec spec;
  spec.target = spec.ragged = false, spec.available = spec.annotated = 1;
  const Cuda gpu;
  const auto values = test::trace<recipe::Ramer, Cuda, Float>(spec, gpu, {12, false, true});
  const auto counts = gpu.graph_counts();
  CHECK(counts.updated == 0);
  CHECK(counts.replayed >= 3 * counts.instantiated);
  CHECK(values == test::trace<recipe::Ramer, Cuda, Float>(spec, Cuda().with_graphs(0), {12, false, false}));
}

TEST_CASE("training with products in tf32 and bf16 stays near") {
  RAMER_NEEDS();
  const auto exact = test::trace<recipe::Ramer, Cuda, Float>({});
  for (const auto& [math, tolerance] : {std::pair{Cuda::Math::Tf32, 0.05}, std::pair{Cuda::Math::Bf16, 0.2}}) {
    const auto rounded = test::trace<recipe::Ramer, Cuda, Float>({}, Cuda(0, math));
    REQUIRE(rounded.size() == exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) CHECK(rounded[i] == doctest::Approx(exact[i]).epsilon(tolerance));
  }
}
