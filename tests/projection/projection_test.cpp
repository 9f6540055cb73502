// Derivatives of the subspace maps, and what each player of the adversarial game receives.
#include <doctest/doctest.h>

#include "ramer/nn/gradcheck.hpp"
#include "ramer/projection/adversary.hpp"
#include "ramer/projection/subspaces.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using Var2 = nn::Var<E, 2>;

namespace {

constexpr Index kModalities = 3, kBatch = 2, kLabels = 2, kWidth = 4, kRows = kBatch * kLabels;

Var2 matrix(nn::Var<E, 1> x) { return x.reshape(Shape{kRows, kWidth}); }

TEST_CASE("subspace map and discriminator, with dropout and without") {
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    projection::SubspaceMap<E> map(kWidth, 0.3);
    CHECK(nn::check_module(
              map, {nn::check_values(kRows * kWidth)}, [&](auto& ctx, const auto& in) { return map(ctx, matrix(in[0]), 2); },
              options) == "");
    projection::Discriminator<E> d(kWidth, kModalities, 0.3);
    CHECK(nn::check_module(
              d, {nn::check_values(kRows * kWidth)}, [&](auto& ctx, const auto& in) { return d(ctx, matrix(in[0]), 1); },
              options) == "");
  }
}

TEST_CASE("modalities that share a map draw their own dropout") {
  projection::SubspaceMap<E> map(kWidth, 0.5);
  backend::Reference backend;
  nn::register_parameters<E>(map, backend, 1);
  const auto x = nn::check_values(kRows * kWidth);
  const auto run = [&](Index use, bool training) {
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, false);
    nn::Context<E> ctx{tape, nullptr, training, 1, 1};
    const Var2 y = map(ctx, Var2(x.data(), Shape{kRows, kWidth}), use);
    return std::vector<double>(y.data(), y.data() + y.size());
  };
  CHECK(run(0, true) == run(0, true));
  CHECK(run(0, true) != run(1, true));
  CHECK(run(1, true) != run(2, true));
  CHECK(run(0, false) == run(1, false));
}

/// Sample 1 lacks modality 2.
struct Weights {
  std::vector<double> all = std::vector<double>(kBatch, 1.0 / (kBatch * kLabels));
  std::vector<double> both = all, first{1.0 / kLabels, 0};
  std::vector<const double*> present{both.data(), both.data(), first.data()};
  projection::AdversaryRows rows() const { return {all.data(), present, kLabels}; }
};

/// What reached whom.
struct Gradients {
  std::vector<double> d, c, s;  ///< empty: nothing
};

std::vector<double> operator*(double factor, std::vector<double> x) {
  for (double& v : x) v *= factor;
  return x;
}
std::vector<double> operator+(std::vector<double> x, const std::vector<double>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  return x;
}
double distance(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() != y.size() || x.empty()) return 1e300;
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

enum class Which { Objective, CommonalityAlone, SpecificityAlone, ConfusionAlone };

/// The discriminator, its inputs C and S, and the gradients of the terms of an adversary.
struct Game {
  projection::Discriminator<E> d{kWidth, kModalities, 0.3};
  backend::Reference backend;
  std::vector<nn::Parameter<E>*> parameters = nn::register_parameters<E>(d, backend, 5);
  std::vector<double> x = nn::check_values(2 * kModalities * kRows * kWidth, 3);
  Weights weights;

  template <class Policy>
  Gradients play(double reversal, int phase, Which which) {
    std::vector<Index> sizes;
    for (const auto* p : parameters) sizes.push_back(p->size());
    nn::Gradients<E> gradients(sizes);
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, true);
    nn::Context<E> ctx{tape, &gradients, true, 1, 1};
    std::vector<double> adjoint(x.size());
    std::vector<autodiff::Slot<double>> slots(2 * kModalities);
    std::vector<Var2> leaves;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const auto at = i * kRows * kWidth;
      slots[i] = {adjoint.data() + at, kRows * kWidth, false, true};
      leaves.emplace_back(x.data() + at, Shape{kRows, kWidth}, &slots[i]);
    }
    projection::AdversaryConfig config;
    config.reversal = reversal;
    const std::span<const Var2> all(leaves);
    const auto t =
        Policy::template terms<E>(ctx, config, d, phase, all.first(kModalities), all.last(kModalities), weights.rows());
    std::vector<E::Tape::Seed> seeds;
    const auto add = [&](nn::Var<E, 0> term, double weight, Which alone) {
      if (term.valid() && (which == Which::Objective || which == alone)) seeds.push_back({term, weight});
    };
    add(t.commonality, t.commonality_sign, Which::CommonalityAlone);
    add(t.specificity, 1, Which::SpecificityAlone);
    add(t.confusion, 1, Which::ConfusionAlone);
    tape.reverse(seeds);
    Gradients result;
    for (Index i = 0; i < gradients.count(); ++i) {
      const auto& slot = gradients.slot(i);
      if (slot.written) result.d.insert(result.d.end(), slot.adjoint, slot.adjoint + slot.size);
    }
    for (std::size_t i = 0; i < slots.size(); ++i) {
      auto& to = i < kModalities ? result.c : result.s;
      if (slots[i].written) to.insert(to.end(), slots[i].adjoint, slots[i].adjoint + slots[i].size);
    }
    return result;
  }
};

struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

TEST_CASE("the terms' derivatives: a reversal of strength -1 is none") {
  const Weights weights;
  projection::Discriminator<E> d(kWidth, kModalities, 0.3);
  projection::AdversaryConfig config;
  config.reversal = -1;
  std::vector<std::vector<double>> inputs;
  for (Index i = 0; i < 2 * kModalities; ++i)
    inputs.push_back(nn::check_values(kRows * kWidth, static_cast<std::uint64_t>(i)));
  const auto check = [&](auto& module, auto policy, auto choose) {
    return nn::check_module(module, inputs, [&](auto& ctx, const auto& in) {
      std::vector<Var2> leaves;
      for (const auto& x : in) leaves.push_back(matrix(x));
      const std::span<const Var2> all(leaves);
      return choose(ctx, decltype(policy)::template terms<E>(ctx, config, d, 0, all.first(kModalities),
                                                             all.last(kModalities), weights.rows()));
    });
  };
  CHECK(check(d, projection::GradientReversal{}, [](auto& ctx, const auto& t) {
          return autodiff::add(ctx.tape, t.commonality, autodiff::scale(ctx.tape, t.specificity, 0.7));
        }) == "");
  Nothing nobody;  // the discriminator is frozen while it is confused
  CHECK(check(nobody, projection::Confusion{}, [](auto&, const auto& t) { return t.confusion; }) == "");
}

TEST_CASE("gradient reversal: D minimises L_C + L_S, S minimises L_S, C maximises L_C with strength c") {
  Game game;
  using P = projection::GradientReversal;
  const auto lc = game.play<P>(-1, 0, Which::CommonalityAlone), ls = game.play<P>(-1, 0, Which::SpecificityAlone);
  REQUIRE(lc.s.empty());
  REQUIRE(ls.c.empty());
  for (const double strength : {1.0, 0.1}) {
    const auto both = game.play<P>(strength, 0, Which::Objective);
    CHECK(distance(both.d, lc.d + ls.d) < 1e-15);
    CHECK(distance(both.s, ls.s) < 1e-15);
    CHECK(distance(both.c, -strength * lc.c) < 1e-15);
  }
  // Sample 1 lacks modality 2: its rows of S^2 teach nobody.
  const auto at = static_cast<std::ptrdiff_t>(2 * kRows * kWidth + kLabels * kWidth);
  CHECK(std::all_of(ls.s.begin() + at, ls.s.end(), [](double g) { return g == 0; }));
  CHECK(std::any_of(lc.c.begin() + at, lc.c.end(), [](double g) { return g != 0; }));
}

TEST_CASE("confusion: D minimises L_C + L_S, C the distance of D's answer from uniform, S minimises L_S") {
  Game game;
  const auto lc = game.play<projection::GradientReversal>(-1, 0, Which::CommonalityAlone);
  const auto ls = game.play<projection::GradientReversal>(-1, 0, Which::SpecificityAlone);
  const auto confusion = game.play<projection::Confusion>(1, 0, Which::ConfusionAlone);
  CHECK(confusion.d.empty());
  CHECK(confusion.s.empty());
  const auto all = game.play<projection::Confusion>(1, 0, Which::Objective);
  CHECK(distance(all.d, lc.d + ls.d) < 1e-15);
  CHECK(distance(all.s, ls.s) < 1e-15);
  CHECK(distance(all.c, confusion.c) < 1e-15);
  CHECK(distance(all.c, -1.0 * lc.c) > 1e-3);
}

TEST_CASE("alternating: first D alone minimises L_C + L_S, then C maximises L_C and S minimises L_S") {
  Game game;
  const auto lc = game.play<projection::GradientReversal>(-1, 0, Which::CommonalityAlone);
  const auto ls = game.play<projection::GradientReversal>(-1, 0, Which::SpecificityAlone);
  const auto first = game.play<projection::Alternating>(1, 0, Which::Objective);
  CHECK(distance(first.d, lc.d + ls.d) < 1e-15);
  CHECK(first.c.empty());
  CHECK(first.s.empty());
  const auto second = game.play<projection::Alternating>(1, 1, Which::Objective);
  CHECK(second.d.empty());
  CHECK(distance(second.c, -1.0 * lc.c) < 1e-15);
  CHECK(distance(second.s, ls.s) < 1e-15);
}

TEST_CASE("a recipe without C or without S has no such term") {
  Game game;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(game.backend, workspace, false);
  nn::Context<E> ctx{tape};
  std::vector<Var2> xs;
  for (std::size_t m = 0; m < kModalities; ++m) xs.emplace_back(game.x.data(), Shape{kRows, kWidth});
  const std::span<const Var2> some(xs), none;
  const auto only_s = projection::GradientReversal::terms<E>(ctx, {}, game.d, 0, none, some, game.weights.rows());
  CHECK_FALSE(only_s.commonality.valid());
  CHECK(only_s.specificity.valid());
  const auto only_c = projection::Confusion::terms<E>(ctx, {}, game.d, 0, some, none, game.weights.rows());
  CHECK(only_c.commonality.valid());
  CHECK(only_c.confusion.valid());
  CHECK_FALSE(only_c.specificity.valid());
}

}  // namespace
