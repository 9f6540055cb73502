// Runs on a data set that is kept where the backend computes, and on one that is sent batch by batch: the same bits.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "ramer/model/model.hpp"
#include "train/small_run.hpp"

namespace ramer::testing {

/// What a run leaves.
struct KeptRun {
  std::string model, history;
  std::vector<float> scores;
  bool operator==(const KeptRun&) const = default;
};

/// A small RAMer's.
template <class M>
typename M::Config kept_config() {
  typename M::Config config;
  if constexpr (requires { config.encoder.hidden; }) {
    config.encoder.hidden = config.encoder.inner = 8, config.encoder.heads = 2, config.encoder.layers = {1};
    config.encoder.dropout = 0.1;
  }
  if constexpr (requires { config.contrast.queue; }) config.contrast.queue = 32;
  if constexpr (requires { config.fusion.layers; }) config.fusion.layers = 1;
  return config;
}

struct KeptOptions {
  Index epochs = 2;
  data::PersonView view = data::PersonView::kPersons;
  std::function<void(Batch&, std::uint64_t)> transform;
};

/// Trains with modalities dropped, then predicts everything.
template <class R, class Backend>
KeptRun run_kept(const data::Dataset& data, Index device_data, const KeptOptions& asked = {},
                 const Backend& backend = Backend()) {
  using M = Model<R, Backend, Float>;
  data::BatchOptions shown;
  shown.view = asked.view;
  M model(train::make_schema(data, shown), kept_config<M>(), backend, 3);
  train::TrainerConfig config = small_training(asked.epochs);
  config.view = asked.view;
  config.missing.rate = 0.3;
  config.device_data = device_data;
  const Folder folder("kept");
  train::Trainer<M> trainer(model, data, data::split_samples(data), config);
  trainer.transform = asked.transform;
  const auto result = trainer.run(folder);
  train::PredictOptions options;
  options.view = asked.view;
  return {bytes_of(result.model), bytes_of(folder.path() / "history.jsonl"),
          train::predict(model, data, data::all_samples(data), options).scores};
}

}  // namespace ramer::testing
