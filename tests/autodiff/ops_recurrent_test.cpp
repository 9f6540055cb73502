#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/recurrent.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

/// Sequences of the given lengths, which must not rise, in the order of time.
struct Sequences {
  std::vector<Index> lengths;
  std::vector<std::int32_t> first{0};

  explicit Sequences(std::vector<Index> n) : lengths(std::move(n)) {
    for (Index t = 0; !lengths.empty() && t < lengths[0]; ++t) {
      std::int32_t active = 0;
      for (Index length : lengths) active += length > t ? 1 : 0;
      first.push_back(first.back() + active);
    }
  }
  Index rows() const { return first.back(); }
  TimeSteps steps() const { return {static_cast<Index>(first.size()) - 1, first.data()}; }
};

const auto kSigmoid = [](double u) { return 1 / (1 + std::exp(-u)); };

/// Sequence by sequence, step by step, from the equations. in: x, W_ih, W_hh, b_ih, b_hh.
Values plain_lstm(const std::vector<Values>& in, const Sequences& s, Index inputs, Index width) {
  Values y(at(s.rows() * width));
  for (std::size_t b = 0; b < s.lengths.size(); ++b) {
    Values h(at(width), 0.0), c(at(width), 0.0);
    for (Index t = 0; t < s.lengths[b]; ++t) {
      const Index row = s.first[at(t)] + static_cast<Index>(b);
      Values u(at(4 * width));
      for (Index k = 0; k < 4 * width; ++k) {
        u[at(k)] = in[3][at(k)] + in[4][at(k)];
        for (Index i = 0; i < inputs; ++i) u[at(k)] += in[1][at(k * inputs + i)] * in[0][at(row * inputs + i)];
        for (Index j = 0; j < width; ++j) u[at(k)] += in[2][at(k * width + j)] * h[at(j)];
      }
      for (Index k = 0; k < width; ++k) {
        c[at(k)] = kSigmoid(u[at(width + k)]) * c[at(k)] + kSigmoid(u[at(k)]) * std::tanh(u[at(2 * width + k)]);
        h[at(k)] = kSigmoid(u[at(3 * width + k)]) * std::tanh(c[at(k)]);
        y[at(row * width + k)] = h[at(k)];
      }
    }
  }
  return y;
}

std::vector<Values> problem(std::uint64_t seed, Index rows, Index inputs, Index width) {
  Draw draw(seed);
  return {draw.normal(rows * inputs), draw.normal(4 * width * inputs), draw.normal(4 * width * width),
          draw.normal(4 * width), draw.normal(4 * width)};
}

auto op(const Sequences& s, Index inputs, Index width) {
  return [&s, inputs, width](auto& tape, const Vars& v) {
    return lstm(tape, v[0].reshape(Shape{s.rows(), inputs}), v[1].reshape(Shape{4 * width, inputs}),
                v[2].reshape(Shape{4 * width, width}), v[3], v[4], s.steps());
  };
}

}  // namespace

TEST_CASE_TEMPLATE("lstm over sequences of different length", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& lengths : std::vector<std::vector<Index>>{{}, {0, 0}, {1}, {4}, {1, 1, 1}, {3, 3}, {4, 2, 1, 0}}) {
    for (const auto& extents : {std::array<Index, 2>{3, 2}, {1, 1}, {0, 2}}) {
      const Index inputs = extents[0], width = extents[1];
      const Sequences s(lengths);
      CAPTURE(s.rows());
      CAPTURE(inputs);
      const auto in = problem(++seed, s.rows(), inputs, width);
      CHECK(gradcheck_subsets<B>(in, op(s, inputs, width), seed) == "");
      CHECK(max_difference(value_of<B>(in, op(s, inputs, width)), plain_lstm(in, s, inputs, width)) < 1e-13);
    }
  }
}

TEST_CASE_TEMPLATE("lstm, larger", B, RAMER_TEST_BACKENDS) {
  const Index inputs = 5, width = 9;
  const Sequences s({23, 20, 20, 11, 7, 7, 7, 3, 1});
  const auto in = problem(1, s.rows(), inputs, width);
  CHECK(max_difference(value_of<B>(in, op(s, inputs, width)), plain_lstm(in, s, inputs, width)) < 1e-12);
}

TEST_CASE("lstm's derivatives through many steps") {
  const Index inputs = 2, width = 3;
  const Sequences s({12, 9, 9, 1});
  Gradcheck<backend::Reference> check;
  for (const Values& x : problem(2, s.rows(), inputs, width)) check.input(x);
  CHECK(check.run(op(s, inputs, width)) == "");
}

TEST_CASE_TEMPLATE("lstm with one bias as both, and with its input as a weight", B, RAMER_TEST_BACKENDS) {
  const Index width = 2;
  const Sequences s({3, 3, 2});  // 8 rows: as many as gates
  const auto in = problem(3, s.rows(), width, width);
  CHECK(gradcheck_subsets<B>({in[0], in[2], in[3]}, [&](auto& tape, const Vars& v) {
          const auto x = v[0].reshape(Shape{s.rows(), width});
          return lstm(tape, x, x, v[1].reshape(Shape{4 * width, width}), v[2], v[2], s.steps());
        }) == "");
}

