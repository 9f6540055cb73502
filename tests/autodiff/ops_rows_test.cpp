#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/rows.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

GatherPlan plan_of(std::vector<std::int32_t> index, Index sources) {
  GatherPlan plan;
  plan.index = std::move(index);
  plan.finish(sources);
  return plan;
}

const std::vector<std::array<Index, 3>> kCases{{0, 0, 3},  {0, 4, 3},   {4, 0, 2},  {3, 2, 0},  {1, 1, 1}, {2, 5, 3},
                                               {17, 4, 2}, {30, 11, 9}, {6, 3, 16}, {5, 2, 17}, {7, 2, 40}};

}  // namespace

TEST_CASE_TEMPLATE("gather_rows", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : kCases) {
    const Index places = extents[0], sources = extents[1], cols = extents[2];
    CAPTURE(places);
    CAPTURE(sources);
    Draw draw(static_cast<std::uint64_t>(places * 31 + sources));
    const GatherPlan plan = plan_of(draw.integers(places, -1, sources), sources);
    const Values x = draw.normal(sources * cols);
    const Shape<2> shape{{sources, cols}};
    const auto f = [&](auto& tape, const Vars& v) { return gather_rows(tape, v[0].reshape(shape), plan.view()); };
    CHECK(gradcheck_subsets<B>({x}, f) == "");
    Values want(at(places * cols), 0.0);
    for (Index i = 0; i < places; ++i)
      for (Index c = 0; c < cols && plan.index[at(i)] >= 0; ++c)
        want[at(i * cols + c)] = x[at(plan.index[at(i)] * cols + c)];
    CHECK(value_of<B>({x}, f) == want);
  }
}

TEST_CASE_TEMPLATE("gather_rows sends zero to a source that no place takes", B, RAMER_TEST_BACKENDS) {
  const GatherPlan plan = plan_of({2, -1, 0, 2}, 4);
  Recorder<B> r({1, 2, 3, 4});
  const auto y = gather_rows(r.tape, r.leaf(Shape{Index{4}, Index{1}}), plan.view());
  r.reverse(y, {1, 10, 100, 1000});
  CHECK(r.gradient == Values{100, 0, 1001, 0});
  CHECK_THROWS_AS(gather_rows(r.tape, r.leaf(Shape{Index{2}, Index{2}}), plan.view()), ShapeError);
}

TEST_CASE_TEMPLATE("gather_rows adds in ascending order of places", B, RAMER_TEST_BACKENDS) {
  // 1e16 + 1 + 1 - 1e16 is 0 in this order, where each 1 is rounded away, and 2 in another.
  const GatherPlan plan = plan_of({0, 0, 0, 0}, 1);
  Recorder<B> r({1});
  r.reverse(gather_rows(r.tape, r.leaf(Shape{Index{1}, Index{1}}), plan.view()), {1e16, 1, 1, -1e16});
  CHECK(r.gradient == Values{0});
}

TEST_CASE_TEMPLATE("add_embedding", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : kCases) {
    const Index places = extents[0], sources = extents[1], cols = extents[2];
    CAPTURE(places);
    CAPTURE(sources);
    Draw draw(static_cast<std::uint64_t>(places * 17 + sources));
    const GatherPlan plan = plan_of(draw.integers(places, -1, sources), sources);
    const std::vector<Values> in{draw.normal(places * cols), draw.normal(sources * cols)};
    const Shape<2> shape{{places, cols}}, table{{sources, cols}};
    const auto f = [&](auto& tape, const Vars& v) {
      return add_embedding(tape, v[0].reshape(shape), v[1].reshape(table), plan.view());
    };
    CHECK(gradcheck_subsets<B>(in, f) == "");
    Values want = in[0];
    for (Index i = 0; i < places; ++i)
      for (Index c = 0; c < cols && plan.index[at(i)] >= 0; ++c)
        want[at(i * cols + c)] += in[1][at(plan.index[at(i)] * cols + c)];
    CHECK(value_of<B>(in, f) == want);
  }
  const GatherPlan plan = plan_of({1, 1, -1}, 3);
  CHECK(gradcheck_subsets<B>({Draw(1).normal(6)}, [&](auto& tape, const Vars& v) {
          const auto x = v[0].reshape(Shape{Index{3}, Index{2}});
          return add_embedding(tape, x, x, plan.view());
        }) == "");
  Recorder<B> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{3}, Index{2}});
  CHECK_THROWS_AS(add_embedding(r.tape, x, r.leaf(Shape{Index{2}, Index{3}}), plan.view()), ShapeError);
  CHECK_THROWS_AS(add_embedding(r.tape, r.leaf(Shape{Index{1}, Index{2}}), x, plan.view()), ShapeError);
}

