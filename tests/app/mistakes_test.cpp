#include <doctest/doctest.h>

#include "app/support.hpp"
#include "ramer/io/file.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Call;
using test::Folder;
using test::refused;

TEST_CASE("mistakes on the command line") {
  const Folder folder;
  refused({}, {"train"});
  refused({"frobnicate"}, {"frobnicate"});
  refused({"train"}, {"--out"});
  refused({"train", "--out", folder / "x", "--frobnicate"}, {"--frobnicate"});
  refused({"train", "--out", folder / "x", "--epochs", "many"}, {"--epochs", "many"});
  refused({"train", "--out", folder / "x", "--epochs", "-1"}, {"epochs"});
  refused({"train", "--out", folder / "x", "--batch", "0"}, {"batch"});
  refused({"train", "--out", folder / "x", "--view", "sideways"}, {"sideways"});
  refused({"train", "--out", folder / "x", "--recipe", "nothing"}, {"nothing", "raising", "linear"});
  refused({"train", "--out", folder / "x", "--modalities", "smell"}, {"smell", "text"});
  refused({"train", "--out", folder / "x", "--threads", "-3"}, {"--threads"});
  refused({"evaluate"}, {"--model"});
  refused({"predict", "--model", "m"}, {"--out"});
  refused({"synth"}, {"--out"});
  refused({"synth", "--out", folder / "s", "--set", "sampels=3"}, {"sampels", "samples"});
  refused({"synth", "--out", folder / "s", "--samples", "0"}, {"samples"});
  refused({"info", "--recipe", "nothing"}, {"nothing"});
  CHECK(std::filesystem::is_empty(folder / ""));
}

TEST_CASE("mistakes in settings name the key") {
  const Folder folder;
  const auto set = [&](const std::string& assignment, std::initializer_list<const char*> words) {
    refused({"train", "--out", folder / "x", "--set", assignment}, words);
  };
  set("model.hiden=3", {"model.hiden", "model.hidden"});
  set("hidden=3", {"hidden", "model.hidden"});
  set("model.hidden=wide", {"model.hidden", "wide"});
  set("model.hidden=0", {"hidden"});
  set("model.hidden", {"key=value"});
  set("nonsense", {"key=value"});
  set("optimizer.kind=sgd", {"optimizer.kind", "sgd", "adamw"});
  set("optimizer.rat=1", {"optimizer.rat", "optimizer.rate"});
  set("train.selection=luck", {"train.selection", "luck"});
  const auto file = [&](const std::string& text, std::initializer_list<const char*> words) {
    io::write_file_atomically(folder / "c.json", text);
    refused({"train", "--out", folder / "x", "--config", folder / "c.json"}, words);
  };
  file("{", {"c.json", "JSON"});
  file("[]", {"c.json"});
  file(R"({"modle": {}})", {"c.json", "modle"});
  file(R"({"model": {"hiden": 3}})", {"c.json", "model.hiden", "hidden"});
  file(R"({"model": {"hidden": "wide"}})", {"c.json", "model.hidden", "wide"});
  file(R"({"model": 3})", {"c.json", "model"});
  file(R"({"recipe": 3})", {"c.json", "recipe"});
  file(R"({"optimizer": {"rate": null}})", {"c.json", "optimizer.rate"});
  refused({"train", "--out", folder / "x", "--config", folder / "none.json"}, {"none.json"});
  CHECK_FALSE(std::filesystem::exists(folder / "x"));
}

