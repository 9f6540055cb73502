// The page that a training run leaves, against what the run wrote elsewhere.
#include "ramer/app/train_report.hpp"

#include <doctest/doctest.h>

#include "app/support.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/data/dataset_file.hpp"

using namespace ramer;
using test::bytes_of;
using test::call;
using test::Call;
using test::Folder;
using test::training;

namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

/// "<td>a</td><td class="n">b</td>..." of a row of numbers behind a name.
std::string row(const std::string& name, const std::vector<std::string>& numbers) {
  std::string text = "<tr><td>" + app::markup(name) + "</td>";
  for (const std::string& n : numbers) text += "<td class=\"n\">" + n + "</td>";
  return text + "</tr>";
}

void check_self_contained(const std::string& page) {
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("src=") == std::string::npos);
  CHECK(page.find("href") == std::string::npos);
  CHECK(page.find("url(") == std::string::npos);
  CHECK(count(page, "http") == count(page, "xmlns=\"http://www.w3.org/2000/svg\"") + 1);  // http-equiv
  CHECK(page.find("nan") == std::string::npos);
  for (const char* tag : {"svg", "table", "details", "figure", "tr", "td", "h2", "p"}) {
    CAPTURE(tag);
    CHECK(count(page, "</" + std::string(tag) + ">") ==
          count(page, "<" + std::string(tag) + ">") + count(page, "<" + std::string(tag) + " "));
  }
}

}  // namespace

TEST_CASE("the report has the run's own numbers: test metrics, confusion, history, settings") {
  const Folder folder;
  const std::string data = test::small_data(folder), out = folder / "run";
  const Call run = call(training(data, out, {"--seed", "9"}));
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.out.find("report: " + out + "/report.html") != std::string::npos);
  const std::string page = bytes_of(out + "/report.html");
  check_self_contained(page);

  // Counted again from the stored model.
  const data::Dataset dataset = data::read_dataset(data);
  const auto samples = data::split_samples(dataset).test;
  const train::Checkpoint checkpoint = train::open_checkpoint(out + "/model.safetensors");
  const auto system = app::kind_of(test::kinds(), "raising").load(checkpoint, 1);
  const auto scores = system->predict(dataset, samples, {});
  const auto& labels = dataset.label_names();
  const double threshold = checkpoint.run.threshold;
  const auto& y = *dataset.tensors().labels;
  eval::MetricOptions options;
  options.threshold = threshold;
  const eval::Report report = app::measure(*system, dataset, samples, {}, options);
  CHECK(page.find(app::fixed(report.micro_f1)) != std::string::npos);
  CHECK(page.find("<td class=\"n\">" + app::fixed(report.auc.mean) + "</td>") != std::string::npos);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Index tp = 0, fp = 0, fn = 0;
    for (std::size_t n = 0; n < samples.size(); ++n) {
      const bool said = eval::detail::above(scores.scores[n * labels.size() + i], threshold);
      const bool is = y(samples[n], static_cast<Index>(i)) != 0;
      tp += said && is, fp += said && !is, fn += !said && is;
    }
    const auto text = [](auto v) { return std::to_string(v); };
    const eval::Counts c{tp, fp, fn, 0};
    CHECK(page.find(row(labels[i], {text(samples.size()), text(tp + fn), text(tp + fp), text(tp), text(fp), text(fn),
                                    app::fixed(c.precision()), app::fixed(c.recall()), app::fixed(c.f1()),
                                    app::fixed(report.auc.per_label.at(labels[i]))})) != std::string::npos);
  }
  CHECK(page.find("Labels that occur together") != std::string::npos);
  CHECK(count(page, "<svg ") == 3 + 3);  // loss, validation, labels; three matrices

  // Every epoch as the history has it.
  for (const train::EpochRecord& e : train::read_history(out + "/history.jsonl")) {
    CHECK(page.find("<td class=\"n\">" + app::detail::text_of(e.loss) + "</td>") != std::string::npos);
    CHECK(page.find("<td class=\"n\">" + app::fixed(e.validation->weighted_f1) + "</td>") != std::string::npos);
  }
  CHECK(page.find("<td>train.seed</td><td>9</td>") != std::string::npos);
  CHECK(page.find("training 9") != std::string::npos);
  CHECK(page.find(std::string(train::kLibraryVersion)) != std::string::npos);
  CHECK(page.find("<td>model.hidden</td>") != std::string::npos);

  // The settings in it train the same model.
  std::string json = page.substr(page.find("<pre>") + 5);
  json.resize(json.find("</pre>"));
  for (std::size_t at = 0; (at = json.find("&quot;")) != std::string::npos;) json.replace(at, 6, "\"");
  io::write_file_atomically(folder / "again.json", json);
  REQUIRE(call({"train", "--data", data, "--out", folder / "again", "--config", folder / "again.json"}).code == 0);
  CHECK(bytes_of(folder / "again/model.safetensors") == bytes_of(out + "/model.safetensors"));
  CHECK(bytes_of(folder / "again/report.html") == page);
}

