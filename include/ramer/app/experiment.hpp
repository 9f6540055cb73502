// What a comparison is made of: rows (a recipe with all of its settings), folds and seeds.
//
// A row is named RECIPE or RECIPE@VIEW, such as linear@target; or by any name whose --recipe-config file names the recipe.
// Settings, a later one wins: preset; --config; --recipe-config of the recipe, then of the row; --set; options. From
// --config and --set the training settings reach every row. Model settings of a --config file that names a recipe reach
// that recipe; other model settings reach every row whose recipe has them, and one that no row has is a mistake.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/digest.hpp"
#include "ramer/app/settings.hpp"
#include "ramer/app/source.hpp"

namespace ramer::app {

/// One row of the table.
struct Row {
  std::string name;
  const Kind* kind = nullptr;
  Settings settings;  ///< but for the seed
};

struct Experiment {
  data::Dataset dataset;
  std::string identity;
  std::vector<Row> rows;
  std::vector<std::string> folds;  ///< K/N each; or one that is empty: the file's own split
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> modalities;  ///< empty: all

  /// Seeds that a row is run with: one, where chance plays no part.
  std::size_t seeds_of(const Row& row) const { return row.kind->seeded ? seeds.size() : 1; }
};

namespace detail {

/// A name without its "@VIEW", and the view (or empty).
inline std::pair<std::string, std::string> split_row_name(const std::string& name) {
  const std::size_t at = name.rfind('@');
  if (at == std::string::npos) return {name, ""};
  return {name.substr(0, at), name.substr(at + 1)};
}

/// Which model settings a recipe has.
class ModelKeys {
 public:
  explicit ModelKeys(const Kind& kind) {
    for (const io::Option& row : kind.describe()) keys_.push_back(row.key);
  }
  bool has(const std::string& key) const { return std::find(keys_.begin(), keys_.end(), key) != keys_.end(); }
  bool has_below(const std::string& key) const {
    return std::any_of(keys_.begin(), keys_.end(), [&](const std::string& k) { return k.starts_with(key + "."); });
  }

 private:
  std::vector<std::string> keys_;
};

/// Settings whose default is another one than the first row's: what makes a variant the variant that it is.
inline std::set<std::string> own_defaults(const Kind& kind, const Kind& first) {
  std::map<std::string, std::string> others;
  for (const io::Option& row : first.describe()) others[row.key] = row.default_value;
  std::set<std::string> own;
  for (const io::Option& row : kind.describe())
    if (const auto at = others.find(row.key); at != others.end() && at->second != row.default_value) own.insert(row.key);
  return own;
}

/// What of `json` a recipe has, but for `kept`; the full keys of what it has go to `used`, of the others to `unused`.
inline io::Json known_part(const io::Json& json, const ModelKeys& keys, const std::set<std::string>& kept,
                           const std::string& key, std::set<std::string>& used, std::set<std::string>& unused) {
  io::Json out = io::Json::object();
  for (const auto& entry : json.items()) {
    const std::string full = key + "." + entry.key();
    if (keys.has_below(full) && entry.value().is_object()) {
      out[entry.key()] = known_part(entry.value(), keys, kept, full, used, unused);
    } else if (keys.has(full) || keys.has_below(full)) {
      if (!kept.contains(full)) out[entry.key()] = entry.value();
      used.insert(full);
    } else if (entry.value().is_object() && !entry.value().empty()) {
      known_part(entry.value(), keys, kept, full, used, unused);
    } else {
      unused.insert(full);
    }
  }
  return out;
}

struct RowConfig {
  std::string name, file;
  io::Json json;
};

/// Reads NAME=FILE of every --recipe-config.
inline std::vector<RowConfig> read_row_configs(const std::vector<std::string>& texts) {
  std::vector<RowConfig> configs;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    require<ConfigError>(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), "--recipe-config ", text,
                         ": expected NAME=FILE, such as ramer=ramer.json");
    configs.push_back({text.substr(0, equals), text.substr(equals + 1), {}});
    for (std::size_t k = 0; k + 1 < configs.size(); ++k)
      require<ConfigError>(configs[k].name != configs.back().name, "--recipe-config: two files for '", configs.back().name,
                           "'");
    configs.back().json = read_settings_file(configs.back().file);
  }
  return configs;
}

