// A comparison that is killed at random moments goes on to the tables of an undisturbed one.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>

#include "app/support.hpp"
#include "app/timeless.hpp"
#include "ramer/core/random.hpp"

template ramer::app::Kind ramer::app::make_kind<ramer::test::Raising>();

using namespace ramer;
using test::call;
using test::Folder;

namespace {

std::vector<std::string> comparison(const std::string& data, const std::string& out) {
  return {"compare", "--data",       data, "--out",   out,  "--recipes", "raising,linear", "--folds",   "3", "--seeds",
          "2",       "--epochs",     "3",  "--batch", "16", "--set",     "model.c=0.1",    "--threads", "1", "--resamples",
          "100",     "--keep-models"};
}

/// Runs it in a child process that the kernel kills after so many nanoseconds. Whether it was killed.
bool killed_after(std::int64_t nanoseconds, const std::vector<std::string>& arguments) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    timer_t timer{};
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || ::timer_settime(timer, 0, &when, nullptr) != 0) ::_exit(3);
    ::_exit(call(arguments).code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) {
    CHECK(WTERMSIG(status) == SIGKILL);
    return true;
  }
  CHECK(WEXITSTATUS(status) == 0);
  return false;
}

}  // namespace

TEST_CASE("compare, killed at random moments") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(call(comparison(data, folder / "whole")).code == 0);
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  const test::Timeless whole(folder / "whole");

  const RandomStream stream(7, name_hash("kill"));
  int kills = 0, with_runs = 0;
  for (std::uint64_t round = 0; round < 15; ++round) {
    CAPTURE(round);
    const std::string out = folder / ("out" + std::to_string(round));
    for (std::uint64_t death = 0; death <= round % 3; ++death) {
      const auto delay = 1 + static_cast<std::int64_t>(stream.below(round * 8 + death, static_cast<std::uint64_t>(took)));
      if (!killed_after(delay, comparison(data, out))) break;
      ++kills;
    }
    const test::Call rest = call(comparison(data, out));
    CAPTURE(rest.err);
    REQUIRE(rest.code == 0);
    with_runs += rest.out.find("9 runs: 0 stored") == std::string::npos;
    CHECK(test::Timeless(out) == whole);
    // Nothing half done is left behind.
    for (const char* part : {"/runs", "/models"})
      for (const auto& entry : std::filesystem::directory_iterator(out + part)) {
        CAPTURE(entry.path().string());
        CHECK(entry.path().extension() == ".safetensors");
        CHECK_FALSE(entry.path().filename().string().starts_with("."));
      }
  }
  CHECK(kills >= 8);
  CHECK(with_runs >= 4);
}
