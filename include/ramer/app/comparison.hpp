// Finished runs made into the rows of a table: mean and spread over folds and seeds, and a paired test against the first
// row. Nothing here trains or writes.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/run_store.hpp"

namespace ramer::app {

/// Mean and standard deviation (n - 1) of the values that are there.
struct Spread {
  std::optional<double> mean, sd;
  Index n = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("mean", self.mean, "mean");
    field("sd", self.sd, "standard deviation, of n - 1; null for one value");
    field("n", self.n, "values");
  }
};

inline Spread spread_of(const std::vector<std::optional<double>>& values) {
  Spread s;
  double sum = 0, squares = 0;
  for (const auto& v : values)
    if (v) sum += *v, ++s.n;
  if (s.n == 0) return s;
  s.mean = sum / static_cast<double>(s.n);
  for (const auto& v : values)
    if (v) squares += (*v - *s.mean) * (*v - *s.mean);
  if (s.n > 1) s.sd = std::sqrt(squares / static_cast<double>(s.n - 1));
  return s;
}

/// A metric of a report by its name. Absent: undefined there.
inline std::optional<double> value_of(const eval::Report& r, eval::Metric metric) {
  switch (metric) {
    case eval::Metric::Accuracy: return r.accuracy;
    case eval::Metric::Precision: return r.precision;
    case eval::Metric::Recall: return r.recall;
    case eval::Metric::MicroF1: return r.micro_f1;
    case eval::Metric::MacroF1: return r.macro_f1;
    case eval::Metric::WeightedF1: return r.weighted_f1;
    case eval::Metric::MeanAuc: break;
  }
  return r.auc.mean;
}

/// As a table's head has it.
inline const char* short_name(eval::Metric metric) {
  switch (metric) {
    case eval::Metric::Accuracy: return "Acc";
    case eval::Metric::Precision: return "P";
    case eval::Metric::Recall: return "R";
    case eval::Metric::MicroF1: return "Micro-F1";
    case eval::Metric::MacroF1: return "Macro-F1";
    case eval::Metric::WeightedF1: return "Weighted-F1";
    case eval::Metric::MeanAuc: break;
  }
  return "AUC";
}

/// The difference of a row from the first.
struct Test {
  eval::Comparison comparison;
  double p_holm = 1;
};

/// A row of the table with everything that is known of it.
struct RowResult {
  const Row* row = nullptr;
  std::vector<StoredRun> runs;
  std::vector<eval::Report> reports;                  ///< one for each run
  std::map<std::string, Spread> metrics;              ///< by the name of eval::Metric
  std::map<std::string, Spread> label_auc, label_f1;  ///< by label
  Spread seconds;
  Index parameters = 0;
  std::map<std::string, std::optional<Test>> tests;  ///< by metric; absent for the first row, or where there is none

  const Spread& operator[](eval::Metric metric) const { return metrics.at(std::string(enum_name(metric))); }
};

struct ComparisonOptions {
  std::vector<eval::Metric> tests{eval::Metric::MicroF1, eval::Metric::MeanAuc};
  eval::BootstrapConfig bootstrap;
  eval::MetricOrder order = eval::MetricOrder::Correct;
};

struct ComparisonResult {
  std::vector<RowResult> rows;
  std::vector<std::string> labels;
  Index groups = 0;  ///< of test samples, over all folds
  Index family = 0;  ///< tests that Holm's correction is over
};

/// Every metric over these reports.
inline std::map<std::string, Spread> metrics_of(const std::vector<eval::Report>& reports) {
  std::map<std::string, Spread> metrics;
  for (const auto& [name, metric] : EnumNames<eval::Metric>::values) {
    std::vector<std::optional<double>> values;
    for (const eval::Report& report : reports) values.push_back(value_of(report, metric));
    metrics[std::string(name)] = spread_of(values);
  }
  return metrics;
}

/// Means and spreads of one row.
inline RowResult summarize(const Row& row, std::vector<StoredRun> runs, eval::MetricOrder order) {
  RowResult r;
  r.row = &row;
  r.runs = std::move(runs);
  std::vector<std::optional<double>> seconds;
  for (const StoredRun& run : r.runs) {
    r.reports.push_back(run.report(order));
    seconds.emplace_back(run.info.seconds);
    r.parameters = run.info.parameters;
  }
  r.seconds = spread_of(seconds);
  r.metrics = metrics_of(r.reports);
  if (r.reports.empty()) return r;
  for (const std::string& label : r.reports.front().labels) {
    std::vector<std::optional<double>> auc, f1;
    for (const eval::Report& report : r.reports) {
      auc.push_back(report.auc.per_label.at(label));
      f1.push_back(report.f1.per_label.at(label));
    }
    r.label_auc[label] = spread_of(auc);
    r.label_f1[label] = spread_of(f1);
  }
  return r;
}

/// Tests every row against the first by every metric that is asked for: a bootstrap over groups of test samples, of the
/// difference between the rows' means over folds and seeds. Holm's correction is over all of these tests.
inline void test_against_first(ComparisonResult& result, const ComparisonOptions& options) {
  std::set<std::int64_t> groups;
  for (const RowResult& row : result.rows)
    for (const StoredRun& run : row.runs) groups.insert(run.group.begin(), run.group.end());
  result.groups = static_cast<Index>(groups.size());
  const auto views = [](const RowResult& row) {
    std::vector<eval::Run<float>> v;
    for (const StoredRun& run : row.runs) v.push_back(run.view());
    return v;
  };
  std::vector<double> p;
  std::vector<double*> corrected;
  const auto first = result.rows.empty() ? std::vector<eval::Run<float>>{} : views(result.rows.front());
  for (std::size_t k = 1; k < result.rows.size(); ++k) {
    RowResult& row = result.rows[k];
    const auto own = views(row);
    for (const eval::Metric metric : options.tests) {
      std::optional<Test>& test = row.tests[std::string(enum_name(metric))];
      if (result.groups < 2 || !result.rows.front()[metric].mean || !row[metric].mean) continue;
      test = Test{eval::compare_systems<float>(own, first, metric, options.bootstrap, options.order), 1};
      p.push_back(test->comparison.p);
      corrected.push_back(&test->p_holm);
    }
  }
  const std::vector<double> adjusted = eval::holm(p);
  for (std::size_t k = 0; k < adjusted.size(); ++k) *corrected[k] = adjusted[k];
  result.family = static_cast<Index>(p.size());
}

/// Rows in their order, each with its runs.
inline ComparisonResult compare_rows(const std::vector<Row>& rows, std::vector<std::vector<StoredRun>> runs,
                                     const ComparisonOptions& options) {
  ComparisonResult result;
  for (std::size_t k = 0; k < rows.size(); ++k) result.rows.push_back(summarize(rows[k], std::move(runs[k]), options.order));
  for (const RowResult& row : result.rows)
    if (result.labels.empty() && !row.reports.empty()) result.labels = row.reports.front().labels;
  test_against_first(result, options);
  return result;
}

}  // namespace ramer::app
