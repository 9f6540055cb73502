// What the harness knows of anything that can be trained: a recipe's model, or the linear baseline. Everything that does
// not depend on the recipe is written against these, and so compiled once.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ramer/app/inspection.hpp"
#include "ramer/train/checkpoint.hpp"
#include "ramer/train/trainer.hpp"

namespace ramer::app {

/// A trained system.
class System {
 public:
  virtual ~System() = default;
  virtual const Schema& schema() const = 0;   ///< what it must be shown
  virtual Index parameter_count() const = 0;  ///< trainable numbers
  /// Scores of samples. @throws DataError for data that do not fit
  virtual train::Predictions<float> predict(const data::Dataset& dataset, std::span<const std::int32_t> samples,
                                            const train::PredictOptions& options) const = 0;
  /// Scores of a batch, and of `names` the values that the system has. Nothing at all: it has no such values.
  virtual Inspection inspect(const Batch&, const std::vector<std::string>& /*names*/) const { return {}; }
};

/// What a training run is given.
struct TrainJob {
  data::Dataset dataset;                     ///< train on it
  data::SplitSamples split;                  ///< which samples train and validate
  std::vector<std::string> modalities;       ///< empty: all
  io::Json model;                            ///< every setting of the recipe
  train::TrainerConfig config;               ///< how
  std::filesystem::path folder;              ///< empty: nothing is written
  bool resume = false;                       ///< go on with the run in `folder`
  int threads = 0;                           ///< of the backend; 0: all that there are
  train::Callbacks callbacks;                ///< what the caller wants to be told
  train::Metadata metadata;                  ///< of the model's file
  std::function<void(const System&)> ready;  ///< called once everything is checked, before anything is written
};

/// What training gives.
struct TrainOutcome {
  train::TrainResult result;       ///< how the run went
  std::unique_ptr<System> system;  ///< as selected
};

/// A recipe as the harness sees it.
struct Kind {
  std::string name;       ///< of the recipe
  bool resumable = true;  ///< whether training is long enough to be interrupted
  /// Settings under the keys "model.…", with their defaults.
  std::vector<io::Option> (*describe)() = nullptr;
  /// Every setting: the recipe's defaults, changed by these objects and then these assignments. @throws ConfigError
  io::Json (*resolve)(const std::vector<io::Json>& changes, const std::vector<std::string>& assignments) = nullptr;
  TrainOutcome (*train)(const TrainJob&) = nullptr;                                  ///< trains one; never null
  std::unique_ptr<System> (*load)(const train::Checkpoint&, int threads) = nullptr;  ///< of a file
  bool seeded = true;  ///< whether the result depends on the seed
};

/// The kind of that name. @throws ConfigError that lists the names
inline const Kind& kind_of(const std::vector<Kind>& kinds, const std::string& name) {
  std::string names;
  for (const Kind& kind : kinds) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + kind.name;
  }
  fail<ConfigError>("no recipe '", name, "' in this program; it has ", names);
}

namespace detail {

/// Gives a recipe's settings the key "model", so that messages name them in full.
template <class Config>
struct ModelSettings {
  Config model;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("model", self.model, "settings of the recipe");
  }
};

template <class Config>
std::vector<io::Option> describe_model() {
  return io::describe(ModelSettings<Config>{});
}
template <class Config>
io::Json resolve_model(const std::vector<io::Json>& changes, const std::vector<std::string>& assignments) {
  ModelSettings<Config> settings;
  for (const io::Json& change : changes) io::from_json(change, settings.model, "model");
  for (const std::string& assignment : assignments) io::set_option(settings, assignment);
  return io::to_json(settings.model);
}

}  // namespace detail

}  // namespace ramer::app
