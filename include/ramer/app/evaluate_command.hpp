// ramer evaluate, ramer predict
#pragma once

#include <charconv>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/csv.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/app/source.hpp"

namespace ramer::app {

namespace detail {

/// A trained system with everything that using it needs.
struct Opened {
  train::Checkpoint checkpoint;
  std::unique_ptr<System> system;
  data::Dataset dataset;
  Part part;
  train::PredictOptions predict;
  std::vector<Drop> drops;
  double threshold = 0.5;
};

inline Opened open_system(const Options& options, const std::vector<Kind>& kinds) {
  Opened o{train::open_checkpoint(options.model), nullptr, {}, {}, {}, {}, 0.5};
  o.system = kind_of(kinds, o.checkpoint.recipe).load(o.checkpoint, options.threads);
  o.drops = parse_drops(options.drop, o.checkpoint.schema);
  o.dataset = open_data(options.data);
  o.part = choose_part(o.dataset, options, trained_on(o.checkpoint));
  o.predict.view = o.checkpoint.run.view;
  if (options.batch) o.predict.batch = *options.batch;
  add_drops(o.predict, o.drops, options.drop_role);
  o.threshold = options.threshold.value_or(o.checkpoint.run.threshold);
  return o;
}

inline std::string headline(const Opened& o, const Options& options) {
  std::string text = o.checkpoint.recipe + " on " + o.dataset.name() + (options.data.empty() ? " (synthetic)" : "") + ": " +
                     std::to_string(o.part.samples.size()) + " " + o.part.text + "; view " +
                     std::string(enum_name(o.checkpoint.run.view)) + ", threshold " + fixed(o.threshold, 2);
  for (const Drop& drop : o.drops)
    text += std::string(", ") + (drop.modality.empty() ? "any modality" : drop.modality) + " dropped at rate " +
            fixed(drop.rate, 2);
  return text;
}

inline void check_threshold(const Options& options) {
  require<ConfigError>(!options.threshold || (*options.threshold >= 0 && *options.threshold <= 1), "--threshold ",
                       options.threshold.value_or(0), ": expected 0 to 1");
}

}  // namespace detail

inline int evaluate_command(const Options& options, const std::vector<Kind>& kinds, std::ostream& out) {
  detail::check_threshold(options);
  const detail::Opened o = detail::open_system(options, kinds);
  eval::MetricOptions metrics;
  metrics.threshold = o.threshold;
  if (options.released_metrics) metrics.order = eval::MetricOrder::Released;
  const eval::Report report = measure(*o.system, o.dataset, o.part.samples, o.predict, metrics);
  out << detail::headline(o, options) << '\n';
  if (options.released_metrics) out << "note: truth and prediction exchanged, as in the published code\n";
  print_metrics(out, report);
  if (!options.report.empty()) {
    io::Json json = io::to_json(report);
    json["model"] = options.model;
    json["recipe"] = o.checkpoint.recipe;
    json["data"] = o.dataset.name();
    json["view"] = std::string(enum_name(o.checkpoint.run.view));
    json["split"] = o.part.split;
    json["fold"] = o.part.fold.empty() ? io::Json() : io::Json(o.part.fold);
    json["dropped"] = io::Json::object();
    for (const Drop& drop : o.drops) json["dropped"][drop.modality.empty() ? "any" : drop.modality] = drop.rate;
    io::write_json(options.report, json);
    out << "\nreport: " << options.report << '\n';
  }
  return 0;
}

/// CSV: id, score:LABEL ..., predicted:LABEL ... Safetensors: id (N) I64, scores (N, C) F32, predicted (N, C) U8, label
/// names as metadata.
inline int predict_command(const Options& options, const std::vector<Kind>& kinds, std::ostream& out) {
  detail::check_threshold(options);
  const std::string ending = std::filesystem::path(options.out).extension().string();
  require<ConfigError>(ending == ".csv" || ending == ".safetensors", "--out ", options.out,
                       ": expected a name ending in .csv or .safetensors");
  const detail::Opened o = detail::open_system(options, kinds);
  const train::Predictions<float> p = o.system->predict(o.dataset, o.part.samples, o.predict);
  const auto labels = p.labels.size();
  std::vector<std::uint8_t> predicted;
  for (const float score : p.scores) predicted.push_back(eval::detail::above(score, o.threshold) ? 1 : 0);
  if (ending == ".csv") {
    std::string text = "id";
    for (const std::string& label : p.labels) text += "," + csv_field("score:" + label);
    for (const std::string& label : p.labels) text += "," + csv_field("predicted:" + label);
    text += '\n';
    for (std::size_t n = 0; n < p.ids.size(); ++n) {
      text += std::to_string(p.ids[n]);
      for (std::size_t c = 0; c < labels; ++c) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, p.scores[n * labels + c]).ptr;
        text.append(1, ',').append(digits, end);
      }
      for (std::size_t c = 0; c < labels; ++c) text += predicted[n * labels + c] ? ",1" : ",0";
      text += '\n';
    }
    io::write_file_atomically(options.out, text);
  } else {
    const std::vector<Index> shape{p.size(), static_cast<Index>(labels)};
    io::SafetensorsWriter writer;
    writer.set_metadata("format", "ramer.predictions");
    writer.set_metadata("version", "1");
    writer.set_metadata("labels", io::dump_json(io::to_json(p.labels), -1));
    writer.set_metadata("recipe", o.checkpoint.recipe);
    writer.set_metadata("threshold", io::dump_json(io::to_json(o.threshold), -1));
    writer.add<std::int64_t>("id", {p.size()}, std::span(p.ids));
    writer.add<float>("scores", shape, std::span(p.scores));
    writer.add<std::uint8_t>("predicted", shape, std::span(std::as_const(predicted)));
    writer.write(options.out);
  }
  out << detail::headline(o, options) << "\npredictions: " << options.out << '\n';
  return 0;
}

}  // namespace ramer::app
