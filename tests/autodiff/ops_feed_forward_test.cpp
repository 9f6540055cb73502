#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/feed_forward.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

TEST_CASE_TEMPLATE("feed_forward is linear(gelu(linear))", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 4>{0, 3, 4, 2}, {1, 1, 1, 1}, {3, 2, 5, 4}, {2, 4, 1, 3}}) {
    const auto [rows, inputs, inner, outputs] = extents;
    CAPTURE(rows);
    CAPTURE(inner);
    Draw draw(static_cast<std::uint64_t>(rows + 10 * inner));
    const Shape<2> x{{rows, inputs}}, w1{{inner, inputs}}, w2{{outputs, inner}};
    const std::vector<Values> in{draw.normal(x.size()), draw.normal(w1.size()), draw.normal(inner), draw.normal(w2.size()),
                                 draw.normal(outputs)};
    const auto fused = [&](auto& tape, const Vars& v) {
      return feed_forward(tape, v[0].reshape(x), v[1].reshape(w1), v[2], v[3].reshape(w2), v[4]);
    };
    const auto apart = [&](auto& tape, const Vars& v) {
      return linear(tape, linear(tape, v[0].reshape(x), v[1].reshape(w1), v[2], backend::Activation::Gelu), v[3].reshape(w2),
                    v[4]);
    };
    const auto recomputed = [&](auto& tape, const Vars& v) {
      return feed_forward(tape, v[0].reshape(x), v[1].reshape(w1), v[2], v[3].reshape(w2), v[4], Inner::Recomputed);
    };
    CHECK(gradcheck_subsets<B>(in, fused) == "");
    CHECK(gradcheck_subsets<B>(in, recomputed) == "");
    CHECK(value_of<B>(in, fused) == value_of<B>(in, apart));
  }
}

TEST_CASE("feed_forward names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{3}, Index{2}});
  const Values numbers(6, 1.0);
  const auto inner = constant(numbers, Shape{Index{3}, Index{2}}), outer = constant(numbers, Shape{Index{2}, Index{3}});
  const auto two = constant(numbers, Shape{Index{2}}), three = constant(numbers, Shape{Index{3}});
  CHECK_NOTHROW(feed_forward(r.tape, x, inner, three, outer, two));
  CHECK_THROWS_AS(feed_forward(r.tape, x, outer, three, outer, two), ShapeError);
  CHECK_THROWS_AS(feed_forward(r.tape, x, inner, three, inner, two), ShapeError);
  CHECK_THROWS_AS(feed_forward(r.tape, x, inner, two, outer, two), ShapeError);
  CHECK_THROWS_AS(feed_forward(r.tape, x, inner, three, outer, three), ShapeError);
}
