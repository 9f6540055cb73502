// main() of every test program: doctest's own, with honest exit codes for "nothing ran" and "everything was skipped".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <oneapi/tbb/global_control.h>

#include <iostream>

#include "skip.hpp"

namespace {

constexpr int kSkipped = 77;  // tests/CMakeLists.txt tells CTest so

int cases_run = 0;
int cases_skipped = 0;

// Counts the cases that called skip().
struct SkipListener : doctest::IReporter {
  explicit SkipListener(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData&) override { ramer::test::detail::current_case_skipped = false; }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    ++cases_run;
    if (ramer::test::detail::current_case_skipped) ++cases_skipped;
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("skip", 1, SkipListener);

}  // namespace

int main(int argc, char** argv) {
  // Tests ask for up to 8 threads. On a machine with fewer cores oneTBB would quietly give less, and say so on stderr.
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 16);
  doctest::Context context(argc, argv);
  const int result = context.run();
  if (context.shouldExit() || result != 0) return result;
  if (cases_run == 0) {
    std::cerr << "no test case ran: a filter that matches nothing, or a program without cases\n";
    return 1;
  }
  return cases_skipped == cases_run ? kSkipped : 0;
}
