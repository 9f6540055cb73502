#include <doctest/doctest.h>

#include <set>

#include "app/support.hpp"
#include "app/timeless.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Call;
using test::Folder;
using test::Timeless;

namespace {

/// Arguments of a comparison that takes a second.
std::vector<std::string> comparison(const std::string& data, const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> all{"compare", "--data", data,          "--out",     out,        "--recipes",   "linear,raising",
                               "--folds", "3",      "--seeds",     "2",         "--epochs", "1",           "--batch",
                               "16",      "--set",  "model.c=0.1", "--threads", "1",        "--resamples", "200"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<std::string> runs_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/runs"))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("compare: tables, files, and nothing to do the second time") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  const Call first = call(comparison(data, out));
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK(first.out.find("9 runs: 0 stored") != std::string::npos);
  CHECK(first.out.find("[1/9] linear, fold 0/3 ...") != std::string::npos);
  CHECK(first.out.find("raising, fold 2/3, seed 2 of 2") != std::string::npos);
  CHECK(first.out.find(" left\n") != std::string::npos);
  CHECK(first.out.find("Micro-F1") != std::string::npos);
  CHECK(first.out.find("precision and recall in the correct order") != std::string::npos);
  CHECK(runs_in(out).size() == 9);  // 3 folds of linear, on which seeds have no say; 3 x 2 of the other

  const io::Json json = io::read_json(out + "/results.json");
  CHECK(json.at("command") == "compare");
  CHECK(json.at("folds") == 3);
  CHECK(json.at("seeds") == io::Json({1, 2}));
  CHECK(json.at("threshold").at("rule") == "tuned");
  CHECK(json.at("metric_order") == "correct");
  CHECK(json.at("test").at("against") == "linear");
  CHECK(json.at("test").at("family") == 2);
  CHECK(json.at("data").at("samples") == 120);
  REQUIRE(json.at("systems").size() == 2);
  const io::Json& system = json.at("systems")[1];
  CHECK(system.at("name") == "raising");
  CHECK(system.at("view") == "persons");
  CHECK(system.at("settings").at("train").at("batch") == 16);
  CHECK_FALSE(system.at("settings").at("model").contains("c"));
  CHECK(json.at("systems")[0].at("settings").at("model").at("c") == 0.1);
  CHECK(system.at("runs").size() == 6);
  CHECK(system.at("metrics").at("micro_f1").at("n") == 6);
  CHECK(json.at("systems")[0].at("runs").size() == 3);
  CHECK(system.at("parameters").get<int>() > 1000);
  CHECK(system.at("seconds").at("mean").get<double>() > 0);
  for (const char* metric : {"micro_f1", "mean_auc"})
    CHECK(system.at("tests").at(metric).at("p_holm").get<double>() >= system.at("tests").at(metric).at("p").get<double>());
  CHECK(json.at("systems")[0].at("tests").empty());
  double sum = 0;
  for (const io::Json& run : system.at("runs")) sum += run.at("report").at("micro_f1").get<double>();
  CHECK(system.at("metrics").at("micro_f1").at("mean").get<double>() == doctest::Approx(sum / 6));
  // What differs between the systems is what is tested.
  CHECK(system.at("tests").at("micro_f1").at("difference").get<double>() ==
        doctest::Approx(sum / 6 - json.at("systems")[0].at("metrics").at("micro_f1").at("mean").get<double>()));

  std::map<std::string, std::string> files;
  for (const char* name : {"results.json", "results.csv", "results.md", "results.svg"})
    files[name] = bytes_of(out + "/" + name);
  const Call again = call(comparison(data, out));
  REQUIRE(again.code == 0);
  CHECK(again.out.find("9 stored") != std::string::npos);
  CHECK(again.out.find("[1/9]") == std::string::npos);
  for (const auto& [name, bytes] : files) CHECK_MESSAGE(bytes_of(out + "/" + name) == bytes, name);
  // The tables are the same, to the letter, from whatever path the same data come.
  std::filesystem::copy_file(data, folder / "elsewhere");
  const Call moved = call(comparison(folder / "elsewhere", out));
  CHECK(moved.out.substr(moved.out.find("\n\n")) == again.out.substr(again.out.find("\n\n")));
}

TEST_CASE("a run's scores are those of the same training by `train`") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  REQUIRE(call(comparison(data, out, {"--keep-models"})).code == 0);
  REQUIRE(call({"train", "--data", data, "--recipe", "raising", "--fold", "1/3", "--seed", "2", "--epochs", "1", "--batch",
                "16", "--out", folder / "run"})
              .code == 0);
  REQUIRE(
      call({"evaluate", "--model", folder / "run/model.safetensors", "--data", data, "--report", folder / "r.json"}).code ==
      0);
  const io::Json report = io::read_json(folder / "r.json"), json = io::read_json(out + "/results.json");
  bool found = false;
  for (const io::Json& run : json.at("systems")[1].at("runs")) {
    if (run.at("fold") != "1/3" || run.at("seed") != 2) continue;
    found = true;
    CHECK(run.at("threshold") == report.at("threshold"));
    for (const char* metric : {"accuracy", "micro_f1", "macro_f1"}) CHECK(run.at("report").at(metric) == report.at(metric));
    CHECK(run.at("report").at("auc") == report.at("auc"));
  }
  CHECK(found);
  // Models that are kept can be evaluated like any.
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(out + "/models")) {
    CHECK(call({"evaluate", "--model", entry.path().string(), "--data", data, "--split", "all"}).code == 0);
    ++models;
  }
  CHECK(models == 9);
}

