#include <doctest/doctest.h>

#include "app/support.hpp"
#include "ramer/app/missing_series.hpp"
#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Call;
using test::Folder;

namespace {

data::Dataset conversations(Index samples = 60) {
  data::SyntheticConfig config;
  config.samples = samples;
  return data::make_synthetic(config);
}

std::vector<app::MissingSeries> parsed(const std::vector<std::string>& texts, const std::string& unit = "token") {
  return app::parse_series(texts, unit, conversations(), {});
}

Index available(const Batch& batch, std::size_t modality) {
  const auto& a = batch.modalities[modality].available;
  return std::count(a.begin(), a.end(), 1);
}

}  // namespace

TEST_CASE("rates: ranges, steps, lists") {
  CHECK(parsed({"text=0..0.9"})[0].rates == std::vector<double>{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9});
  CHECK(parsed({"text=0..0.9:0.3"})[0].rates == std::vector<double>{0, 0.3, 0.6, 0.9});
  CHECK(parsed({"text=0.2,0.5,1"})[0].rates == std::vector<double>{0.2, 0.5, 1});
  CHECK(parsed({"text=0.5"})[0].rates == std::vector<double>{0.5});
  const auto two = parsed({"text=0", "others:any=1"}, "sample");
  CHECK(two[0].text() == "text");
  CHECK(two[1].text() == "every modality of the others");
  CHECK(two[1].role == data::MissingRole::kOthers);
  CHECK(two[1].unit == data::MissingUnit::kSample);
  // Without any: each modality, and the others' where there are others.
  const auto all = parsed({});
  REQUIRE(all.size() == 4);
  CHECK(all[2].text() == "visual");
  CHECK(all[3].role == data::MissingRole::kOthers);
  CHECK(app::parse_series({}, "token", conversations(), {"audio"}).size() == 2);
  for (const char* wrong : {"text", "text=", "text=2", "text=-0.1", "text=a", "text=0..", "text=0.9..0", "text=0..1:0",
                            "text=0.5,0.5", "smell=0..1", "nobody:text=0..1", "text=0..1:x"})
    CHECK_THROWS_AS_MESSAGE(parsed({wrong}), ConfigError, wrong);
  CHECK_THROWS_AS(parsed({"text=0", "text=0.5"}), ConfigError);
}

TEST_CASE("every view misses the same tokens") {
  const data::Dataset d = conversations();
  const std::vector<std::int32_t> samples = data::all_samples(d);
  for (const data::MissingRole role :
       {data::MissingRole::kEveryone, data::MissingRole::kTarget, data::MissingRole::kOthers}) {
    data::MissingConfig config;
    config.rate = 0.5;
    config.role = role;
    config.modalities = {"visual"};
    Batch persons;
    data::make_batch(d, samples, {}, persons);
    const Batch before = persons;
    app::DropInView(d, data::PersonView::kPersons, config, 1)(persons);
    std::vector<float> expected_all, expected_target, expected_moment;  // what is left of the features, in order
    const ModalityBatch& m = persons.modalities[2];
    for (std::size_t b = 0; b < samples.size(); ++b)
      for (auto r = static_cast<std::size_t>(m.offsets[b]); r < static_cast<std::size_t>(m.offsets[b + 1]); ++r) {
        if (!m.available[r]) continue;
        const float* x = m.features.data() + r * static_cast<std::size_t>(m.width);
        expected_all.insert(expected_all.end(), x, x + m.width);
        if (m.person[r] != persons.target_person[b]) continue;
        expected_target.insert(expected_target.end(), x, x + m.width);
        if (m.segment[r] == persons.target_segment[b]) expected_moment.insert(expected_moment.end(), x, x + m.width);
      }
    for (const data::PersonView view : {data::PersonView::kAll, data::PersonView::kTarget, data::PersonView::kMoment}) {
      data::BatchOptions options;
      options.view = view;
      Batch batch;
      data::make_batch(d, samples, options, batch);
      const Batch whole = batch;
      app::DropInView(d, view, config, 1)(batch);
      std::vector<float> left;
      const ModalityBatch& v = batch.modalities[2];
      for (std::size_t r = 0; r < v.available.size(); ++r) {
        const float* x = v.features.data() + r * static_cast<std::size_t>(v.width);
        if (v.available[r])
          left.insert(left.end(), x, x + v.width);
        else
          CHECK(std::all_of(x, x + v.width, [](float f) { return f == 0; }));
      }
      CHECK(left == (view == data::PersonView::kAll      ? expected_all
                     : view == data::PersonView::kTarget ? expected_target
                                                         : expected_moment));
      const bool touched = view == data::PersonView::kAll || role != data::MissingRole::kOthers;
      CHECK((available(batch, 2) < available(whole, 2)) == touched);
      CHECK(available(batch, 0) == available(whole, 0));
    }
    CHECK(available(persons, 2) < available(before, 2));
  }
}

