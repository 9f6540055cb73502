// A comparison as tables for the eye, JSON and CSV for programs, and Markdown. All of it follows from the stored runs: the
// same runs give the same bytes.
#pragma once

#include <filesystem>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "ramer/app/comparison.hpp"
#include "ramer/app/comparison_plot.hpp"
#include "ramer/app/csv.hpp"

namespace ramer::app {

/// What a table is headed by, and how it is laid out.
struct ComparisonText {
  std::string command;                ///< compare or ablate
  std::vector<eval::Metric> columns;  ///< of the first table, besides AUC
  ThresholdOfAll threshold;
  ComparisonOptions options;
};

/// The paper's main tables have Acc, P, R and Micro-F1; others have Micro, Macro and Weighted F1.
inline std::vector<eval::Metric> columns_of(const std::string& layout) {
  using enum eval::Metric;
  if (layout == "f1") return {MicroF1, MacroF1, WeightedF1};
  return {Accuracy, Precision, Recall, MicroF1};
}

namespace detail {

inline std::string cell(const Spread& s, int digits = 3) {
  if (!s.mean) return "-";
  return fixed(*s.mean, digits) + (s.sd ? " ± " + fixed(*s.sd, digits) : "");
}
inline std::string with_sign(double value, int digits = 3) { return (value < 0 ? "" : "+") + fixed(value, digits); }
inline std::string p_text(double p) {
  if (p < 0.001) return "<.001";
  const std::string text = fixed(p, 3);
  return text.starts_with('0') ? text.substr(1) : text;
}
/// "281 414"
inline std::string thousands(Index n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t k = 0; k < digits.size(); ++k) {
    if (k > 0 && (digits.size() - k) % 3 == 0) text += ' ';
    text += digits[k];
  }
  return text;
}
/// Of one kind of a metric order, in words.
inline std::string order_text(eval::MetricOrder order) {
  return order == eval::MetricOrder::Correct
             ? "precision and recall in the correct order"
             : "truth and prediction exchanged as in the published code, so that precision and recall have changed places";
}

}  // namespace detail

/// How well.
inline Table score_table(const ComparisonResult& result, const ComparisonText& text) {
  std::vector<std::string> head{"system"};
  for (const eval::Metric m : text.columns) head.emplace_back(short_name(m));
  head.emplace_back(short_name(eval::Metric::MeanAuc));
  Table table(head);
  for (const RowResult& row : result.rows) {
    std::vector<std::string> cells{row.row->name};
    for (const eval::Metric m : text.columns) cells.push_back(detail::cell(row[m]));
    cells.push_back(detail::cell(row[eval::Metric::MeanAuc]));
    table.add(std::move(cells));
  }
  return table;
}

/// Against what, and at what price.
inline Table test_table(const ComparisonResult& result, const ComparisonText& text) {
  std::vector<std::string> head{"system", "view", "runs", "parameters", "s per run"};
  for (const eval::Metric m : text.options.tests) {
    head.push_back(std::string("d ") + short_name(m));
    head.emplace_back("p");
  }
  Table table(head, 2);
  for (const RowResult& row : result.rows) {
    std::vector<std::string> cells{row.row->name, std::string(enum_name(row.row->settings.train.view)),
                                   std::to_string(row.runs.size()), detail::thousands(row.parameters),
                                   fixed(row.seconds.mean, 1)};
    for (const eval::Metric m : text.options.tests) {
      const auto at = row.tests.find(std::string(enum_name(m)));
      const bool tested = at != row.tests.end() && at->second;
      cells.push_back(tested ? detail::with_sign(at->second->comparison.difference) : "");
      cells.push_back(tested ? detail::p_text(at->second->p_holm) : "");
    }
    table.add(std::move(cells));
  }
  return table;
}

/// AUC of each label.
inline Table label_table(const ComparisonResult& result) {
  std::vector<std::string> head{"AUC"};
  head.insert(head.end(), result.labels.begin(), result.labels.end());
  Table table(head);
  for (const RowResult& row : result.rows) {
    std::vector<std::string> cells{row.row->name};
    for (const std::string& label : result.labels) cells.push_back(detail::cell(row.label_auc.at(label)));
    table.add(std::move(cells));
  }
  return table;
}