TEST_CASE_TEMPLATE("concat_columns", B, RAMER_TEST_BACKENDS) {
  for (const auto& widths : std::vector<std::vector<Index>>{{2}, {0}, {1, 3}, {2, 0, 1}}) {
    for (Index rows : {0, 1, 4}) {
      Draw draw(static_cast<std::uint64_t>(rows));
      std::vector<Values> in;
      for (Index width : widths) {
        in.push_back(draw.normal(rows * width));
      }
      const auto f = [&](auto& tape, const Vars& v) {
        std::vector<Var<double, 2>> xs;
        for (std::size_t k = 0; k < v.size(); ++k) xs.push_back(v[k].reshape(Shape{rows, widths[k]}));
        return concat_columns(tape, std::span<const Var<double, 2>>(xs));
      };
      CHECK(gradcheck_subsets<B>(in, f) == "");
      Values want;
      for (Index r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < in.size(); ++k)
          for (Index c = 0; c < widths[k]; ++c) want.push_back(in[k][at(r * widths[k] + c)]);
      CHECK(value_of<B>(in, f) == want);
    }
  }
}

TEST_CASE_TEMPLATE("concat_rows", B, RAMER_TEST_BACKENDS) {
  for (const auto& heights : std::vector<std::vector<Index>>{{2}, {0}, {1, 3}, {2, 0, 1}}) {
    for (Index cols : {0, 1, 3}) {
      Draw draw(static_cast<std::uint64_t>(cols));
      std::vector<Values> in;
      Values want;
      for (Index height : heights) {
        in.push_back(draw.normal(height * cols));
        want.insert(want.end(), in.back().begin(), in.back().end());
      }
      const auto f = [&](auto& tape, const Vars& v) {
        std::vector<Var<double, 2>> xs;
        for (std::size_t k = 0; k < v.size(); ++k) xs.push_back(v[k].reshape(Shape{heights[k], cols}));
        return concat_rows(tape, std::span<const Var<double, 2>>(xs));
      };
      CHECK(gradcheck_subsets<B>(in, f) == "");
      CHECK(value_of<B>(in, f) == want);
    }
  }
}

TEST_CASE_TEMPLATE("concatenating a Var with itself", B, RAMER_TEST_BACKENDS) {
  const Values x = Draw(8).normal(6);
  const auto list = [](const Vars& v) {
    const auto m = v[0].reshape(Shape{Index{2}, Index{3}});
    return std::vector<Var<double, 2>>{m, m};
  };
  CHECK(gradcheck_subsets<B>({x}, [&](auto& tape, const Vars& v) {
          const auto xs = list(v);
          return concat_columns(tape, std::span<const Var<double, 2>>(xs));
        }) == "");
  CHECK(gradcheck_subsets<B>({x}, [&](auto& tape, const Vars& v) {
          const auto xs = list(v);
          return concat_rows(tape, std::span<const Var<double, 2>>(xs));
        }) == "");
}

TEST_CASE("concatenation names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const Var<double, 2> xs[]{r.leaf(Shape{Index{2}, Index{3}}), r.leaf(Shape{Index{3}, Index{2}})};
  CHECK_THROWS_AS(concat_columns(r.tape, std::span<const Var<double, 2>>(xs)), ShapeError);
  CHECK_THROWS_AS(concat_rows(r.tape, std::span<const Var<double, 2>>(xs)), ShapeError);
  CHECK_THROWS_AS(concat_columns(r.tape, std::span<const Var<double, 2>>{}), ShapeError);
  CHECK_THROWS_AS(concat_rows(r.tape, std::span<const Var<double, 2>>{}), ShapeError);
}

TEST_CASE_TEMPLATE("mask_rows", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 3>{0, 1, 3}, {1, 1, 1}, {4, 1, 3}, {5, 3, 2}, {3, 2, 0}}) {
    const Index groups = extents[0], group = extents[1], cols = extents[2];
    Draw draw(static_cast<std::uint64_t>(groups));
    const auto mask = draw.mask(groups, 0.5);
    const Values x = draw.normal(groups * group * cols);
    const Shape<2> shape{{groups * group, cols}};
    const auto f = [&](auto& tape, const Vars& v) { return mask_rows(tape, v[0].reshape(shape), mask.data(), group); };
    CHECK(gradcheck_subsets<B>({x}, f) == "");
    Values want = x;
    for (std::size_t i = 0; i < want.size(); ++i)
      if (!mask[i / static_cast<std::size_t>(group * cols)]) want[i] = 0;
    CHECK(value_of<B>({x}, f) == want);
  }
}

