// The conformance suite on a GPU, and what is its own: arithmetic of products, the same bits again, several host threads.
#include <doctest/doctest.h>

#include <cstring>
#include <thread>

#include "backend/factor_tolerance.hpp"
#include "cuda/device.hpp"

namespace {

using Math = ramer::backend::Cuda::Math;

template <class Number>
struct OnCuda {
  using T = Number;
  using Backend = ramer::backend::Cuda;
  static Backend make() { return Backend(); }
};
template <Math math>
struct Rounding : OnCuda<float> {
  static Backend make() { return Backend(0, math); }
  static double tolerance(const std::string& problem) { return ramer::test::factor_tolerance(math, problem); }
};

}  // namespace

TYPE_TO_STRING_AS("cuda, float", OnCuda<float>);
TYPE_TO_STRING_AS("cuda, tf32", Rounding<Math::Tf32>);
TYPE_TO_STRING_AS("cuda, bf16", Rounding<Math::Bf16>);
TYPE_TO_STRING_AS("cuda, double", OnCuda<double>);

#define RAMER_BACKENDS OnCuda<float>, Rounding<Math::Tf32>, Rounding<Math::Bf16>, OnCuda<double>
#include "backend/conformance_cases.hpp"

namespace {

using backend::Cuda;

template <class T>
std::vector<std::vector<std::vector<T>>> results(Cuda b, std::uint64_t seed, bool large) {
  std::vector<std::vector<std::vector<T>>> all;
  for (const auto& p : test::ProblemMaker<T, Cuda>(b, seed, large).all()) {
    p->run(b);
    all.push_back(p->outputs());
  }
  return all;
}

template <class T>
bool same_bits(const std::vector<std::vector<std::vector<T>>>& a, const std::vector<std::vector<std::vector<T>>>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t o = 0; o < a[i].size(); ++o)
      if (!a[i][o].empty() && std::memcmp(a[i][o].data(), b[i][o].data(), a[i][o].size() * sizeof(T)) != 0) return false;
  return a.size() == b.size();
}

TEST_CASE_TEMPLATE("the same bits from run to run", T, float, double) {
  RAMER_NEEDS(T);
  for (const bool large : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      for (const Math math : {Math::Fp32, Math::Tf32, Math::Bf16}) {
        const auto first = results<T>(Cuda(0, math), seed, large);
        CHECK(same_bits(first, results<T>(Cuda(0, math), seed, large)));
      }
    }
  }
}

TEST_CASE("products in tf32 and bf16 agree to the digits that their factors have") {
  RAMER_NEEDS(T);
  backend::Reference oracle;
  for (const auto& [math, tolerance] :
       {std::pair{Cuda::Math::Fp32, 2e-5}, std::pair{Cuda::Math::Tf32, 4e-3}, std::pair{Cuda::Math::Bf16, 3e-2}}) {
    Cuda b(0, math);
    CHECK(b.math() == math);
    const Index shapes[][3] = {{64, 64, 64}, {257, 96, 40}, {512, 256, 256}, {3, 5, 1000}};
    for (const auto& shape : shapes) {
      test::Problem<float, Cuda> found(b);
      test::Problem<float, backend::Reference> expected(oracle);
      test::ProblemMaker<float, Cuda>(b, 9, true).gemm(found, shape[0], shape[1], shape[2]);
      test::ProblemMaker<float, backend::Reference>(oracle, 9, true).gemm(expected, shape[0], shape[1], shape[2]);
      found.run(b);
      expected.run(oracle);
      check_same<float>(found, expected, tolerance);
    }
  }
}

TEST_CASE("host threads that share a backend do not disturb each other") {
  RAMER_NEEDS(T);
  Cuda b;
  const auto expected = results<float>(b, 3, true);
  std::vector<int> right(3, 0);
  std::vector<std::thread> hosts;
  for (std::size_t h = 0; h < right.size(); ++h) {
    hosts.emplace_back([&, h] { right[h] = same_bits(expected, results<float>(b, 3, true)); });
  }
  for (std::thread& host : hosts) host.join();
  for (const int r : right) CHECK(r == 1);
}

}  // namespace
