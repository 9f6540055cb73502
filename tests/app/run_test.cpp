#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "app/support.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/data/dataset_file.hpp"
#include "ramer/data/split.hpp"
#include "skip.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Call;
using test::Folder;
using test::training;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

}  // namespace

TEST_CASE("train leaves one model, its history, and what resuming needs in a subfolder") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  const Call run = call(training(data, folder / "run"));
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.err.empty());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "run"))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"history.jsonl", "model.safetensors", "report.html", "resume"});
  CHECK(train::read_history(folder / "run/history.jsonl").size() == 3);
  CHECK(run.out.find("epoch 3/3") != std::string::npos);
  CHECK(run.out.find("micro-F1") != std::string::npos);
  CHECK(run.out.find("test samples") != std::string::npos);
}

TEST_CASE("the report has every figure, and the same ones as the library computes") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  for (const char* recipe : {"raising", "linear"}) {
    CAPTURE(recipe);
    REQUIRE(call(training(data, folder / "run", {"--recipe", recipe})).code == 0);
    const Call run = call({"evaluate", "--model", model, "--data", data, "--report", folder / "report.json"});
    INFO(run.err);
    REQUIRE(run.code == 0);
    const io::Json r = io::read_json(folder / "report.json");
    for (const char* key : {"accuracy", "precision", "recall", "micro_f1", "macro_f1", "weighted_f1", "threshold"})
      CHECK_MESSAGE(r.at(key).is_number(), key);
    CHECK(r.at("auc").at("mean").is_number());
    CHECK(r.at("auc").at("per_label").size() == 6);
    CHECK(r.at("f1").at("per_label").size() == 6);
    CHECK(r.at("metric_order") == "correct");
    CHECK(r.at("view") == "persons");
    CHECK(r.at("split") == "test");
    CHECK(r.at("fold").is_null());
    CHECK(r.at("recipe") == recipe);

    const data::Dataset dataset = data::read_dataset(data);
    const auto samples = data::split_samples(dataset).test;
    CHECK(r.at("samples") == samples.size());
    const train::Checkpoint checkpoint = train::open_checkpoint(model);
    const auto system = app::kind_of(test::kinds(), recipe).load(checkpoint, 1);
    eval::MetricOptions metrics;
    metrics.threshold = checkpoint.run.threshold;
    const eval::Report direct = app::measure(*system, dataset, samples, {}, metrics);
    CHECK(r.at("micro_f1").get<double>() == direct.micro_f1);
    CHECK(r.at("auc").at("mean").get<double>() == *direct.auc.mean);

    const Call other =
        call({"evaluate", "--model", model, "--data", data, "--threshold", "0.9", "--report", folder / "high.json"});
    REQUIRE(other.code == 0);
    const io::Json high = io::read_json(folder / "high.json");
    CHECK(high.at("threshold") == 0.9);
    CHECK(high.at("recall").get<double>() <= r.at("recall").get<double>());
    CHECK(high.at("auc").at("mean") == r.at("auc").at("mean"));
  }
}

