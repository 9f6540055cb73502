// Results of `ramer robust`: a metric against the share of what is missing.
#pragma once

#include <filesystem>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "ramer/app/comparison_files.hpp"
#include "ramer/app/line_plot.hpp"
#include "ramer/app/missing_series.hpp"

namespace ramer::app {

/// One system with a part of one series' tokens gone.
struct RobustPoint {
  double rate = 0;
  std::map<std::string, Spread> metrics;
};

struct RobustRow {
  const Row* row = nullptr;
  Index runs = 0, parameters = 0;
  std::vector<std::vector<RobustPoint>> series;  ///< (series, rates)
};

struct RobustResult {
  std::vector<MissingSeries> series;
  std::vector<RobustRow> rows;
  eval::Metric metric = eval::Metric::MicroF1;  ///< that tables and plot show; the files have all
  eval::MetricOrder order = eval::MetricOrder::Correct;
  ThresholdOfAll threshold;
};

/// Rates as columns, a table for each series. `spread`: with standard deviations.
inline Table robust_table(const RobustResult& result, std::size_t series, bool spread) {
  const MissingSeries& s = result.series[series];
  std::vector<std::string> head{s.text()};
  for (const double rate : s.rates) head.push_back(rate_text(rate));
  Table table(head);
  for (const RobustRow& row : result.rows) {
    std::vector<std::string> cells{row.row->name};
    for (const RobustPoint& p : row.series[series]) {
      const Spread& v = p.metrics.at(std::string(enum_name(result.metric)));
      cells.push_back(spread ? detail::cell(v) : fixed(v.mean, 3));
    }
    table.add(std::move(cells));
  }
  return table;
}

inline std::string robust_note(const RobustResult& result) {
  const bool sample = !result.series.empty() && result.series.front().unit == data::MissingUnit::kSample;
  return std::string(short_name(result.metric)) + " against the rate at which " +
         (sample ? "a sample's whole modality" : "an available token") +
         " is dropped from the test data; the same are dropped for every system. Models and thresholds were chosen on "
         "complete "
         "data. " +
         std::string(result.threshold.tuned ? "Threshold tuned on validation data"
                                            : "Fixed threshold " + fixed(result.threshold.value, 2)) +
         "; " + detail::order_text(result.order) + ".";
}

inline void print_robust(std::ostream& out, const Experiment& e, const RobustResult& result) {
  out << '\n' << heading(e) << '\n';
  for (std::size_t k = 0; k < result.series.size(); ++k) {
    out << '\n';
    robust_table(result, k, false).print(out);
  }
  out << '\n';
  print_wrapped(out, robust_note(result));
}

inline std::string robust_markdown(const Experiment& e, const RobustResult& result) {
  std::ostringstream out;
  out << "# Missing modalities\n\n"
      << heading(e) << "\n\n"
      << robust_note(result) << " Mean ± standard deviation over folds and seeds.\n";
  for (std::size_t k = 0; k < result.series.size(); ++k) {
    out << '\n';
    robust_table(result, k, true).print_markdown(out);
  }
  out << "\n![robust](results.svg)\n";
  return out.str();
}

inline io::Json robust_json(const Experiment& e, const RobustResult& result) {
  io::Json json = experiment_json(e, "robust", result.threshold, result.order);
  json["metric"] = std::string(enum_name(result.metric));
  json["systems"] = io::Json::array();
  for (const RobustRow& row : result.rows) {
    io::Json system = row_json(*row.row);
    system["runs"] = row.runs;
    system["parameters"] = row.parameters;
    system["series"] = io::Json::array();
    for (std::size_t k = 0; k < result.series.size(); ++k) {
      io::Json series = result.series[k].json();
      series["points"] = io::Json::array();
      for (const RobustPoint& p : row.series[k])
        series["points"].push_back({{"rate", p.rate}, {"metrics", io::to_json(p.metrics)}});
      system["series"].push_back(std::move(series));
    }
    json["systems"].push_back(std::move(system));
  }
  return json;
}

/// One line for each system, series and rate.
inline std::string robust_csv(const RobustResult& result) {
  Csv out;
  for (const char* name : {"system", "view", "modality", "role", "unit", "rate", "runs", "metric_order"})
    out << std::string_view(name);
  for (const auto& [name, metric] : EnumNames<eval::Metric>::values)
    out << std::string(name) + "_mean" << std::string(name) + "_sd";
  out.end_line();
  for (const RobustRow& row : result.rows)
    for (std::size_t k = 0; k < result.series.size(); ++k)
      for (const RobustPoint& p : row.series[k]) {
        const MissingSeries& s = result.series[k];
        out << row.row->name << enum_name(row.row->settings.train.view) << s.modality_text() << enum_name(s.role)
            << enum_name(s.unit) << rate_text(p.rate) << row.runs << enum_name(result.order);
        for (const auto& [name, metric] : EnumNames<eval::Metric>::values) out << p.metrics.at(std::string(name));
        out.end_line();
      }
  return out.str();
}

inline std::string robust_plot(const Experiment& e, const RobustResult& result) {
  std::vector<LinePanel> panels;
  for (std::size_t k = 0; k < result.series.size(); ++k) {
    LinePanel panel{result.series[k].text(), {}};
    for (const RobustRow& row : result.rows) {
      std::vector<LinePoint>& line = panel.lines.emplace_back();
      for (const RobustPoint& p : row.series[k]) {
        const Spread& v = p.metrics.at(std::string(enum_name(result.metric)));
        line.push_back({p.rate, v.mean, v.sd});
      }
    }
    panels.push_back(std::move(panel));
  }
  std::vector<std::string> names;
  for (const RobustRow& row : result.rows) names.push_back(row.row->name);
  return plot_lines(panels, names, "missing rate (share of available tokens)", short_name(result.metric), heading(e),
                    "Mean over folds and seeds; whisker: standard deviation");
}

/// results.json, results.csv, results.md and results.svg. @throws IoError
inline void write_robust(const std::filesystem::path& folder, const Experiment& e, const RobustResult& result) {
  io::write_json(folder / "results.json", robust_json(e, result));
  io::write_file_atomically(folder / "results.csv", robust_csv(result));
  io::write_file_atomically(folder / "results.md", robust_markdown(e, result));
  io::write_file_atomically(folder / "results.svg", robust_plot(e, result));
}

}  // namespace ramer::app
