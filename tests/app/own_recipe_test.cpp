// The example of a recipe of one's own, as a program.
#include <doctest/doctest.h>

#include "app/folder.hpp"
#include "app/shell.hpp"
#include "ramer/io/json.hpp"
#include "skip.hpp"

using namespace ramer;

TEST_CASE("a recipe of one's own is compared like any other") {
  const std::string program = std::string(RAMER_BIN_DIR) + "/ramer_own_recipe";
  if (!std::filesystem::exists(program)) {
    test::skip("the program ramer_own_recipe is not built here");
    return;
  }
  const test::Folder folder;
  const auto run = [&](const std::string& arguments) {
    return test::shell("'" + program + "' " + arguments + " >'" + (folder / "log") + "' 2>&1");
  };
  const std::string data = "'" + (folder / "data") + "'", out = folder / "out";
  REQUIRE(run("synth --samples 60 --set group_size=4 --out " + data) == 0);
  REQUIRE(
      run("compare --recipes linear,ramer,mine --folds 3 --seeds 1 --epochs 1 --batch 16 --threads 1 --resamples 100 --set "
          "model.c=0.1 --set model.encoder.hidden=8 --set model.encoder.heads=2 --set model.encoder.inner=8 --set "
          "model.contrast.queue=32 --data " +
          data + " --out '" + out + "'") == 0);
  const io::Json json = io::read_json(out + "/results.json");
  REQUIRE(json.at("systems").size() == 3);
  const io::Json &ramer = json.at("systems")[1], &mine = json.at("systems")[2];
  CHECK(mine.at("name") == "mine");
  CHECK(mine.at("settings").at("model").at("encoder").at("hidden") == 8);
  CHECK(mine.at("parameters") == ramer.at("parameters"));
  CHECK(mine.at("runs").size() == 3);
  CHECK(mine.at("runs") != ramer.at("runs"));
}
