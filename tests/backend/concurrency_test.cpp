// One backend object used from several host threads at once. Also meant to be run under ThreadSanitizer.
#include <doctest/doctest.h>

#include <cstring>
#include <stdexcept>
#include <thread>

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

// TBB is not built for ThreadSanitizer, which then cannot see how TBB hands its own task objects from thread to thread.
// Races on those are left out by the functions of TBB that touch them, none of which calls a kernel.
#if defined(__SANITIZE_THREAD__)
extern "C" __attribute__((weak)) const char* __tsan_default_options() { return "history_size=7"; }
extern "C" __attribute__((weak)) const char* __tsan_default_suppressions() {
  return "race_top:tbb::detail\n"
         "race:tbb::detail::d1::node\n"
         "race:tbb::detail::d1::tree_node\n"
         "race:tbb::detail::d1::fold_tree\n"
         "race:tbb::detail::d1::wait_context\n"
         "race:tbb::detail::d1::small_object_allocator\n";
}
#endif

namespace {

using namespace ramer;

TEST_CASE_TEMPLATE("host threads that share a backend do not disturb each other", T, float, double) {
  constexpr int kHosts = 3, kRepeats = 4;
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    backend::Cpu b(threads);
    using Problems = std::vector<std::unique_ptr<test::Problem<T, backend::Cpu>>>;
    std::vector<Problems> problems;
    std::vector<std::vector<std::vector<std::vector<T>>>> expected(kHosts);
    for (int h = 0; h < kHosts; ++h) {
      problems.push_back(test::ProblemMaker<T, backend::Cpu>(b, static_cast<std::uint64_t>(40 + h), h != 1).all());
      for (const auto& p : problems.back()) {
        p->run(b);
        expected[static_cast<std::size_t>(h)].push_back(p->outputs());
      }
    }
    std::vector<int> wrong(kHosts, 0);
    std::vector<std::thread> hosts;
    for (std::size_t h = 0; h < kHosts; ++h) {
      hosts.emplace_back([&, h] {
        backend::Cpu mine = b;
        for (int repeat = 0; repeat < kRepeats; ++repeat) {
          for (std::size_t i = 0; i < problems[h].size(); ++i) {
            problems[h][i]->reset();
            problems[h][i]->run(mine);
            const auto found = problems[h][i]->outputs();
            for (std::size_t o = 0; o < found.size(); ++o) {
              const auto& right = expected[h][i][o];
              if (!right.empty() && std::memcmp(found[o].data(), right.data(), right.size() * sizeof(T)) != 0) ++wrong[h];
            }
          }
        }
      });
    }
    for (std::thread& host : hosts) host.join();
    for (int w : wrong) CHECK(w == 0);
  }
}

/// Writes the numbers up to `fails`, where it throws.
struct Throws {
  Index fails;
  double* y;
  void operator()(Index i) const {
    if (i == fails) throw std::runtime_error("element " + std::to_string(i));
    y[i] = static_cast<double>(i);
  }
};

TEST_CASE("what a functor throws reaches the caller, and the backend works on") {
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    backend::Cpu b(threads);
    std::vector<double> y(100000);
    for (const Index fails : {Index{0}, Index{50001}, Index{99999}}) {
      CHECK_THROWS_WITH_AS(b.map(static_cast<Index>(y.size()), Throws{fails, y.data()}),
                           ("element " + std::to_string(fails)).c_str(), std::runtime_error);
      std::fill(y.begin(), y.end(), -1.0);
      b.map(static_cast<Index>(y.size()), Throws{-1, y.data()});
      for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == static_cast<double>(i));
    }
  }
}

}  // namespace
