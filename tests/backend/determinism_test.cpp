// The same bits with 1, 2 and 4 threads, in every kernel.
#include <doctest/doctest.h>

#include <oneapi/tbb/global_control.h>

#include <cstring>

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;

template <class T>
bool same_bits(const std::vector<std::vector<T>>& a, const std::vector<std::vector<T>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return false;
    if (!a[i].empty() && std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(T)) != 0) return false;
  }
  return true;
}

TEST_CASE_TEMPLATE("the same bits with 1, 2 and 4 threads", T, float, double) {
  // Four threads even where there are fewer processors.
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  backend::Cpu one(1), two(2), four(4);
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const bool large = seed % 2 == 0;
    const auto expected = test::ProblemMaker<T, backend::Cpu>(one, seed, large).all();
    for (const auto& p : expected) p->run(one);
    for (backend::Cpu* b : {&two, &four}) {
      const auto found = test::ProblemMaker<T, backend::Cpu>(*b, seed, large).all();
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        found[i]->run(*b);
        CAPTURE(seed);
        CAPTURE(found[i]->name);
        CAPTURE(b->threads());
        CHECK(same_bits(found[i]->outputs(), expected[i]->outputs()));
        // And again, now that the scratch memory holds what another kernel left there.
        found[i]->reset();
        found[i]->run(*b);
        CHECK(same_bits(found[i]->outputs(), expected[i]->outputs()));
      }
    }
  }
}

TEST_CASE_TEMPLATE("an array's sum has the same bits alone and among others", T, float, double) {
  backend::Cpu b(2);
  std::mt19937_64 rng(6);
  const std::vector<Index> sizes{3, 0, 16384, 40000, 1, 16383, 0, 100000, 77};
  std::vector<Index> offsets{0};
  for (const Index n : sizes) offsets.push_back(offsets.back() + n);
  std::vector<T> x(static_cast<std::size_t>(offsets.back())), together(sizes.size()), alone(sizes.size());
  for (T& v : x) v = static_cast<T>(std::normal_distribution<double>()(rng));
  const test::SquareArrays<T> f{x.data(), offsets.data()};
  b.sum_arrays(backend::Arrays{static_cast<Index>(sizes.size()), offsets.back(), offsets.data()}, f,
               backend::Target<T>{together.data(), false});
  for (std::size_t s = 0; s < sizes.size(); ++s)
    b.sum(sizes[s], f(static_cast<Index>(s)), T(1), backend::Target<T>{alone.data() + s, false});
  CHECK(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(T)) == 0);
}

TEST_CASE_TEMPLATE("a row does not depend on how many other rows a product has", T, float, double) {
  backend::Cpu b(2);
  std::mt19937_64 rng(5);
  const Index m = 131, n = 70, k = 300;
  const auto numbers = [&](Index count) {
    std::vector<T> x(static_cast<std::size_t>(count));
    for (T& v : x) v = static_cast<T>(std::normal_distribution<double>()(rng));
    return x;
  };
  const auto left = numbers(m * k), right = numbers(k * n);
  std::vector<T> all(static_cast<std::size_t>(m * n)), some(all.size());
  backend::Gemm<T> g;
  g.m = m, g.n = n, g.k = k;
  g.a = left.data(), g.lda = k, g.b = right.data(), g.ldb = n, g.c = {all.data(), false}, g.ldc = n;
  b.gemm(g);
  g.c = {some.data(), false};
  for (Index rows : {1, 2, 5, 12, 60, 130}) {
    CAPTURE(rows);
    g.m = rows;
    b.gemm(g);
    CHECK(std::memcmp(all.data(), some.data(), static_cast<std::size_t>(rows * n) * sizeof(T)) == 0);
  }
}

}  // namespace
