// Where a run stands: everything that a resumed run needs besides tensors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ramer/core/random.hpp"
#include "ramer/data/split.hpp"
#include "ramer/train/history.hpp"

namespace ramer::train::detail {

/// What identifies the data of a run.
struct DataRecord {
  Index train = 0, validation = 0;
  std::uint64_t fingerprint = 0;  ///< of which samples train and validate, their numbers and labels

  DataRecord() = default;
  DataRecord(const data::Dataset& dataset, const data::SplitSamples& split)
      : train(static_cast<Index>(split.train.size())), validation(static_cast<Index>(split.validation.size())) {
    for (const auto* part : {&split.train, &split.validation}) {
      for (const std::int32_t n : *part) {
        add(static_cast<std::uint64_t>(n));
        add(static_cast<std::uint64_t>(dataset.id(n)));
        for (Index c = 0; c < dataset.labels(); ++c) add((*dataset.tensors().labels)(n, c) + 2u * dataset.labelled(n, c));
      }
    }
  }
  bool operator==(const DataRecord&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("train", self.train, "training samples");
    field("validation", self.validation, "validation samples");
    field("fingerprint", self.fingerprint, "hash of the samples' numbers and labels");
  }

 private:
  void add(std::uint64_t x) { fingerprint = mix64(fingerprint ^ mix64(x)); }
};

struct Progress {
  Index epoch = 0;           ///< epochs done
  Index batch = 0;           ///< batches done of the next one
  std::uint64_t step = 0;    ///< steps done
  Index waited = 0;          ///< epochs since a strictly better model
  Index selected_epoch = 0;  ///< 0: none yet
  std::uint64_t selected_step = 0;
  std::optional<double> selected_metric;
  double selected_threshold = 0.5;
  std::vector<std::string> terms;                       ///< names of the sums kept in the tensor "progress.sums"
  std::map<std::string, std::int64_t> optimizer_steps;  ///< by parameter
  DataRecord data;
  std::vector<EpochRecord> history;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("epoch", self.epoch, "epochs done");
    field("batch", self.batch, "batches done of the next epoch");
    field("step", self.step, "steps done");
    field("waited", self.waited, "epochs since a better model");
    field("selected_epoch", self.selected_epoch, "epoch of the selected model; 0: none");
    field("selected_step", self.selected_step, "step of the selected model");
    field("selected_metric", self.selected_metric, "its validation metric");
    field("selected_threshold", self.selected_threshold, "its threshold");
    field("terms", self.terms, "loss terms summed up so far in this epoch");
    field("optimizer_steps", self.optimizer_steps, "steps that the optimizer has taken, by parameter");
    field("data", self.data, "the data trained on");
    field("history", self.history, "epochs done");
  }
};

}  // namespace ramer::train::detail
