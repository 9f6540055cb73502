// Settings of a training run: from a preset, a JSON file, `--set` and options, in this order; a later one wins.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/app/options.hpp"
#include "ramer/app/system.hpp"
#include "ramer/app/table.hpp"

namespace ramer::app {

/// Every setting of a run, spelled out.
struct Settings {
  std::string recipe;
  io::Json model;  ///< every setting of the recipe
  train::TrainerConfig train;
};

namespace detail {

/// Gives the trainer's settings the key "train", so that messages name them in full.
struct TrainSettings {
  train::TrainerConfig train;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("train", self.train, "settings of the training");
  }
};

/// What `small` sets, where a recipe has the key. Without it, everything is as published.
inline std::vector<std::string> preset_of(const std::string& name) {
  if (name == "paper") return {};
  // With the published weights the reconstruction of X_alpha is nearly all of the gradient while training is young, and
  // clipping leaves little of anything else; the contrastive term is most of the loss later.
  return {"model.encoder.hidden=64",
          "model.encoder.heads=4",
          "model.encoder.inner=64",
          "model.encoder.layers=1",
          "model.encoder.dropout=0.2",
          "model.fusion.layers=1",
          "model.reconstruction.latent=32",
          "model.contrast.queue=1024",
          "model.weights.contrast=0.01",
          "model.weights.rec_tilde=0.01",
          "model.weights.rec_beta=0.01",
          "model.weights.cls_alpha=0.1",
          "train.epochs=15",
          "train.patience=5",
          "train.threshold_rule=tuned",
          "train.optimizer.kind=adamw",
          "train.optimizer.rate=1e-3",
          "train.optimizer.epsilon=1e-8",
          "train.optimizer.decay=0.1"};
}

inline bool is_model_key(std::string_view assignment) { return assignment.starts_with("model."); }

/// "optimizer.rate=1" is short for "train.optimizer.rate=1".
inline std::string full_key(const std::string& assignment) {
  return assignment.starts_with("optimizer.") ? "train." + assignment : assignment;
}

inline std::vector<io::Option> training_options(const train::TrainerConfig& config) {
  std::vector<io::Option> rows = io::describe(TrainSettings{config});
  for (io::Option& row : rows)
    if (row.key.starts_with("train.optimizer.")) row.key.erase(0, std::string_view("train.").size());
  return rows;
}

/// @throws ConfigError for an assignment to something that is no setting
inline void check_group(const std::string& assignment, const Kind& kind) {
  if (is_model_key(assignment) || assignment.starts_with("train.")) return;
  std::vector<std::string> keys;
  for (const io::Option& row : kind.describe()) keys.push_back(row.key);
  for (const io::Option& row : training_options({})) keys.push_back(row.key);
  const std::string key(io::detail::trim(std::string_view(assignment).substr(0, assignment.find('='))));
  const bool has_value = assignment.find('=') != std::string::npos;
  require<ConfigError>(has_value, "--set ", assignment, ": expected key=value");
  const std::vector<std::string> near = io::detail::nearest_keys(key, keys);
  fail<ConfigError>("unknown key '", key, "'",
                    near.empty() ? "; keys begin with model., train. or optimizer. (ramer train --help-options lists them)"
                                 : "; did you mean " + io::detail::quoted_list(near, " or ") + "?");
}

/// The file's own place in front of what is wrong in it.
template <class F>
void naming_file(const std::string& file, F&& f) {
  try {
    f();
  } catch (const ConfigError& error) {
    fail<ConfigError>(file, ": ", error.what());
  }
}

inline io::Json read_settings_file(const std::string& file) {
  io::Json json = io::read_json(file);
  require<ConfigError>(json.is_object(), file, ": expected a JSON object");
  for (const auto& entry : json.items()) {
    const std::string& key = entry.key();
    require<ConfigError>(key == "recipe" || key == "model" || key == "train" || key == "optimizer" || key == "about", file,
                         ": unknown key '", key, "'; valid here: 'recipe', 'model', 'train', 'optimizer', 'about'");
  }
  require<ConfigError>(!json.contains("recipe") || json["recipe"].is_string(), file, ": recipe: expected text");
  return json;
}

}  // namespace detail

