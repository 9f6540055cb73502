#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/autodiff/ops/norm.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

Values plain_norm(const Values& h, Index rows, Index cols, const Values& gain, const Values& bias, double eps) {
  Values y(h.size());
  for (Index r = 0; r < rows; ++r) {
    double mean = 0, variance = 0;
    for (Index c = 0; c < cols; ++c) mean += h[at(r * cols + c)] / static_cast<double>(cols);
    for (Index c = 0; c < cols; ++c) variance += std::pow(h[at(r * cols + c)] - mean, 2) / static_cast<double>(cols);
    for (Index c = 0; c < cols; ++c)
      y[at(r * cols + c)] = gain[at(c)] * (h[at(r * cols + c)] - mean) / std::sqrt(variance + eps) + bias[at(c)];
  }
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("layer_norm", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 2>{0, 4}, {3, 0}, {1, 3}, {2, 4}, {5, 17}}) {
    const Index rows = extents[0], cols = extents[1];
    CAPTURE(rows);
    CAPTURE(cols);
    Draw draw(static_cast<std::uint64_t>(rows * 100 + cols));
    const std::vector<Values> in{draw.normal(rows * cols), draw.normal(cols), draw.normal(cols)};
    const Shape<2> shape{{rows, cols}};
    const auto f = [&](auto& tape, const Vars& v) { return layer_norm(tape, v[0].reshape(shape), v[1], v[2]); };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    CHECK(max_difference(value_of<B>(in, f), plain_norm(in[0], rows, cols, in[1], in[2], 1e-12)) < 1e-12);
  }
}

TEST_CASE_TEMPLATE("layer_norm of one column is its bias and sends nothing back", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({4, -5});
  const Values gain{3}, bias{7};
  const auto y = layer_norm(r.tape, r.leaf(Shape{Index{2}, Index{1}}), constant(gain, Shape{Index{1}}),
                            constant(bias, Shape{Index{1}}));
  CHECK(y.data()[0] == 7);
  CHECK(y.data()[1] == 7);
  r.reverse(y, {1, 2});
  CHECK(r.gradient == Values{0, 0});
}

TEST_CASE_TEMPLATE("layer_norm of a constant row is finite", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({2, 2, 2, 2});
  const Values gain{1, 1, 1, 1}, bias{0, 1, 2, 3};
  const auto y = layer_norm(r.tape, r.leaf(Shape{Index{1}, Index{4}}), constant(gain, Shape{Index{4}}),
                            constant(bias, Shape{Index{4}}));
  for (Index c = 0; c < 4; ++c) CHECK(y.data()[c] == doctest::Approx(static_cast<double>(c)));
  r.reverse(y, {1, 0, 0, 0});
  for (double g : r.gradient) CHECK(std::isfinite(g));
}

TEST_CASE_TEMPLATE("residual_norm with dropout", B, RAMER_TEST_BACKENDS) {
  const double eps = 1e-3;
  for (const auto& extents : {std::array<Index, 2>{0, 4}, {2, 0}, {1, 2}, {4, 9}}) {
    const Index rows = extents[0], cols = extents[1];
    for (const double rate : {0.0, 0.3}) {
      for (const bool keyed : {false, true}) {
        Draw draw(static_cast<std::uint64_t>(rows + cols));
        std::vector<std::uint64_t> key(at(rows));
        for (std::size_t r = 0; r < key.size(); ++r) key[r] = (std::uint64_t{9} << 32) + 7 * r;
        const backend::DropoutPlan plan{RandomStream(4, 5, 6), rate, keyed ? key.data() : nullptr};
        const std::vector<Values> in{draw.normal(rows * cols), draw.normal(rows * cols), draw.normal(cols),
                                     draw.normal(cols)};
        const Shape<2> shape{{rows, cols}};
        const auto f = [&](auto& tape, const Vars& v) {
          return residual_norm(tape, v[0].reshape(shape), v[1].reshape(shape), v[2], v[3], plan, eps);
        };
        CHECK(gradcheck_subsets<B>(in, f) == "");
        Values h = in[1];
        for (Index r = 0; r < rows; ++r) {
          for (Index c = 0; c < cols; ++c) {
            const std::uint64_t row = keyed ? key[at(r)] : static_cast<std::uint64_t>(r);
            const bool kept =
                rate == 0 || plan.stream.uniform(row, static_cast<std::uint32_t>(c)) >= static_cast<float>(rate);
            h[at(r * cols + c)] += kept ? in[0][at(r * cols + c)] / (1 - rate) : 0.0;
          }
        }
        CHECK(max_difference(value_of<B>(in, f), plain_norm(h, rows, cols, in[2], in[3], eps)) < 1e-12);
        // x as its own residual: both contributions reach one adjoint.
        CHECK(gradcheck_subsets<B>({in[0], in[2], in[3]}, [&](auto& tape, const Vars& v) {
                return residual_norm(tape, v[0].reshape(shape), v[0].reshape(shape), v[1], v[2], plan, eps);
              }) == "");
      }
    }
  }
}

TEST_CASE_TEMPLATE("residual_norm with one Var as gain and bias", B, RAMER_TEST_BACKENDS) {
  Draw draw(2);
  CHECK(gradcheck_subsets<B>({draw.normal(6), draw.normal(3)}, [](auto& tape, const Vars& v) {
          return layer_norm(tape, v[0].reshape(Shape{Index{2}, Index{3}}), v[1], v[1]);
        }) == "");
}

TEST_CASE_TEMPLATE("residual_norm in the place of its input, with gains from which x^ can be had and others", B,
                   RAMER_TEST_BACKENDS) {
  Draw draw(6);
  const Shape<2> shape{{Index{4}, Index{5}}}, square{{Index{5}, Index{5}}};
  for (const double smallest : {0.5, 0.0, 1e-9, 1e-310}) {
    CAPTURE(smallest);
    Values gain = draw.normal(5), bias = draw.normal(5);
    for (double& g : gain) g = g < 0 ? g - 0.5 : g + 0.5;
    gain[2] = smallest;
    CHECK(autodiff::detail::norm_can_be_undone(gain.data(), bias.data(), 5) == (smallest == 0.5));
    const std::vector<Values> in{draw.normal(20), draw.normal(25), draw.normal(20), gain, bias};
    const auto with = [&](Input input) {
      return [&, input](auto& tape, const Vars& v) {
        const auto x = linear(tape, v[0].reshape(shape), v[1].reshape(square), {});
        return residual_norm(tape, x, v[2].reshape(shape), v[3], v[4], {}, 1e-3, input);
      };
    };
    CHECK(gradcheck_subsets<B>(in, with(Input::Consumed)) == "");
    CHECK(value_of<B>(in, with(Input::Consumed)) == value_of<B>(in, with(Input::Kept)));
  }
}

TEST_CASE("residual_norm names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{2}, Index{3}});
  const Values two{1, 1}, three{1, 1, 1};
  const auto g2 = constant(two, Shape{Index{2}}), g3 = constant(three, Shape{Index{3}});
  CHECK_THROWS_AS(layer_norm(r.tape, x, g2, g3), ShapeError);
  CHECK_THROWS_AS(layer_norm(r.tape, x, g3, g2), ShapeError);
  CHECK_THROWS_AS(residual_norm(r.tape, x, r.leaf(Shape{Index{3}, Index{2}}), g3, g3), ShapeError);
}
