#include <array>

#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/elementwise.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;
using backend::Activation;

namespace {

constexpr std::array kActivations{Activation::None, Activation::Relu, Activation::Tanh, Activation::Gelu,
                                  Activation::Sigmoid};

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

}  // namespace

TEST_CASE_TEMPLATE("add", B, RAMER_TEST_BACKENDS) {
  for (Index n : {0, 1, 2, 7, 40}) {
    CAPTURE(n);
    Draw draw(static_cast<std::uint64_t>(n));
    const std::vector<Values> in{draw.normal(2 * n), draw.normal(2 * n)};
    const auto f = [&](auto& tape, const Vars& v) {
      return add(tape, v[0].reshape(Shape{n, Index{2}}), v[1].reshape(Shape{n, Index{2}}));
    };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    Values want(in[0].size());
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = in[0][i] + in[1][i];
    CHECK(value_of<B>(in, f) == want);
    CHECK(gradcheck_subsets<B>({in[0]}, [](auto& tape, const Vars& v) { return add(tape, v[0], v[0]); }) == "");
  }
  Recorder<B> r({1, 2});
  CHECK_THROWS_AS(add(r.tape, r.leaf(Shape{Index{2}}), r.leaf(Shape{Index{2}}).reshape(Shape{Index{1}})), ShapeError);
  CHECK_THROWS_AS(add(r.tape, r.leaf(Shape{Index{2}, Index{1}}), r.leaf(Shape{Index{1}, Index{2}})), ShapeError);
}

TEST_CASE_TEMPLATE("add of a detached input sends to the other alone", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({3, 4});
  const auto x = r.leaf(Shape{Index{2}});
  r.reverse(add(r.tape, x, x.detached()), {10, 20});
  CHECK(r.gradient == Values{10, 20});
}

TEST_CASE_TEMPLATE("scale", B, RAMER_TEST_BACKENDS) {
  for (Index n : {0, 1, 9}) {
    for (double factor : {0.0, 1.0, -2.5}) {
      const Values x = Draw(5).normal(n);
      const auto f = [&](auto& tape, const Vars& v) { return scale(tape, v[0], factor); };
      CHECK(gradcheck_subsets<B>({x}, f) == "");
      Values want = x;
      for (double& v : want) v *= factor;
      CHECK(value_of<B>({x}, f) == want);
    }
  }
}

TEST_CASE_TEMPLATE("activation", B, RAMER_TEST_BACKENDS) {
  for (Activation act : kActivations) {
    for (Index n : {0, 1, 33}) {
      CAPTURE(static_cast<int>(act));
      CAPTURE(n);
      Values x = Draw(6).away_from_zero(n);
      const auto f = [&](auto& tape, const Vars& v) { return activation(tape, v[0], act); };
      CHECK(gradcheck_subsets<B>({x}, f) == "");
      if (n > 2) {
        x[0] = -30;
        x[1] = 30;
        x[2] = 0;
      }
      Values want = x;
      for (double& v : want) v = plain(act, v);
      CHECK(max_difference(value_of<B>({x}, f), want) < 1e-14);
    }
  }
}

TEST_CASE_TEMPLATE("activation far out stays finite", B, RAMER_TEST_BACKENDS) {
  for (Activation act : kActivations) {
    Recorder<B> r({-800, 800, -0.0});
    const auto y = activation(r.tape, r.leaf(Shape{Index{3}}), act);
    for (Index i = 0; i < 3; ++i) CHECK(std::isfinite(y.data()[i]));
    r.reverse(y, {1, 1, 1});
    for (double g : r.gradient) CHECK(std::isfinite(g));
  }
}

