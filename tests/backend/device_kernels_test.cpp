// The kernels of backend/device, which a GPU runs, run by the host against the oracle.
#include <doctest/doctest.h>

#include <cstring>

#include "backend/emulated.hpp"
#include "backend/factor_tolerance.hpp"

namespace {

using ramer::backend::device::Math;

template <class Number>
struct Emulated {
  using T = Number;
  using Backend = ramer::test::Emulated<>;
  static Backend make() { return Backend(); }
};
template <Math math>
struct Rounding : Emulated<float> {
  static Backend make() { return Backend(math); }
  static double tolerance(const std::string& problem) { return ramer::test::factor_tolerance(math, problem); }
};

}  // namespace

TYPE_TO_STRING_AS("emulated, float", Emulated<float>);
TYPE_TO_STRING_AS("emulated, tf32", Rounding<Math::Tf32>);
TYPE_TO_STRING_AS("emulated, bf16", Rounding<Math::Bf16>);
TYPE_TO_STRING_AS("emulated, double", Emulated<double>);

#define RAMER_BACKENDS Emulated<float>, Rounding<Math::Tf32>, Rounding<Math::Bf16>, Emulated<double>
#define RAMER_SEEDS 40
#define RAMER_LARGEST_PRODUCT 2e6
#include "backend/conformance_cases.hpp"

namespace {

using test::HostBlock;

template <class T, HostBlock::Order order>
std::vector<std::vector<std::vector<T>>> results(Math math, std::uint64_t seed, bool large) {
  test::Emulated<order> b(math);
  std::vector<std::vector<std::vector<T>>> all;
  for (const auto& p : test::ProblemMaker<T, test::Emulated<order>>(b, seed, large).all()) {
    p->run(b);
    all.push_back(p->outputs());
  }
  return all;
}

template <class T>
bool same_bits(const std::vector<std::vector<T>>& a, const std::vector<std::vector<T>>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) {
    same =
        a[i].size() == b[i].size() && (a[i].empty() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(T)) == 0);
  }
  return same;
}

template <class T>
void check_orders(Math math, std::uint64_t seed, bool large) {
  const auto forward = results<T, HostBlock::Order::Forward>(math, seed, large),
             backward = results<T, HostBlock::Order::Backward>(math, seed, large),
             mixed = results<T, HostBlock::Order::Mixed>(math, seed, large);
  for (std::size_t i = 0; i < forward.size(); ++i) {
    CAPTURE(static_cast<int>(math));
    CAPTURE(seed);
    CAPTURE(i);
    CHECK(same_bits(forward[i], backward[i]));
    CHECK(same_bits(forward[i], mixed[i]));
  }
}

TEST_CASE_TEMPLATE("no result depends on the order in which threads and blocks run between two barriers", T, float, double) {
  for (const bool large : {false, true}) {
    for (std::uint64_t seed = 1; seed <= (large ? 1u : 6u); ++seed) {
      check_orders<T>(Math::Fp32, seed, large);
      if (std::is_same_v<T, double>) continue;
      for (const Math math : {Math::Tf32, Math::Bf16}) check_orders<T>(math, seed + 100, large);
    }
  }
}

/// Every thread writes the same place.
struct Racing {
  double* x;
  void operator()(Index i) const { x[0] = static_cast<double>(i); }
};

TEST_CASE("the orders find a race") {
  std::vector<double> found;
  const auto run = [&](auto b) {
    Tensor<double, 1, test::GuardedMemory> x(Shape{Index{1}});
    b.map(Index{100}, Racing{x.data()});
    b.to_host(x.data(), Index{1}, &found.emplace_back());
  };
  run(test::Emulated<HostBlock::Order::Forward>{});
  run(test::Emulated<HostBlock::Order::Backward>{});
  CHECK(found[0] != found[1]);
}

TEST_CASE("layer norm of rows too long for registers, in place") {
  using Backend = test::Emulated<>;
  Backend b;
  backend::Reference oracle;
  std::mt19937_64 rng(5);
  for (const Index cols : {256, 257, 1024, 1025, 3001}) {
    CAPTURE(cols);
    const Index rows = 11;
    std::vector<double> x(static_cast<std::size_t>(rows * cols)), gain(static_cast<std::size_t>(cols)), bias(gain.size());
    for (auto* v : {&x, &gain, &bias})
      for (double& value : *v) value = std::uniform_real_distribution<double>(-1, 1)(rng);
    const auto run = [&](auto& on) {
      using B = std::decay_t<decltype(on)>;
      test::Problem<double, B> p(on);
      backend::LayerNorm<double> f;
      f.rows = rows, f.cols = cols, f.eps = 1e-3, f.gain = p.input(gain), f.bias = p.input(bias);
      f.dropout.stream = RandomStream(1, 2, 3), f.dropout.rate = 0.3;
      f.y = p.output(rows * cols, false, rng).data;
      on.from_host(x.data(), rows * cols, f.y);
      f.x = f.y;
      on.layer_norm(f);
      return p.outputs()[0];
    };
    CHECK(test::difference(run(b), run(oracle)) <= 1e-12);
  }
}

}  // namespace
