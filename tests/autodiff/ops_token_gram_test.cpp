#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/gram.hpp"
#include "ramer/autodiff/ops/token_gram.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

/// sum_b w[b] sum over rows i of f and j of g of sample b of <f_i, g_j>^2, by definition.
double plain(const Values& f, const std::vector<std::int32_t>& fo, const Values& g, const std::vector<std::int32_t>& go,
             Index width, const Values& w) {
  double total = 0;
  for (std::size_t b = 0; b + 1 < fo.size(); ++b) {
    for (Index i = fo[b]; i < fo[b + 1]; ++i) {
      for (Index j = go[b]; j < go[b + 1]; ++j) {
        double dot = 0;
        for (Index d = 0; d < width; ++d) dot += f[at(i * width + d)] * g[at(j * width + d)];
        total += w[b] * dot * dot;
      }
    }
  }
  return total;
}

}  // namespace

TEST_CASE_TEMPLATE("token_gram_squared of ragged samples", B, RAMER_TEST_BACKENDS) {
  using Lengths = std::vector<std::vector<Index>>;
  const Lengths f_lengths{{}, {3}, {0}, {2, 2, 2}, {4, 4, 1, 1, 0, 2}, {0, 3, 3, 2}};
  const Lengths g_lengths{{}, {3}, {2}, {2, 2, 2}, {3, 3, 2, 2, 5, 0}, {0, 1, 1, 2}};
  for (std::size_t which = 0; which < f_lengths.size(); ++which) {
    for (const Index width : {1, 3, 20}) {
      CAPTURE(which);
      CAPTURE(width);
      Draw draw(40 + which);
      const auto fo = Draw::offsets(f_lengths[which]), go = Draw::offsets(g_lengths[which]);
      Values w = draw.positive(static_cast<Index>(f_lengths[which].size()));
      if (w.size() > 2) w[1] = 0;
      const std::vector<Values> in{draw.normal(fo.back() * width), draw.normal(go.back() * width)};
      const auto op = [&](auto& tape, const Vars& v) {
        return token_gram_squared(tape, v[0].reshape(Shape{Index{fo.back()}, width}), std::span<const std::int32_t>(fo),
                                  v[1].reshape(Shape{Index{go.back()}, width}), std::span<const std::int32_t>(go), w.data());
      };
      CHECK(gradcheck_subsets<B>(in, op) == "");
      CHECK(max_difference(value_of<B>(in, op), {plain(in[0], fo, in[1], go, width, w)}) < 1e-12);
      if (fo == go) {
        CHECK(gradcheck_subsets<B>({in[0]}, [&](auto& tape, const Vars& v) { return op(tape, Vars{v[0], v[0]}); }) == "");
      }
    }
  }
}

TEST_CASE_TEMPLATE("token_gram_squared of samples of one length is gram_squared", B, RAMER_TEST_BACKENDS) {
  Draw draw(5);
  const auto offsets = Draw::offsets({4, 4, 4});
  const Values w{0.5, 0, 2};
  const std::vector<Values> in{draw.normal(12 * 6), draw.normal(12 * 6)};
  const Shape<2> rows{{12, 6}};
  const Shape<3> slots{{3, 4, 6}};
  const std::span<const std::int32_t> o(offsets);
  const auto packed = value_of<B>(in, [&](auto& tape, const Vars& v) {
    return token_gram_squared(tape, v[0].reshape(rows), o, v[1].reshape(rows), o, w.data());
  });
  const auto dense = value_of<B>(
      in, [&](auto& tape, const Vars& v) { return gram_squared(tape, v[0].reshape(slots), v[1].reshape(slots), w.data()); });
  CHECK(max_difference(packed, dense) < 1e-14);
}

TEST_CASE("token_gram_squared names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{3}, Index{2}}), y = r.leaf(Shape{Index{2}, Index{3}});
  const std::vector<std::int32_t> offsets{0, 3}, shorter{0, 2}, more{0, 1, 3};
  const double w[2] = {1, 1};
  const std::span<const std::int32_t> o(offsets);
  CHECK_THROWS_AS(token_gram_squared(r.tape, x, o, y, o, w), ShapeError);
  CHECK_THROWS_AS(token_gram_squared(r.tape, x, o, x, std::span<const std::int32_t>(shorter), w), ShapeError);
  CHECK_THROWS_AS(token_gram_squared(r.tape, x, o, x, std::span<const std::int32_t>(more), w), ShapeError);
}
