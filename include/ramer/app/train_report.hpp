// What a training run was and came to, as one page of HTML. Every number is the run's: its history, its settings, its data, its
// scores. Nothing depends on the clock or on the number of threads: the same run gives the same bytes.
#pragma once

#include <cstdio>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/epoch_plot.hpp"
#include "ramer/app/html.hpp"
#include "ramer/app/matrix_plot.hpp"
#include "ramer/app/settings.hpp"
#include "ramer/app/source.hpp"
#include "ramer/eval/label_pairs.hpp"

namespace ramer::app {

/// Scores of the selected model on some samples.
struct Measured {
  std::string text;  ///< which samples
  eval::Report report;
  std::vector<eval::Counts> counts;  ///< by label, as the report's
  eval::LabelPairs pairs;
};

/// Everything that the page tells.
struct TrainReport {
  const Settings& settings;
  const data::Dataset& dataset;
  const Parts& parts;
  const Schema& schema;
  bool synthetic = false;  ///< the built-in data
  Index parameters = 0;
  std::vector<train::EpochRecord> history;
  Index selected_epoch = 0;  ///< counted from 1; 0: none
  std::optional<double> selected_metric;
  double threshold = 0.5;
  std::string ending;                ///< one sentence
  std::optional<Measured> measured;  ///< of the selected model
};

/// @throws DataError, NumericError
inline Measured measure_pairs(const train::Predictions<float>& scores, const train::Truth& truth, double threshold,
                              std::string text) {
  Measured m;
  eval::MetricOptions options;
  options.threshold = threshold;
  m.text = std::move(text);
  m.report = train::evaluate(scores, truth, options);
  m.counts = eval::count_labels(scores.view(), truth.labels_view(), truth.mask_view(), threshold);
  m.pairs = eval::count_label_pairs(scores.view(), truth.labels_view(), truth.mask_view(), threshold);
  return m;
}

namespace detail {

using Rows = std::vector<std::vector<std::string>>;

inline std::string text_of(Index n) { return std::to_string(n); }
inline std::string text_of(const std::optional<double>& value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value.value_or(0));
  return value ? text : "-";
}

/// "group.key" and its value, for every setting.
inline void flatten(const io::Json& json, const std::string& key, Rows& rows) {
  if (json.is_object() && !json.empty()) {
    for (const auto& entry : json.items()) flatten(entry.value(), key.empty() ? entry.key() : key + "." + entry.key(), rows);
    return;
  }
  rows.push_back({key, json.is_string() ? json.get<std::string>() : io::dump_json(json, -1)});
}

class TrainPage {
 public:
  explicit TrainPage(const TrainReport& r) : r_(r) {}

  std::string page() {
    const std::string title = r_.settings.recipe + " on " + r_.dataset.name();
    html_.element("h1", title);
    html_.raw("<p class=\"soft\">").words("Training report of ramer " + std::string(train::kLibraryVersion)).raw("</p>\n");
    summary();
    if (r_.measured) results(*r_.measured);
    curves();
    if (r_.measured) confusion(*r_.measured);
    data();
    settings();
    return html_.page(title);
  }

 private:
  const TrainReport& r_;
  Html html_;

  /// Fits of the linear model are no epochs: nothing was lost on the way.
  bool epochs() const { return r_.history.empty() || r_.history.front().loss.has_value(); }
  std::string word() const { return epochs() ? "epoch" : "fit"; }

