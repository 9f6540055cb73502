// A run that was stopped and resumed against one in a piece, on any backend.
#pragma once

#include <doctest/doctest.h>

#include "ramer/model/model.hpp"
#include "train/small_run.hpp"

namespace ramer::testing {

/// Trains RAMer for two epochs, at once and in two parts of which the second begins from files: the same bits in the end.
template <class Backend>
void check_resumes(const std::string& name, const Backend& backend = Backend()) {
  using M = Model<recipe::Ramer, Backend, Float>;
  const auto data = small_data(60);
  const auto split = data::split_samples(data);
  typename M::Config config;
  config.encoder.hidden = config.encoder.inner = 8, config.encoder.heads = 2, config.encoder.layers = {1};
  config.encoder.dropout = 0.1, config.contrast.queue = 32;
  const auto train_in = [&](const std::filesystem::path& folder, bool resume, std::uint64_t stop_at) {
    M model(train::make_schema(data), config, backend, resume ? 9 : 3);
    train::TrainerConfig training = small_training(2);
    if (resume) training.device_data = 0;  // where features are makes no difference
    train::Trainer<M> trainer(model, data, split, training);
    std::uint64_t steps = 0;
    trainer.callbacks.on_step = [&](const train::StepEvent& e) { steps = e.step; };
    trainer.callbacks.stop_requested = [&] { return stop_at > 0 && steps >= stop_at; };
    return resume ? trainer.resume(folder) : trainer.run(folder);
  };
  const Folder whole(name + "_whole"), parts(name + "_parts");
  const auto at_once = train_in(whole, false, 0);
  train_in(parts, false, 2);
  const auto resumed = train_in(parts, true, 0);
  REQUIRE(at_once.history.size() == 2);
  REQUIRE(resumed.history.size() == 2);
  CHECK(*resumed.history.back().loss == *at_once.history.back().loss);
  CHECK(*resumed.selected_metric == *at_once.selected_metric);
  CHECK(bytes_of(resumed.model) == bytes_of(at_once.model));
}

}  // namespace ramer::testing
