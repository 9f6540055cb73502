// Steps that are begun before the reports of earlier ones are read.
#include <doctest/doctest.h>

#include <limits>

#include "backend/guarded.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/train/detail/snapshot.hpp"
#include "train/trace.hpp"

using namespace ramer;
using Device = test::Guarded<backend::Reference>;

namespace {

template <class B>
struct Case {
  using M = Model<recipe::RamerAlternating, B, Double>;
  test::BatchSpec spec;
  M model;
  train::Stepper<M> stepper;

  explicit Case(double rate = 1e-2)
      : model(test::schema_of(spec), test::small_config<M>(), B(), 7), stepper(model, optimizer(rate), 5) {}
  static train::OptimizerConfig optimizer(double rate) {
    train::OptimizerConfig c = test::fast_optimizer();
    c.rate = rate;
    return c;
  }
  Batch batch(std::uint64_t step) const {
    test::BatchSpec drawn = spec;
    drawn.seed = step + 1;
    return test::make_batch(drawn);
  }
  Batch bad(std::uint64_t step) const {
    Batch b = batch(step);
    for (float& x : b.modalities[0].features)
      if (x != 0) x = std::numeric_limits<float>::infinity();
    return b;
  }
  /// Everything that training changes.
  std::vector<double> content() {
    train::detail::Snapshot<double> snapshot;
    train::detail::capture(std::as_const(model), snapshot);
    std::vector<double> all;
    for (const auto& t : snapshot.tensors) {
      all.insert(all.end(), t.reals.begin(), t.reals.end());
      all.insert(all.end(), t.integers.begin(), t.integers.end());
    }
    for (const auto n : stepper.optimizer().steps()) all.push_back(static_cast<double>(n));
    for (auto* moments : {&stepper.optimizer().first(), &stepper.optimizer().second()})
      for (const auto& m : *moments) {
        std::vector<double> there(static_cast<std::size_t>(m.size()));
        model.backend().to_host(m.data(), m.size(), there.data());
        all.insert(all.end(), there.begin(), there.end());
      }
    return all;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("Steps one behind the other say and leave what steps in turn do", B, backend::Reference, Device,
                   backend::Cpu) {
  const auto in_turn = test::trace<recipe::Ramer, B, Double>({}, B(), {4, true, false});
  CHECK(test::trace<recipe::Ramer, B, Double>({}, B(), {4, true, true}) == in_turn);
}

TEST_CASE("Reports come at once from the host's memory, else one step later") {
  Case<backend::Reference> host;
  Case<Device> device;
  const auto first = host.stepper.submit(host.batch(0), 0, 0);
  REQUIRE(first);
  CHECK_FALSE(host.stepper.finish());
  CHECK_FALSE(device.stepper.submit(device.batch(0), 0, 0));
  CHECK_THROWS_WITH_AS(device.stepper.run(device.batch(1), 1, 0), "a step is run while 1 are under way; call finish() first",
                       Error);
  const auto then = device.stepper.submit(device.batch(1), 1, 0);
  REQUIRE(then);
  CHECK(then->total == doctest::Approx(first->total).epsilon(1e-12));
  CHECK(device.stepper.finish());
  CHECK_FALSE(device.stepper.finish());
}

TEST_CASE_TEMPLATE("A step that is not finite changes nothing, nor do those behind it, and training goes on", B,
                   backend::Reference, Device, backend::Cpu) {
  constexpr bool later = !B::Memory::host;
  Case<B> good, bad;
  for (std::uint64_t step = 0; step < 2; ++step) {
    good.stepper.run(good.batch(step), step, 0);
    bad.stepper.submit(bad.batch(step), step, 0);
  }
  std::string message;
  try {
    bad.stepper.submit(bad.bad(2), 2, 0);
    if (later) bad.stepper.submit(bad.batch(3), 3, 0);
  } catch (const NumericError& e) {
    message = e.what();
  }
  CHECK(message.find("loss term adv_commonality is ") == 0);  // of the first phase
  CHECK(message.find(" at step 2, samples ") != std::string::npos);
  CHECK_FALSE(bad.stepper.finish());
  CHECK(bad.content() == good.content());
  for (std::uint64_t step = 2; step < 4; ++step) {
    const double expected = good.stepper.run(good.batch(step), step, 0).total;
    CHECK(bad.stepper.run(bad.batch(step), step, 0).total == expected);
  }
  CHECK(bad.content() == good.content());
}

TEST_CASE_TEMPLATE("The second phase of a step is given up alone", B, backend::Reference, Device) {
  // A parameter that only the second phase's terms see.
  Case<B> c;
  c.stepper.run(c.batch(0), 0, 0);
  for (auto* p : c.model.parameters()) {
    if (p->name.find("aggregation.") != 0) continue;
    const std::vector<double> infinite(static_cast<std::size_t>(p->size()), std::numeric_limits<double>::infinity());
    c.model.backend().from_host(infinite.data(), p->size(), p->value.data());
  }
  const auto before = c.stepper.optimizer().steps();
  std::string message;
  try {
    c.stepper.run(c.batch(1), 1, 0);
  } catch (const NumericError& e) {
    message = e.what();
  }
  CAPTURE(message);
  CHECK(message.find("loss term ") == 0);
  CHECK(message.find("adv_") == std::string::npos);
  const auto& after = c.stepper.optimizer().steps();
  for (std::size_t k = 0; k < after.size(); ++k) {
    const bool first_phase = c.model.parameters()[k]->name.find("discriminator.") == 0;
    CHECK(after[k] == before[k] + (first_phase ? 1 : 0));
  }
}