TEST_CASE("robust: rate 0 is the comparison, rate 1 of everything is chance") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "out";
  const auto robust = [&](std::vector<std::string> drops) {
    std::vector<std::string> all{
        "robust",  "--data", data,          "--out",     out,        "--recipes", "linear@target,raising,raising@all",
        "--folds", "3",      "--seeds",     "2",         "--epochs", "2",         "--batch",
        "16",      "--set",  "model.c=0.1", "--threads", "1"};
    for (const std::string& drop : drops) all.insert(all.end(), {"--drop", drop});
    return call(all);
  };
  const Call run = robust({"text=0,0.5,1", "any=0,1", "others:any=0,1"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.out.find("every modality of the others") != std::string::npos);
  const io::Json json = io::read_json(out + "/results.json");
  CHECK(json.at("command") == "robust");
  REQUIRE(json.at("systems").size() == 3);
  const auto mean = [&](std::size_t system, std::size_t series, std::size_t point, const char* metric) {
    const io::Json& p = json.at("systems")[system].at("series")[series].at("points")[point];
    return p.at("metrics").at(metric).at("mean").get<double>();
  };
  const auto rates = json.at("systems")[0].at("series")[0].at("rates");
  CHECK(rates == io::Json({0.0, 0.5, 1.0}));
  for (std::size_t k = 0; k < 3; ++k) {
    CAPTURE(k);
    CHECK(mean(k, 1, 1, "mean_auc") == doctest::Approx(0.5).epsilon(0.1));  // seeds and folds differ; samples do not
    for (std::size_t series = 1; series < 3; ++series) CHECK(mean(k, series, 0, "micro_f1") == mean(k, 0, 0, "micro_f1"));
    CHECK(mean(k, 0, 2, "mean_auc") != mean(k, 0, 0, "mean_auc"));
  }
  // A system that never sees the others does not miss them.
  CHECK(mean(0, 2, 1, "mean_auc") == mean(0, 2, 0, "mean_auc"));
  CHECK(mean(1, 2, 1, "mean_auc") != mean(1, 2, 0, "mean_auc"));
  CHECK(mean(2, 2, 1, "mean_auc") != mean(2, 2, 0, "mean_auc"));

  // compare, in the same folder, finds the same runs; and its figures are those at rate 0.
  const Call compared =
      call({"compare", "--data", data, "--out", out, "--recipes", "linear@target,raising,raising@all", "--folds", "3",
            "--seeds", "2", "--epochs", "2", "--batch", "16", "--set", "model.c=0.1", "--resamples", "50"});
  REQUIRE(compared.code == 0);
  CHECK(compared.out.find("15 runs: 15 stored") != std::string::npos);
  CHECK(compared.out.find("other runs") == std::string::npos);
  const io::Json table = io::read_json(out + "/results.json");
  for (std::size_t k = 0; k < 3; ++k)
    for (const char* metric : {"micro_f1", "mean_auc", "accuracy"})
      CHECK(table.at("systems")[k].at("metrics").at(metric).at("mean").get<double>() == mean(k, 0, 0, metric));

  // More rates need no training; the same command, nothing at all.
  const Call more = robust({"text=0,0.5,1", "audio=0.5"});
  REQUIRE(more.code == 0);
  CHECK(more.out.find("15 runs: 15 stored") != std::string::npos);
  CHECK(more.out.find("15 of 15 models to go") != std::string::npos);
  const std::string bytes = bytes_of(out + "/results.json"), csv = bytes_of(out + "/results.csv");
  const Call again = robust({"text=0,0.5,1", "audio=0.5"});
  CHECK(again.out.find("models to go") == std::string::npos);
  CHECK(bytes_of(out + "/results.json") == bytes);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 3 * 4);
  const std::string svg = bytes_of(out + "/results.svg");
  for (const char* text : {">text<", ">audio<", ">raising<", ">linear@target<", "missing rate", ">Micro-F1<"})
    CHECK_MESSAGE(svg.find(text) != std::string::npos, text);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("robust: mistakes") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  const auto refused = [&](std::vector<std::string> more, std::initializer_list<const char*> words) {
    std::vector<std::string> all{"robust", "--data", data, "--out", folder / "x", "--recipes", "linear", "--folds", "3"};
    all.insert(all.end(), more.begin(), more.end());
    const Call run = call(all);
    CAPTURE(run.err);
    CHECK(run.code == 2);
    CHECK(run.one_line());
    for (const char* word : words) CHECK_MESSAGE(run.err.find(word) != std::string::npos, word);
  };
  refused({"--drop", "smell=0..1"}, {"smell", "text"});
  refused({"--drop", "text"}, {"text", "RATES"});
  refused({"--drop", "text=0..2"}, {"2", "0 to 1"});
  refused({"--drop-unit", "person"}, {"person"});
  refused({"--metric", "luck"}, {"luck", "micro_f1"});
  CHECK_FALSE(std::filesystem::exists(folder / "x"));
}
