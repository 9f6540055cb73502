#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/multi_head_attention.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

/// Queries that look at rows of their own group: extents, masks and the maps' numbers.
struct Problem {
  static constexpr Index kInputs = 3, kMemory = 2, kHeads = 2, kWidth = 4, kOutputs = 3;
  std::vector<std::int32_t> offsets, query_offsets;
  std::vector<std::uint8_t> key;
  backend::DropoutPlan dropout;
  bool self;
  std::vector<Values> in;  ///< x, memory, then weight and bias of the query, key, value and output maps

  Problem(bool to_itself, double rate, std::uint64_t seed) : self(to_itself) {
    Draw draw(seed);
    offsets = Draw::offsets({2, 0, 4, 3}), query_offsets = to_itself ? offsets : Draw::offsets({1, 2, 0, 5});
    key = draw.mask(offsets.back(), 0.7);
    dropout = {RandomStream(1, seed), rate, nullptr};
    in = {draw.normal(query_offsets.back() * kInputs), draw.normal(offsets.back() * kMemory)};
    for (const Index inputs : {kInputs, to_itself ? kInputs : kMemory, to_itself ? kInputs : kMemory})
      in.push_back(draw.normal(kWidth * inputs)), in.push_back(draw.normal(kWidth));
    in.push_back(draw.normal(kOutputs * kWidth)), in.push_back(draw.normal(kOutputs));
  }
  AttentionGroups groups() const {
    AttentionGroups g{static_cast<Index>(offsets.size()) - 1, 4, offsets.data(), key.data(), nullptr};
    if (!self) g.query_offsets = query_offsets.data(), g.longest_query = 5;
    return g;
  }
  AttentionMaps<double> maps(const Vars& v) const {
    const Index memory = self ? kInputs : kMemory;
    const auto map = [&](std::size_t i, Index inputs, Index outputs) {
      return Affine<double>{v[i].reshape(Shape{outputs, inputs}), v[i + 1]};
    };
    return {map(2, kInputs, kWidth), map(4, memory, kWidth), map(6, memory, kWidth), map(8, kWidth, kOutputs)};
  }
  Var<double, 2> x(const Vars& v) const { return v[0].reshape(Shape{Index{query_offsets.back()}, kInputs}); }
  Var<double, 2> memory(const Vars& v) const { return self ? x(v) : v[1].reshape(Shape{Index{offsets.back()}, kMemory}); }
  auto fused(int recomputed) const {
    return [this, recomputed](auto& tape, const Vars& v) {
      return multi_head_attention(tape, x(v), memory(v), maps(v), groups(), kHeads, 0.7, dropout, recomputed);
    };
  }
  auto apart() const {
    return [this](auto& tape, const Vars& v) {
      const AttentionMaps<double> m = maps(v);
      const auto q = linear(tape, x(v), m.query.w, m.query.b), k = linear(tape, memory(v), m.key.w, m.key.b);
      const auto value = linear(tape, memory(v), m.value.w, m.value.b);
      return linear(tape, attention(tape, q, k, value, groups(), kHeads, 0.7, dropout), m.output.w, m.output.b);
    };
  }
};

/// Value and gradients of f, all inputs being tracked.
template <class B, class F>
std::vector<Values> gradients(const std::vector<Values>& in, const F& f) {
  Workspace<typename B::Memory> workspace;
  Tape<B, double> tape(shared_backend<B>(), workspace, true);
  std::vector<Slot<double>> slots(in.size());
  std::vector<Values> result(1);
  Vars v;
  for (std::size_t i = 0; i < in.size(); ++i) {
    result.emplace_back(in[i].size(), 0.0);
    v.emplace_back(in[i].data(), Shape{static_cast<Index>(in[i].size())}, &slots[i]);
  }
  for (std::size_t i = 0; i < in.size(); ++i)
    slots[i] = {result[i + 1].data(), static_cast<Index>(in[i].size()), false, true};
  const auto y = f(tape, v);
  result[0].assign(y.data(), y.data() + y.size());
  const Values dy = Draw(3).normal(y.size());
  const auto target = tape.target(y);
  for (std::size_t i = 0; i < dy.size(); ++i) target.put(static_cast<Index>(i), dy[i]);
  tape.sweep();
  return result;
}

}  // namespace

TEST_CASE_TEMPLATE("multi_head_attention is its four maps and attention, whatever it computes again", B,
                   RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 10;
  for (const bool self : {true, false}) {
    for (const double rate : {0.0, 0.3}) {
      const Problem problem(self, rate, ++seed);
      CAPTURE(self);
      CAPTURE(rate);
      const auto want = gradients<B>(problem.in, problem.apart());
      for (const int recomputed : {0, 1, 2, 3}) {
        CAPTURE(recomputed);
        CHECK((gradients<B>(problem.in, problem.fused(recomputed)) == want));
      }
      CHECK(value_of<B>(problem.in, problem.fused(2)) == want[0]);
    }
  }
}

TEST_CASE_TEMPLATE("gradients of multi_head_attention, for every choice of some inputs", B, RAMER_TEST_BACKENDS) {
  for (const bool self : {true, false}) {
    const Problem problem(self, 0.3, 20);
    for (const auto& chosen : std::vector<std::vector<std::size_t>>{{0, 2, 8}, {0, 1, 2, 8}, {4, 6, 7, 9}, {3, 5}}) {
      if (self && chosen.front() == 0 && chosen[1] == 1) continue;  // no memory of its own
      for (const int recomputed : {0, 3}) {
        CAPTURE(self);
        CAPTURE(chosen.front());
        std::vector<Values> in;
        for (const std::size_t i : chosen) in.push_back(problem.in[i]);
        CHECK(gradcheck_subsets<B>(in, [&](auto& tape, const Vars& v) {
                Vars all;
                for (const Values& x : problem.in) all.push_back(constant(x, Shape{static_cast<Index>(x.size())}));
                for (std::size_t i = 0; i < chosen.size(); ++i) all[chosen[i]] = v[i];
                return problem.fused(recomputed)(tape, all);
              }) == "");
      }
    }
  }
}

TEST_CASE("multi_head_attention names the map that does not fit") {
  const Problem problem(false, 0, 30);
  const auto message = [&](std::size_t which, Index numbers) {
    auto in = problem.in;
    in[which].assign(at(numbers), 1.0);
    try {
      value_of<backend::Reference>(in, [&](auto& tape, const Vars& v) {
        AttentionMaps<double> maps = problem.maps([&] {
          Vars good;
          for (const Values& x : problem.in) good.push_back(constant(x, Shape{static_cast<Index>(x.size())}));
          return good;
        }());
        if (which == 5) maps.key.b = v[5];
        if (which == 6) maps.value.w = v[6].reshape(Shape{numbers, Index{1}});
        if (which == 8) maps.output.w = v[8].reshape(Shape{Index{1}, numbers});
        return multi_head_attention(tape, problem.x(v), problem.memory(v), maps, problem.groups(), 2, 0.7);
      });
    } catch (const ShapeError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(5, 3).find("key map from width 2 to 4") != std::string::npos);
  CHECK(message(6, 5).find("value map from width 2 to 4") != std::string::npos);
  CHECK(message(8, 5).find("output map from width 4 to 1") != std::string::npos);
  CHECK_THROWS_AS(value_of<backend::Reference>(problem.in,
                                               [&](auto& tape, const Vars& v) {
                                                 return multi_head_attention(tape, problem.x(v), problem.memory(v),
                                                                             problem.maps(v), problem.groups(), 3, 0.7);
                                               }),
                  ShapeError);
}