inline void apply_training(const io::Json& file, train::TrainerConfig& config) {
  if (file.contains("train")) io::from_json(file["train"], config, "train");
  if (file.contains("optimizer")) io::from_json(file["optimizer"], config.optimizer, "optimizer");
}

/// "0.5" or "tuned"; empty: as the settings say.
inline void apply_threshold(const std::string& text, train::TrainerConfig& config) {
  if (text.empty()) return;
  if (text == "tuned") {
    config.threshold_rule = train::ThresholdRule::Tuned;
    config.threshold.reset();
    return;
  }
  double value = 0;
  require<ConfigError>(io::detail::parse_whole(std::string_view(text), value) && value >= 0 && value <= 1, "--threshold ",
                       text, ": expected a number from 0 to 1, or 'tuned'");
  config.threshold_rule = train::ThresholdRule::Fixed;
  config.threshold = value;
}

}  // namespace detail

/// How the rows' thresholds come about: one rule for all.
struct ThresholdOfAll {
  bool tuned = false;
  double value = 0.5;  ///< where it is fixed
  std::string text() const {
    return tuned ? "threshold tuned on validation data (micro-F1)" : "fixed threshold " + fixed(value, 2);
  }
};

/// @throws ConfigError when the rows do not agree
inline ThresholdOfAll threshold_of(const std::vector<Row>& rows) {
  const auto of = [](const Row& row) {
    ThresholdOfAll t{row.settings.train.threshold_rule == train::ThresholdRule::Tuned, 0.5};
    if (t.tuned) return t;
    const io::Json& model = row.settings.model;
    if (model.contains("threshold") && model["threshold"].is_number()) t.value = model["threshold"].get<double>();
    t.value = row.settings.train.threshold.value_or(t.value);
    return t;
  };
  const ThresholdOfAll first = of(rows.front());
  for (const Row& row : rows) {
    const ThresholdOfAll t = of(row);
    require<ConfigError>(t.tuned == first.tuned && (t.tuned || t.value == first.value),
                         "the threshold must follow one rule: '", rows.front().name, "' has a ", first.text(), ", '",
                         row.name, "' a ", t.text(), "; give --threshold X or --threshold tuned");
  }
  return first;
}

