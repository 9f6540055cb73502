// What is shuffled: values and derivatives of the slots.
#include "ramer/shuffle/input.hpp"

#include <doctest/doctest.h>

#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using Var2 = nn::Var<E, 2>;

namespace {

struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

template <class Input>
std::string check(bool with_c, bool with_s) {
  std::vector<std::vector<double>> inputs;
  for (std::uint64_t i = 0; i < 6; ++i) inputs.push_back(nn::check_values(4, i));
  Nothing nobody;
  return nn::check_module(nobody, inputs, [&](auto& ctx, const auto& in) {
    std::vector<Var2> x;
    for (const auto& v : in) x.push_back(v.reshape(Shape{Index{2}, Index{2}}));
    const std::span<const Var2> all(x), c = with_c ? all.subspan(0, 2) : all.first(0),
                                        s = with_s ? all.subspan(2, 2) : all.first(0);
    auto f = ctx.tape.template list<Var2>(Input::slots(2));
    Input::template fill<E>(ctx, c, s, all.subspan(4, 2), f);
    for (std::size_t k = 0; k < f.size(); ++k) {  // against the definition
      for (Index i = 0; i < 4; ++i) {
        const double ck = with_c && k < 2 ? x[k].data()[i] : 0, sk = with_s && k < 2 ? x[2 + k].data()[i] : 0;
        if constexpr (std::is_same_v<Input, shuffle::CommonPlusSpecific>) CHECK(f[k].data()[i] == ck + sk);
        if constexpr (std::is_same_v<Input, shuffle::LastLevel>) CHECK(f[k].data()[i] == x[4 + k].data()[i]);
        if constexpr (std::is_same_v<Input, shuffle::SpecificAndCommonSum>)
          CHECK(f[k].data()[i] == (k < 2 ? sk : x[0].data()[i] + x[1].data()[i]));
      }
    }
    return autodiff::concat_rows(ctx.tape, std::span<const Var2>(f));
  });
}

TEST_CASE("slots") {
  CHECK(check<shuffle::CommonPlusSpecific>(true, true) == "");
  CHECK(check<shuffle::CommonPlusSpecific>(true, false) == "");
  CHECK(check<shuffle::CommonPlusSpecific>(false, true) == "");
  CHECK(check<shuffle::LastLevel>(true, true) == "");
  CHECK(check<shuffle::SpecificAndCommonSum>(true, true) == "");
  CHECK(shuffle::CommonPlusSpecific::slots(4) == 4);
  CHECK(shuffle::SpecificAndCommonSum::slots(4) == 5);
}

}  // namespace
