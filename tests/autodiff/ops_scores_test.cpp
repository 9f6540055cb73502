#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/scores.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

TEST_CASE_TEMPLATE("label_dot", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 2, 3}, {2, 0, 3}, {2, 3, 0}, {1, 1, 1}, {3, 2, 4}, {5, 14, 3}}) {
    const Index batch = extents[0], labels = extents[1], width = extents[2];
    CAPTURE(batch);
    CAPTURE(labels);
    Draw draw(static_cast<std::uint64_t>(batch * 100 + labels));
    const std::vector<Values> in{draw.normal(batch * labels * width), draw.normal(labels * width)};
    const Shape<3> shape{{batch, labels, width}};
    const Shape<2> weight{{labels, width}};
    const auto f = [&](auto& tape, const Vars& v) { return label_dot(tape, v[0].reshape(shape), v[1].reshape(weight)); };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    Values want;
    for (Index b = 0; b < batch; ++b) {
      for (Index c = 0; c < labels; ++c) {
        double dot = 0;
        for (Index d = 0; d < width; ++d) dot += in[0][at((b * labels + c) * width + d)] * in[1][at(c * width + d)];
        want.push_back(dot);
      }
    }
    CHECK(max_difference(value_of<B>(in, f), want) < 1e-14);
  }
  Recorder<B> r({1, 2, 3, 4});
  const auto x = r.leaf(Shape{Index{1}, Index{2}, Index{2}});
  CHECK_THROWS_AS(label_dot(r.tape, x, r.leaf(Shape{Index{4}, Index{1}})), ShapeError);
  CHECK_THROWS_AS(label_dot(r.tape, x, r.leaf(Shape{Index{1}, Index{4}})), ShapeError);
  CHECK(gradcheck_subsets<B>({Draw(1).normal(4)}, [](auto& tape, const Vars& v) {
          return label_dot(tape, v[0].reshape(Shape{Index{1}, Index{2}, Index{2}}), v[0].reshape(Shape{Index{2}, Index{2}}));
        }) == "");
}

TEST_CASE_TEMPLATE("max_over", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 2, 2}, {2, 0, 2}, {1, 1, 1}, {6, 3, 2}, {8, 2, 3}, {5, 4, 5}}) {
    const Index batch = extents[0], labels = extents[1], count = extents[2];
    for (const bool masked : {false, true}) {
      CAPTURE(batch);
      CAPTURE(count);
      Draw draw(static_cast<std::uint64_t>(batch * 10 + labels));
      std::vector<Values> in;
      for (Index k = 0; k < count; ++k) in.push_back(draw.normal(batch * labels));
      auto present = draw.mask(batch * count, 0.6);
      for (Index k = 0; k < count && batch > 0; ++k) present[at(k * batch)] = 0;  // sample 0 has nothing
      const std::int32_t* winner = nullptr;
      const auto f = [&](auto& tape, const Vars& v) {
        std::vector<Var<double, 2>> xs;
        for (const auto& x : v) xs.push_back(x.reshape(Shape{batch, labels}));
        return max_over(tape, std::span<const Var<double, 2>>(xs), masked ? present.data() : nullptr, &winner);
      };
      CHECK(gradcheck_subsets<B>(in, f) == "");
      Values want;
      std::vector<std::int32_t> want_winner;
      for (Index b = 0; b < batch; ++b) {
        std::vector<std::int32_t> candidates;
        for (Index k = 0; k < count; ++k)
          if (masked && present[at(k * batch + b)]) candidates.push_back(static_cast<std::int32_t>(k));
        for (Index k = 0; k < count && candidates.empty(); ++k)
          for (Index all = 0; all < count; ++all) candidates.push_back(static_cast<std::int32_t>(all));
        for (Index c = 0; c < labels; ++c) {
          const auto value = [&](std::int32_t k) { return in[at(k)][at(b * labels + c)]; };
          want_winner.push_back(*std::max_element(candidates.begin(), candidates.end(),
                                                  [&](std::int32_t i, std::int32_t j) { return value(i) < value(j); }));
          want.push_back(value(want_winner.back()));
        }
      }
      CHECK(value_of<B>(in, f) == want);
      B& backend = shared_backend<B>();
      Workspace<typename B::Memory> workspace;
      Tape<B, double> tape(backend, workspace, false);
      Vars constants;
      for (const Values& x : in) constants.push_back(constant(x, Shape{static_cast<Index>(x.size())}));
      f(tape, constants);
      CHECK(std::vector<std::int32_t>(winner, winner + want_winner.size()) == want_winner);
    }
  }
}

