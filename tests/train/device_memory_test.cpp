// A backend whose memory the host must not touch: the library trains, predicts, saves and resumes on it, and a GPU is no different.
#include <doctest/doctest.h>

#include "backend/guarded.hpp"
#include "ramer/backend/reference.hpp"
#include "train/resumed.hpp"
#include "train/trace.hpp"

using namespace ramer;
using namespace ramer::testing;
using Device = test::Guarded<backend::Reference>;

namespace {

template <class R, class Precision>
void check_same(const test::BatchSpec& spec) {
  const auto host = test::trace<R, backend::Reference, Precision>(spec), device = test::trace<R, Device, Precision>(spec);
  REQUIRE(host.size() == device.size());
  const double tolerance = std::is_same_v<Precision, Double> ? 1e-9 : 1e-3;
  for (std::size_t i = 0; i < host.size(); ++i) {
    CAPTURE(i);
    CHECK(device[i] == doctest::Approx(host[i]).epsilon(tolerance));
  }
}

}  // namespace

TEST_CASE("Models of every wiring train and predict in memory that the host must not touch") {
  check_same<recipe::Ramer, Double>({});
  check_same<recipe::Ramer, Float>({});
  check_same<recipe::EarlyFusion, Float>({});
  check_same<test::Unaligned, Double>(test::without_target());
  check_same<recipe::TailorUnaligned, Double>(test::without_target());
}

TEST_CASE("A run in such memory is saved, resumed and evaluated") { check_resumes<Device>("device"); }

TEST_CASE("The guard guards: a kernel that is given a host pointer is refused") {
  const Device device;
  std::vector<double> host(4);
  CHECK_THROWS_AS(device.fill(host.data(), Index{4}, 0.0), std::logic_error);
  Tensor<double, 1, Device::Memory> there(Shape{Index{4}});
  device.fill(there.data(), Index{4}, 2.0);
  device.to_host(there.data(), Index{4}, host.data());
  CHECK(host == std::vector<double>(4, 2.0));
}
