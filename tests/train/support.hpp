// A small data set, a small RAMer and folders for the tests of training.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "ramer/backend/cpu.hpp"
#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/train/trainer.hpp"

namespace ramer::testing {

using Small = Model<recipe::Ramer, backend::Cpu, Float>;

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

/// Hidden 16, one layer, a queue of 32; with dropout.
inline Small::Config small_config() {
  Small::Config config;
  config.encoder.hidden = 16;
  config.encoder.heads = 2;
  config.encoder.inner = 16;
  config.encoder.layers = {1};
  config.encoder.dropout = 0.1;
  config.contrast.queue = 32;
  return config;
}

inline train::TrainerConfig small_training(Index epochs = 3) {
  train::TrainerConfig config;
  config.epochs = epochs;
  config.batch = 16;
  config.optimizer.rate = 5e-3;
  config.threshold_rule = train::ThresholdRule::Tuned;
  return config;
}

inline Small small_model(const data::Dataset& data, int threads = 1, std::uint64_t seed = 3) {
  return Small(train::make_schema(data), small_config(), backend::Cpu(threads), seed);
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

/// What a run leaves, byte for byte.
struct RunBytes {
  std::string model, history, state;
  explicit RunBytes(const std::filesystem::path& folder)
      : model(bytes_of(folder / "model.safetensors")),
        history(bytes_of(folder / "history.jsonl")),
        state(bytes_of(folder / "resume" / "state.safetensors")) {}
  bool whole() const { return !model.empty() && !history.empty() && !state.empty(); }
  bool operator==(const RunBytes&) const = default;
};

/// The message of the Error that f throws; empty if it throws none.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace ramer::testing