TEST_CASE("predict writes the same scores to CSV and safetensors") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  REQUIRE(call(training(data, folder / "run")).code == 0);
  REQUIRE(call({"predict", "--model", model, "--data", data, "--out", folder / "p.csv"}).code == 0);
  REQUIRE(call({"predict", "--model", model, "--data", data, "--out", folder / "p.safetensors"}).code == 0);
  const data::Dataset dataset = data::read_dataset(data);
  const auto samples = data::split_samples(dataset).test;
  const auto file = io::SafetensorsFile::open(folder / "p.safetensors");
  const auto ids = file.read<std::int64_t>("id", {static_cast<Index>(samples.size())});
  const auto scores = file.read<float>("scores", {static_cast<Index>(samples.size()), 6});
  const auto predicted = file.read<std::uint8_t>("predicted", {static_cast<Index>(samples.size()), 6});
  const double threshold = train::open_checkpoint(model).run.threshold;

  const auto lines = lines_of(bytes_of(folder / "p.csv"));
  REQUIRE(lines.size() == samples.size() + 1);
  const auto header = fields_of(lines[0]);
  REQUIRE(header.size() == 13);
  CHECK(header[0] == "id");
  CHECK(header[1] == "score:" + dataset.label_names()[0]);
  CHECK(header[7] == "predicted:" + dataset.label_names()[0]);
  for (std::size_t n = 0; n < samples.size(); ++n) {
    const auto fields = fields_of(lines[n + 1]);
    REQUIRE(fields.size() == 13);
    CHECK(std::stoll(fields[0]) == ids[n]);
    CHECK(ids[n] == dataset.id(samples[n]));
    for (std::size_t c = 0; c < 6; ++c) {
      const float score = std::stof(fields[1 + c]);
      CHECK(score == scores[n * 6 + c]);
      CHECK((fields[7 + c] == "1") == (static_cast<double>(score) > threshold));
      CHECK((fields[7 + c] == "1") == (predicted[n * 6 + c] == 1));
    }
  }
}

TEST_CASE("Ctrl-C saves; resuming ends with the same bytes as an undisturbed run") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  test::raise_at = -1;
  REQUIRE(call(training(data, folder / "whole", {"--fold", "1/4"})).code == 0);
  for (const std::int64_t at : {0, 2, 7}) {  // the first step; inside the first epoch; inside a later one
    CAPTURE(at);
    const std::string out = folder / ("cut" + std::to_string(at));
    test::raise_at = at;
    const Call cut = call(training(data, out, {"--fold", "1/4"}));
    test::raise_at = -1;
    CHECK(cut.code == 130);
    CHECK(cut.out.find("--resume") != std::string::npos);
    CHECK(std::filesystem::exists(out + "/model.safetensors"));
    CHECK(call({"evaluate", "--model", out + "/model.safetensors", "--data", data}).out.find("fold 1/4") !=
          std::string::npos);
    // Its own settings hold: nothing but the folder is said again.
    const Call rest = call({"train", "--resume", "--out", out, "--threads", "2"});
    INFO(rest.err);
    REQUIRE(rest.code == 0);
    CHECK(bytes_of(out + "/model.safetensors") == bytes_of(folder / "whole/model.safetensors"));
    CHECK(bytes_of(out + "/history.jsonl") == bytes_of(folder / "whole/history.jsonl"));
  }
}

TEST_CASE("the model remembers its fold, and evaluation keeps to it unless told otherwise") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  const data::Dataset dataset = data::read_dataset(data);
  for (const char* recipe : {"raising", "linear"}) {
    REQUIRE(call(training(data, folder / "run", {"--fold", "2/3", "--recipe", recipe})).code == 0);
    const auto samples_of = [&](std::vector<std::string> more) {
      std::vector<std::string> all{"evaluate", "--model", model, "--data", data, "--report", folder / "r.json"};
      all.insert(all.end(), more.begin(), more.end());
      const Call run = call(all);
      INFO(run.err);
      REQUIRE(run.code == 0);
      return io::read_json(folder / "r.json");
    };
    const io::Json own = samples_of({}), other = samples_of({"--fold", "0/3"}), file = samples_of({"--fold", "none"}),
                   all = samples_of({"--split", "all"});
    CHECK(own.at("fold") == "2/3");
    CHECK(own.at("samples") == data::fold_samples(dataset, {2, 3}).test.size());
    CHECK(other.at("fold") == "0/3");
    CHECK(other.at("samples") == data::fold_samples(dataset, {0, 3}).test.size());
    CHECK(file.at("fold").is_null());
    CHECK(file.at("samples") == data::split_samples(dataset).test.size());
    CHECK(all.at("samples") == dataset.size());
  }
  // Of other data the fold says nothing.
  REQUIRE(call({"synth", "--out", folder / "other.safetensors", "--samples", "90", "--set", "widths=12,12,12"}).code == 0);
  const Call elsewhere =
      call({"evaluate", "--model", model, "--data", folder / "other.safetensors", "--report", folder / "r.json"});
  REQUIRE(elsewhere.code == 0);
  CHECK(io::read_json(folder / "r.json").at("fold").is_null());
}

