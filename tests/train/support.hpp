// A small RAMer on the CPU and what its training leaves, for the tests of training. It is compiled once, in support.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ramer/backend/cpu.hpp"
#include "train/small_run.hpp"

namespace ramer::testing {

using Small = Model<recipe::Ramer, backend::Cpu, Float>;

}  // namespace ramer::testing

extern template class ramer::Model<ramer::recipe::Ramer, ramer::backend::Cpu, ramer::Float>;
extern template class ramer::train::Stepper<ramer::testing::Small>;
extern template class ramer::train::Trainer<ramer::testing::Small>;
extern template ramer::testing::Small ramer::train::load_model<ramer::recipe::Ramer, ramer::backend::Cpu, ramer::Float>(
    const Checkpoint&, backend::Cpu);

namespace ramer::testing {

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

inline Small small_model(const data::Dataset& data, int threads = 1, std::uint64_t seed = 3) {
  return Small(train::make_schema(data), small_config(), backend::Cpu(threads), seed);
}

/// Loss terms of a batch outside training, on a tape that records.
std::map<std::string, double> recorded_terms(const Small& model, const Batch& batch);

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