TEST_CASE("what is missing is made again, to the same tables") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  REQUIRE(call(comparison(data, out)).code == 0);
  const Timeless before(out);
  CHECK(before.markdown.find("| system | view | runs | parameters | d Micro-F1") != std::string::npos);
  const auto names = runs_in(out);
  for (std::size_t k = 0; k < names.size(); k += 2) std::filesystem::remove(out + "/runs/" + names[k]);
  const Call again = call(comparison(data, out));
  REQUIRE(again.code == 0);
  CHECK(again.out.find("9 runs: 4 stored") != std::string::npos);
  CHECK(runs_in(out) == names);
  CHECK(Timeless(out) == before);
}

TEST_CASE("Ctrl-C keeps what is finished; the same command goes on to the same tables") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  REQUIRE(call(comparison(data, folder / "whole")).code == 0);
  test::raise_at = 1;  // in the first run of `raising`, the second of all
  const Call cut = call(comparison(data, folder / "out"));
  test::raise_at = -1;
  CHECK(cut.code == 130);
  CHECK(cut.out.find("The same command goes on") != std::string::npos);
  CHECK(runs_in(folder / "out").size() == 1);
  CHECK_FALSE(std::filesystem::exists(folder / "out/results.json"));
  const Call rest = call(comparison(data, folder / "out"));
  REQUIRE(rest.code == 0);
  CHECK(rest.out.find("9 runs: 1 stored") != std::string::npos);
  CHECK(Timeless(folder / "out") == Timeless(folder / "whole"));
}

TEST_CASE("other settings in the same folder are other runs, and say so") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  REQUIRE(call(comparison(data, out)).code == 0);
  const std::string json = bytes_of(out + "/results.json");
  const Call other = call(comparison(data, out, {"--set", "model.hidden=24"}));
  REQUIRE(other.code == 0);
  CHECK(other.out.find("9 runs: 3 stored") != std::string::npos);  // linear has no such setting
  CHECK(other.out.find("note: 6 other runs") != std::string::npos);
  CHECK(bytes_of(out + "/results.json") != json);
  REQUIRE(call(comparison(data, out)).code == 0);
  CHECK(bytes_of(out + "/results.json") == json);
}

