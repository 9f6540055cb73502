#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/ctc.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

/// A batch for the loss: lengths of inputs, targets, weights.
struct Case {
  Index classes;
  std::vector<Index> inputs;
  std::vector<std::vector<std::int32_t>> targets;
  Values weight;
  bool zero_infinity = true;
  std::vector<std::int32_t> offsets, sample, target_offsets{0}, target;

  Case(Index k, std::vector<Index> n, std::vector<std::vector<std::int32_t>> labels, Values w)
      : classes(k), inputs(std::move(n)), targets(std::move(labels)), weight(std::move(w)), offsets(Draw::offsets(inputs)) {
    for (std::size_t b = 0; b < inputs.size(); ++b) {
      sample.insert(sample.end(), at(inputs[b]), static_cast<std::int32_t>(b));
      target.insert(target.end(), targets[b].begin(), targets[b].end());
      target_offsets.push_back(static_cast<std::int32_t>(target.size()));
    }
  }
  Index rows() const { return offsets.back(); }
  CtcTargets view() const {
    CtcTargets v;
    v.samples = static_cast<Index>(inputs.size());
    v.rows = rows();
    for (Index n : inputs) v.longest_input = std::max(v.longest_input, n);
    for (const auto& t : targets) v.longest_target = std::max(v.longest_target, static_cast<Index>(t.size()));
    v.offsets = offsets.data();
    v.sample = sample.data();
    v.target_offsets = target_offsets.data();
    v.target = target.data();
    v.weight = weight.data();
    v.zero_infinity = zero_infinity;
    return v;
  }
};

/// P(target) of one sample: every one of K^T ways to write the rows is spelled out, and added if it reads as the target once
/// repetitions are merged and blanks removed.
double brute_force(const double* x, Index rows, Index classes, const std::vector<std::int32_t>& target) {
  std::vector<Index> path(at(rows), 0);
  double total = 0;
  while (true) {
    std::vector<std::int32_t> text;
    double p = 1;
    Index before = -1;
    for (Index r = 0; r < rows; ++r) {
      const Index k = path[at(r)];
      double normalizer = 0;
      for (Index j = 0; j < classes; ++j) normalizer += std::exp(x[r * classes + j]);
      p *= std::exp(x[r * classes + k]) / normalizer;
      if (k != 0 && k != before) text.push_back(static_cast<std::int32_t>(k));
      before = k;
    }
    if (text == target) total += p;
    Index r = 0;
    while (r < rows && ++path[at(r)] == classes) path[at(r++)] = 0;
    if (r == rows) return total;
  }
}

double brute_force(const Case& c, const Values& x) {
  double loss = 0;
  for (std::size_t b = 0; b < c.inputs.size(); ++b) {
    const double one = -std::log(brute_force(x.data() + c.offsets[b] * c.classes, c.inputs[b], c.classes, c.targets[b]));
    if (c.weight[b] != 0 && !(c.zero_infinity && one == kInfinity)) loss += c.weight[b] * one;
  }
  return loss;
}

auto op(const Case& c) {
  return [&c](auto& tape, const Vars& v) { return ctc_loss(tape, v[0].reshape(Shape{c.rows(), c.classes}), c.view()); };
}

/// Rows of y (B L, D) from the definition.
Values plain_align(const Values& x, const Values& logits, const std::vector<std::int32_t>& offsets, Index width,
                   Index length) {
  Values y((offsets.size() - 1) * at(length * width), 0.0);
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (Index r = offsets[b]; r < offsets[b + 1]; ++r) {
      double total = 0;
      for (Index k = 0; k <= length; ++k) total += std::exp(logits[at(r * (length + 1) + k)]);
      for (Index j = 0; j < length; ++j)
        for (Index d = 0; d < width; ++d)
          y[(b * at(length) + at(j)) * at(width) + at(d)] +=
              std::exp(logits[at(r * (length + 1) + j + 1)]) / total * x[at(r * width + d)];
    }
  }
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("ctc_loss is minus the logarithm of the sum over all alignments", B, RAMER_TEST_BACKENDS) {
  const std::vector<Case> cases{
      {3, {4}, {{1, 2}}, {1}},
      {3, {5}, {{1, 1}}, {0.5}},  // a blank must lie between
      {3, {3}, {{1, 1}}, {2}},    // just possible: 1 - 1
      {2, {6}, {{1, 1, 1}}, {1}},
      {3, {4}, {{}}, {1}},  // nothing but blanks
      {1, {3}, {{}}, {1}},  // one class: the blank; the loss is 0
      {4, {1, 6, 3, 4}, {{3}, {2, 3, 3, 1}, {}, {1, 2, 1}}, {0.2, 1.5, 1, 0.7}},
      {3, {5, 4, 2}, {{2, 1}, {1}, {2, 2}}, {1, 0, 1}},  // one that does not count, one that is impossible
      {3, {0, 3, 0}, {{}, {1}, {2}}, {1, 1, 1}},         // without rows
  };
  std::uint64_t seed = 0;
  for (const Case& c : cases) {
    CAPTURE(seed);
    Values x = Draw(++seed).normal(c.rows() * c.classes);
    for (double& v : x) v *= 2;
    CHECK(max_difference(value_of<B>({x}, op(c)), {brute_force(c, x)}) < 1e-12);
    CHECK(gradcheck_subsets<B>({x}, op(c), seed) == "");
  }
}

