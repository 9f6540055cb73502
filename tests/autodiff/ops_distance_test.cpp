#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/distance.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

TEST_CASE_TEMPLATE("squared_error", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 2>{0, 3}, {3, 0}, {1, 1}, {2, 4}, {5, 13}}) {
    const Index batch = extents[0], inner = extents[1];
    CAPTURE(batch);
    CAPTURE(inner);
    Draw draw(static_cast<std::uint64_t>(batch * 10 + inner));
    const Index n = batch * inner;
    const std::vector<Values> in{draw.normal(n), draw.normal(n)};
    const Values w = some_weights(draw, batch);
    const Shape<3> shape{{batch, inner, 1}};
    const auto f = [&](auto& tape, const Vars& v) {
      return squared_error(tape, v[0].reshape(shape), v[1].reshape(shape), w.data());
    };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    double want = 0;
    for (Index i = 0; i < n; ++i)
      want += w[at(i / inner)] / static_cast<double>(inner) * std::pow(in[0][at(i)] - in[1][at(i)], 2);
    CHECK(max_difference(value_of<B>(in, f), {want}) < 1e-13);
    const auto itself = [&](auto& tape, const Vars& v) {
      return squared_error(tape, v[0].reshape(shape), v[0].reshape(shape), w.data());
    };
    CHECK(gradcheck_subsets<B>({in[0]}, itself) == "");
    CHECK(value_of<B>({in[0]}, itself) == Values{0});
  }
  Recorder<B> r({1, 2});
  CHECK_THROWS_AS(squared_error(r.tape, r.leaf(Shape{Index{2}, Index{1}}), r.leaf(Shape{Index{1}, Index{2}}), nullptr),
                  ShapeError);
}

TEST_CASE_TEMPLATE("frobenius_error", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 2>{0, 3}, {3, 0}, {1, 1}, {2, 4}, {5, 13}}) {
    const Index batch = extents[0], inner = extents[1];
    CAPTURE(batch);
    CAPTURE(inner);
    Draw draw(static_cast<std::uint64_t>(batch * 10 + inner));
    const Index n = batch * inner;
    const std::vector<Values> in{draw.normal(n), draw.normal(n)};
    const Values w = some_weights(draw, batch);
    const Shape<3> shape{{batch, inner, 1}};
    const auto f = [&](auto& tape, const Vars& v) {
      return frobenius_error(tape, v[0].reshape(shape), v[1].reshape(shape), w.data());
    };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    double want = 0;
    for (Index b = 0; b < batch; ++b) {
      double squares = 0;
      for (Index i = 0; i < inner; ++i) squares += std::pow(in[0][at(b * inner + i)] - in[1][at(b * inner + i)], 2);
      want += w[at(b)] * std::sqrt(squares);
    }
    CHECK(max_difference(value_of<B>(in, f), {want}) < 1e-13);
  }
}

TEST_CASE_TEMPLATE("frobenius_error of a sample that is met exactly has gradient 0", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2, 3, 4});
  const double w[]{1, 1};
  const double other[]{1, 2, 0, 0};
  const Shape<2> shape{{2, 2}};
  const auto loss = frobenius_error(r.tape, r.leaf(Shape{Index{4}}).reshape(shape), Var<double, 2>(other, shape), w);
  CHECK(loss.data()[0] == 5);
  r.reverse(loss, {1});
  CHECK(max_difference(r.gradient, {0, 0, 0.6, 0.8}) < 1e-15);
  CHECK_THROWS_AS(frobenius_error(r.tape, Var<double, 2>(other, shape), Var<double, 2>(other, Shape<2>{{1, 4}}), w),
                  ShapeError);
}

TEST_CASE_TEMPLATE("a sample of weight 0 does not count, whatever is in it", B, RAMER_TEST_BACKENDS) {
  const double w[]{0, 2}, zeros[]{0, 0, 0, 0};
  const Shape<2> shape{{2, 2}};
  const auto of = [&](auto loss_of, double want, const Values& gradient) {
    Recorder<B> r({1, std::numeric_limits<double>::quiet_NaN(), 3, 4});
    const auto loss = loss_of(r.tape, r.leaf(shape), Var<double, 2>(zeros, shape));
    CHECK(loss.data()[0] == want);
    r.reverse(loss, {10});
    CHECK(max_difference(r.gradient, gradient) < 1e-15);
  };
  of([&](auto& t, auto a, auto b) { return squared_error(t, a, b, w); }, 25, {0, 0, 60, 80});
  of([&](auto& t, auto a, auto b) { return frobenius_error(t, a, b, w); }, 10, {0, 0, 12, 16});
}