TEST_CASE("rows: views, files of settings, names of one's own") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  io::write_file_atomically(folder / "narrow.json",
                            R"({"recipe": "raising", "model": {"hidden": 8}, "train": {"view": "all"}})");
  io::write_file_atomically(folder / "all.json",
                            R"({"recipe": "raising", "model": {"hidden": 16}, "train": {"batch": 12}})");
  const Call run = call({"compare",
                         "--data",
                         data,
                         "--out",
                         out,
                         "--recipes",
                         "linear@target,linear,raising,narrow,narrow@target",
                         "--folds",
                         "none",
                         "--seeds",
                         "1",
                         "--seed",
                         "5",
                         "--epochs",
                         "1",
                         "--config",
                         folder / "all.json",
                         "--recipe-config",
                         "narrow=" + (folder / "narrow.json"),
                         "--resamples",
                         "50",
                         "--layout",
                         "f1",
                         "--tests",
                         "macro_f1",
                         "--threshold",
                         "0.4",
                         "--released-metrics"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.out.find("narrow@target, the file's split, seed 5 (1 of 1)") != std::string::npos);
  CHECK(run.out.find("fixed threshold 0.40") != std::string::npos);
  CHECK(run.out.find("exchanged") != std::string::npos);
  CHECK(run.out.find("Weighted-F1") != std::string::npos);
  const io::Json json = io::read_json(out + "/results.json");
  CHECK(json.at("folds").is_null());
  CHECK(json.at("threshold").at("value") == 0.4);
  const auto of = [&](std::size_t k, const char* key) { return json.at("systems")[k].at(key); };
  CHECK(of(0, "recipe") == "linear");
  CHECK(of(0, "view") == "target");
  CHECK(of(1, "view") == "persons");
  CHECK(of(2, "settings").at("model").at("hidden") == 16);
  CHECK(of(2, "settings").at("train").at("batch") == 12);
  CHECK(of(3, "recipe") == "raising");
  CHECK(of(3, "view") == "all");
  CHECK(of(3, "settings").at("model").at("hidden") == 8);
  CHECK(of(3, "settings").at("train").at("batch") == 12);
  CHECK(of(4, "view") == "target");
  CHECK(of(0, "parameters") < of(1, "parameters"));  // the target alone; and the window's mean
  for (std::size_t k = 0; k < 5; ++k) CHECK(of(k, "runs")[0].at("threshold") == 0.4);
  for (std::size_t k = 1; k < 5; ++k) CHECK(of(k, "tests").contains("macro_f1"));
}

