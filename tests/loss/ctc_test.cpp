// What the host makes of CTC targets, and the term.
#include "ramer/loss/ctc.hpp"

#include <doctest/doctest.h>

#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using loss::CtcReduction;

namespace {

using Integers = std::vector<std::int32_t>;

/// A module without parameters.
struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

TEST_CASE("plan by hand") {
  loss::CtcPlan plan;
  plan.build(Integers{0, 3, 3, 5}, Integers{0, 2, 2, 3}, Integers{4, 1, 2}, CtcReduction::Mean);
  CHECK(plan.sample == Integers{0, 0, 0, 2, 2});
  CHECK(plan.longest_input == 3);
  CHECK(plan.longest_target == 2);
  CHECK(plan.weight == std::vector<double>{0.5 / 3, 1.0 / 3, 1.0 / 3});  // the empty target counts as one of length 1
  const std::vector<std::uint8_t> counts{1, 0, 1};
  plan.build(Integers{0, 3, 3, 5}, Integers{0, 2, 2, 3}, Integers{4, 1, 2}, CtcReduction::Mean, counts);
  CHECK(plan.weight == std::vector<double>{0.25, 0, 0.5});
  plan.build(Integers{0, 3, 3, 5}, Integers{0, 2, 2, 3}, Integers{4, 1, 2}, CtcReduction::Sum, counts);
  CHECK(plan.weight == std::vector<double>{1, 0, 1});
  const std::vector<std::uint8_t> none{0, 0, 0};
  plan.build(Integers{0, 3, 3, 5}, Integers{0, 2, 2, 3}, Integers{4, 1, 2}, CtcReduction::Mean, none);
  CHECK(plan.weight == std::vector<double>{0, 0, 0});
}

TEST_CASE("targets in order") {
  loss::CtcPlan plan;
  plan.build_in_order(Integers{0, 4, 9, 12}, Integers{3, 0, 1}, CtcReduction::Sum);
  CHECK(plan.target_offsets == Integers{0, 3, 3, 4});
  CHECK(plan.target == Integers{1, 2, 3, 1});
}

TEST_CASE("what does not fit is named") {
  loss::CtcPlan plan;
  CHECK_THROWS_AS(plan.build(Integers{0, 2}, Integers{0, 1, 1}, Integers{1}, CtcReduction::Sum), ShapeError);
  CHECK_THROWS_AS(plan.build(Integers{1, 2}, Integers{0, 1}, Integers{1}, CtcReduction::Sum), ShapeError);
  CHECK_THROWS_AS(plan.build(Integers{}, Integers{}, Integers{}, CtcReduction::Sum), ShapeError);
  CHECK_THROWS_AS(plan.build(Integers{0, 2}, Integers{0, 1}, Integers{1, 2}, CtcReduction::Sum), ShapeError);
  CHECK_THROWS_AS(
      plan.build(Integers{0, 2}, Integers{0, 1}, Integers{1}, CtcReduction::Sum, std::vector<std::uint8_t>{1, 1}),
      ShapeError);
  CHECK_THROWS_WITH_AS(plan.build(Integers{0, 2}, Integers{0, 1}, Integers{0}, CtcReduction::Sum),
                       "ctc: label 0; the blank is 0", DataError);

  plan.build(Integers{0, 2}, Integers{0, 1}, Integers{3}, CtcReduction::Sum);
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const std::vector<double> x(6, 0.0);
  CHECK_THROWS_WITH_AS(loss::ctc(ctx, nn::Var<E, 2>(x.data(), Shape{Index{2}, Index{3}}), plan), "ctc: class 3 of 3",
                       DataError);
}

TEST_CASE("the term's value and derivatives") {
  loss::CtcPlan plan;
  plan.build_in_order(Integers{0, 1, 1, 4}, Integers{1, 0, 2}, CtcReduction::Mean, std::vector<std::uint8_t>{1, 0, 1});
  Nothing module;
  CHECK(nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
          return loss::ctc(ctx, in[0].reshape(Shape{Index{4}, Index{3}}), plan);
        }) == "");
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const std::vector<double> zeros(12, 0.0);  // P = 1/3; and of 27 ways 5 read 1 2: 012 102 112 120 122
  const auto term = loss::ctc(ctx, nn::Var<E, 2>(zeros.data(), Shape{Index{4}, Index{3}}), plan);
  CHECK(*term.data() == doctest::Approx((std::log(3.0) + std::log(27.0 / 5) / 2) / 2));
}

}  // namespace