TEST_CASE_TEMPLATE("an impossible target is infinite or nothing, and sends nothing", B, RAMER_TEST_BACKENDS) {
  Case c(3, {2, 2}, {{1, 1}, {1, 2}}, {1, 1});
  const Values x = Draw(5).normal(12);
  for (const bool zero : {true, false}) {
    c.zero_infinity = zero;
    Recorder<B> r(x);
    const double* per_sample = nullptr;
    const auto loss = ctc_loss(r.tape, r.leaf(Shape{Index{4}, Index{3}}), c.view(), &per_sample);
    CHECK(per_sample[0] == kInfinity);
    CHECK(per_sample[1] == doctest::Approx(-std::log(brute_force(x.data() + 6, 2, 3, {1, 2}))));
    CHECK(loss.data()[0] == (zero ? per_sample[1] : kInfinity));
    r.reverse(loss, {1});
    for (std::size_t i = 0; i < 12; ++i) CHECK((r.gradient[i] == 0) == (i < 6));
  }
}

TEST_CASE_TEMPLATE("ctc_loss far out", B, RAMER_TEST_BACKENDS) {
  // Logits of the one alignment 1 2 are 2000 below the others: the loss is 4000, and the gradient is the softmax's less one.
  Recorder<B> r({0, -2000, -3000, 0, -3000, -2000});
  const Case c(3, {2}, {{1, 2}}, {1});
  const auto loss = ctc_loss(r.tape, r.leaf(Shape{Index{2}, Index{3}}), c.view());
  CHECK(loss.data()[0] == doctest::Approx(4000));
  r.reverse(loss, {0.5});
  CHECK(max_difference(r.gradient, {0.5, -0.5, 0, 0.5, 0, -0.5}) < 1e-12);
}

TEST_CASE("ctc_loss of long sequences does not underflow, in float either") {
  // Uniform logits and one label: every run of it counts, T (T + 1) / 2 of K^T.
  const Index rows = 700, classes = 60;
  const Case c(classes, {rows}, {{7}}, {1});
  const std::vector<float> x(at(rows * classes), 3.0f);
  backend::Cpu backend(1);
  Workspace<HostMemory> workspace;
  Tape<backend::Cpu, float> tape(backend, workspace, false);
  const auto loss = ctc_loss(tape, Var<float, 2>(x.data(), Shape{rows, classes}), c.view());
  const double n = static_cast<double>(rows);
  CHECK(static_cast<double>(loss.data()[0]) ==
        doctest::Approx(n * std::log(static_cast<double>(classes)) - std::log(n * (n + 1) / 2)).epsilon(1e-6));
}

TEST_CASE_TEMPLATE("soft_align", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& lengths : std::vector<std::vector<Index>>{{}, {0}, {3}, {2, 0, 4, 1}}) {
    for (const auto& extents : {std::array<Index, 2>{2, 3}, {1, 1}, {3, 5}}) {
      const Index width = extents[0], length = extents[1];
      const auto offsets = Draw::offsets(lengths);
      const Index rows = offsets.back();
      Draw draw(++seed);
      const std::vector<Values> in{draw.normal(rows * width), draw.normal(rows * (length + 1))};
      const auto f = [&](auto& tape, const Vars& v) {
        return soft_align(tape, v[0].reshape(Shape{rows, width}), v[1].reshape(Shape{rows, length + 1}), offsets);
      };
      CHECK(gradcheck_subsets<B>(in, f, seed) == "");
      CHECK(max_difference(value_of<B>(in, f), plain_align(in[0], in[1], offsets, width, length)) < 1e-13);
    }
  }
}

TEST_CASE_TEMPLATE("soft_align of rows by themselves, and far out", B, RAMER_TEST_BACKENDS) {
  const std::vector<std::int32_t> offsets{0, 2, 3};
  const Values x = Draw(8).normal(9);
  CHECK(gradcheck_subsets<B>({x}, [&](auto& tape, const Vars& v) {
          const auto rows = v[0].reshape(Shape{Index{3}, Index{3}});
          return soft_align(tape, rows, rows, offsets);
        }) == "");
  const std::vector<std::int32_t> one{0, 1};
  const Values blank{1000, -1000, 0}, place{0, 800, 0}, row{3, 4};
  CHECK(max_difference(value_of<B>({row, blank},
                                   [&](auto& tape, const Vars& v) {
                                     return soft_align(tape, v[0].reshape(Shape{Index{1}, Index{2}}),
                                                       v[1].reshape(Shape{Index{1}, Index{3}}), one);
                                   }),
                       {0, 0, 0, 0}) < 1e-200);
  CHECK(max_difference(value_of<B>({row, place},
                                   [&](auto& tape, const Vars& v) {
                                     return soft_align(tape, v[0].reshape(Shape{Index{1}, Index{2}}),
                                                       v[1].reshape(Shape{Index{1}, Index{3}}), one);
                                   }),
                       {3, 4, 0, 0}) < 1e-200);
}

TEST_CASE("ctc ops name what does not fit") {
  Recorder<backend::Reference> r(Values(12, 1.0));
  const Case c(3, {2, 2}, {{1}, {2}}, {1, 1});
  CHECK_THROWS_AS(ctc_loss(r.tape, r.leaf(Shape{Index{6}, Index{2}}), c.view()), ShapeError);
  const auto x = r.leaf(Shape{Index{4}, Index{3}});
  CHECK_THROWS_AS(soft_align(r.tape, x, r.leaf(Shape{Index{3}, Index{4}}), c.offsets), ShapeError);
  CHECK_THROWS_AS(soft_align(r.tape, r.leaf(Shape{Index{12}, Index{1}}), r.leaf(Shape{Index{12}, Index{1}}), c.offsets),
                  ShapeError);
  const std::vector<std::int32_t> short_offsets{0, 3};
  CHECK_THROWS_AS(soft_align(r.tape, x, x, short_offsets), ShapeError);
}
