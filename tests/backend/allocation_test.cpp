// A kernel that has seen its largest shape allocates nothing.
#include <doctest/doctest.h>

#include "backend/problems.hpp"
#include "heap_counter.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;

TEST_CASE("the counter counts") {
  const test::HeapCounter heap;
  HostMemory::deallocate(HostMemory::allocate(100));
  ::operator delete(::operator new(4));  // a new-expression may be optimized away
  const long made = heap.requests();
  CHECK(made == 2);
}

TEST_CASE_TEMPLATE("nothing is allocated once the scratch has grown", T, float, double) {
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    backend::Cpu b(threads);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const auto problems = test::ProblemMaker<T, backend::Cpu>(b, seed, seed % 2 == 0).all();
      for (const auto& p : problems) p->run(b);
      for (const auto& p : problems) {
        const test::HeapCounter heap;
        for (int repeat = 0; repeat < 3; ++repeat) p->run(b);
        const long made = heap.requests();
        CAPTURE(p->name);
        CHECK(made == 0);
      }
    }
  }
}

TEST_CASE("a kernel for which there is no memory fails alone: the next one runs") {
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    backend::Cpu b(threads);
    const Index n = 200;
    std::vector<float> x(static_cast<std::size_t>(n * n), 1.0f), y(x.size());
    backend::Gemm<float> g;
    g.m = g.n = g.k = n;
    g.a = g.b = x.data(), g.lda = g.ldb = g.ldc = n, g.c = {y.data(), false};
    {
      const test::HeapLimit limit(20000);  // less than a packed matrix
      CHECK_THROWS_AS(b.gemm(g), std::bad_alloc);
      g.m = g.n = g.k = 20;
      CHECK_NOTHROW(b.gemm(g));
    }
    g.m = g.n = g.k = n;
    b.gemm(g);
    CHECK(y[0] == static_cast<float>(n));
    CHECK(y.back() == static_cast<float>(n));
  }
}

}  // namespace
