// What the command line says, before any of it is looked into.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer::app {

enum class Command { Train, Evaluate, Predict, Info, Synth };

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
  std::string view;    ///< persons, target or all
  std::string split;   ///< train, validation, test or all; empty: test, where there is one
  std::string report;  ///< JSON file
  std::string file;    ///< what `info` is asked about
  std::string drop_role = "everyone";
  std::vector<std::string> set;         ///< key=value
  std::vector<std::string> drop;        ///< modality or modality=rate
  std::vector<std::string> modalities;  ///< which a new model sees
  std::optional<Index> epochs, batch, samples;
  std::optional<std::uint64_t> seed;
  std::optional<double> threshold;
  int threads = 0;
  bool resume = false, help_options = false, linear_setting = false, released_metrics = false;
};

}  // namespace ramer::app
