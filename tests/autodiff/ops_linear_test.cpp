#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/linear.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;
using backend::Activation;

namespace {

double plain(Activation act, double u) {
  switch (act) {
    case Activation::Relu: return std::max(u, 0.0);
    case Activation::Tanh: return std::tanh(u);
    case Activation::Gelu: return u * 0.5 * std::erfc(-u / std::sqrt(2.0));
    case Activation::Sigmoid: return 1 / (1 + std::exp(-u));
    case Activation::None: break;
  }
  return u;
}

/// act([x_0 | x_1 | ...] W^T + b); `in` holds the x_k, then W, then b or nothing.
Values plain_linear(const std::vector<Values>& in, const std::vector<Index>& widths, Index rows, Index outputs, bool bias,
                    Activation act) {
  Index total = 0;
  for (Index width : widths) total += width;
  const Values& w = in[widths.size()];
  Values y(at(rows * outputs));
  for (Index r = 0; r < rows; ++r) {
    for (Index o = 0; o < outputs; ++o) {
      double u = bias ? in[widths.size() + 1][at(o)] : 0.0;
      Index column = 0;
      for (std::size_t k = 0; k < widths.size(); ++k)
        for (Index i = 0; i < widths[k]; ++i) u += in[k][at(r * widths[k] + i)] * w[at(o * total + column++)];
      y[at(r * outputs + o)] = plain(act, u);
    }
  }
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("linear over a list of inputs", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& widths : std::vector<std::vector<Index>>{{3}, {0}, {1}, {2, 3}, {2, 0, 1}, {0, 0}}) {
    for (const auto& extents : {std::array<Index, 2>{0, 2}, {2, 0}, {1, 1}, {3, 2}, {2, 5}}) {
      const Index rows = extents[0], outputs = extents[1];
      for (Activation act : {Activation::None, Activation::Relu, Activation::Tanh, Activation::Gelu, Activation::Sigmoid}) {
        for (const bool bias : {false, true}) {
          CAPTURE(rows);
          CAPTURE(outputs);
          CAPTURE(widths.size());
          CAPTURE(static_cast<int>(act));
          Draw draw(++seed);
          Index total = 0;
          std::vector<Values> in;
          for (Index width : widths) {
            total += width;
            in.push_back(draw.normal(rows * width));
          }
          in.push_back(draw.normal(outputs * total));
          if (bias) in.push_back(draw.away_from_zero(outputs));
          const auto f = [&](auto& tape, const Vars& v) {
            std::vector<Var<double, 2>> xs;
            for (std::size_t k = 0; k < widths.size(); ++k) xs.push_back(v[k].reshape(Shape{rows, widths[k]}));
            return linear(tape, std::span<const Var<double, 2>>(xs), v[widths.size()].reshape(Shape{outputs, total}),
                          bias ? v[widths.size() + 1] : Var<double, 1>{}, act);
          };
          // Without bias and without inner width every u is 0, where Relu has its kink.
          if (act != Activation::Relu || bias || total > 0) CHECK(gradcheck_subsets<B>(in, f, seed) == "");
          CHECK(max_difference(value_of<B>(in, f), plain_linear(in, widths, rows, outputs, bias, act)) < 1e-13);
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("linear with one input, larger", B, RAMER_TEST_BACKENDS) {
  const Index rows = 19, inputs = 33, outputs = 21;
  Draw draw(3);
  const std::vector<Values> in{draw.normal(rows * inputs), draw.normal(outputs * inputs), draw.normal(outputs)};
  for (Activation act : {Activation::None, Activation::Gelu}) {
    const auto f = [&](auto& tape, const Vars& v) {
      return linear(tape, v[0].reshape(Shape{rows, inputs}), v[1].reshape(Shape{outputs, inputs}), v[2], act);
    };
    CHECK(max_difference(value_of<B>(in, f), plain_linear(in, {inputs}, rows, outputs, true, act)) < 1e-13);
    Gradcheck<B> check;
    for (const Values& x : in) check.input(x);
    CHECK(check.run(f) == "");
  }
}

TEST_CASE_TEMPLATE("linear with the same input twice, and with its input as weight", B, RAMER_TEST_BACKENDS) {
  Draw draw(4);
  const Index n = 3;
  const std::vector<Values> in{draw.normal(n * n), draw.normal(2 * n * n), draw.normal(n)};
  CHECK(gradcheck_subsets<B>(in, [&](auto& tape, const Vars& v) {
          const auto x = v[0].reshape(Shape{n, n});
          const Var<double, 2> xs[]{x, x};
          return linear(tape, std::span<const Var<double, 2>>(xs), v[1].reshape(Shape{n, 2 * n}), v[2], Activation::Tanh);
        }) == "");
  CHECK(gradcheck_subsets<B>({in[0]}, [&](auto& tape, const Vars& v) {
          const auto x = v[0].reshape(Shape{n, n});
          return linear(tape, x, x, Var<double, 1>{});
        }) == "");
}

TEST_CASE_TEMPLATE("linear keeps its list of inputs beyond the caller's", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2, 3, 4});
  const Values w{1, 10, 100, 1000};
  Var<double, 2> y;
  {
    std::vector<Var<double, 2>> xs{r.leaf(Shape{Index{2}, Index{2}}), r.leaf(Shape{Index{2}, Index{2}})};
    y = linear(r.tape, std::span<const Var<double, 2>>(xs), constant(w, Shape{Index{1}, Index{4}}), Var<double, 1>{});
    xs.assign(2, Var<double, 2>{});
  }
  CHECK(y.data()[0] == 2101 + 20);
  r.reverse(y, {1, -1});
  CHECK(r.gradient == Values{101, 1010, -101, -1010});
}

TEST_CASE("linear names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{2}, Index{3}}), w = r.leaf(Shape{Index{3}, Index{2}});
  const Var<double, 1> none{};
  CHECK_THROWS_AS(linear(r.tape, x, w, none), ShapeError);
  CHECK_THROWS_AS(linear(r.tape, x, x, r.leaf(Shape{Index{6}})), ShapeError);
  const Var<double, 2> uneven[]{x, w};
  CHECK_THROWS_AS(linear(r.tape, std::span<const Var<double, 2>>(uneven), w, none), ShapeError);
  CHECK_THROWS_AS(linear(r.tape, std::span<const Var<double, 2>>{}, w, none), ShapeError);
}
