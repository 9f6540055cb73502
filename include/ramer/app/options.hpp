// What the command line says, before any of it is looked into.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer::app {

enum class Command { Train, Evaluate, Predict, Compare, Ablate, Robust, Plot, Info, Synth };

/// One call of the program. An empty string or optional: not given.
struct Options {
  Command command = Command::Info;
  std::string data;   ///< dataset file; empty: the synthetic demonstration data
  std::string out;    ///< folder of a run, or a file
  std::string model;  ///< checkpoint
  std::string recipe;
  std::string fold;    ///< K/N or "none"
  std::string config;  ///< JSON file of settings
  std::string preset;  ///< small or paper
  std::string view;    ///< persons, target, moment or all
  std::string split;   ///< train, validation, test or all; empty: test, where there is one
  std::string report;  ///< JSON file
  std::string file;    ///< what `info` is asked about
  std::string figure;  ///< figure3, figure4 or figure5
  std::string drop_role = "everyone";
  std::vector<std::string> set;             ///< key=value
  std::vector<std::string> drop;            ///< modality or modality=rate
  std::vector<std::string> modalities;      ///< which a new model sees
  std::vector<std::string> recipes;         ///< rows of a comparison
  std::vector<std::string> recipe_configs;  ///< NAME=FILE
  std::vector<std::string> tests{"micro_f1", "mean_auc"};
  std::string folds = "5";     ///< a number, or "none"
  std::string threshold_rule;  ///< a number, or "tuned"; empty: as the settings say
  std::string layout = "paper", metric = "micro_f1";
  std::string drop_unit = "token";
  Index seeds = 3;
  std::optional<Index> resamples;
  std::optional<Index> epochs, batch, samples;
  std::optional<std::int64_t> sample;  ///< the data set's own number
  std::optional<Index> pairs;
  std::optional<std::uint64_t> seed;
  std::optional<double> threshold, perplexity;
  int threads = 0;
  bool resume = false, help_options = false, linear_setting = false, released_metrics = false, keep_models = false;
};

}  // namespace ramer::app