/// The rows of these names, every setting spelled out. `relatives`: the rows are variants of the first one, so that a
/// --config file speaks to all of them whichever recipe it names; but what a variant changes by its defaults stays, unless a
/// --recipe-config of its own says otherwise. @throws ConfigError, IoError
inline std::vector<Row> resolve_rows(const Options& options, const std::vector<Kind>& kinds,
                                     const std::vector<std::string>& names, bool relatives) {
  require<ConfigError>(!names.empty(), "--recipes: name at least one");
  io::Json file;
  if (!options.config.empty()) file = detail::read_settings_file(options.config);
  const std::vector<detail::RowConfig> configs = detail::read_row_configs(options.recipe_configs);
  const bool for_one = file.contains("recipe") && !relatives;
  std::set<std::string> used, unused;
  std::set<std::string> configs_used;
  std::vector<Row> rows;

  for (const std::string& name : names) {
    for (const Row& row : rows) require<ConfigError>(row.name != name, "--recipes: '", name, "' is there twice");
    const auto [base, view] = detail::split_row_name(name);
    const auto named = [&](const std::string& wanted) {
      return std::find_if(configs.begin(), configs.end(), [&](const auto& c) { return c.name == wanted; });
    };
    std::string recipe = base;
    const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const Kind& k) { return k.name == base; });
    if (!known)
      if (const auto config = named(base); config != configs.end() && config->json.contains("recipe"))
        recipe = config->json["recipe"].get<std::string>();
    const Kind& kind = kind_of(kinds, recipe);
    const detail::ModelKeys keys(kind);
    const std::set<std::string> kept =
        relatives && !rows.empty() ? detail::own_defaults(kind, *rows.front().kind) : std::set<std::string>();

    Settings s = preset_settings(kind, options.preset);
    if (!file.is_null()) {
      detail::naming_file(options.config, [&] {
        detail::apply_training(file, s.train);
        if (!file.contains("model")) return;
        require<ConfigError>(file["model"].is_object(), "model: expected a JSON object");
        if (for_one && file["recipe"] == recipe) s.model = kind.resolve({s.model, file["model"]}, {});
        if (!for_one)
          s.model = kind.resolve({s.model, detail::known_part(file["model"], keys, kept, "model", used, unused)}, {});
      });
    }
    std::vector<std::string> wanted{base};
    if (name != base) wanted.push_back(name);
    for (const std::string& key : wanted) {
      const auto config = named(key);
      if (config == configs.end()) continue;
      configs_used.insert(key);
      detail::naming_file(config->file, [&] {
        detail::apply_training(config->json, s.train);
        if (config->json.contains("model")) s.model = kind.resolve({s.model, config->json["model"]}, {});
      });
    }
    detail::TrainSettings training{s.train};
    std::vector<std::string> model;
    for (const std::string& given : options.set) {
      const std::string assignment = detail::full_key(given);
      if (!detail::is_model_key(assignment)) {
        detail::check_group(assignment, kind);
        io::set_option(training, assignment);
        continue;
      }
      const std::string key(io::detail::trim(std::string_view(assignment).substr(0, assignment.find('='))));
      require<ConfigError>(assignment.find('=') != std::string::npos, "--set ", assignment, ": expected key=value");
      if (keys.has(key) || keys.has_below(key)) {
        if (!kept.contains(key)) model.push_back(assignment);
        used.insert(key);
      } else {
        unused.insert(key);
      }
    }
    s.model = kind.resolve({s.model}, model);
    s.train = training.train;
    if (options.epochs) s.train.epochs = *options.epochs;
    if (options.batch) s.train.batch = *options.batch;
    if (!options.view.empty()) io::set_option(s.train, "view=" + options.view);
    if (!view.empty()) {
      try {
        io::set_option(s.train, "view=" + view);
      } catch (const ConfigError&) {
        fail<ConfigError>("--recipes ", name, ": no view '", view, "'; there are persons, target and all");
      }
    }
    detail::apply_threshold(options.threshold_rule, s.train);
    s.train.seed = 0;
    checked(s.train, "train");
    s.recipe = recipe;
    rows.push_back({name, &kind, std::move(s)});
  }
  for (const std::string& key : unused)
    if (!used.contains(key)) fail<ConfigError>("none of these recipes has the setting '", key, "'");
  for (const detail::RowConfig& config : configs)
    require<ConfigError>(configs_used.contains(config.name), "--recipe-config ", config.name, "=", config.file,
                         ": no row has this name; the rows are ", [&] {
                           std::string text;
                           for (const std::string& n : names) text += (text.empty() ? "" : ", ") + n;
                           return text;
                         }());
  return rows;
}

/// Opens the data and deals folds and seeds. @throws ConfigError, DataError, IoError
inline Experiment make_experiment(const Options& options, std::vector<Row> rows) {
  Experiment e;
  e.rows = std::move(rows);
  const ThresholdOfAll threshold = threshold_of(e.rows);
  require<ConfigError>(options.seeds >= 1 && options.seeds <= 1000, "--seeds ", options.seeds, ": expected 1 to 1000");
  for (Index k = 0; k < options.seeds; ++k) e.seeds.push_back(options.seed.value_or(1) + static_cast<std::uint64_t>(k));
  e.dataset = open_data(options.data);
  require<DataError>(e.dataset.has_labels(), e.dataset.origin(), ": no 'labels'; a comparison needs them");
  e.identity = identity_of(e.dataset);
  e.modalities = options.modalities;
  if (options.folds == "none") {
    e.folds.emplace_back();
  } else {
    Index count = 0;
    require<ConfigError>(io::detail::parse_whole(std::string_view(options.folds), count) && count >= 3 && count <= 1000,
                         "--folds ", options.folds, ": expected a number of at least 3, or 'none' for the file's own split");
    for (Index k = 0; k < count; ++k) e.folds.push_back(std::to_string(k) + "/" + std::to_string(count));
  }
  for (const std::string& fold : e.folds) {
    const Parts parts = choose_parts(e.dataset, fold.empty() ? "none" : fold);
    require<DataError>(!parts.samples.test.empty(), e.dataset.origin(), ": no test samples in ", parts.text);
    require<DataError>(!parts.samples.validation.empty() || !threshold.tuned, e.dataset.origin(),
                       ": no validation samples in ", parts.text, " to tune a threshold on; give --threshold X");
  }
  return e;
}

}  // namespace ramer::app
