#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/loss.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE_TEMPLATE("bce_with_logits", B, RAMER_TEST_BACKENDS) {
  for (Index n : {0, 1, 6, 50}) {
    Draw draw(static_cast<std::uint64_t>(n));
    const Values x = draw.normal(2 * n), w = some_weights(draw, 2 * n);
    const auto y = draw.mask(2 * n, 0.5);
    const auto f = [&](auto& tape, const Vars& v) {
      return bce_with_logits(tape, v[0].reshape(Shape{n, Index{2}}), y.data(), w.data());
    };
    CHECK(gradcheck_subsets<B>({x}, f) == "");
    double want = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double p = 1 / (1 + std::exp(-x[i]));
      want -= w[i] * std::log(y[i] ? p : 1 - p);
    }
    CHECK(max_difference(value_of<B>({x}, f), {want}) < 1e-13);
  }
}

TEST_CASE_TEMPLATE("bce_with_logits far out, and in cells that do not count", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1000, -1000, 1000, kNan});
  const std::uint8_t y[]{0, 1, 1, 1};
  const double w[]{1, 1, 1, 0};
  const auto loss = bce_with_logits(r.tape, r.leaf(Shape{Index{4}}), y, w);
  CHECK(loss.data()[0] == 2000);
  r.reverse(loss, {2});
  CHECK(r.gradient == Values{2, -2, 0, 0});
}

TEST_CASE_TEMPLATE("cross_entropy", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 1, 3}, {1, 1, 1}, {4, 1, 3}, {3, 2, 5}, {2, 3, 1}, {9, 4, 7}}) {
    const Index groups = extents[0], group = extents[1], classes = extents[2];
    for (Index target : {Index{-1}, Index{0}, classes - 1}) {
      CAPTURE(groups);
      CAPTURE(target);
      Draw draw(static_cast<std::uint64_t>(groups * 10 + classes));
      const Index rows = groups * group;
      const Values x = draw.normal(rows * classes), w = some_weights(draw, groups);
      const auto f = [&](auto& tape, const Vars& v) {
        return cross_entropy(tape, v[0].reshape(Shape{rows, classes}), target, w.data(), group);
      };
      CHECK(gradcheck_subsets<B>({x}, f) == "");
      double want = 0;
      for (Index r = 0; r < rows; ++r) {
        double total = 0;
        for (Index k = 0; k < classes; ++k) total += std::exp(x[at(r * classes + k)]);
        for (Index k = 0; k < classes; ++k) {
          const double share = target < 0 ? 1 / static_cast<double>(classes) : (k == target ? 1.0 : 0.0);
          want -= w[at(r / group)] * share * std::log(std::exp(x[at(r * classes + k)]) / total);
        }
      }
      CHECK(max_difference(value_of<B>({x}, f), {want}) < 1e-13);
    }
  }
}

TEST_CASE_TEMPLATE("cross_entropy far out, in rows that do not count, and for a class that is not there", B,
                   RAMER_TEST_BACKENDS) {
  Recorder<B> r({1000, 0, kNan, 1});
  const double w[]{1, 0};
  const auto x = r.leaf(Shape{Index{2}, Index{2}});
  const auto loss = cross_entropy(r.tape, x, 1, w, 1);
  CHECK(loss.data()[0] == 1000);
  r.reverse(loss, {3});
  CHECK(r.gradient == Values{3, -3, 0, 0});
  CHECK_THROWS_AS(cross_entropy(r.tape, x, 2, w, 1), ShapeError);
  CHECK_THROWS_AS(cross_entropy(r.tape, x, -2, w, 1), ShapeError);
}
