// ramer robust
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/compare_command.hpp"
#include "ramer/app/robust_files.hpp"

namespace ramer::app {

namespace detail {

inline constexpr std::uint64_t kDropSeed = 1;

inline std::string score_name(double rate) { return "scores." + rate_text(rate); }

inline RunKey series_key(const RunKey& run, const MissingSeries& series) {
  io::Json what = series.json();
  what["seed"] = kDropSeed;
  return run.with("drop", std::move(what), "drop-" + std::string(enum_name(series.role)) + "-" + series.modality_text());
}

/// Scores of a stored model at every rate of a series.
inline StoredRun drop_and_predict(const Experiment& e, const Row& row, const System& system, const StoredRun& complete,
                                  const MissingSeries& series) {
  StoredRun run = complete;
  run.scores.clear();
  const std::vector<std::int32_t> test =
      choose_parts(e.dataset, complete.info.fold.empty() ? "none" : complete.info.fold).samples.test;
  for (const double rate : series.rates) {
    train::PredictOptions options;
    options.view = row.settings.train.view;
    const auto drop = std::make_shared<DropInView>(e.dataset, options.view, series.config(rate), kDropSeed);
    options.transform = [drop](Batch& batch) { (*drop)(batch); };
    run.scores[score_name(rate)] = system.predict(e.dataset, test, options).scores;
  }
  return run;
}

/// False after Ctrl-C.
inline bool make_series(const Experiment& e, const RunStore& store, const std::vector<MissingSeries>& series, int threads,
                        const Interrupt& interrupt, std::ostream& out) {
  const std::vector<Task> tasks = tasks_of(e);
  std::vector<Task> waiting;
  for (const Task& task : tasks) {
    const RunKey key = key_of(e, task);
    const auto stored = [&](const MissingSeries& s) { return store.has(series_key(key, s)); };
    if (!std::all_of(series.begin(), series.end(), stored)) waiting.push_back(task);
  }
  if (waiting.empty()) return true;
  out << "predictions with dropped modalities: " << waiting.size() << " of " << tasks.size() << " models to go\n";
  RunProgress progress(out, Runner::terminal(out));
  TimeLeft time;
  for (std::size_t k = 0; k < waiting.size(); ++k) {
    if (interrupt.requested()) return false;
    const Row& row = e.rows[waiting[k].row];
    const RunKey key = key_of(e, waiting[k]);
    std::vector<std::size_t> rest;
    for (std::size_t j = k + 1; j < waiting.size(); ++j) rest.push_back(waiting[j].row);
    progress.begin("[" + std::to_string(k + 1) + "/" + std::to_string(waiting.size()) + "] " + title_of(e, waiting[k]),
                   time.of(waiting[k].row), time.estimate(rest));
    const StoredRun complete = store.read(key);
    const auto system = row.kind->load(train::open_checkpoint(store.model_file(key)), threads);
    for (std::size_t s = 0; s < series.size(); ++s) {
      if (interrupt.requested()) {
        progress.abandon();
        return false;
      }
      progress.step(series[s].text(), static_cast<double>(s) / static_cast<double>(series.size()));
      const RunKey own = series_key(key, series[s]);
      if (!store.has(own)) store.write(own, drop_and_predict(e, row, *system, complete, series[s]));
    }
    time.finished(waiting[k].row, progress.seconds());
    progress.end(std::to_string(series.size()) + " series, " + duration_text(progress.seconds()), time.estimate(rest));
  }
  return true;
}

inline RobustResult collect_series(const Experiment& e, const RunStore& store, std::vector<MissingSeries> series,
                                   eval::MetricOrder order) {
  RobustResult result;
  result.series = std::move(series);
  result.order = order;
  for (std::size_t r = 0; r < e.rows.size(); ++r) {
    RobustRow row;
    row.row = &e.rows[r];
    for (const MissingSeries& s : result.series) {
      std::vector<StoredRun> runs;
      for (const Task& task : tasks_of(e))
        if (task.row == r) runs.push_back(store.read(series_key(key_of(e, task), s)));
      row.runs = static_cast<Index>(runs.size());
      std::vector<RobustPoint>& points = row.series.emplace_back();
      for (const double rate : s.rates) {
        std::vector<eval::Report> reports;
        for (const StoredRun& run : runs) {
          reports.push_back(run.report(order, score_name(rate)));
          row.parameters = run.info.parameters;
        }
        points.push_back({rate, metrics_of(reports)});
      }
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace detail

/// @return the program's exit code
inline int robust_command(const Options& options, const std::vector<Kind>& kinds, std::ostream& out) {
  const eval::Metric metric = detail::parse_metrics({options.metric}, "--metric").front();
  const Experiment e = make_experiment(options, resolve_rows(options, kinds, options.recipes, false));
  std::vector<MissingSeries> series = parse_series(options.drop, options.drop_unit, e.dataset, e.modalities);
  const RunStore store(options.out);
  print_opening(out, "robust", e);
  {
    const Interrupt interrupt;
    Runner runner(e, store, options.threads, true, out);
    if (!runner.run(interrupt) || !detail::make_series(e, store, series, options.threads, interrupt, out)) {
      out << "interrupted; finished runs are kept. The same command goes on.\n";
      return interrupt.exit_code();
    }
  }
  RobustResult result = detail::collect_series(
      e, store, std::move(series), options.released_metrics ? eval::MetricOrder::Released : eval::MetricOrder::Correct);
  result.metric = metric;
  result.threshold = threshold_of(e.rows);
  print_robust(out, e, result);
  write_robust(store.folder(), e, result);
  out << "\nwritten: " << (store.folder() / "results").string() << ".json, .csv, .md, .svg\n";
  return 0;
}

}  // namespace ramer::app
