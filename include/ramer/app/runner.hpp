// Trains and tests what of an experiment is not stored yet.
#pragma once

#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ramer/app/interrupt.hpp"
#include "ramer/app/run_progress.hpp"
#include "ramer/app/run_store.hpp"

namespace ramer::app {

/// One run of an experiment.
struct Task {
  std::size_t row = 0, fold = 0, seed = 0;  ///< places in the experiment's lists
};

/// All of them, in an order that tells something about every row early: seeds, in them folds, in them rows.
inline std::vector<Task> tasks_of(const Experiment& e) {
  std::vector<Task> tasks;
  for (std::size_t seed = 0; seed < e.seeds.size(); ++seed)
    for (std::size_t fold = 0; fold < e.folds.size(); ++fold)
      for (std::size_t row = 0; row < e.rows.size(); ++row)
        if (seed < e.seeds_of(e.rows[row])) tasks.push_back({row, fold, seed});
  return tasks;
}

inline RunKey key_of(const Experiment& e, const Task& task) {
  return {e, e.rows[task.row], e.folds[task.fold], e.seeds[task.seed]};
}

/// "ramer, fold 2/5, seed 1 of 3"
inline std::string title_of(const Experiment& e, const Task& task) {
  const Row& row = e.rows[task.row];
  std::string text = row.name + ", " + (e.folds[task.fold].empty() ? "the file's split" : "fold " + e.folds[task.fold]);
  if (row.kind->seeded) {
    text += ", seed " + std::to_string(e.seeds[task.seed]);
    text += e.seeds.front() == 1 ? " of " + std::to_string(e.seeds.size())
                                 : " (" + std::to_string(task.seed + 1) + " of " + std::to_string(e.seeds.size()) + ")";
  }
  return text;
}

class Runner {
 public:
  Runner(const Experiment& experiment, const RunStore& store, int threads, bool keep_models, std::ostream& out)
      : e_(experiment), store_(store), threads_(threads), keep_models_(keep_models), out_(out) {}

  /// Whether everything is stored now; false after Ctrl-C. Several processes may do this in one folder at a time.
  /// @throws Error, with the run in front of what is wrong
  bool run(const Interrupt& interrupt);

  static bool terminal(const std::ostream& out) { return &out == &std::cout && isatty(STDOUT_FILENO); }

 private:
  bool done(const Task& task) const {
    const RunKey key = key_of(e_, task);
    return store_.has(key) && (!keep_models_ || store_.has_model(key));
  }
  TrainJob job_of(const Task& task) const;
  void rehearse(const std::vector<Task>& tasks) const;
  bool train(const Task& task, const RunKey& key, const Interrupt& interrupt, RunProgress& progress, StoredRun& run) const;
  /// Passes on what is thrown, with the run's title in front.
  template <class F>
  auto naming(const Task& task, F&& f) const;

