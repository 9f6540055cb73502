// The module check finds what is wrong, and says where.
#include "ramer/nn/gradcheck.hpp"

#include <doctest/doctest.h>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/nn/linear.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

/// A linear layer of which a test decides what happens to its output.
template <class E>
struct Wrapped {
  nn::Linear<E> linear{3, 2};
  nn::Dropout dropout{0.4};
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("linear", self.linear);
    visit("dropout", self.dropout);
  }
};

const auto kRows = [](const auto& x) { return x.reshape(Shape{Index{4}, Index{3}}); };

TEST_CASE("a right module passes, with dropout and without") {
  Wrapped<E> module;
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    CHECK(nn::check_module(
              module, {nn::check_values(12)},
              [&](auto& ctx, const auto& in) {
                return autodiff::dropout(ctx.tape, module.linear(ctx, kRows(in[0])), ctx.dropout(module.dropout));
              },
              options) == "");
  }
}

TEST_CASE("an input's wrong derivative is found") {
  Wrapped<E> module;
  const std::string trouble = nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
    return module.linear(ctx, autodiff::gradient_reversal(ctx.tape, kRows(in[0]), 1.0));
  });
  CHECK(trouble.find("input 0 element 0: analytic") == 0);
}

TEST_CASE("a parameter's wrong derivative is found, by name") {
  Wrapped<E> module;
  const std::string trouble = nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
    const auto w = autodiff::gradient_reversal(ctx.tape, ctx.template use<2>(module.linear.weight), 1.0);
    return autodiff::linear(ctx.tape, kRows(in[0]), w, ctx.template use<1>(module.linear.bias));
  });
  CHECK(trouble.find("parameter linear.weight element 0: analytic") == 0);
}

TEST_CASE("a path that is cut where there is an influence is found") {
  Wrapped<E> module;
  const std::string trouble = nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
    return autodiff::linear(ctx.tape, kRows(in[0]), ctx.template use<2>(module.linear.weight),
                            ctx.template use<1>(module.linear.bias).detached());
  });
  CHECK(trouble.find("parameter linear.bias element 0: analytic 0") == 0);
}

TEST_CASE("a contribution that overwrites an earlier one is found") {
  Wrapped<E> module;
  const std::string trouble = nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
    auto& tape = ctx.tape;
    const auto b = ctx.template use<1>(module.linear.bias);
    auto [y, data] = tape.output(b.shape(), b, in[0]);
    std::copy_n(b.data(), b.size(), data);
    tape.record(y, [b](auto& t, const double* dy) {
      const auto target = t.target(b);
      for (Index i = 0; i < b.size(); ++i) target.data[i] = dy[i];  // ignores `accumulate`
    });
    return y;
  });
  CHECK(trouble.find("parameter linear.bias element 0 (accumulating)") == 0);
}

TEST_CASE("an output without any path is refused") {
  Wrapped<E> module;
  CHECK(nn::check_module(module, {nn::check_values(12)}, [&](auto&, const auto& in) { return in[0].detached(); }) ==
        "the output does not depend on any input or parameter");
}

}  // namespace
