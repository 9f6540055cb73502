// What a run writes down of each epoch. Nothing here depends on the clock: the same run gives the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/eval/report.hpp"
#include "ramer/io/json.hpp"

namespace ramer::train {

/// Metrics on the validation data, with the threshold that they were taken at.
struct ValidationRecord {
  Index samples = 0;
  double threshold = 0.5;
  double accuracy = 0, precision = 0, recall = 0, micro_f1 = 0, macro_f1 = 0, weighted_f1 = 0;
  std::optional<double> auc;
  std::map<std::string, std::optional<double>> label_f1, label_auc;  ///< by label
  std::map<std::string, std::optional<double>> terms;  ///< as EpochRecord::terms; those of training alone are not there

  ValidationRecord() = default;
  /// From a report.
  explicit ValidationRecord(const eval::Report& r)
      : samples(r.samples),
        threshold(r.threshold),
        accuracy(r.accuracy),
        precision(r.precision),
        recall(r.recall),
        micro_f1(r.micro_f1),
        macro_f1(r.macro_f1),
        weighted_f1(r.weighted_f1),
        auc(r.auc.mean),
        label_f1(r.f1.per_label),
        label_auc(r.auc.per_label) {}

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("samples", self.samples, "samples validated on");
    field("threshold", self.threshold, "a label is predicted where its score is above this");
    field("accuracy", self.accuracy, "mean Jaccard index");
    field("precision", self.precision, "over all cells");
    field("recall", self.recall, "over all cells");
    field("micro_f1", self.micro_f1, "F1 over all cells");
    field("macro_f1", self.macro_f1, "mean F1 of the labels");
    field("weighted_f1", self.weighted_f1, "mean F1 of the labels, weighted by support");
    field("auc", self.auc, "mean area under the ROC curve; null where no label has both classes");
    field("label_f1", self.label_f1, "F1 of each label; null without annotated cells");
    field("label_auc", self.label_auc, "area under the ROC curve of each label; null with one class");
    field("terms", self.terms, "mean over samples of each loss term, unweighted; those of training alone are not there");
  }
};

/// One line of the history.
struct EpochRecord {
  Index epoch = 0;  ///< counted from 1
  std::uint64_t step = 0;
  std::optional<double> loss;                          ///< mean over steps of the weighted total
  std::map<std::string, std::optional<double>> terms;  ///< mean over steps of each term, unweighted; null: not finite
  std::optional<double> gradient_norm;                 ///< mean over steps, before clipping
  std::optional<ValidationRecord> validation;          ///< absent without validation data
  bool selected = false;                               ///< the best so far

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("epoch", self.epoch, "epoch, counted from 1");
    field("step", self.step, "steps so far");
    field("loss", self.loss, "mean weighted total");
    field("terms", self.terms, "mean of each loss term, unweighted");
    field("gradient_norm", self.gradient_norm, "mean gradient norm before clipping");
    field("validation", self.validation, "metrics on the validation data");
    field("selected", self.selected, "whether the epoch's model became the selected one");
  }
};

/// Writes one JSON object per line, whole or not at all. @throws IoError
inline void write_history(const std::filesystem::path& path, const std::vector<EpochRecord>& history) {
  std::string text;
  for (const EpochRecord& record : history) text += io::dump_json(io::to_json(record), -1) + "\n";
  io::write_file_atomically(path, text);
}

/// Reads what `write_history` wrote. @throws IoError, ConfigError
inline std::vector<EpochRecord> read_history(const std::filesystem::path& path) {
  std::ifstream file(path);
  require<IoError>(file.good(), path.string(), ": cannot be opened for reading");
  std::vector<EpochRecord> history;
  for (std::string line; std::getline(file, line);) {
    const std::string place = path.string() + ":" + std::to_string(history.size() + 1);
    io::from_json(io::parse_json(line, place), history.emplace_back(), place);
  }
  return history;
}

}  // namespace ramer::train
