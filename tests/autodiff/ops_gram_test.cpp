#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/gram.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

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
    const Values w = some_weights(draw, batch);
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

TEST_CASE_TEMPLATE("feature_gram_squared", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents :
       {std::array<Index, 3>{0, 2, 3}, {2, 0, 3}, {2, 3, 0}, {1, 1, 1}, {3, 2, 4}, {2, 6, 3}, {4, 14, 9}}) {
    const Index batch = extents[0], slots = extents[1], width = extents[2];
    CAPTURE(batch);
    CAPTURE(slots);
    CAPTURE(width);
    Draw draw(static_cast<std::uint64_t>(batch * 100 + slots * 10 + width));
    const Shape<3> shape{{batch, slots, width}};
    const std::vector<Values> in{draw.normal(shape.size()), draw.normal(shape.size())};
    const Values w = some_weights(draw, batch);
    const auto f = [&](auto& tape, const Vars& v) {
      return feature_gram_squared(tape, v[0].reshape(shape), v[1].reshape(shape), w.data());
    };
    double want = 0;  // the D x D form, as printed
    for (Index b = 0; b < batch; ++b) {
      for (Index i = 0; i < width; ++i) {
        for (Index j = 0; j < width; ++j) {
          double dot = 0;
          for (Index c = 0; c < slots; ++c)
            dot += in[0][at((b * slots + c) * width + i)] * in[1][at((b * slots + c) * width + j)];
          want += w[at(b)] * dot * dot;
        }
      }
    }
    CHECK(std::abs(value_of<B>(in, f)[0] - want) <= 1e-12 * std::max(1.0, want));
    CHECK(gradcheck_subsets<B>(in, f) == "");
    const auto itself = [&](auto& tape, const Vars& v) {
      return feature_gram_squared(tape, v[0].reshape(shape), v[0].reshape(shape), w.data());
    };
    CHECK(gradcheck_subsets<B>({in[0]}, itself) == "");
  }
  Recorder<B> r({1, 2});
  CHECK_THROWS_AS(feature_gram_squared(r.tape, r.leaf(Shape{Index{2}, Index{1}, Index{1}}),
                                       r.leaf(Shape{Index{1}, Index{2}, Index{1}}), nullptr),
                  ShapeError);
}
