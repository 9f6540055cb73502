#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/loss.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

/// Weights of which about a third are 0.
Values weights(Draw& draw, Index n) {
  Values w = draw.positive(n);
  for (double& v : w)
    if (draw.chance(0.3)) v = 0;
  return w;
}

}  // namespace

TEST_CASE_TEMPLATE("bce_with_logits", B, RAMER_TEST_BACKENDS) {
  for (Index n : {0, 1, 6, 50}) {
    Draw draw(static_cast<std::uint64_t>(n));
    const Values x = draw.normal(2 * n), w = weights(draw, 2 * n);
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
      const Values x = draw.normal(rows * classes), w = weights(draw, groups);
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

TEST_CASE_TEMPLATE("squared_error", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 2>{0, 3}, {3, 0}, {1, 1}, {2, 4}, {5, 13}}) {
    const Index batch = extents[0], inner = extents[1];
    CAPTURE(batch);
    CAPTURE(inner);
    Draw draw(static_cast<std::uint64_t>(batch * 10 + inner));
    const Index n = batch * inner;
    const std::vector<Values> in{draw.normal(n), draw.normal(n)};
    const Values w = weights(draw, batch);
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

TEST_CASE_TEMPLATE("gram_squared", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents :
       {std::array<Index, 3>{0, 2, 3}, {2, 0, 3}, {2, 3, 0}, {1, 1, 1}, {3, 2, 4}, {2, 6, 3}, {4, 14, 9}}) {
    const Index batch = extents[0], slots = extents[1], width = extents[2];
    CAPTURE(batch);
    CAPTURE(slots);
    CAPTURE(width);
    Draw draw(static_cast<std::uint64_t>(batch * 100 + slots * 10 + width));
    const Shape<3> shape{{batch, slots, width}};
    const std::vector<Values> in{draw.normal(shape.size()), draw.normal(shape.size())};
    const Values w = weights(draw, batch);
    const auto f = [&](auto& tape, const Vars& v) {
      return gram_squared(tape, v[0].reshape(shape), v[1].reshape(shape), w.data());
    };
    double want = 0;
    for (Index b = 0; b < batch; ++b) {
      for (Index i = 0; i < slots; ++i) {
        for (Index j = 0; j < slots; ++j) {
          double dot = 0;
          for (Index d = 0; d < width; ++d)
            dot += in[0][at((b * slots + i) * width + d)] * in[1][at((b * slots + j) * width + d)];
          want += w[at(b)] * dot * dot;
        }
      }
    }
    CHECK(max_difference(value_of<B>(in, f), {want}) < 1e-12);
    if (shape.size() > 200) continue;  // the difference of large sums has too few digits left
    CHECK(gradcheck_subsets<B>(in, f) == "");
    CHECK(gradcheck_subsets<B>({in[0]}, [&](auto& tape, const Vars& v) {
            return gram_squared(tape, v[0].reshape(shape), v[0].reshape(shape), w.data());
          }) == "");
  }
  Recorder<B> r({1, 2});
  CHECK_THROWS_AS(gram_squared(r.tape, r.leaf(Shape{Index{2}, Index{1}, Index{1}}),
                               r.leaf(Shape{Index{1}, Index{2}, Index{1}}), nullptr),
                  ShapeError);
}