TEST_CASE("dropped modalities reach the model, and the report says so") {
  const Folder folder;
  const std::string data = test::small_data(folder), model = folder / "run/model.safetensors";
  REQUIRE(call(training(data, folder / "run")).code == 0);
  const auto auc = [&](std::vector<std::string> more) {
    std::vector<std::string> all{"evaluate", "--model", model, "--data", data, "--report", folder / "r.json"};
    all.insert(all.end(), more.begin(), more.end());
    REQUIRE(call(all).code == 0);
    return io::read_json(folder / "r.json");
  };
  const double whole = auc({}).at("auc").at("mean");
  CHECK(auc({"--drop", "text=0"}).at("auc").at("mean").get<double>() == whole);
  CHECK(auc({"--drop", "text"}).at("auc").at("mean").get<double>() != whole);
  CHECK(auc({"--drop", "text=0.5", "--drop", "audio"}).at("dropped") == io::Json({{"text", 0.5}, {"audio", 1.0}}));
  CHECK(auc({"--drop", "any"}).at("auc").at("mean").get<double>() ==
        doctest::Approx(0.5));  // nothing is left to tell samples apart
}

TEST_CASE("settings: presets, a file, --set and options, the later one wins") {
  const Folder folder;
  const std::string data = test::small_data(folder), file = folder / "c.json";
  io::write_file_atomically(
      file, R"({"recipe": "raising", "model": {"hidden": 24, "layers": 2}, "train": {"epochs": 1, "batch": 8},
                                      "optimizer": {"rate": 0.002}})");
  REQUIRE(call({"train", "--data", data, "--out", folder / "run", "--config", file, "--set", "model.hidden=20", "--set",
                "optimizer.decay=0.5", "--batch", "10", "--seed", "7"})
              .code == 0);
  const train::Checkpoint model = train::open_checkpoint(folder / "run/model.safetensors");
  CHECK(model.config.at("hidden") == 20);
  CHECK(model.config.at("layers") == 2);
  CHECK(model.run.seed == 7);
  const io::Json trainer = train::open_checkpoint(folder / "run/resume/state.safetensors").json("trainer");
  CHECK(trainer.at("batch") == 10);
  CHECK(trainer.at("epochs") == 1);
  CHECK(trainer.at("optimizer").at("rate") == 0.002);
  CHECK(trainer.at("optimizer").at("decay") == 0.5);

  REQUIRE(call({"train", "--data", data, "--out", folder / "two", "--epochs", "1", "--modalities", "visual,text", "--view",
                "all"})
              .code == 0);
  const train::Checkpoint two = train::open_checkpoint(folder / "two/model.safetensors");
  REQUIRE(two.schema.modalities.size() == 2);
  CHECK(two.schema.modalities[0].name == "visual");
  CHECK(two.run.view == data::PersonView::kAll);
  CHECK(call({"evaluate", "--model", folder / "two/model.safetensors", "--data", data}).code == 0);
}

TEST_CASE("resuming a finished run, with more epochs or without") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  REQUIRE(call(training(data, folder / "run")).code == 0);
  const std::string model = bytes_of(folder / "run/model.safetensors");
  const Call again = call({"train", "--resume", "--out", folder / "run"});
  REQUIRE(again.code == 0);
  CHECK(bytes_of(folder / "run/model.safetensors") == model);
  REQUIRE(call({"train", "--resume", "--out", folder / "run", "--epochs", "5"}).code == 0);
  CHECK(train::read_history(folder / "run/history.jsonl").size() == 5);
}