TEST_CASE("ablate: the program's rows, the first of them the whole model") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  const Call run = call({"ablate", "--data", data, "--out", folder / "out", "--folds", "3", "--seeds", "1", "--epochs", "1",
                         "--resamples", "50"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  const io::Json json = io::read_json(folder / "out/results.json");
  CHECK(json.at("command") == "ablate");
  REQUIRE(json.at("systems").size() == 2);
  CHECK(json.at("systems")[0].at("name") == "raising");
  CHECK(json.at("systems")[1].at("name") == "raising-less");
  CHECK(json.at("test").at("against") == "raising");
  CHECK(bytes_of(folder / "out/results.md").starts_with("# Ablation"));
  // A file of the whole model's settings is for all of its variants.
  io::write_file_atomically(folder / "c.json", R"({"recipe": "raising", "model": {"hidden": 20, "layers": 2}})");
  REQUIRE(call({"ablate", "--data", data, "--out", folder / "out", "--folds", "3", "--seeds", "1", "--epochs", "1",
                "--resamples", "50", "--config", folder / "c.json"})
              .code == 0);
  const io::Json told = io::read_json(folder / "out/results.json").at("systems");
  for (const io::Json& system : told) CHECK(system.at("settings").at("model").at("hidden") == 20);
  // But for what makes a variant the variant that it is.
  CHECK(told[0].at("settings").at("model").at("layers") == 2);
  CHECK(told[1].at("settings").at("model").at("layers") == 0);
  // Rows can be chosen, among everything that the program has.
  CHECK(call({"ablate", "--data", data, "--out", folder / "out", "--folds", "3", "--seeds", "1", "--epochs", "1",
              "--resamples", "50", "--recipes", "raising-less,linear"})
            .code == 0);
}

TEST_CASE("what cannot be compared is refused before anything is trained") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  io::write_file_atomically(folder / "fixed.json", R"({"train": {"threshold_rule": "fixed"}})");
  io::write_file_atomically(folder / "typo.json", R"({"model": {"hiden": 8}})");
  io::write_file_atomically(folder / "file", "in the way");
  const auto refused = [&](std::vector<std::string> more, std::initializer_list<const char*> words,
                           const char* command = "compare") {
    std::vector<std::string> all{command, "--epochs", "1"};
    const auto unless_given = [&](const char* option, const std::string& value) {
      if (std::find(more.begin(), more.end(), option) == more.end()) all.insert(all.end(), {option, value});
    };
    unless_given("--data", data);
    unless_given("--folds", "3");
    unless_given("--seeds", "1");
    unless_given("--out", folder / "x");
    if (command != std::string("ablate")) unless_given("--recipes", "linear,raising");
    all.insert(all.end(), more.begin(), more.end());
    const Call run = call(all);
    CAPTURE(run.err);
    CAPTURE(run.out);
    CHECK(run.code == 2);
    CHECK(run.one_line());
    CHECK(run.out.find("[1/") == std::string::npos);
    for (const char* word : words) CHECK_MESSAGE(run.err.find(word) != std::string::npos, word);
  };
  for (const char* command : {"compare", "ablate", "robust"}) {
    CAPTURE(command);
    refused({"--folds", "2"}, {"--folds", "3"}, command);
    refused({"--folds", "many"}, {"--folds", "many"}, command);
    refused({"--folds", "500"}, {"500", "groups"}, command);
    refused({"--seeds", "0"}, {"--seeds"}, command);
    refused({"--threshold", "2"}, {"--threshold"}, command);
    refused({"--threshold", "some"}, {"--threshold", "tuned"}, command);
    refused({"--data", folder / "none"}, {"none"}, command);
    refused({"--out", folder / "file"}, {"file"}, command);
    refused({"--view", "sideways"}, {"sideways"}, command);
    refused({"--set", "model.hiden=3"}, {"model.hiden", "none of these"}, command);
    refused({"--config", folder / "typo.json"}, {"model.hiden"}, command);
    refused({"--modalities", "smell"}, {"smell"}, command);
    refused({"--recipe-config", "nobody=" + (folder / "fixed.json")}, {"nobody", "rows"}, command);
    refused({"--recipe-config", "raising"}, {"NAME=FILE"}, command);
    refused({"--recipes", "linear,nothing"}, {"nothing", "raising"}, command);
    refused({"--recipes", "linear,linear"}, {"linear", "twice"}, command);
    refused({"--recipes", "linear@above"}, {"above", "target"}, command);
  }
  refused({"--recipe-config", "raising=" + (folder / "fixed.json")}, {"threshold", "linear", "raising", "--threshold"});
  refused({"--recipe-config", "raising=" + (folder / "typo.json")}, {"typo.json", "model.hiden", "model.hidden"});
  refused({"--tests", "luck"}, {"luck", "micro_f1"});
  refused({"--layout", "round"}, {"round"});
  refused({"--resamples", "0"}, {"--resamples"});
  refused({"--set", "model.hidden=0"}, {"model.hidden", "0"});
  CHECK(call({"compare", "--recipes", "linear"}).err.find("--out") != std::string::npos);
  CHECK(call({"compare", "--out", folder / "x"}).err.find("--recipes") != std::string::npos);
  // A run's file that is broken is named.
  REQUIRE(call(comparison(data, folder / "out")).code == 0);
  const std::string file = folder / "out/runs/" + runs_in(folder / "out").front();
  io::write_file_atomically(file, "junk");
  const Call broken = call(comparison(data, folder / "out"));
  CHECK(broken.code == 2);
  CHECK(broken.one_line());
  CHECK(broken.err.find(file) != std::string::npos);
  // A program without ablations.
  const Call none = test::call_without_ablations({"ablate", "--out", "x"});
  CHECK(none.code == 2);
  CHECK(none.err.find("--recipes") != std::string::npos);
}