  void summary() {
    const train::TrainerConfig& t = r_.settings.train;
    Rows rows{{"recipe", r_.settings.recipe + ", " + text_of(r_.parameters) + " parameters"},
              {"data", r_.dataset.name() + (r_.synthetic ? " (built-in synthetic conversations)" : "")},
              {"samples", text_of(static_cast<Index>(r_.parts.samples.train.size())) + " training, " +
                              text_of(static_cast<Index>(r_.parts.samples.validation.size())) + " validation, " +
                              text_of(static_cast<Index>(r_.parts.samples.test.size())) + " test, by " + r_.parts.text},
              {"view", std::string(enum_name(t.view))},
              {"seeds", "training " + std::to_string(t.seed) +
                            (r_.parts.fold.empty() ? "" : "; folds " + std::to_string(data::kFoldSeed)) +
                            (r_.synthetic ? "; data " + std::to_string(data::SyntheticConfig{}.seed) : "")},
              {"ending", r_.ending}};
    if (r_.selected_epoch > 0)
      rows.push_back({"model", word() + " " + text_of(r_.selected_epoch) +
                                   (r_.selected_metric ? ", selected by " + std::string(enum_name(t.selection)) + " " +
                                                             fixed(*r_.selected_metric) + " on validation data"
                                                       : ", the last")});
    rows.push_back({"threshold", fixed(r_.threshold, 2) + (t.threshold_rule == train::ThresholdRule::Tuned
                                                               ? ", tuned on validation data for the highest micro-F1"
                                                               : ", fixed")});
    html_.table({}, rows, 2);
  }

  void results(const Measured& m) {
    const eval::Report& e = m.report;
    html_.element("h2", "Results");
    html_.element("p", "The selected model on " + m.text + ". A label is predicted where its score is above the threshold.");
    html_.table({"accuracy", "precision", "recall", "micro-F1", "macro-F1", "weighted-F1", "mean AUC"},
                {{fixed(e.accuracy), fixed(e.precision), fixed(e.recall), fixed(e.micro_f1), fixed(e.macro_f1),
                  fixed(e.weighted_f1), fixed(e.auc.mean)}},
                0);
    Rows rows;
    for (std::size_t c = 0; c < e.labels.size(); ++c) {
      const eval::Counts& n = m.counts[c];
      rows.push_back({e.labels[c], text_of(n.cells()), text_of(n.support()), text_of(n.tp + n.fp), text_of(n.tp),
                      text_of(n.fp), text_of(n.fn), fixed(n.precision()), fixed(n.recall()),
                      fixed(e.f1.per_label.at(e.labels[c])), fixed(e.auc.per_label.at(e.labels[c]))});
    }
    html_.table({"label", "annotated", "true", "predicted", "true positive", "false positive", "false negative", "precision",
                 "recall", "F1", "AUC"},
                rows);
  }

  template <class Value>
  std::vector<std::optional<double>> over_epochs(Value value) const {
    std::vector<std::optional<double>> line;
    for (const train::EpochRecord& record : r_.history) line.push_back(value(record));
    return line;
  }
  template <class Value>
  std::vector<std::optional<double>> over_validation(Value value) const {
    return over_epochs([&](const train::EpochRecord& record) {
      return record.validation ? value(*record.validation) : std::optional<double>();
    });
  }
  static std::optional<double> find(const std::map<std::string, std::optional<double>>& values, const std::string& name) {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : at->second;
  }
  std::string plot(const std::vector<EpochPanel>& panels, const std::vector<std::string>& names) const {
    return plot_epochs(panels, names, static_cast<Index>(r_.history.size()), r_.selected_epoch, word());
  }

