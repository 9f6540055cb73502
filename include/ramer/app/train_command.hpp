// ramer train
#pragma once

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ramer/app/interrupt.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/app/settings.hpp"
#include "ramer/app/source.hpp"
#include "ramer/app/train_report.hpp"
#include "ramer/train/progress.hpp"

namespace ramer::app {

namespace detail {

/// Where a run keeps its settings, for resuming.
inline std::filesystem::path settings_file(const std::filesystem::path& folder) {
  return folder / "resume" / "settings.json";
}

inline io::Json saved_settings(const std::filesystem::path& folder) {
  const std::filesystem::path file = settings_file(folder);
  require<IoError>(std::filesystem::exists(file), folder.string(), ": holds no run that could be resumed (", file.string(),
                   " is not there); train without --resume");
  io::Json json = io::read_json(file);
  const auto text = [&](const char* key) { return json.contains(key) && json[key].is_string(); };
  require<IoError>(json.is_object() && text("recipe") && text("data") && text("fold") && json.contains("model") &&
                       json.contains("train") && json.contains("modalities") && json["modalities"].is_array(),
                   file.string(), ": not the settings of a run");
  return json;
}

inline void save_settings(const std::filesystem::path& folder, const Settings& settings, const std::string& data,
                          const std::string& fold, const std::vector<std::string>& modalities) {
  std::error_code error;
  std::filesystem::create_directories(folder / "resume", error);
  require<IoError>(!error, folder.string(), ": cannot create the folder: ", error.message());
  io::Json json = io::Json::object();
  json["recipe"] = settings.recipe;
  json["data"] = data.empty() ? "" : std::filesystem::absolute(data).string();
  json["fold"] = fold;
  json["modalities"] = modalities;
  json["model"] = settings.model;
  json["train"] = io::to_json(settings.train);
  io::write_json(settings_file(folder), json);
}

inline std::filesystem::path report_file(const std::filesystem::path& folder) { return folder / "report.html"; }

/// No report of another run: what stands there is of this one or not at all.
inline void forget_report(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::remove(report_file(folder), error);
  require<IoError>(!error, report_file(folder).string(), ": cannot be removed: ", error.message());
}

}  // namespace detail

/// @return the program's exit code
inline int train_command(Options options, const std::vector<Kind>& kinds, std::ostream& out) {
  if (options.help_options) {
    const Settings settings = resolve_settings(options, kinds, {});
    print_all_settings(out, kind_of(kinds, settings.recipe), settings);
    return 0;
  }
  const std::filesystem::path folder = options.out;
  io::Json saved;
  if (options.resume) {
    saved = detail::saved_settings(folder);
    if (options.data.empty()) options.data = saved["data"].get<std::string>();
    if (options.fold.empty()) options.fold = saved["fold"].get<std::string>();
    if (options.modalities.empty()) options.modalities = saved["modalities"].get<std::vector<std::string>>();
  }
  const Settings settings = resolve_settings(options, kinds, saved);
  const Kind& kind = kind_of(kinds, settings.recipe);
  const data::Dataset dataset = open_data(options.data);
  const Parts parts = choose_parts(dataset, options.fold);

  const Interrupt interrupt;
  TrainJob job;
  job.dataset = dataset;
  job.split = parts.samples;
  job.modalities = options.modalities;
  job.model = settings.model;
  job.config = settings.train;
  job.folder = folder;
  job.threads = options.threads;
  job.resume = options.resume && kind.resumable;
  job.metadata = metadata_of({dataset.name(), dataset.size(), parts.fold});
  train::ProgressOptions progress;
  progress.terminal = &out == &std::cout && isatty(STDOUT_FILENO);
  job.callbacks = train::show_progress(out, progress);
  job.callbacks.stop_requested = [&] { return interrupt.requested(); };
  job.callbacks.on_end = {};
  // A run that is gone on with keeps its settings until they have proved to fit it.
  const auto remember = [&] {
    detail::save_settings(folder, settings, options.data, !parts.fold.empty() ? parts.fold : options.fold,
                          options.modalities);
  };
  job.callbacks.on_epoch = [&, show = job.callbacks.on_epoch](const train::EpochEvent& event) {
    if (job.resume) remember();
    show(event);
  };
  Index parameters = 0;
  Schema schema;
  job.ready = [&](const System& system) {
    out << kind.name << " on " << dataset.name() << (options.data.empty() ? " (synthetic)" : "") << ": "
        << parts.samples.train.size() << " training, " << parts.samples.validation.size() << " validation and "
        << parts.samples.test.size() << " test samples by " << parts.text << "; view " << enum_name(settings.train.view)
        << "; " << system.parameter_count() << " parameters\n";
    if (dataset.straddling_groups() > 0 && parts.fold.empty())
      out << "note: " << dataset.straddling_groups() << " groups have samples in more than one part of the file's split\n";
    out << std::flush;
    if (!job.resume) {
      remember();
      detail::forget_report(folder);
    }
    parameters = system.parameter_count();
    schema = system.schema();
  };

  TrainOutcome outcome = kind.train(job);
  const train::TrainResult& result = outcome.result;
  TrainReport report{settings,
                     dataset,
                     parts,
                     schema,
                     options.data.empty(),
                     parameters,
                     result.history,
                     result.selected_epoch,
                     result.selected_metric,
                     result.threshold,
                     "all epochs",
                     std::nullopt};
  const auto write_report = [&] {
    io::write_file_atomically(detail::report_file(folder), train_report_html(report));
    return detail::report_file(folder).string();
  };
  if (progress.terminal) out << '\r';
  if (result.ending == train::Ending::Interrupted) {
    if (kind.resumable) {
      report.ending = "interrupted after " + std::to_string(result.history.size()) + " of " +
                      std::to_string(settings.train.epochs) + " epochs; the run can go on";
      write_report();
      out << "\ninterrupted after " << result.history.size() << " of " << settings.train.epochs
          << " epochs; saved. Go on with: ramer train --resume --out " << options.out << '\n';
    } else {
      out << "\ninterrupted; nothing was saved\n";
    }
    return interrupt.requested() ? interrupt.exit_code() : 1;
  }
  report.ending = !kind.resumable ? "all fits" : "all " + std::to_string(settings.train.epochs) + " epochs";
  if (result.ending == train::Ending::EarlyStopped) {
    report.ending = "stopped after " + std::to_string(result.history.size()) + " of " +
                    std::to_string(settings.train.epochs) + " epochs: no better model for " +
                    std::to_string(settings.train.patience);
    out << "stopped early: no better model for " << settings.train.patience << " epochs\n";
  }
  if (result.selected_metric)
    out << "selected epoch " << result.selected_epoch << ": validation " << enum_name(settings.train.selection) << ' '
        << fixed(*result.selected_metric) << '\n';

  const bool tests = !parts.samples.test.empty();
  const std::vector<std::int32_t>& held = tests ? parts.samples.test : parts.samples.validation;
  if (!held.empty() && result.selected_epoch > 0) {
    train::PredictOptions predict;
    predict.view = settings.train.view;
    report.measured = measure_pairs(
        outcome.system->predict(dataset, held, predict), train::truth_of(dataset, held, schema.labels), result.threshold,
        std::to_string(held.size()) + (tests ? " test" : " validation") + " samples of " + parts.text);
    if (tests) {
      out << '\n' << report.measured->text << ", threshold " << fixed(result.threshold, 2) << ":\n";
      print_metrics(out, report.measured->report);
    }
  }
  out << "\nmodel: " << result.model.string() << "\nreport: " << write_report() << '\n';
  return 0;
}

}  // namespace ramer::app