TEST_CASE_TEMPLATE("gradient_reversal: identity forward, -strength in reverse", B, RAMER_TEST_BACKENDS) {
  for (double strength : {0.0, 1.0, 0.25}) {
    Recorder<B> r({1, -2, 3});
    const auto x = r.leaf(Shape{Index{3}});
    const auto y = gradient_reversal(r.tape, x, strength);
    CHECK(y.data() == x.data());
    CHECK(y.slot() != x.slot());
    r.reverse(y, {5, 7, -11});
    CHECK(r.gradient == Values{-strength * 5, -strength * 7, strength * 11});
    CHECK(r.slot.written);
  }
}

TEST_CASE_TEMPLATE("gradient_reversal leaves the other consumers of its input alone", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, -2});
  const auto x = r.leaf(Shape{Index{2}});
  const auto reversed = gradient_reversal(r.tape, scale(r.tape, x, 3.0), 0.5);
  const auto y = add(r.tape, x, scale(r.tape, reversed, 2.0));  // as differentiated: 1 - 0.5 * 2 * 3 = -2
  CHECK(y.data()[0] == 7);
  r.reverse(y, {1, 10});
  CHECK(r.gradient == Values{-2, -20});
}

TEST_CASE("gradient_reversal of a constant, or on a tape that does not record, is the input itself") {
  Recorder<backend::Reference> r({1});
  const auto constant = r.leaf(Shape{Index{1}}).detached();
  CHECK_FALSE(gradient_reversal(r.tape, constant, 1.0).tracked());
  Workspace<HostMemory> workspace;
  Tape<backend::Reference, double> inference(r.backend, workspace, false);
  const auto y = gradient_reversal(inference, r.leaf(Shape{Index{1}}), 1.0);
  CHECK_FALSE(y.tracked());
  CHECK(y.data() == r.value.data());
}

TEST_CASE_TEMPLATE("dropout", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents :
       {std::array<Index, 2>{0, 3}, {3, 0}, {1, 1}, {1, 9}, {5, 4}, {40, 17}, {3, 128}, {2, 130}, {1, 300}}) {
    const Index rows = extents[0], cols = extents[1];
    for (const bool keyed : {false, true}) {
      const Index n = rows * cols;
      const Shape<2> shape{{rows, cols}};
      Draw draw(7);
      const Values x = draw.away_from_zero(n);
      std::vector<std::uint64_t> key(at(rows));
      for (std::size_t r = 0; r < key.size(); ++r) key[r] = (std::uint64_t{3} << 32) + 1000 - r;
      const backend::DropoutPlan plan{RandomStream(1, 2, 3), 0.4, keyed ? key.data() : nullptr};
      const auto f = [&](auto& tape, const Vars& v) { return dropout(tape, v[0].reshape(shape), plan); };
      CHECK(gradcheck_subsets<B>({x}, f) == "");
      Values want = x;
      Index dropped = 0;
      for (Index r = 0; r < rows; ++r) {
        for (Index c = 0; c < cols; ++c) {
          const bool kept =
              plan.stream.uniform(keyed ? key[at(r)] : static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(c)) >= 0.4f;
          want[at(r * cols + c)] *= kept ? 1 / 0.6 : 0.0;
          dropped += !kept;
        }
      }
      CHECK(max_difference(value_of<B>({x}, f), want) < 1e-14);
      if (n > 500) CHECK(std::abs(static_cast<double>(dropped) / static_cast<double>(n) - 0.4) < 0.08);
    }
  }
}

TEST_CASE_TEMPLATE("dropout of rate 0 is the input itself, and works for every rank", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2, 3, 4});
  const auto x = r.leaf(Shape{Index{2}, Index{2}});
  CHECK(dropout(r.tape, x, backend::DropoutPlan{}).slot() == x.slot());
  const backend::DropoutPlan plan{RandomStream(1, 2), 0.5, nullptr};
  const auto flat = dropout(r.tape, r.leaf(Shape{Index{2}, Index{1}, Index{2}}), plan);
  const auto square = dropout(r.tape, x, plan);
  for (Index i = 0; i < 4; ++i) CHECK(flat.data()[i] == square.data()[i]);
}