/// What the figures are of.
inline std::string heading(const Experiment& e) {
  std::string text = e.dataset.name() + ": " + std::to_string(e.dataset.size()) + " samples, ";
  text += e.folds.front().empty() ? "the file's split" : std::to_string(e.folds.size()) + " folds that keep groups whole";
  text += ", " + std::to_string(e.seeds.size()) + (e.seeds.size() == 1 ? " seed" : " seeds");
  if (!e.modalities.empty()) {
    text += ", modalities";
    for (const std::string& m : e.modalities) text += " " + m;
  }
  return text;
}

/// How the figures came about, in sentences.
inline std::vector<std::string> notes_of(const ComparisonResult& result, const ComparisonText& text) {
  std::vector<std::string> notes;
  notes.push_back("Mean ± standard deviation over folds and seeds; " + text.threshold.text() + "; " +
                  detail::order_text(text.options.order) + "; AUC is the mean over labels that have both classes.");
  if (result.family > 0)
    notes.push_back(
        "d: difference from " + result.rows.front().row->name + ". p: two-sided, paired bootstrap over " +
        std::to_string(result.groups) + " groups of test samples (" + std::to_string(text.options.bootstrap.resamples) +
        " resamples), of means over folds and seeds; corrected by Holm over this table's " + std::to_string(result.family) +
        (result.family == 1 ? " test." : " tests.") + " It speaks of these trained models; chance in training shows in ±.");
  return notes;
}

/// Words in lines of at most 100 columns.
inline void print_wrapped(std::ostream& out, const std::string& text) {
  std::istringstream words(text);
  std::string line, word;
  while (words >> word) {
    if (!line.empty() && line.size() + 1 + word.size() > 100) out << line << '\n', line.clear();
    line += (line.empty() ? "" : " ") + word;
  }
  out << line << '\n';
}

inline void print_comparison(std::ostream& out, const Experiment& e, const ComparisonResult& result,
                             const ComparisonText& text) {
  out << '\n' << heading(e) << "\n\n";
  score_table(result, text).print(out);
  out << '\n';
  test_table(result, text).print(out);
  out << '\n';
  label_table(result).print(out);
  out << '\n';
  for (const std::string& note : notes_of(result, text)) print_wrapped(out, note);
}

inline std::string comparison_markdown(const Experiment& e, const ComparisonResult& result, const ComparisonText& text,
                                       const std::string& plot) {
  std::ostringstream out;
  out << "# " << (text.command == "ablate" ? "Ablation" : "Comparison") << "\n\n" << heading(e) << "\n\n";
  score_table(result, text).print_markdown(out);
  out << '\n';
  test_table(result, text).print_markdown(out);
  out << '\n';
  label_table(result).print_markdown(out);
  for (const std::string& note : notes_of(result, text)) out << '\n' << note << '\n';
  out << "\n![" << text.command << "](" << plot << ")\n";
  return out.str();
}

/// What experiment it is: the same for compare, ablate and robust.
inline io::Json experiment_json(const Experiment& e, const std::string& command, const ThresholdOfAll& threshold,
                                eval::MetricOrder order) {
  io::Json json;
  json["format"] = "ramer.results";
  json["version"] = 1;
  json["library"] = std::string(train::kLibraryVersion);
  json["command"] = command;
  json["data"] = {{"name", e.dataset.name()}, {"samples", e.dataset.size()}, {"identity", e.identity}};
  json["folds"] = e.folds.front().empty() ? io::Json() : io::Json(e.folds.size());
  json["fold_seed"] = e.folds.front().empty() ? io::Json() : io::Json(data::kFoldSeed);
  json["seeds"] = e.seeds;
  json["modalities"] = e.modalities;
  json["threshold"] = {{"rule", threshold.tuned ? "tuned" : "fixed"},
                       {"value", threshold.tuned ? io::Json() : io::Json(threshold.value)}};
  json["metric_order"] = std::string(enum_name(order));
  return json;
}

inline io::Json row_json(const Row& row) {
  io::Json train = io::to_json(row.settings.train);
  train.erase("seed");  // it is each run's own
  return {{"name", row.name},
          {"recipe", row.settings.recipe},
          {"view", std::string(enum_name(row.settings.train.view))},
          {"settings", {{"model", row.settings.model}, {"train", std::move(train)}}}};
}