TEST_CASE("info: data sets, models, run states, recipes, settings") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  REQUIRE(call(training(data, folder / "run", {"--fold", "0/3"})).code == 0);
  const auto says = [&](const std::vector<std::string>& arguments, std::initializer_list<const char*> words) {
    const Call run = call(arguments);
    INFO(run.err);
    REQUIRE(run.code == 0);
    CAPTURE(run.out);
    for (const char* word : words) CHECK_MESSAGE(run.out.find(word) != std::string::npos, word);
    for (const std::string& line : lines_of(run.out))
      CHECK_MESSAGE(
          (line.size() <= 100 || line.find("resume") != std::string::npos || line.find("ramer-app") != std::string::npos),
          line);
  };
  says({"info", data}, {"120 samples", "text", "audio", "visual", "label", "target", "personality", "split", "groups"});
  says({"info", folder / "run/model.safetensors"}, {"raising", "parameters", "fold 0/3", "threshold", "\"hidden\""});
  says({"info", folder / "run/resume/state.safetensors"}, {"state of a run"});
  says({"info"}, {"raising", "linear"});
  says({"info", "--recipe", "raising"}, {"model.hidden = 128", "train.epochs = ", "optimizer.rate = "});
  says({"train", "--help-options", "--recipe", "linear"}, {"model.c = null"});
  says({"synth", "--help-options"}, {"persistence = "});
  for (const char* command : {"train", "evaluate", "predict", "compare", "ablate", "robust", "plot", "info", "synth"})
    says({command, "--help"}, {"Usage: ramer"});
  says({"--help"}, {"train", "evaluate", "predict", "compare", "ablate", "robust", "plot", "info", "synth"});
}

TEST_CASE("a file without a split: fold 0/5 trains, everything is predicted") {
  const Folder folder;
  const data::Dataset whole = data::read_dataset(test::small_data(folder));
  data::DatasetTensors tensors = whole.tensors();
  tensors.split.reset();
  const std::string data = folder / "nosplit.safetensors", model = folder / "run/model.safetensors";
  data::write_dataset(data, data::Dataset(tensors));
  const Call run = call(training(data, folder / "run"));
  REQUIRE(run.code == 0);
  CHECK(run.out.find("fold 0/5") != std::string::npos);
  REQUIRE(call({"evaluate", "--model", model, "--data", data, "--report", folder / "r.json"}).code == 0);
  CHECK(io::read_json(folder / "r.json").at("fold") == "0/5");
  // Without labels, and of other size, for which the fold says nothing.
  tensors.labels.reset();
  tensors.label_mask.reset();
  tensors.name = "unlabelled";
  data::write_dataset(folder / "unlabelled.safetensors", data::Dataset(tensors));
  REQUIRE(call({"predict", "--model", model, "--data", folder / "unlabelled.safetensors", "--out", folder / "p.csv"}).code ==
          0);
  CHECK(lines_of(bytes_of(folder / "p.csv")).size() == 121);
  const Call measure = call({"evaluate", "--model", model, "--data", folder / "unlabelled.safetensors"});
  CHECK(measure.code == 2);
  CHECK(measure.err.find("labels") != std::string::npos);
}

TEST_CASE("the program itself: committed configurations are valid, mistakes end with code 2") {
  const std::string program = std::string(RAMER_BIN_DIR) + "/ramer";
  if (!std::filesystem::exists(program)) {
    test::skip("the program ramer is not built here");
    return;
  }
  const Folder folder;
  const auto exit_code = [&](const std::string& arguments) {
    return test::shell("'" + program + "' " + arguments + " >'" + (folder / "out") + "' 2>'" + (folder / "err") + "'");
  };
  CHECK(exit_code("--help") == 0);
  CHECK(exit_code("train --recipe nothing --out x") == 2);
  CHECK(bytes_of(folder / "out").empty());
  CHECK(bytes_of(folder / "err").starts_with("ramer: no recipe 'nothing'"));
  int configs = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(RAMER_TESTS_DIR) / "../examples/configs")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    CHECK(exit_code("train --help-options --config '" + entry.path().string() + "'") == 0);
    CHECK(bytes_of(folder / "err") == "");
    ++configs;
  }
  CHECK(configs >= 2);
}
