// ramer compare, ramer ablate
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/comparison_files.hpp"
#include "ramer/app/runner.hpp"

namespace ramer::app {

namespace detail {

/// "micro_f1,mean_auc". @throws ConfigError
inline std::vector<eval::Metric> parse_metrics(const std::vector<std::string>& names, const char* option) {
  std::vector<eval::Metric> metrics;
  for (const std::string& name : names) {
    std::string known;
    bool found = false;
    for (const auto& [text, metric] : EnumNames<eval::Metric>::values) {
      known += (known.empty() ? "" : ", ") + std::string(text);
      if (text != name) continue;
      found = true;
      metrics.push_back(metric);
    }
    require<ConfigError>(found, option, " ", name, ": no such metric; there are ", known);
  }
  return metrics;
}

}  // namespace detail

/// Every run of the experiment from its file, by row.
inline std::vector<std::vector<StoredRun>> stored_runs(const Experiment& e, const RunStore& store) {
  std::vector<std::vector<StoredRun>> runs(e.rows.size());
  for (const Task& task : tasks_of(e)) runs[task.row].push_back(store.read(key_of(e, task)));
  return runs;
}

/// What is about to be done.
inline void print_opening(std::ostream& out, const std::string& command, const Experiment& e) {
  out << command << " on " << heading(e) << "; " << threshold_of(e.rows).text() << '\n';
  std::string rows = "rows:";
  for (const Row& row : e.rows)
    rows += (&row == &e.rows.front() ? " " : ", ") + row.name + " (" + std::string(enum_name(row.settings.train.view)) + ")";
  print_wrapped(out, rows);
  if (e.folds.front().empty() && e.dataset.straddling_groups() > 0)
    out << "note: " << e.dataset.straddling_groups() << " groups have samples in more than one part of the file's split\n";
}

/// Trains what is missing, then tells; `kinds`: every recipe of the program, of which `names` are the rows.
/// @return the program's exit code
inline int compare_command(const Options& options, const std::vector<Kind>& kinds, const std::vector<std::string>& names,
                           std::ostream& out) {
  const bool ablation = options.command == Command::Ablate;
  ComparisonText text;
  text.command = ablation ? "ablate" : "compare";
  text.columns = columns_of(options.layout);
  text.options.tests = detail::parse_metrics(options.tests, "--tests");
  if (options.resamples) text.options.bootstrap.resamples = *options.resamples;
  require<ConfigError>(text.options.bootstrap.resamples >= 1, "--resamples ", text.options.bootstrap.resamples,
                       ": expected at least 1");
  if (options.released_metrics) text.options.order = eval::MetricOrder::Released;

  const Experiment e = make_experiment(options, resolve_rows(options, kinds, names, ablation));
  text.threshold = threshold_of(e.rows);
  const RunStore store(options.out);
  print_opening(out, text.command, e);
  {
    const Interrupt interrupt;
    Runner runner(e, store, options.threads, options.keep_models, out);
    if (!runner.run(interrupt)) {
      out << "interrupted; finished runs are kept. The same command goes on.\n";
      return interrupt.exit_code();
    }
  }
  const ComparisonResult result = compare_rows(e.rows, stored_runs(e, store), text.options);
  print_comparison(out, e, result, text);
  write_comparison(store.folder(), e, result, text);
  out << "\nwritten: " << (store.folder() / "results").string() << ".json, .csv, .md, .svg\n";
  return 0;
}

}  // namespace ramer::app