TEST_CASE_TEMPLATE("mask_rows hides what is not a number, both ways", B, RAMER_TEST_BACKENDS) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::uint8_t mask[]{0, 1};
  Recorder<B> r({nan, 2});
  const auto y = mask_rows(r.tape, r.leaf(Shape{Index{2}, Index{1}}), mask);
  CHECK(y.data()[0] == 0);
  r.reverse(y, {nan, 3});
  CHECK(r.gradient == Values{0, 3});
}

TEST_CASE_TEMPLATE("normalize_rows", B, RAMER_TEST_BACKENDS) {
  for (const auto& extents : {std::array<Index, 2>{0, 3}, {3, 0}, {1, 1}, {1, 2}, {5, 4}, {6, 33}}) {
    const Index rows = extents[0], cols = extents[1];
    const Values x = Draw(static_cast<std::uint64_t>(rows + 3)).away_from_zero(rows * cols);
    const Shape<2> shape{{rows, cols}};
    const auto f = [&](auto& tape, const Vars& v) { return normalize_rows(tape, v[0].reshape(shape)); };
    CHECK(gradcheck_subsets<B>({x}, f) == "");
    Values want = x;
    for (Index r = 0; r < rows; ++r) {
      double squares = 0;
      for (Index c = 0; c < cols; ++c) squares += x[at(r * cols + c)] * x[at(r * cols + c)];
      for (Index c = 0; c < cols; ++c) want[at(r * cols + c)] /= std::sqrt(squares);
    }
    CHECK(max_difference(value_of<B>({x}, f), want) < 1e-14);
  }
}

TEST_CASE_TEMPLATE("normalize_rows of a row below the floor is linear", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({0, 0, 3e-14, -4e-14, 3, 4});
  const auto y = normalize_rows(r.tape, r.leaf(Shape{Index{3}, Index{2}}));
  CHECK(y.data()[0] == 0);
  CHECK(y.data()[1] == 0);
  CHECK(y.data()[2] == doctest::Approx(0.03));
  CHECK(y.data()[3] == doctest::Approx(-0.04));
  r.reverse(y, {1, 2, 1, 2, 1, 2});
  CHECK(max_difference(r.gradient, {1e12, 2e12, 1e12, 2e12, (1 - 0.6 * 2.2) / 5, (2 - 0.8 * 2.2) / 5}) < 1e-12);
}

TEST_CASE_TEMPLATE("normalize_rows: not-a-number takes its row and no other", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({std::numeric_limits<double>::quiet_NaN(), 4, 3, 4});
  const auto y = normalize_rows(r.tape, r.leaf(Shape{Index{2}, Index{2}}));
  CHECK(std::isnan(y.data()[0]));
  CHECK(std::isnan(y.data()[1]));
  CHECK(y.data()[2] == doctest::Approx(0.6));
  CHECK(y.data()[3] == doctest::Approx(0.8));
}

TEST_CASE_TEMPLATE("normalize_rows in float: rows below the floor, above it, and of zeros", B, RAMER_TEST_BACKENDS) {
  B& backend = shared_backend<B>();
  Workspace<typename B::Memory> workspace;
  Tape<B, float> tape(backend, workspace, true);
  const float x[]{0, 0, 3e-14f, -4e-14f, 3e-11f, 4e-11f};
  float gradient[6];
  Slot<float> slot{gradient, 6, false, true};
  const auto y = normalize_rows(tape, Var<float, 2>(x, Shape{Index{3}, Index{2}}, &slot));
  const auto target = tape.target(y);
  for (Index i = 0; i < 6; ++i) target.put(i, i % 2 ? 2.0f : 1.0f);
  tape.sweep();
  const double want[]{1e12, 2e12, 1e12, 2e12, (1 - 0.6 * 2.2) / 5e-11, (2 - 0.8 * 2.2) / 5e-11};
  for (int i = 0; i < 6; ++i) CHECK(static_cast<double>(gradient[i]) == doctest::Approx(want[i]).epsilon(1e-5));
}