TEST_CASE("mistakes about files") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  REQUIRE(call({"train", "--data", data, "--out", folder / "run", "--epochs", "1"}).code == 0);
  io::write_file_atomically(folder / "junk", "junk");
  io::write_file_atomically(folder / "file", "in the way");

  refused({"train", "--data", folder / "none", "--out", folder / "x"}, {"none"});
  refused({"train", "--data", folder / "junk", "--out", folder / "x"}, {"junk"});
  refused({"train", "--data", model, "--out", folder / "x"}, {"ramer.checkpoint", "ramer.dataset"});
  refused({"train", "--data", data, "--out", folder / "file"}, {"file"});
  refused({"train", "--data", data, "--out", folder / "file/below"}, {"below"});
  refused({"evaluate", "--model", folder / "none"}, {"none"});
  refused({"evaluate", "--model", folder / "junk"}, {"junk"});
  refused({"evaluate", "--model", data}, {"ramer.dataset", "ramer.checkpoint"});
  refused({"evaluate", "--model", model, "--data", data, "--threshold", "2"}, {"threshold"});
  refused({"evaluate", "--model", model, "--data", data, "--split", "tset"}, {"tset"});
  refused({"evaluate", "--model", model, "--data", data, "--drop", "smell"}, {"smell", "text"});
  refused({"evaluate", "--model", model, "--data", data, "--drop", "text=2"}, {"text=2"});
  refused({"evaluate", "--model", model, "--data", data, "--batch", "0"}, {"batch"});
  refused({"predict", "--model", model, "--data", data, "--out", folder / "p.txt"}, {".csv"});
  refused({"predict", "--model", model, "--data", data, "--out", folder / "none/p.csv"}, {"p.csv"});
  refused({"info", folder / "junk"}, {"junk"});
  refused({"info", folder / "none"}, {"none"});

  // A report that cannot be written: the figures are shown, the exit code tells.
  const Call report = call({"evaluate", "--model", model, "--data", data, "--report", folder / "none/r.json"});
  CHECK(report.code == 2);
  CHECK(report.one_line());
}

TEST_CASE("mistakes about what fits together") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  REQUIRE(call({"train", "--data", data, "--out", folder / "run", "--epochs", "1"}).code == 0);

  // Other labels, other widths.
  REQUIRE(call({"synth", "--out", folder / "labels.safetensors", "--samples", "60", "--set", "widths=12,12,12", "--set",
                "labels=4"})
              .code == 0);
  refused({"evaluate", "--model", model, "--data", folder / "labels.safetensors"}, {"label"});
  refused({"evaluate", "--model", model}, {"width"});

  refused({"train", "--data", data, "--out", folder / "x", "--fold", "5/5"}, {"5/5"});
  refused({"train", "--data", data, "--out", folder / "x", "--fold", "0/2"}, {"0/2"});
  refused({"train", "--data", data, "--out", folder / "x", "--fold", "first"}, {"first", "K/N"});
  refused({"train", "--data", data, "--out", folder / "x", "--fold", "0/1000"}, {"1000", "groups"});

  // A model of a recipe that this program does not have.
  const std::string text = bytes_of(model);
  std::string other = text;
  const std::size_t at = other.find("\"recipe\":\"raising\"");
  REQUIRE(at != std::string::npos);
  other.replace(at, 18, "\"recipe\":\"unknown\"");
  io::write_file_atomically(folder / "other.safetensors", other);
  refused({"evaluate", "--model", folder / "other.safetensors", "--data", data}, {"unknown", "raising"});
}

TEST_CASE("mistakes about resuming") {
  const Folder folder;
  const std::string data = test::small_data(folder), run = folder / "run";
  REQUIRE(call({"train", "--data", data, "--out", run, "--epochs", "1"}).code == 0);
  const std::string model = bytes_of(run + "/model.safetensors"), state = bytes_of(run + "/resume/state.safetensors");
  refused({"train", "--resume", "--out", folder / "none"}, {"none", "resume"});
  const auto refuses = [&](std::vector<std::string> more, std::initializer_list<const char*> words) {
    std::vector<std::string> all{"train", "--resume", "--out", run};
    all.insert(all.end(), more.begin(), more.end());
    const Call again = call(all);
    CAPTURE(again.err);
    CHECK(again.code == 2);
    CHECK(again.one_line());
    for (const char* word : words) CHECK_MESSAGE(again.err.find(word) != std::string::npos, word);
  };
  refuses({"--recipe", "linear"}, {"raising", "linear"});
  refuses({"--seed", "77"}, {"seed", "77"});
  refuses({"--set", "model.hidden=32"}, {"hidden", "32"});
  refuses({"--fold", "0/3"}, {"data"});
  CHECK(bytes_of(run + "/model.safetensors") == model);
  CHECK(bytes_of(run + "/resume/state.safetensors") == state);
  CHECK(call({"train", "--resume", "--out", run}).code == 0);  // and none of that changed what the run remembers
}