/// Defaults of a recipe under a preset.
inline Settings preset_settings(const Kind& kind, const std::string& preset) {
  Settings s;
  s.recipe = kind.name;
  std::vector<std::string> known;
  for (const io::Option& row : kind.describe()) known.push_back(row.key);
  std::vector<std::string> model;
  detail::TrainSettings training{s.train};
  for (const std::string& assignment : detail::preset_of(preset)) {
    if (!detail::is_model_key(assignment))
      io::set_option(training, assignment);
    else if (std::find(known.begin(), known.end(), assignment.substr(0, assignment.find('='))) != known.end())
      model.push_back(assignment);
  }
  s.train = training.train;
  s.model = kind.resolve({}, model);
  return s;
}

/// Everything that the options say. `saved`: the settings of the run that is gone on with, or null.
/// @throws ConfigError, IoError
inline Settings resolve_settings(const Options& options, const std::vector<Kind>& kinds, const io::Json& saved) {
  io::Json file;
  if (!options.config.empty()) file = detail::read_settings_file(options.config);
  std::string recipe = kinds.front().name;
  if (saved.is_object()) recipe = saved.at("recipe").get<std::string>();
  if (file.contains("recipe")) recipe = file["recipe"].get<std::string>();
  if (!options.recipe.empty()) recipe = options.recipe;
  const Kind& kind = kind_of(kinds, recipe);
  require<ConfigError>(!saved.is_object() || saved.at("recipe") == recipe, "the run in ", options.out, " is of recipe '",
                       saved.is_object() ? saved.at("recipe").get<std::string>() : "", "'; it cannot go on as '", recipe,
                       "'");

  Settings s = preset_settings(kind, options.preset);
  if (saved.is_object()) {
    s.model = saved.at("model");
    io::from_json(saved.at("train"), s.train, "train");
  }
  std::vector<std::string> model;
  detail::TrainSettings training{s.train};
  if (!file.is_null()) {
    detail::naming_file(options.config, [&] {
      if (file.contains("model")) s.model = kind.resolve({s.model, file["model"]}, {});
      if (file.contains("train")) io::from_json(file["train"], training.train, "train");
      if (file.contains("optimizer")) io::from_json(file["optimizer"], training.train.optimizer, "optimizer");
    });
  }
  for (const std::string& given : options.set) {
    const std::string assignment = detail::full_key(given);
    detail::check_group(assignment, kind);
    if (detail::is_model_key(assignment))
      model.push_back(assignment);
    else
      io::set_option(training, assignment);
  }
  s.model = kind.resolve({s.model}, model);
  s.train = training.train;
  s.recipe = recipe;
  if (options.epochs) s.train.epochs = *options.epochs;
  if (options.batch) s.train.batch = *options.batch;
  if (options.seed) s.train.seed = *options.seed;
  if (!options.view.empty()) io::set_option(s.train, "view=" + options.view);
  return s;
}

/// Prints every setting with the value that it has in `s`.
inline void print_all_settings(std::ostream& out, const Kind& kind, const Settings& s) {
  out << "Settings of recipe " << kind.name << ", as --set takes them. In a JSON file, groups are objects.\n\n";
  std::vector<io::Option> rows = kind.describe();
  for (io::Option& row : rows) {
    std::string pointer = row.key.substr(row.key.find('.'));
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const io::Json& value = s.model.at(io::Json::json_pointer(pointer));
    row.default_value = value.is_string() ? value.get<std::string>() : io::dump_json(value, -1);
  }
  print_settings(out, rows);
  print_settings(out, detail::training_options(s.train));
}

}  // namespace ramer::app
