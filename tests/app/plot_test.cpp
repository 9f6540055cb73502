// ramer plot: what it refuses, and what it draws for RAMer itself.
#include <doctest/doctest.h>

#include "app/support.hpp"
#include "ramer/app/picture_file.hpp"
#include "ramer/app/svg.hpp"
#include "skip.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Folder;
using test::refused;

namespace {

/// For a while nothing is found on the path.
class NoPath {
 public:
  NoPath() : path_(std::getenv("PATH")) { ::setenv("PATH", "/nowhere", 1); }
  ~NoPath() { ::setenv("PATH", path_.c_str(), 1); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("plot refuses, in one sentence, what it cannot draw") {
  const Folder folder;
  const std::string data = test::small_data(folder), svg = folder / "x.svg";
  for (const char* recipe : {"raising", "linear"}) {
    const std::string out = folder / recipe, model = out + "/model.safetensors";
    REQUIRE(call({"train", "--data", data, "--out", out, "--epochs", "1", "--batch", "16", "--recipe", recipe}).code == 0);
    refused({"plot", "figure3", "--model", model, "--data", data, "--out", svg}, {"figure3", recipe, "no embedding"});
    refused({"plot", "figure4", "--checkpoint", model, "--data", data, "--out", svg}, {"figure4", recipe, "no class score"});
    refused({"plot", "figure5", "--model", model, "--data", data, "--out", svg}, {"figure5", recipe, "no class score"});
  }
  const std::string model = folder / "raising/model.safetensors";
  refused({"plot"}, {"figure"});
  refused({"plot", "figure6", "--model", model, "--out", svg}, {"figure6", "figure3"});
  refused({"plot", "figure3", "--out", svg}, {"--model"});
  refused({"plot", "figure3", "--model", model}, {"--out"});
  refused({"plot", "figure3", "--model", model, "--data", data, "--out", folder / "x.jpg"}, {"x.jpg", ".svg", ".png"});
  refused({"plot", "figure4", "--model", model, "--data", data, "--out", svg, "--pairs", "3"}, {"--pairs", "figure3"});
  refused({"plot", "figure3", "--model", model, "--data", data, "--out", svg, "--sample", "3"}, {"--sample", "figure5"});
  refused({"plot", "figure3", "--model", model, "--data", data, "--out", svg, "--pairs", "0"}, {"--pairs"});
  {
    const NoPath nothing;
    refused({"plot", "figure3", "--model", model, "--data", data, "--out", folder / "x.png"},
            {"rsvg-convert", "librsvg2-bin", ".svg"});
    CHECK_THROWS_AS(app::write_picture(folder / "x.png", "<svg/>"), ConfigError);
  }
  CHECK_FALSE(std::filesystem::exists(svg));
}

TEST_CASE("a PNG is made by rsvg-convert, or not at all") {
  if (!app::detail::program_exists("rsvg-convert")) {
    test::skip("rsvg-convert is not here");
    return;
  }
  const Folder folder;
  app::Svg drawing(40, 30);
  drawing.circle(20, 15, 10, app::plot_color(0));
  app::write_picture(folder / "a.png", drawing.str());
  CHECK(bytes_of(folder / "a.png").starts_with("\x89PNG"));
  CHECK_THROWS_AS(app::write_picture(folder / "b.png", "this is no drawing"), IoError);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / ""))
    names.push_back(entry.path().filename().string());
  CHECK(names == std::vector<std::string>{"a.png"});
}

TEST_CASE("the three figures of RAMer, by the program") {
  const std::string program = std::string(RAMER_BIN_DIR) + "/ramer_own_recipe";
  if (!std::filesystem::exists(program)) {
    test::skip("the program ramer_own_recipe is not built here");
    return;
  }
  const Folder folder;
  const auto run = [&](const std::string& arguments) {
    return test::shell("'" + program + "' " + arguments + " >'" + (folder / "log") + "' 2>&1");
  };
  const std::string data = "--data '" + (folder / "data") + "' ";
  REQUIRE(run("synth --samples 80 --set group_size=4 --out '" + (folder / "data") + "'") == 0);
  REQUIRE(run("train --recipe ramer --epochs 1 --batch 16 --threads 1 --set model.encoder.hidden=8 --set "
              "model.encoder.heads=2 --set model.encoder.inner=8 --set model.contrast.queue=32 " +
              data + "--out '" + (folder / "run") + "'") == 0);
  const std::string from = " --model '" + (folder / "run/model.safetensors") + "' " + data + "--threads 1 --out '";
  const auto lines = [&](const std::string& name) {
    const std::string text = bytes_of(folder / name);
    return std::count(text.begin(), text.end(), '\n');
  };
  REQUIRE(run("plot figure3 --split all --pairs 10" + from + (folder / "3.svg") + "'") == 0);
  CHECK(lines("3.csv") > 1 + 60);
  CHECK(lines("3.csv") <= 1 + 120);
  REQUIRE(run("plot figure3 --split all --pairs 10" + from + (folder / "again.svg") + "'") == 0);
  CHECK(bytes_of(folder / "again.svg") == bytes_of(folder / "3.svg"));
  REQUIRE(run("plot figure3 --split all --pairs 10 --seed 2" + from + (folder / "other.svg") + "'") == 0);
  CHECK(bytes_of(folder / "other.csv") != bytes_of(folder / "3.csv"));
  REQUIRE(run("plot figure4" + from + (folder / "4.svg") + "'") == 0);
  CHECK(lines("4.csv") == 1 + 3 * 6 * 3);
  REQUIRE(run("plot figure5 --drop text" + from + (folder / "5.svg") + "'") == 0);
  CHECK(lines("5.csv") == 1 + 6);
  CHECK(bytes_of(folder / "5.tokens.csv").find(",text,dropped,") != std::string::npos);
  CHECK(bytes_of(folder / "5.tokens.csv").find(",text,available,") == std::string::npos);
  CHECK(bytes_of(folder / "5.svg").find("reconstructed from the others: text") != std::string::npos);
  for (const char* name : {"3.svg", "4.svg", "5.svg"}) CHECK(bytes_of(folder / name).ends_with("</svg>\n"));

  // What figure 5 says of a sample is what `predict` says.
  REQUIRE(run("predict --drop text" + from + (folder / "p.csv") + "'") == 0);
  const std::string id = bytes_of(folder / "5.csv").substr(bytes_of(folder / "5.csv").find('\n') + 1);
  const std::string number = id.substr(0, id.find(','));
  const std::string predictions = bytes_of(folder / "p.csv");
  const std::size_t at = predictions.find("\n" + number + ",");
  REQUIRE(at != std::string::npos);
  const double score = std::stod(predictions.substr(at + number.size() + 2));
  std::istringstream first(id);
  std::string field;
  for (int k = 0; k < 4; ++k) std::getline(first, field, ',');
  CHECK(std::stod(field) == doctest::Approx(score).epsilon(1e-4));
  CHECK(run("plot figure5 --sample 999999" + from + (folder / "6.svg") + "'") == 2);
  CHECK(bytes_of(folder / "log").find("no sample 999999") != std::string::npos);
}
