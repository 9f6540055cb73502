// Tables, tests and files of constructed runs: nothing is trained.
#include <doctest/doctest.h>

#include <sstream>

#include "app/constructed.hpp"
#include "ramer/app/comparison_files.hpp"

using namespace ramer;
using test::Constructed;

namespace {

std::string printed(const app::Table& table) {
  std::ostringstream out;
  table.print(out, "");
  return out.str();
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::size_t fields_of(const std::string& line) {
  return static_cast<std::size_t>(std::count(line.begin(), line.end(), ',')) + 1;
}

}  // namespace

TEST_CASE("mean and standard deviation are over what is there") {
  const app::Spread none = app::spread_of({std::nullopt});
  CHECK(none.n == 0);
  CHECK_FALSE(none.mean);
  const app::Spread one = app::spread_of({0.25, std::nullopt});
  CHECK(one.n == 1);
  CHECK(*one.mean == 0.25);
  CHECK_FALSE(one.sd);
  const app::Spread three = app::spread_of({1.0, 2.0, std::nullopt, 6.0});
  CHECK(three.n == 3);
  CHECK(*three.mean == 3.0);
  CHECK(*three.sd == doctest::Approx(std::sqrt(7.0)));
}

TEST_CASE("every row is tested against the first, and Holm's correction is over the table") {
  Constructed c({"first", "better", "lucky", "same"}, 2, 2);
  // "better" is right more often everywhere, "lucky" in a few groups of one fold.
  c.fill([](std::size_t row, Index group, Index sample, bool is) {
    const bool wrong = (group * 5 + sample) % 4 == 0;
    const bool fixed = (row == 1 && (group + sample) % 5 == 0) || (row == 2 && group % 40 < 8 && group < 8);
    return (is != (wrong && !fixed)) ? 0.9f : 0.1f;
  });
  const app::ComparisonResult result = c.result();
  CHECK(result.groups == 80);
  CHECK(result.family == 6);
  const auto test = [&](std::size_t row, const char* metric) { return result.rows[row].tests.at(metric); };
  CHECK(result.rows[0].tests.empty());
  CHECK(test(1, "micro_f1")->comparison.difference > 0.02);
  CHECK(test(1, "micro_f1")->p_holm < 0.01);
  CHECK(test(2, "micro_f1")->comparison.difference > 0);
  CHECK(test(2, "micro_f1")->p_holm > test(1, "micro_f1")->p_holm);
  CHECK(test(3, "micro_f1")->comparison.difference == 0);
  CHECK(test(3, "micro_f1")->p_holm == 1);
  // Each difference is that of the table's means.
  for (std::size_t row = 1; row < 4; ++row)
    for (const char* metric : {"micro_f1", "mean_auc"})
      CHECK(test(row, metric)->comparison.difference ==
            doctest::Approx(*result.rows[row].metrics.at(metric).mean - *result.rows[0].metrics.at(metric).mean));
  // Holm over all six, as the library has it.
  std::vector<double> p, corrected;
  for (std::size_t row = 1; row < 4; ++row)
    for (const char* metric : {"micro_f1", "mean_auc"}) {
      p.push_back(test(row, metric)->comparison.p);
      corrected.push_back(test(row, metric)->p_holm);
    }
  // In the table's order of metrics, which is that of the options.
  CHECK(corrected == eval::holm(p));
}

TEST_CASE("groups that hang together make a difference less certain than the same difference spread over all") {
  const auto p_of = [](auto improved) {
    Constructed c({"first", "other"}, 1, 1);
    c.fill([&](std::size_t row, Index group, Index sample, bool is) {
      const bool wrong = sample < 2;
      return (is != (wrong && !(row == 1 && improved(group, sample)))) ? 0.9f : 0.1f;
    });
    return c.result().rows[1].tests.at("micro_f1")->comparison;
  };
  const eval::Comparison spread = p_of([](Index group, Index sample) { return sample == 0 && group % 5 == 0; });
  const eval::Comparison lumped = p_of([](Index group, Index sample) { return sample < 2 && group < 4; });
  CHECK(spread.difference > 0);
  CHECK(lumped.difference == doctest::Approx(spread.difference).epsilon(0.3));
  CHECK(lumped.p > spread.p);
  CHECK(lumped.high - lumped.low > spread.high - spread.low);
}

TEST_CASE("a label of one class has no AUC, and leaves the mean") {
  Constructed c({"a", "b"}, 1, 2);
  c.fill([](std::size_t, Index group, Index sample, bool) { return static_cast<float>((group * 7 + sample) % 10) / 10; });
  for (auto& runs : c.runs)
    for (app::StoredRun& run : runs)
      for (std::size_t n = 0; n < run.id.size(); ++n) run.truth[n * 3] = 1;
  const app::ComparisonResult result = c.result();
  const app::RowResult& row = result.rows[0];
  CHECK_FALSE(row.label_auc.at("one").mean);
  CHECK(row.label_auc.at("one").n == 0);
  CHECK(*row.metrics.at("mean_auc").mean ==
        doctest::Approx((*row.label_auc.at("two").mean + *row.label_auc.at("three").mean) / 2));
  const io::Json json = app::comparison_json(c.experiment, result, c.text());
  CHECK(json.at("systems")[0].at("auc_per_label").at("one").at("mean").is_null());
  CHECK(json.at("systems")[0].at("runs")[0].at("report").at("auc").at("per_label").at("one").is_null());
  CHECK(printed(app::label_table(result)).find(" -") != std::string::npos);
}

TEST_CASE("tables are laid out as asked for") {
  Constructed c({"first", "second"}, 3, 2);
  c.fill([](std::size_t row, Index group, Index sample, bool is) {
    return ((group + sample + static_cast<Index>(row)) % 3 == 0) != is ? 0.8f : 0.2f;
  });
  const app::ComparisonResult result = c.result();
  app::ComparisonText text = c.text();
  const std::string paper = printed(app::score_table(result, text));
  CHECK(words_of(paper.substr(0, paper.find('\n'))) ==
        std::vector<std::string>{"system", "Acc", "P", "R", "Micro-F1", "AUC"});
  const std::string mean = app::fixed(result.rows[0].metrics.at("accuracy").mean, 3);
  CHECK(paper.find("first   " + mean + " ± ") != std::string::npos);
  text.columns = app::columns_of("f1");
  const std::string f1 = printed(app::score_table(result, text));
  CHECK(words_of(f1.substr(0, f1.find('\n'))) ==
        std::vector<std::string>{"system", "Micro-F1", "Macro-F1", "Weighted-F1", "AUC"});
  const std::string tests = printed(app::test_table(result, text));
  CHECK(tests.find("view") != std::string::npos);
  CHECK(tests.find("12 345") != std::string::npos);  // parameters
  CHECK(tests.find("persons") != std::string::npos);

  const std::string markdown = app::comparison_markdown(c.experiment, result, text, "p.svg");
  CHECK(markdown.find("| system | Micro-F1 | Macro-F1 | Weighted-F1 | AUC |\n|---|---:|---:|---:|---:|\n| first |") !=
        std::string::npos);
  CHECK(markdown.find("](p.svg)") != std::string::npos);
  CHECK(markdown.find("6 groups") == std::string::npos);
  CHECK(markdown.find("120 groups") != std::string::npos);

  std::istringstream csv(app::comparison_csv(result, text));
  std::string head, line;
  REQUIRE(std::getline(csv, head));
  int lines = 0;
  while (std::getline(csv, line)) {
    CHECK(fields_of(line) == fields_of(head));
    ++lines;
  }
  CHECK(lines == 2);
}

TEST_CASE("both orders of precision and recall, and the output says which") {
  Constructed c({"first", "second"}, 1, 1);
  c.fill([](std::size_t, Index, Index sample, bool is) { return is || sample == 0 ? 0.9f : 0.1f; });
  const app::ComparisonResult correct = c.result();
  c.options.order = eval::MetricOrder::Released;
  const app::ComparisonResult released = c.result();
  const auto mean = [](const app::ComparisonResult& r, const char* metric) { return *r.rows[0].metrics.at(metric).mean; };
  CHECK(mean(correct, "recall") == 1);
  CHECK(mean(correct, "precision") < 1);
  CHECK(mean(released, "precision") == mean(correct, "recall"));
  CHECK(mean(released, "recall") == mean(correct, "precision"));
  CHECK(mean(released, "micro_f1") == mean(correct, "micro_f1"));
  CHECK(app::notes_of(released, c.text())[0].find("exchanged") != std::string::npos);
  CHECK(app::comparison_json(c.experiment, released, c.text()).at("metric_order") == "released");
  c.options.order = eval::MetricOrder::Correct;
  CHECK(app::notes_of(correct, c.text())[0].find("correct order") != std::string::npos);
  CHECK(app::comparison_json(c.experiment, correct, c.text()).at("metric_order") == "correct");
}

TEST_CASE("CSV quotes what must be") {
  app::Csv csv;
  csv << std::string_view("a,b") << std::string_view("say \"x\"") << std::optional<double>() << Index{3};
  csv.end_line();
  CHECK(csv.str() == "\"a,b\",\"say \"\"x\"\"\",,3\n");
}

TEST_CASE("the plot names everything, inside of its own borders") {
  Constructed c({"first", "a name <that> is & rather long indeed"}, 2, 2);
  c.fill([](std::size_t row, Index group, Index sample, bool is) {
    return ((group + sample) % (2 + static_cast<Index>(row)) == 0) != is ? 0.8f : 0.2f;
  });
  const app::ComparisonResult result = c.result();
  const std::string svg =
      app::plot_bars(result.rows, {eval::Metric::Accuracy, eval::Metric::MicroF1, eval::Metric::MeanAuc}, "Title", "below");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  for (const char* text : {">Title<", ">first<", "&lt;that&gt; is &amp; rather", ">Acc<", ">Micro-F1<", ">AUC<", "chance"})
    CHECK_MESSAGE(svg.find(text) != std::string::npos, text);
  const auto width = std::stod(svg.substr(svg.find("width=\"") + 7));
  double rightmost = 0;
  int circles = 0;
  for (std::size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1), ++circles)
    rightmost = std::max(rightmost, std::stod(svg.substr(svg.find("cx=\"", at) + 4)));
  CHECK(circles == 2 * 4 * 3);  // rows, runs, panels
  CHECK(rightmost < width);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("scales end at round numbers") {
  const app::Scale s = app::Scale::around(0.13, 0.78, 0, 100, 5);
  CHECK(s.low == doctest::Approx(0));
  CHECK(s.high == doctest::Approx(0.8));
  CHECK(s.marks().size() == 5);
  CHECK(s(0.4) == doctest::Approx(50));
  const app::Scale flat = app::Scale::around(0.5, 0.5, 0, 10);
  CHECK(flat.low < 0.5);
  CHECK(flat.high > 0.5);
}

TEST_CASE("a run's file gives back the run, and refuses another one's name") {
  const test::Folder folder;
  Constructed c({"first", "second"}, 1, 1);
  c.fill([](std::size_t, Index, Index sample, bool is) { return is ? 0.75f : 0.1f * static_cast<float>(sample); });
  const app::RunStore store(folder / "out");
  const app::RunKey key(c.experiment, c.experiment.rows[0], "0/3", 1);
  CHECK_FALSE(store.has(key));
  store.write(key, c.runs[0][0]);
  REQUIRE(store.has(key));
  const app::StoredRun back = store.read(key);
  CHECK(back.scores == c.runs[0][0].scores);
  CHECK(back.truth == c.runs[0][0].truth);
  CHECK(back.group == c.runs[0][0].group);
  CHECK(io::to_json(back.info) == io::to_json(c.runs[0][0].info));
  CHECK(store.others({key.name}) == 0);
  CHECK(store.others({}) == 1);

  const app::RunKey other(c.experiment, c.experiment.rows[0], "0/3", 2);
  CHECK(other.name != key.name);
  std::filesystem::copy_file(store.run_file(key), store.run_file(other));
  CHECK_THROWS_AS(store.read(other), IoError);
  io::write_file_atomically(store.run_file(other), "junk");
  CHECK_THROWS_AS(store.read(other), IoError);

  // What changes a result changes the key; what only changes when it is there does not.
  app::Row row = c.experiment.rows[0];
  row.settings.train.ahead = 7, row.settings.train.device_data = 0;
  CHECK(app::RunKey(c.experiment, row, "0/3", 1).name == key.name);
  row.settings.train.epochs += 1;
  CHECK(app::RunKey(c.experiment, row, "0/3", 1).name != key.name);
  app::Experiment data = c.experiment;
  data.identity = "other";
  CHECK(app::RunKey(data, c.experiment.rows[0], "0/3", 1).name != key.name);
  data = c.experiment;
  data.modalities = {"text"};
  CHECK(app::RunKey(data, c.experiment.rows[0], "0/3", 1).name != key.name);
  CHECK(app::RunKey(c.experiment, c.experiment.rows[0], "0/4", 1).name != key.name);
}

TEST_CASE("one process at a time has a run") {
  const test::Folder folder;
  Constructed c({"first", "second"}, 1, 1);
  const app::RunStore store(folder / "out");
  const app::RunKey key(c.experiment, c.experiment.rows[0], "0/3", 1);
  {
    const app::RunClaim mine(store, key);
    CHECK(mine.held());
    CHECK_FALSE(app::RunClaim(store, key).held());
  }
  CHECK(app::RunClaim(store, key).held());
  CHECK(std::filesystem::is_empty(folder / "out/runs"));
}

TEST_CASE("a data set's identity is its contents") {
  data::SyntheticConfig config;
  config.samples = 20;
  const data::Dataset a = data::make_synthetic(config);
  const test::Folder folder;
  data::write_dataset(folder / "a", a);
  CHECK(app::identity_of(data::read_dataset(folder / "a")) == app::identity_of(a));
  data::DatasetTensors tensors = a.tensors();
  tensors.notes["note"] = "other";
  CHECK(app::identity_of(data::Dataset(tensors)) == app::identity_of(a));
  std::vector<std::uint8_t> labels(tensors.labels->data(), tensors.labels->data() + tensors.labels->size());
  labels[7] = labels[7] ? 0 : 1;
  tensors.labels = View<const std::uint8_t, 2>{labels.data(), tensors.labels->shape()};
  CHECK(app::identity_of(data::Dataset(tensors)) != app::identity_of(a));
  config.seed = 2;
  CHECK(app::identity_of(data::make_synthetic(config)) != app::identity_of(a));
}

TEST_CASE("the time left is that of what waits") {
  app::TimeLeft time;
  CHECK_FALSE(time.estimate({0, 1}));
  time.finished(0, 10);
  time.finished(0, 20);
  CHECK(*time.estimate({0, 0}) == 30);
  CHECK(*time.estimate({1}) == 15);  // nothing is known of it
  time.finished(1, 100);
  CHECK(*time.estimate({0, 1, 1}) == 215);
  CHECK(app::duration_text(0.26) == "0.3 s");
  CHECK(app::duration_text(42) == "42 s");
  CHECK(app::duration_text(600) == "10 min");
  CHECK(app::duration_text(7500) == "2 h 05 min");
}