  void curves() {
    if (r_.history.empty()) return;
    const bool validated = r_.history.front().validation.has_value();
    if (epochs()) {
      html_.element("h2", "Loss");
      std::vector<EpochPanel> panels{
          {"weighted total", {over_epochs([](const auto& record) { return record.loss; })}},
          {"gradient norm", {over_epochs([](const auto& record) { return record.gradient_norm; })}}};
      for (const auto& term : r_.history.front().terms) {
        const std::string& name = term.first;
        panels.push_back({name,
                          {over_epochs([&](const auto& record) { return find(record.terms, name); }),
                           over_validation([&](const auto& v) { return find(v.terms, name); })}});
      }
      html_.figure(
          plot(panels, {"training", "validation"}),
          "Each loss term, unweighted. Training: mean over the steps of an epoch, with dropout, while the parameters "
          "change. Validation: mean over the validation samples after the epoch, without dropout. The weighted "
          "total, the gradient's norm (before clipping) and terms that shuffle or contrast a batch exist in training "
          "alone. Dotted: the selected epoch.");
    }
    if (validated) {
      html_.element("h2", "Validation");
      const auto metric = [&](const char* name, auto value) { return EpochPanel{name, {over_validation(value)}}; };
      html_.figure(plot({metric("micro-F1", [](const auto& v) { return std::optional(v.micro_f1); }),
                         metric("macro-F1", [](const auto& v) { return std::optional(v.macro_f1); }),
                         metric("weighted-F1", [](const auto& v) { return std::optional(v.weighted_f1); }),
                         metric("accuracy", [](const auto& v) { return std::optional(v.accuracy); }),
                         metric("precision", [](const auto& v) { return std::optional(v.precision); }),
                         metric("recall", [](const auto& v) { return std::optional(v.recall); }),
                         metric("mean AUC", [](const auto& v) { return v.auc; }),
                         metric("threshold", [](const auto& v) { return std::optional(v.threshold); })},
                        {"validation"}),
                   "Metrics on the validation data after each " + word() + ", at that " + word() + "'s threshold.");
      std::vector<EpochPanel> panels;
      for (const std::string& label : r_.schema.labels)
        panels.push_back({label,
                          {over_validation([&](const auto& v) { return find(v.label_f1, label); }),
                           over_validation([&](const auto& v) { return find(v.label_auc, label); })}});
      html_.figure(plot(panels, {"F1", "AUC"}), "The same for each label.");
    }
    Rows rows;
    for (const train::EpochRecord& e : r_.history) {
      std::vector<std::string> row{text_of(e.epoch) + (e.epoch == r_.selected_epoch ? " *" : "")};
      if (epochs())
        row.insert(row.end(), {text_of(static_cast<Index>(e.step)), text_of(e.loss), text_of(e.gradient_norm)});
      else
        for (const auto& [name, value] : e.terms) row.push_back(text_of(value));
      if (validated) {
        const train::ValidationRecord v = e.validation.value_or(train::ValidationRecord());
        row.insert(row.end(), {fixed(v.threshold, 2), fixed(v.accuracy), fixed(v.precision), fixed(v.recall),
                               fixed(v.micro_f1), fixed(v.macro_f1), fixed(v.weighted_f1), fixed(v.auc)});
      }
      rows.push_back(std::move(row));
    }
    std::vector<std::string> header{word()};
    if (epochs())
      header.insert(header.end(), {"steps", "loss", "gradient norm"});
    else
      for (const auto& [name, value] : r_.history.front().terms) header.push_back(name);
    if (validated)
      header.insert(header.end(),
                    {"threshold", "accuracy", "precision", "recall", "micro-F1", "macro-F1", "weighted-F1", "mean AUC"});
    Html table;
    table.table(header, rows, 0);
    html_.fold("Every " + word() + " in numbers (* the selected one)", table.body());
  }