inline io::Json comparison_json(const Experiment& e, const ComparisonResult& result, const ComparisonText& text) {
  io::Json json = experiment_json(e, text.command, text.threshold, text.options.order);
  json["labels"] = result.labels;
  json["test"] = {{"against", result.rows.front().row->name},
                  {"method", "paired bootstrap over groups of test samples"},
                  {"correction", "holm"},
                  {"family", result.family},
                  {"groups", result.groups},
                  {"bootstrap", io::to_json(text.options.bootstrap)}};
  json["systems"] = io::Json::array();
  for (const RowResult& row : result.rows) {
    io::Json system = row_json(*row.row);
    system["parameters"] = row.parameters;
    system["seconds"] = io::to_json(row.seconds);
    system["metrics"] = io::to_json(row.metrics);
    system["auc_per_label"] = io::to_json(row.label_auc);
    system["f1_per_label"] = io::to_json(row.label_f1);
    system["tests"] = io::Json::object();
    for (const auto& [metric, test] : row.tests) {
      if (test) {
        system["tests"][metric] = io::to_json(test->comparison);
        system["tests"][metric]["p_holm"] = test->p_holm;
      } else {
        system["tests"][metric] = nullptr;
      }
    }
    system["runs"] = io::Json::array();
    for (std::size_t k = 0; k < row.runs.size(); ++k) {
      io::Json run = io::to_json(row.runs[k].info);
      for (const char* same : {"recipe", "view", "labels", "parameters"}) run.erase(same);
      if (row.runs[k].info.fold.empty()) run["fold"] = nullptr;
      run["report"] = io::to_json(row.reports[k]);
      for (const char* same : {"labels", "threshold", "metric_order"}) run["report"].erase(same);
      system["runs"].push_back(std::move(run));
    }
    json["systems"].push_back(std::move(system));
  }
  return json;
}

inline Csv& operator<<(Csv& csv, const Spread& s) { return csv << s.mean << s.sd; }

/// One line for each system, every metric.
inline std::string comparison_csv(const ComparisonResult& result, const ComparisonText& text) {
  Csv out;
  for (const char* name :
       {"system", "recipe", "view", "runs", "parameters", "seconds_mean", "seconds_sd", "metric_order", "threshold"})
    out << std::string_view(name);
  const auto head = [&](const std::string& name) { out << name + "_mean" << name + "_sd"; };
  for (const auto& [name, metric] : EnumNames<eval::Metric>::values) head(std::string(name));
  for (const std::string& label : result.labels) head("auc:" + label);
  for (const eval::Metric m : text.options.tests)
    for (const char* what : {"difference:", "low:", "high:", "p:", "p_holm:"}) out << what + std::string(enum_name(m));
  out.end_line();
  for (const RowResult& row : result.rows) {
    out << row.row->name << row.row->settings.recipe << enum_name(row.row->settings.train.view)
        << static_cast<Index>(row.runs.size()) << row.parameters << row.seconds << enum_name(text.options.order)
        << (text.threshold.tuned ? "tuned" : fixed(text.threshold.value, 6));
    for (const auto& [name, metric] : EnumNames<eval::Metric>::values) out << row[metric];
    for (const std::string& label : result.labels) out << row.label_auc.at(label);
    for (const eval::Metric m : text.options.tests) {
      const auto at = row.tests.find(std::string(enum_name(m)));
      if (at != row.tests.end() && at->second) {
        const eval::Comparison& c = at->second->comparison;
        for (const double v : {c.difference, c.low, c.high, c.p, at->second->p_holm}) out << std::optional(v);
      } else {
        for (int k = 0; k < 5; ++k) out << std::string_view();
      }
    }
    out.end_line();
  }
  return out.str();
}

/// results.json, results.csv, results.md and results.svg. @throws IoError
inline void write_comparison(const std::filesystem::path& folder, const Experiment& e, const ComparisonResult& result,
                             const ComparisonText& text) {
  std::vector<eval::Metric> panels{text.columns.size() == 3 ? eval::Metric::MacroF1 : eval::Metric::Accuracy,
                                   eval::Metric::MicroF1, eval::Metric::MeanAuc};
  if (text.columns.size() == 3) std::swap(panels[0], panels[1]);
  io::write_json(folder / "results.json", comparison_json(e, result, text));
  io::write_file_atomically(folder / "results.csv", comparison_csv(result, text));
  io::write_file_atomically(folder / "results.md", comparison_markdown(e, result, text, "results.svg"));
  io::write_file_atomically(
      folder / "results.svg",
      plot_bars(result.rows, panels, heading(e),
                "Bar: mean over folds and seeds; whisker: standard deviation; dots: single runs; dashed: " +
                    result.rows.front().row->name));
}

}  // namespace ramer::app