  const Experiment& e_;
  const RunStore& store_;
  int threads_;
  bool keep_models_;
  std::ostream& out_;
};

template <class F>
auto Runner::naming(const Task& task, F&& f) const {
  try {
    return f();
  } catch (const NumericError& error) {
    fail<NumericError>(title_of(e_, task), ": ", error.what());
  } catch (const ConfigError& error) {
    fail<ConfigError>(e_.rows[task.row].name, ": ", error.what());
  } catch (const DataError& error) {
    fail<DataError>(e_.rows[task.row].name, ": ", error.what());
  }
}

inline TrainJob Runner::job_of(const Task& task) const {
  const Row& row = e_.rows[task.row];
  TrainJob job;
  job.dataset = e_.dataset;
  job.split = choose_parts(e_.dataset, e_.folds[task.fold].empty() ? "none" : e_.folds[task.fold]).samples;
  job.modalities = e_.modalities;
  job.model = row.settings.model;
  job.config = row.settings.train;
  job.config.seed = e_.seeds[task.seed];
  job.threads = threads_;
  job.ready = [](const System&) {};
  return job;
}

/// Sets every row up once and trains none: what cannot work is said before hours have gone by.
inline void Runner::rehearse(const std::vector<Task>& tasks) const {
  std::set<std::size_t> seen;
  for (const Task& task : tasks) {
    if (!seen.insert(task.row).second) continue;
    naming(task, [&] {
      TrainJob job = job_of(task);
      job.callbacks.stop_requested = [] { return true; };
      e_.rows[task.row].kind->train(job);
    });
  }
}

/// False when it was interrupted.
inline bool Runner::train(const Task& task, const RunKey& key, const Interrupt& interrupt, RunProgress& progress,
                          StoredRun& run) const {
  const Row& row = e_.rows[task.row];
  TrainJob job = job_of(task);
  job.callbacks.stop_requested = [&] { return interrupt.requested(); };
  job.callbacks.on_step = [&](const train::StepEvent& s) {
    const double epochs =
        static_cast<double>(s.epoch - 1) + static_cast<double>(s.batch) / static_cast<double>(std::max<Index>(1, s.batches));
    progress.step("epoch " + std::to_string(s.epoch) + "/" + std::to_string(s.epochs) + ", batch " +
                      std::to_string(s.batch) + "/" + std::to_string(s.batches),
                  epochs / static_cast<double>(std::max<Index>(1, s.epochs)));
  };
  const std::filesystem::path scratch = store_.folder() / "models" / (key.name + ".training");
  if (keep_models_) {
    job.folder = scratch;
    std::filesystem::remove_all(scratch);
    std::filesystem::create_directories(scratch);
  }
  const auto start = std::chrono::steady_clock::now();
  TrainOutcome outcome = row.kind->train(job);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (outcome.result.ending == train::Ending::Interrupted) {
    if (keep_models_) std::filesystem::remove_all(scratch);
    return false;
  }
  require<ConfigError>(outcome.result.selected_epoch > 0, "no epoch was trained; give --epochs");

  const std::vector<std::int32_t>& test = job.split.test;
  train::PredictOptions options;
  options.view = row.settings.train.view;
  const System& system = *outcome.system;
  train::Predictions<float> predictions = system.predict(e_.dataset, test, options);
  train::Truth truth = train::truth_of(e_.dataset, test, system.schema().labels);
  run = {};
  run.info.recipe = row.settings.recipe;
  run.info.view = enum_name(row.settings.train.view);
  run.info.fold = e_.folds[task.fold];
  run.info.seed = job.config.seed;
  run.info.threshold = outcome.result.threshold;
  run.info.epochs = static_cast<Index>(outcome.result.history.size());
  run.info.selected_epoch = outcome.result.selected_epoch;
  run.info.selected_metric = outcome.result.selected_metric;
  run.info.parameters = system.parameter_count();
  run.info.seconds = seconds;
  run.info.labels = system.schema().labels;
  run.id = std::move(predictions.ids);
  for (const std::int32_t n : test) run.group.push_back(e_.dataset.group(n));
  run.truth = std::move(truth.labels);
  run.mask = std::move(truth.mask);
  run.scores["scores"] = std::move(predictions.scores);
  run.report(eval::MetricOrder::Correct);  // a score that is no number is an error of this run
  if (keep_models_) {
    std::filesystem::rename(scratch / "model.safetensors", store_.model_file(key));
    std::filesystem::remove_all(scratch);
  }
  return true;
}

inline bool Runner::run(const Interrupt& interrupt) {
  const std::vector<Task> all = tasks_of(e_);
  std::vector<Task> waiting;
  TimeLeft time;
  std::set<std::string> names;
  for (const Task& task : all) {
    const RunKey key = key_of(e_, task);
    names.insert(key.name);
    if (done(task)) {
      time.finished(task.row, store_.read(key).info.seconds);
      if (std::filesystem::exists(store_.claim_file(key))) RunClaim(store_, key);  // the dead let go, and leave this
    } else {
      waiting.push_back(task);
    }
  }
  std::size_t finished = all.size() - waiting.size();
  out_ << all.size() << " runs: " << finished << " stored in " << (store_.folder() / "runs").string() << ", "
       << waiting.size() << " to make\n";
  if (const Index others = store_.others(names); others > 0)
    out_ << "note: " << others << " other runs in this folder, of other settings, data or recipes, are not looked at\n";
  out_ << std::flush;
  rehearse(waiting);

  RunProgress progress(out_, terminal(out_));
  bool said = false;
  while (!waiting.empty()) {
    std::vector<Task> elsewhere;
    for (std::size_t k = 0; k < waiting.size(); ++k) {
      const Task& task = waiting[k];
      const RunKey key = key_of(e_, task);
      if (interrupt.requested()) return false;
      const RunClaim claim(store_, key);
      if (!claim.held()) {
        elsewhere.push_back(task);
        continue;
      }
      ++finished;
      if (done(task)) {  // another process was faster
        time.finished(task.row, store_.read(key).info.seconds);
        continue;
      }
      std::vector<std::size_t> rest;
      for (std::size_t j = k + 1; j < waiting.size(); ++j) rest.push_back(waiting[j].row);
      for (const Task& other : elsewhere) rest.push_back(other.row);
      progress.begin("[" + std::to_string(finished) + "/" + std::to_string(all.size()) + "] " + title_of(e_, task),
                     time.of(task.row), time.estimate(rest));
      StoredRun run;
      bool complete = false;
      try {
        complete = naming(task, [&] { return train(task, key, interrupt, progress, run); });
      } catch (...) {
        progress.abandon();
        throw;
      }
      if (!complete) {
        progress.abandon();
        return false;
      }
      store_.write(key, run);
      time.finished(task.row, run.info.seconds);
      const eval::Report report = run.report(eval::MetricOrder::Correct);
      progress.end("micro-F1 " + fixed(report.micro_f1, 3) + ", AUC " + fixed(report.auc.mean, 3) + ", " +
                       duration_text(run.info.seconds),
                   time.estimate(rest));
    }
    waiting = std::move(elsewhere);
    if (waiting.empty()) break;
    if (!said) out_ << "waiting for another process that makes " << waiting.size() << " of these runs\n" << std::flush;
    said = true;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return true;
}

}  // namespace ramer::app
