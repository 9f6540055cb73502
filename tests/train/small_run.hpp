// A small data set, a short training and folders, for training on any backend.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/train/trainer.hpp"

namespace ramer::testing {

/// Three modalities, up to three persons, personality, silent listeners and missing modalities.
inline data::Dataset small_data(Index samples = 120) {
  data::SyntheticConfig config;
  config.samples = samples;
  config.group_size = 5;
  config.widths = {10, 9, 8};
  config.labels = 4;
  config.moods = 2;
  config.persons = 3;
  config.segments = 4;
  config.personality_width = 5;
  config.signal = 4;
  return data::make_synthetic(config);
}

inline train::TrainerConfig small_training(Index epochs = 3) {
  train::TrainerConfig config;
  config.epochs = epochs;
  config.batch = 16;
  config.optimizer.rate = 5e-3;
  config.threshold_rule = train::ThresholdRule::Tuned;
  return config;
}

/// A new folder, removed at the end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("ramer_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  operator const std::filesystem::path&() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace ramer::testing