TEST_CASE("the report of a run that was interrupted says so, and afterwards is that of an undisturbed one") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  test::raise_at = -1;
  REQUIRE(call(training(data, folder / "whole", {"--fold", "1/4"})).code == 0);
  const std::string whole = bytes_of(folder / "whole/report.html");
  CHECK(whole.find("folds " + std::to_string(data::kFoldSeed)) != std::string::npos);
  for (const std::int64_t at : {0, 7}) {
    CAPTURE(at);
    const std::string out = folder / ("cut" + std::to_string(at));
    test::raise_at = at;
    CHECK(call(training(data, out, {"--fold", "1/4"})).code == 130);
    test::raise_at = -1;
    const std::string cut = bytes_of(out + "/report.html");
    check_self_contained(cut);
    CHECK(cut.find("interrupted after " + std::string(at ? "2" : "0") + " of 3 epochs") != std::string::npos);
    CHECK(cut.find("<h2>Results</h2>") == std::string::npos);
    REQUIRE(call({"train", "--resume", "--out", out, "--threads", "2"}).code == 0);
    CHECK(bytes_of(out + "/report.html") == whole);
  }
}

TEST_CASE("the linear model's fits are no epochs; without test samples, validation is measured; without either, nothing") {
  const Folder folder;
  const std::string data = test::small_data(folder);
  REQUIRE(call(training(data, folder / "run", {"--recipe", "linear"})).code == 0);
  const std::string page = bytes_of(folder / "run/report.html");
  check_self_contained(page);
  CHECK(page.find("<h2>Loss</h2>") == std::string::npos);
  CHECK(page.find("<h2>Validation</h2>") != std::string::npos);
  CHECK(page.find("Every fit in numbers") != std::string::npos);

  data::DatasetTensors tensors = data::read_dataset(data).tensors();
  std::vector<std::uint8_t> split(static_cast<std::size_t>(tensors.split->size()), 0);
  split[0] = 1;
  tensors.split = View<const std::uint8_t, 1>(split.data(), Shape{static_cast<Index>(split.size())});
  data::write_dataset(folder / "two", data::Dataset(tensors));
  REQUIRE(call(training(folder / "two", folder / "run")).code == 0);
  CHECK(bytes_of(folder / "run/report.html").find("on 1 validation samples") != std::string::npos);
  split[0] = 0;
  data::write_dataset(folder / "one", data::Dataset(tensors));
  REQUIRE(call(training(folder / "one", folder / "run")).code == 0);
  const std::string bare = bytes_of(folder / "run/report.html");
  check_self_contained(bare);
  CHECK(bare.find("<h2>Results</h2>") == std::string::npos);
  CHECK(bare.find("<h2>Validation</h2>") == std::string::npos);
  CHECK(bare.find("<h2>Loss</h2>") != std::string::npos);
}

TEST_CASE("names from the data are text, whatever they are") {
  const Folder folder;
  data::DatasetTensors tensors = data::read_dataset(test::small_data(folder)).tensors();
  const std::string evil = "</td></svg><script>alert(1)</script>\" onload='x' &amp; \x01";
  tensors.name = evil + "name";
  tensors.label_names[0] = evil + "label";
  tensors.label_names[1] =
      "\xE2\x80\xAE"
      "backwards";
  tensors.modalities[0].name = evil + "modality";
  tensors.person_names.assign(static_cast<std::size_t>(data::Dataset(tensors).persons()), "");
  for (std::size_t p = 0; p < tensors.person_names.size(); ++p) tensors.person_names[p] = evil + std::to_string(p);
  tensors.notes["source"] = evil + "note";
  tensors.notes["license"] = "<img src=x>";
  data::write_dataset(folder / "evil", data::Dataset(tensors));
  const Call run = call(training(folder / "evil", folder / "run"));
  INFO(run.err);
  REQUIRE(run.code == 0);
  const std::string page = bytes_of(folder / "run/report.html");
  for (const char* what : {"name", "label", "modality", "note"})
    CHECK(page.find(app::markup(evil + what)) != std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("<img") == std::string::npos);
  CHECK(page.find('\x01') == std::string::npos);
  CHECK(count(page, "<svg ") == count(page, "</svg>"));
  CHECK(count(page, "<td") == count(page, "</td>"));
}

TEST_CASE("a page of numbers that nobody has: undefined values are left out") {
  const Folder folder;
  const data::Dataset dataset = data::read_dataset(test::small_data(folder));
  app::Settings settings;
  settings.recipe = "mine";
  settings.model = io::Json{{"a", {{"b", 1}}}};
  const app::Parts parts = app::choose_parts(dataset, "");
  const Schema schema = train::make_schema(dataset);
  app::TrainReport report{settings, dataset, parts, schema, false, 5, {}, 0, std::nullopt, 0.5, "nothing yet", std::nullopt};
  check_self_contained(app::train_report_html(report));
  for (Index e = 1; e <= 3; ++e) {
    train::EpochRecord record;
    record.epoch = e;
    if (e != 2) record.loss = 1e-7 * static_cast<double>(e);
    record.gradient_norm = 12345.0;
    record.terms["never"] = std::nullopt;
    record.terms["once"] = e == 2 ? std::optional(3.5) : std::nullopt;
    record.validation.emplace();
    record.validation->label_f1[schema.labels[0]] = std::nullopt;
    report.history.push_back(record);
  }
  report.history[0].loss = 1e-7;
  report.selected_epoch = 3;
  const std::string page = app::train_report_html(report);
  check_self_contained(page);
  CHECK(page.find(">undefined</text>") != std::string::npos);
  CHECK(page.find("<td>model.a.b</td><td>1</td>") != std::string::npos);
  CHECK(page.find("<td class=\"n\">3 *</td>") != std::string::npos);
}
