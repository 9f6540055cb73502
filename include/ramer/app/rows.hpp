// Rows of a comparison: a recipe with all of its settings, each.
//
// A row is named RECIPE or RECIPE@VIEW, such as linear@target; or by any name whose --recipe-config file names the recipe.
// Settings, a later one wins: preset; --config; --recipe-config of the recipe, then of the row; --set; options. From
// --config and --set the training settings reach every row. Model settings of a --config file that names a recipe reach
// that recipe; other model settings reach every row whose recipe has them, and one that no row has is a mistake.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/settings.hpp"

namespace ramer::app {

/// One row of the table.
struct Row {
  std::string name;
  const Kind* kind = nullptr;
  Settings settings;  ///< but for the seed
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

namespace detail {

/// Makes rows out of what the command line and its files say.
class RowResolver {
 public:
  RowResolver(const Options& options, const std::vector<Kind>& kinds, bool relatives)
      : options_(options), kinds_(kinds), relatives_(relatives), configs_(read_row_configs(options.recipe_configs)) {
    if (!options.config.empty()) file_ = read_settings_file(options.config);
    require<ConfigError>(!file_.contains("model") || file_["model"].is_object(), options.config,
                         ": model: expected a JSON object");
  }

  /// @throws ConfigError
  void add(const std::string& name) {
    for (const Row& row : rows_) require<ConfigError>(row.name != name, "--recipes: '", name, "' is there twice");
    const auto [base, view] = split_row_name(name);
    const Kind& kind = kind_of(kinds_, recipe_of(base));
    kept_.clear();
    if (relatives_ && !rows_.empty()) kept_ = own_defaults(kind, *rows_.front().kind);
    Settings s = preset_settings(kind, options_.preset);
    if (!file_.is_null()) naming_file(options_.config, [&] { apply_file(kind, s); });
    apply_row_config(base, kind, s);
    if (name != base) apply_row_config(name, kind, s);
    apply_assignments(kind, s);
    if (options_.epochs) s.train.epochs = *options_.epochs;
    if (options_.batch) s.train.batch = *options_.batch;
    if (!options_.view.empty()) io::set_option(s.train, "view=" + options_.view);
    if (!view.empty()) {
      std::string views;
      bool known = false;
      for (const auto& [text, value] : EnumNames<data::PersonView>::values) {
        views += (views.empty() ? "" : ", ") + std::string(text);
        known = known || text == view;
      }
      require<ConfigError>(known, "--recipes ", name, ": no view '", view, "'; there are ", views);
      io::set_option(s.train, "view=" + view);
    }
    apply_threshold(options_.threshold_rule, s.train);
    s.train.seed = 0;
    checked(s.train, "train");
    rows_.push_back({name, &kind, std::move(s)});
  }

  /// The rows. @throws ConfigError for a setting or a file that met none of them
  std::vector<Row> finish() {
    for (const std::string& key : unused_)
      if (!used_.contains(key)) fail<ConfigError>("none of these recipes has the setting '", key, "'");
    std::string names;
    for (const Row& row : rows_) names += (names.empty() ? "" : ", ") + row.name;
    for (const RowConfig& config : configs_)
      require<ConfigError>(configs_used_.contains(config.name), "--recipe-config ", config.name, "=", config.file,
                           ": no row has this name; the rows are ", names);
    return std::move(rows_);
  }

 private:
  const RowConfig* config_of(const std::string& name) const {
    for (const RowConfig& config : configs_)
      if (config.name == name) return &config;
    return nullptr;
  }
  /// A recipe's name stands for itself; any other for the recipe that its file names.
  std::string recipe_of(const std::string& name) const {
    for (const Kind& kind : kinds_)
      if (kind.name == name) return name;
    const RowConfig* config = config_of(name);
    return config && config->json.contains("recipe") ? config->json["recipe"].get<std::string>() : name;
  }
  void apply_file(const Kind& kind, Settings& s) {
    apply_training(file_, s.train);
    if (!file_.contains("model")) return;
    if (relatives_ || !file_.contains("recipe"))
      s.model = kind.resolve({s.model, known_part(file_["model"], ModelKeys(kind), kept_, "model", used_, unused_)}, {});
    else if (file_["recipe"] == kind.name)
      s.model = kind.resolve({s.model, file_["model"]}, {});
  }
  void apply_row_config(const std::string& name, const Kind& kind, Settings& s) {
    const RowConfig* config = config_of(name);
    if (!config) return;
    configs_used_.insert(name);
    naming_file(config->file, [&] {
      apply_training(config->json, s.train);
      if (config->json.contains("model")) s.model = kind.resolve({s.model, config->json["model"]}, {});
    });
  }
  void apply_assignments(const Kind& kind, Settings& s) {
    const ModelKeys keys(kind);
    TrainSettings training{s.train};
    std::vector<std::string> model;
    for (const std::string& given : options_.set) {
      const std::string assignment = full_key(given);
      if (!is_model_key(assignment)) {
        check_group(assignment, kind);
        io::set_option(training, assignment);
        continue;
      }
      const std::size_t equals = assignment.find('=');
      require<ConfigError>(equals != std::string::npos, "--set ", assignment, ": expected key=value");
      const std::string key(io::detail::trim(std::string_view(assignment).substr(0, equals)));
      const bool has = keys.has(key) || keys.has_below(key);
      (has ? used_ : unused_).insert(key);
      if (has && !kept_.contains(key)) model.push_back(assignment);
    }
    s.train = training.train;
    s.model = kind.resolve({s.model}, model);
  }

  const Options& options_;
  const std::vector<Kind>& kinds_;
  bool relatives_;
  std::vector<RowConfig> configs_;
  io::Json file_;
  std::set<std::string> used_, unused_, configs_used_;
  std::set<std::string> kept_;  // of the row at hand
  std::vector<Row> rows_;
};

}  // namespace detail

/// The rows of these names, every setting spelled out. `relatives`: the rows are variants of the first one, so that a
/// --config file speaks to all of them whichever recipe it names; but what a variant changes by its defaults stays, unless a
/// --recipe-config of its own says otherwise. @throws ConfigError, IoError
inline std::vector<Row> resolve_rows(const Options& options, const std::vector<Kind>& kinds,
                                     const std::vector<std::string>& names, bool relatives) {
  require<ConfigError>(!names.empty(), "--recipes: name at least one");
  detail::RowResolver resolver(options, kinds, relatives);
  for (const std::string& name : names) resolver.add(name);
  return resolver.finish();
}

}  // namespace ramer::app
