// A comparison that is killed at random moments goes on to the tables of an undisturbed one.
#include <doctest/doctest.h>

#include <chrono>

#include "app/support.hpp"
#include "app/timeless.hpp"
#include "child.hpp"
#include "ramer/core/random.hpp"

using namespace ramer;
using test::call;
using test::Folder;

namespace {

std::vector<std::string> comparison(const std::string& data, const std::string& out) {
  return {"compare", "--data",       data, "--out",   out,  "--recipes", "raising,linear", "--folds",   "3", "--seeds",
          "2",       "--epochs",     "3",  "--batch", "16", "--set",     "model.c=0.1",    "--threads", "1", "--resamples",
          "100",     "--keep-models"};
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
      if (!test::killed_after(delay, [&] { return call(comparison(data, out)).code; })) break;
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
