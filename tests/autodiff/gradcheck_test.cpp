// Does the check itself find what is wrong? Each op here breaks one rule.
#include "ramer/autodiff/gradcheck.hpp"

#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/elementwise.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

enum class Fault { None, Factor, Sign, Forgotten, NeverAccumulates, AlwaysAccumulates, LastElement };

/// y = x^2, with a fault in its reverse.
template <class Tp>
Var<double, 1> square(Tp& tape, Var<double, 1> x, Fault fault) {
  auto [y, out] = tape.output(x.shape(), x);
  for (Index i = 0; i < x.size(); ++i) out[i] = x.data()[i] * x.data()[i];
  tape.record(y, [=](Tp& t, const double* dy) {
    if (fault == Fault::Forgotten) return;
    auto dx = t.target(x);
    if (fault == Fault::NeverAccumulates) dx.accumulate = false;
    if (fault == Fault::AlwaysAccumulates) dx.accumulate = true;
    const double factor = fault == Fault::Factor ? 2.001 : (fault == Fault::Sign ? -2.0 : 2.0);
    for (Index i = 0; i < x.size(); ++i) {
      const bool dropped = fault == Fault::LastElement && i + 1 == x.size();
      dx.put(i, dropped ? 0.0 : factor * x.data()[i] * dy[i]);
    }
  });
  return y;
}

std::string checked(Fault fault) {
  Gradcheck<> check;
  check.input(5);
  return check.run([fault](auto& tape, const auto& in) { return square(tape, in[0], fault); });
}

}  // namespace

TEST_CASE("gradcheck passes what is right and finds each fault") {
  CHECK(checked(Fault::None) == "");
  for (Fault fault : {Fault::Factor, Fault::Sign, Fault::Forgotten, Fault::NeverAccumulates, Fault::AlwaysAccumulates}) {
    CAPTURE(static_cast<int>(fault));
    CHECK(checked(fault) != "");
  }
  CHECK(checked(Fault::LastElement).find("input 0 element 4") == 0);
  CHECK(checked(Fault::NeverAccumulates).find("(accumulating)") != std::string::npos);
  CHECK(checked(Fault::AlwaysAccumulates).find("nan") != std::string::npos);
}

TEST_CASE("gradcheck: an output that depends on nothing is an error, an unused input is not") {
  Gradcheck<> check;
  check.input(2);
  check.input(3);
  CHECK(check.run([](auto&, const auto& in) { return in[0].detached(); }) != "");
  CHECK(check.run([](auto& tape, const auto& in) { return scale(tape, in[1], 2.0); }) == "");
}

TEST_CASE("gradcheck: the value depends on an input through which no adjoint flows") {
  Gradcheck<> check;
  check.input(2);
  CHECK(check.run([](auto& tape, const auto& in) { return add(tape, in[0], in[0].detached()); }) != "");
}

TEST_CASE("gradcheck: inputs keep their values, given ones are used, and the seed changes the random ones") {
  Gradcheck<> check;
  const int given = check.input(std::vector<double>{4, 5}), random = check.input(3), empty = check.input(Index{0});
  CHECK(check.value(empty).size() == 0);
  std::vector<double> before(check.value(random).data(), check.value(random).data() + 3);
  CHECK(check.run([](auto& tape, const auto& in) { return square(tape, in[0], Fault::None); }) == "");
  CHECK(check.value(given)(0) == 4);
  CHECK(check.value(given)(1) == 5);
  CHECK(std::vector<double>(check.value(random).data(), check.value(random).data() + 3) == before);
  GradcheckOptions options;
  options.seed = 2;
  Gradcheck<> other(backend::Reference{}, options);
  other.input(3);
  CHECK(other.value(0)(0) != before[0]);
}

TEST_CASE("gradcheck: outputs of any rank, the input itself, and an empty one") {
  Gradcheck<> check;
  check.input(6);
  CHECK(check.run([](auto&, const auto& in) { return in[0]; }) == "");
  CHECK(check.run([](auto& tape, const auto& in) {
    return scale(tape, in[0].reshape(Shape{Index{1}, Index{2}, Index{3}}), 3.0);
  }) == "");
  Gradcheck<> nothing;
  nothing.input(Index{0});
  CHECK(nothing.run([](auto& tape, const auto& in) { return scale(tape, in[0], 3.0); }) == "");
}