TEST_CASE_TEMPLATE("a sequence's states do not depend on the others", B, RAMER_TEST_BACKENDS) {
  const Index inputs = 40, width = 33;
  const Sequences together({31, 17, 17, 5, 1});
  const auto in = problem(4, together.rows(), inputs, width);
  const Values all = value_of<B>(in, op(together, inputs, width));
  for (std::size_t b = 0; b < together.lengths.size(); ++b) {
    const Sequences alone({together.lengths[b]});
    std::vector<Values> own = in;
    own[0].clear();
    Values want;
    for (Index t = 0; t < together.lengths[b]; ++t) {
      const auto row = static_cast<std::ptrdiff_t>(together.first[at(t)]) + static_cast<std::ptrdiff_t>(b);
      own[0].insert(own[0].end(), in[0].begin() + row * inputs, in[0].begin() + (row + 1) * inputs);
      want.insert(want.end(), all.begin() + row * width, all.begin() + (row + 1) * width);
    }
    CHECK(value_of<B>(own, op(alone, inputs, width)) == want);  // the same bits
  }
}

TEST_CASE("lstm has the same bits with one thread and with more") {
  const Index inputs = 30, width = 70;
  const Sequences s({40, 40, 40, 33, 30, 30, 30, 30, 30, 21, 9, 9, 9, 9, 2});
  const auto in = problem(5, s.rows(), inputs, width);
  std::vector<Values> results;
  for (const int threads : {1, 3}) {
    backend::Cpu backend(threads);
    Workspace<HostMemory> workspace;
    Tape<backend::Cpu, double> tape(backend, workspace, true);
    Values gradient(in[1].size() + in[2].size());
    Slot<double> slots[]{{gradient.data(), static_cast<Index>(in[1].size()), false, true},
                         {gradient.data() + in[1].size(), static_cast<Index>(in[2].size()), false, true}};
    const auto y = lstm(tape, constant(in[0], Shape{s.rows(), inputs}),
                        Var<double, 2>(in[1].data(), Shape{4 * width, inputs}, &slots[0]),
                        Var<double, 2>(in[2].data(), Shape{4 * width, width}, &slots[1]), constant(in[3], Shape{4 * width}),
                        constant(in[4], Shape{4 * width}), s.steps());
    const auto target = tape.target(y);
    for (Index i = 0; i < y.size(); ++i) target.put(i, y.data()[i]);
    tape.sweep();
    gradient.insert(gradient.end(), y.data(), y.data() + y.size());
    results.push_back(gradient);
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("lstm in float") {
  const Index inputs = 4, width = 5;
  const Sequences s({9, 6, 2});
  const auto in = problem(6, s.rows(), inputs, width);
  std::vector<std::vector<float>> f;
  for (const Values& x : in) f.emplace_back(x.begin(), x.end());
  std::vector<Values> rounded;
  for (const auto& x : f) rounded.emplace_back(x.begin(), x.end());
  backend::Cpu backend(1);
  Workspace<HostMemory> workspace;
  Tape<backend::Cpu, float> tape(backend, workspace, false);
  const auto y =
      lstm(tape, Var<float, 2>(f[0].data(), Shape{s.rows(), inputs}), Var<float, 2>(f[1].data(), Shape{4 * width, inputs}),
           Var<float, 2>(f[2].data(), Shape{4 * width, width}), Var<float, 1>(f[3].data(), Shape{4 * width}),
           Var<float, 1>(f[4].data(), Shape{4 * width}), s.steps());
  CHECK(max_difference(Values(y.data(), y.data() + y.size()), plain_lstm(rounded, s, inputs, width)) < 2e-6);
}

TEST_CASE("lstm takes no more memory when a step is repeated") {
  const Index inputs = 3, width = 4;
  const Sequences s({20, 11, 4});
  const auto in = problem(7, s.rows(), inputs, width);
  backend::Reference backend;
  Workspace<HostMemory> workspace;
  std::size_t held = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    Tape<backend::Reference, double> tape(backend, workspace, true);
    Values gradient(in[2].size());
    Slot<double> slot{gradient.data(), static_cast<Index>(gradient.size()), false, true};
    const auto y = lstm(tape, constant(in[0], Shape{s.rows(), inputs}), constant(in[1], Shape{4 * width, inputs}),
                        Var<double, 2>(in[2].data(), Shape{4 * width, width}, &slot), constant(in[3], Shape{4 * width}),
                        constant(in[4], Shape{4 * width}), s.steps());
    const auto target = tape.target(y);
    for (Index i = 0; i < y.size(); ++i) target.put(i, 1.0);
    tape.sweep();
    if (repeat == 0) held = workspace.bytes();
    CHECK(workspace.bytes() == held);
  }
}

TEST_CASE("lstm names what does not fit") {
  const Sequences s({2, 1});
  Recorder<backend::Reference> r(Values(24, 1.0));
  const auto x = r.leaf(Shape{Index{3}, Index{2}}), w_ih = r.leaf(Shape{Index{4}, Index{2}}),
             w_hh = r.leaf(Shape{Index{4}, Index{1}});
  const auto b = r.leaf(Shape{Index{4}});
  CHECK(lstm(r.tape, x, w_ih, w_hh, b, b, s.steps()).shape() == Shape{Index{3}, Index{1}});
  CHECK_THROWS_AS(lstm(r.tape, r.leaf(Shape{Index{2}, Index{2}}), w_ih, w_hh, b, b, s.steps()), ShapeError);
  CHECK_THROWS_AS(lstm(r.tape, r.leaf(Shape{Index{3}, Index{1}}), w_ih, w_hh, b, b, s.steps()), ShapeError);
  CHECK_THROWS_AS(lstm(r.tape, x, r.leaf(Shape{Index{8}, Index{2}}), w_hh, b, b, s.steps()), ShapeError);
  CHECK_THROWS_AS(lstm(r.tape, x, w_ih, w_hh, r.leaf(Shape{Index{3}}), b, s.steps()), ShapeError);
  CHECK_THROWS_AS(lstm(r.tape, x, w_ih, w_hh, b, r.leaf(Shape{Index{5}}), s.steps()), ShapeError);
}