  void confusion(const Measured& m) {
    html_.element("h2", "Labels that occur together");
    html_.element("p",
                  "Counts over " + m.text +
                      ". Row: label i, among the samples where i is true (and i and j are annotated). Column: label j. A "
                      "sample may have several labels, so it counts in several rows and columns. Colour: the count as a "
                      "share of those samples of the row.");
    const eval::LabelPairs& p = m.pairs;
    const auto matrix = [&](const char* title, const char* columns, const std::vector<Index>& counts) {
      MatrixPanel panel{title, m.report.labels, {}, "i: true", columns};
      for (std::size_t i = 0; i < p.labels; ++i) {
        panel.rows.emplace_back();
        for (std::size_t j = 0; j < p.labels; ++j) {
          const Index n = counts[p.at(i, j)], of = p.annotated[p.at(i, j)];
          panel.rows.back().push_back(
              {of > 0 ? std::optional(static_cast<double>(n) / static_cast<double>(of)) : std::nullopt, text_of(n)});
        }
      }
      return panel;
    };
    const auto draw = [&](const MatrixPanel& panel, const char* caption) {
      html_.figure(plot_matrices({panel}, m.report.labels, "", ""), caption);
    };
    draw(matrix("Predicted", "j: predicted", p.predicted),
         "Samples where i is true and j is predicted, whether j is true or not. On the diagonal: true positives.");
    draw(matrix("Predicted by mistake", "j: predicted, not true", p.mistaken),
         "Samples where i is true and j is predicted although j is not true: what i is taken for besides.");
    draw(matrix("True", "j: true", p.together),
         "Samples where i and j are both true. On the diagonal: the samples of label i.");
  }

  void data() {
    const data::Dataset& d = r_.dataset;
    html_.element("h2", "Data");
    Rows rows;
    for (const ModalitySchema& s : r_.schema.modalities) {
      const data::Modality& m = d.modalities()[d.modality(s.name)];
      Index filled = 0;
      const Index places = m.index.shape().size();
      for (Index k = 0; k < places; ++k) filled += m.index.data()[k] >= 0 ? 1 : 0;
      rows.push_back({s.name, text_of(s.width), text_of(m.features.extent(0)), text_of(m.index.extent(2)), text_of(filled)});
    }
    html_.table({"modality", "width", "feature rows", "times", "places (sample, person, time) with features"}, rows);
    rows.clear();
    const auto* labels = d.has_labels() ? &*d.tensors().labels : nullptr;
    for (const std::string& label : r_.schema.labels) {
      const auto c = static_cast<Index>(d.label(label));
      std::vector<std::string> row{label};
      for (const auto* part : {&r_.parts.samples.train, &r_.parts.samples.validation, &r_.parts.samples.test}) {
        Index positive = 0, annotated = 0;
        for (const std::int32_t n : *part) {
          annotated += d.labelled(n, c) ? 1 : 0;
          positive += labels && d.labelled(n, c) && (*labels)(n, c) ? 1 : 0;
        }
        row.push_back(text_of(positive) + " / " + text_of(annotated));
      }
      rows.push_back(std::move(row));
    }
    html_.table({"label: true / annotated", "training", "validation", "test"}, rows);
    rows = {{"samples", text_of(d.size()) + " of up to " + text_of(d.persons()) + " persons"},
            {"asked about", r_.schema.has_target ? "a person at a time" : "the sample as a whole"},
            {"personality", r_.schema.personality_width > 0 ? "width " + text_of(r_.schema.personality_width) : "none"}};
    if (!d.person_names().empty()) {
      std::string names;
      for (const std::string& name : d.person_names()) names += (names.empty() ? "" : ", ") + name;
      rows.push_back({"persons", names});
    }
    for (const auto& [key, value] : d.notes()) rows.push_back({key, value});
    html_.table({}, rows, 2);
  }

  void settings() {
    html_.element("h2", "Settings");
    io::Json json = io::Json::object();
    json["recipe"] = r_.settings.recipe;
    json["model"] = r_.settings.model;
    json["train"] = io::to_json(r_.settings.train);
    Rows rows;
    flatten(r_.settings.model, "model", rows);
    flatten(json["train"], "train", rows);
    Html table, file;
    table.table({"setting", "value"}, rows, 2);
    file.raw("<pre>").words(io::dump_json(json)).raw("</pre>\n");
    html_.fold("Every setting", table.body());
    html_.fold("As a file for ramer train --config", file.body());
  }
};

}  // namespace detail

/// The page.
inline std::string train_report_html(const TrainReport& report) { return detail::TrainPage(report).page(); }

}  // namespace ramer::app
