// The LSTM module: derivatives, names, start values, and which row goes where.
#include "ramer/nn/lstm.hpp"

#include <doctest/doctest.h>

#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

nn::SequencePlan plan_of(const std::vector<std::int32_t>& offsets) {
  nn::SequencePlan plan;
  plan.build(offsets);
  return plan;
}

TEST_CASE("sequences in the order of time, by hand") {
  const auto plan =
      plan_of({0, 2, 2, 5, 7});  // lengths 2, 0, 3, 2: the third sequence comes first, then the first and the fourth
  CHECK(plan.first == std::vector<std::int32_t>{0, 3, 6, 7});
  CHECK(plan.to_time.index == std::vector<std::int32_t>{2, 0, 5, 3, 1, 6, 4});
  CHECK(plan.to_rows.index == std::vector<std::int32_t>{1, 4, 0, 3, 6, 2, 5});
  CHECK(plan_of({0}).first == std::vector<std::int32_t>{0});
  CHECK(plan_of({0, 0, 0}).steps().rows() == 0);
  nn::SequencePlan reused = plan;
  reused.build(std::vector<std::int32_t>{0, 1});
  CHECK(reused.first == std::vector<std::int32_t>{0, 1});
  CHECK(reused.to_rows.index == std::vector<std::int32_t>{0});
  CHECK_THROWS_AS(reused.build(std::vector<std::int32_t>{}), ShapeError);
  CHECK_THROWS_AS(reused.build(std::vector<std::int32_t>{0, 2, 1}), ShapeError);
  CHECK_THROWS_AS(reused.build(std::vector<std::int32_t>{1, 2}), ShapeError);
}

TEST_CASE("the module's derivatives, one layer and two") {
  const auto plan = plan_of({0, 2, 2, 5, 7});
  for (const Index layers : {1, 2}) {
    nn::Lstm<E> module(3, 2, layers);
    CHECK(nn::check_module(module, {nn::check_values(21)}, [&](auto& ctx, const auto& in) {
            return module(ctx, in[0].reshape(Shape{Index{7}, Index{3}}), plan);
          }) == "");
  }
}

TEST_CASE("parameters: names, shapes, decay, start values") {
  nn::Lstm<E> module(3, 25, 2);
  backend::Reference backend;
  const auto list = nn::register_parameters<E>(module, backend, 1);
  std::vector<std::string> names;
  for (const auto* p : list) names.push_back(p->name);
  CHECK(names == std::vector<std::string>{"layer.0.weight_ih", "layer.0.weight_hh", "layer.0.bias_ih", "layer.0.bias_hh",
                                          "layer.1.weight_ih", "layer.1.weight_hh", "layer.1.bias_ih", "layer.1.bias_hh"});
  CHECK(list[0]->extents == std::vector<Index>{100, 3});
  CHECK(list[4]->extents == std::vector<Index>{100, 25});
  for (const auto* p : list) {
    CHECK(p->decay == (p->extents.size() == 2));
    double largest = 0;
    for (Index i = 0; i < p->size(); ++i) largest = std::max(largest, std::abs(p->value(i)));
    CHECK(largest <= 0.2);  // 1 / sqrt(25), whatever comes in
    CHECK(largest > 0.18);
  }
  const double start = list[0]->value(0);
  nn::start_from_normal(module, 0.02);  // is not for recurrent layers
  nn::register_parameters<E>(module, backend, 1);
  CHECK(list[0]->value(0) == start);
  CHECK_THROWS_AS(nn::Lstm<E>(3, 2, 0), ConfigError);
  CHECK_THROWS_AS(nn::Lstm<E>(3, 0, 1), ConfigError);
}

TEST_CASE("a sequence's states do not depend on its neighbours in the batch") {
  nn::Lstm<E> module(3, 4, 2);
  backend::Reference backend;
  nn::register_parameters<E>(module, backend, 2);
  const auto x = nn::check_values(3 * 9, 3);
  const auto run = [&](const double* rows, const std::vector<std::int32_t>& offsets) {
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, false);
    nn::Context<E> ctx{tape};
    const auto plan = plan_of(offsets);
    const auto y = module(ctx, nn::Var<E, 2>(rows, Shape{static_cast<Index>(offsets.back()), Index{3}}), plan);
    return std::vector<double>(y.data(), y.data() + y.size());
  };
  const std::vector<std::int32_t> offsets{0, 2, 6, 9};
  const auto together = run(x.data(), offsets);
  for (std::size_t b = 0; b < 3; ++b) {
    const auto alone = run(x.data() + 3 * offsets[b], {0, offsets[b + 1] - offsets[b]});
    CHECK(alone == std::vector<double>(together.begin() + 4 * offsets[b], together.begin() + 4 * offsets[b + 1]));
  }
}

}  // namespace