TEST_CASE_TEMPLATE("max_over: ties go to the first, also when one Var is given twice", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2, 3});
  const auto x = r.leaf(Shape{Index{1}, Index{3}});
  const Values other{1, 5, 0};
  const Var<double, 2> xs[]{x, constant(other, Shape{Index{1}, Index{3}}), x};
  const std::int32_t* winner = nullptr;
  const auto y = max_over(r.tape, std::span<const Var<double, 2>>(xs), nullptr, &winner);
  CHECK(std::vector<std::int32_t>(winner, winner + 3) == std::vector<std::int32_t>{0, 1, 0});
  r.reverse(y, {10, 20, 30});
  CHECK(r.gradient == Values{10, 0, 30});
}

TEST_CASE_TEMPLATE("max_over: not-a-number wins, and what is absent is not looked at", B, RAMER_TEST_BACKENDS) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Recorder<B> r({1});
  const Values a{1, nan, 1, 2, nan}, b{nan, 1, 2, nan, 7};
  const Shape<2> shape{{5, 1}};
  const std::uint8_t present[]{1, 1, 0, 1, 0, 1, 1, 0, 0, 1};
  const Var<double, 2> xs[]{constant(a, shape), constant(b, shape)};
  const auto y = max_over(r.tape, std::span<const Var<double, 2>>(xs), present);
  CHECK(std::isnan(y.data()[0]));
  CHECK(std::isnan(y.data()[1]));
  CHECK(y.data()[2] == 2);
  CHECK(y.data()[3] == 2);
  CHECK(y.data()[4] == 7);
}

TEST_CASE("max_over names what does not fit") {
  Recorder<backend::Reference> r({1, 2});
  const Var<double, 2> xs[]{r.leaf(Shape{Index{1}, Index{2}}), r.leaf(Shape{Index{2}, Index{1}})};
  CHECK_THROWS_AS(max_over(r.tape, std::span<const Var<double, 2>>(xs)), ShapeError);
  CHECK_THROWS_AS(max_over(r.tape, std::span<const Var<double, 2>>{}), ShapeError);
}

TEST_CASE_TEMPLATE("slot_mean", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 2, 3}, {2, 3, 0}, {1, 1, 1}, {2, 1, 3}, {3, 4, 2}, {2, 14, 9}}) {
    const Index batch = extents[0], slots = extents[1], width = extents[2];
    const Values x = Draw(static_cast<std::uint64_t>(batch + slots)).normal(batch * slots * width);
    const Shape<3> shape{{batch, slots, width}};
    const auto f = [&](auto& tape, const Vars& v) { return slot_mean(tape, v[0].reshape(shape)); };
    CHECK(gradcheck_subsets<B>({x}, f) == "");
    Values want(at(batch * width), 0.0);
    for (Index b = 0; b < batch; ++b)
      for (Index j = 0; j < slots; ++j)
        for (Index d = 0; d < width; ++d)
          want[at(b * width + d)] += x[at((b * slots + j) * width + d)] / static_cast<double>(slots);
    CHECK(max_difference(value_of<B>({x}, f), want) < 1e-14);
  }
}

TEST_CASE_TEMPLATE("take_slot", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 2, 3}, {2, 3, 0}, {1, 1, 1}, {2, 1, 3}, {3, 4, 2}}) {
    const Index batch = extents[0], slots = extents[1], width = extents[2];
    const Values x = Draw(static_cast<std::uint64_t>(batch + slots)).normal(batch * slots * width);
    const Shape<3> shape{{batch, slots, width}};
    for (Index slot = 0; slot < slots; ++slot) {
      const auto f = [&](auto& tape, const Vars& v) { return take_slot(tape, v[0].reshape(shape), slot); };
      CHECK(gradcheck_subsets<B>({x}, f) == "");
      Values want;
      for (Index b = 0; b < batch; ++b)
        for (Index d = 0; d < width; ++d) want.push_back(x[at((b * slots + slot) * width + d)]);
      CHECK(value_of<B>({x}, f) == want);
    }
  }
  Recorder<B> r({1, 2});
  CHECK_THROWS_AS(take_slot(r.tape, r.leaf(Shape{Index{1}, Index{2}, Index{1}}), 2), ShapeError);
}
