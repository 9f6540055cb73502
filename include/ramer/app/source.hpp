// Which data, and which of its samples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/options.hpp"
#include "ramer/data/dataset_file.hpp"
#include "ramer/data/missing.hpp"
#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/train/checkpoint.hpp"
#include "ramer/train/evaluate.hpp"

namespace ramer::app {

/// A data set file, or the synthetic demonstration data. @throws IoError, DataError
inline data::Dataset open_data(const std::string& path) {
  return path.empty() ? data::make_synthetic(data::SyntheticConfig{}) : data::read_dataset(path);
}

/// What a model file says of the data that it was trained with: metadata "app", as JSON.
struct TrainedOn {
  std::string data;  ///< the data set's name
  Index samples = 0;
  std::string fold;  ///< K/N; empty: the file's own split

  bool same_data(const data::Dataset& dataset) const { return dataset.name() == data && dataset.size() == samples; }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("data", self.data, "name of the data set");
    field("samples", self.samples, "its samples");
    field("fold", self.fold, "fold K/N; empty: the file's own split");
  }
};

/// @throws IoError
inline std::optional<TrainedOn> trained_on(const train::Checkpoint& checkpoint) {
  if (checkpoint.file.metadata("app", "").empty()) return std::nullopt;
  TrainedOn record;
  train::detail::naming(checkpoint.path(), [&] { io::from_json(checkpoint.json("app"), record, "app"); });
  return record;
}

/// The record as metadata of a model's file.
inline train::Metadata metadata_of(const TrainedOn& record) { return {{"app", io::dump_json(io::to_json(record), -1)}}; }

/// The parts that a run trains, validates and tests on, and what they are called.
struct Parts {
  data::SplitSamples samples;
  std::string fold;  ///< empty: the file's own split
  std::string text;
};

/// By the fold, else by the file's split; without either, by fold 0/5. @throws ConfigError, DataError
inline Parts choose_parts(const data::Dataset& dataset, const std::string& fold) {
  const std::string chosen = !fold.empty() ? fold : dataset.has_split() ? "none" : "0/5";
  if (chosen == "none") return {data::split_samples(dataset), "", "the file's split"};
  return {data::fold_samples(dataset, data::parse_fold(chosen)), chosen, "fold " + chosen};
}

/// Samples to evaluate or predict, and what they are called.
struct Part {
  std::vector<std::int32_t> samples;
  std::string split, fold, text;
};

/// What the options ask for; else the part of the split that the model was trained with, where this is its data.
/// @throws ConfigError, DataError
inline Part choose_part(const data::Dataset& dataset, const Options& options, const std::optional<TrainedOn>& trained) {
  const std::string split = options.split.empty() ? "test" : options.split;
  if (split == "all") return {data::all_samples(dataset), split, "", "all samples"};
  const bool stored = options.fold.empty() && trained && !trained->fold.empty() && trained->same_data(dataset);
  const std::string fold = stored ? trained->fold : options.fold;
  if (fold.empty() && !dataset.has_split() && options.split.empty())
    return {data::all_samples(dataset), "all", "", "all samples (the file has no split)"};
  require<DataError>(!fold.empty() || dataset.has_split(), dataset.origin(),
                     ": no 'split'; choose --fold K/N or --split all");
  const Parts parts = choose_parts(dataset, fold);
  const data::Split which = split == "train"        ? data::Split::kTrain
                            : split == "validation" ? data::Split::kValidation
                                                    : data::Split::kTest;
  Part part{parts.samples.of(which), split, parts.fold, split + " samples of " + parts.text};
  if (stored) part.text += ", as the model was trained";
  require<DataError>(!part.samples.empty(), dataset.origin(), ": no ", part.text);
  return part;
}

/// One --drop.
struct Drop {
  std::string modality;  ///< empty: any
  double rate = 1;
};

/// Reads "text", "text=0.5", "any=0.3". @throws ConfigError
inline std::vector<Drop> parse_drops(const std::vector<std::string>& texts, const Schema& schema) {
  std::vector<Drop> drops;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    Drop drop{text.substr(0, equals), 1};
    if (equals != std::string::npos) {
      require<ConfigError>(
          io::detail::parse_whole(std::string_view(text).substr(equals + 1), drop.rate) && drop.rate >= 0 && drop.rate <= 1,
          "--drop ", text, ": expected NAME or NAME=RATE with a rate of 0 to 1");
    }
    std::string names;
    bool known = drop.modality == "any";
    for (const ModalitySchema& m : schema.modalities) {
      names += (names.empty() ? "" : ", ") + m.name;
      known = known || m.name == drop.modality;
    }
    require<ConfigError>(known, "--drop ", text, ": the model has no modality '", drop.modality, "'; it has ", names,
                         " (or 'any')");
    if (drop.modality == "any") drop.modality.clear();
    drops.push_back(std::move(drop));
  }
  return drops;
}

/// Applies each in turn to every batch.
inline void add_drops(train::PredictOptions& options, const std::vector<Drop>& drops, const std::string& role) {
  if (drops.empty()) return;
  std::vector<data::MissingConfig> configs;
  for (const Drop& drop : drops) {
    data::MissingConfig config;
    config.rate = drop.rate;
    if (!drop.modality.empty()) config.modalities = {drop.modality};
    config.role = role == "target"   ? data::MissingRole::kTarget
                  : role == "others" ? data::MissingRole::kOthers
                                     : data::MissingRole::kEveryone;
    configs.push_back(std::move(config));
  }
  options.transform = [configs](Batch& batch) {
    for (const data::MissingConfig& config : configs) data::drop_modalities(batch, config, 1);
  };
}

}  // namespace ramer::app
