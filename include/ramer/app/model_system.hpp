// A recipe's model behind the harness's interface. All that is compiled for each recipe is here.
#pragma once

#include <memory>
#include <utility>

#include "ramer/app/system.hpp"
#include "ramer/backend/cpu.hpp"

namespace ramer::app {

/// A model of recipe `R` on the CPU.
template <Recipe R>
class ModelSystem : public System {
 public:
  using ModelType = Model<R, backend::Cpu>;  ///< in float

  /// Takes the model over.
  explicit ModelSystem(ModelType model) : model_(std::move(model)) {}
  /// The model itself.
  ModelType& model() { return model_; }

  /// As System says.
  const Schema& schema() const override { return model_.schema(); }
  Index parameter_count() const override { return model_.parameter_count(); }
  /// As System says.
  train::Predictions<float> predict(const data::Dataset& dataset, std::span<const std::int32_t> samples,
                                    const train::PredictOptions& options) const override {
    return train::predict(model_, dataset, samples, options);
  }
  Inspection inspect(const Batch& batch, const std::vector<std::string>& names) const override {
    Inspection out;
    InspectionTaps<typename ModelType::E> taps(names, out);
    Workspace<ModelType> workspace;
    model_.predict(batch, workspace, out.scores, {&taps, nullptr});
    return out;
  }

 private:
  ModelType model_;
};

namespace detail {

template <Recipe R>
TrainOutcome train_model(const TrainJob& job) {
  using ModelType = typename ModelSystem<R>::ModelType;
  typename ModelType::Config config;
  io::from_json(job.model, config, "model");
  data::BatchOptions shown;
  shown.view = job.config.view;
  shown.modalities = job.modalities;
  auto system = std::make_unique<ModelSystem<R>>(
      ModelType(train::make_schema(job.dataset, shown), config, backend::Cpu(job.threads), job.config.seed));
  train::Trainer<ModelType> trainer(system->model(), job.dataset, job.split, job.config);
  trainer.callbacks = job.callbacks;
  trainer.metadata = job.metadata;
  job.ready(*system);
  train::TrainResult result = job.resume ? trainer.resume(job.folder) : trainer.run(job.folder);
  return {std::move(result), std::move(system)};
}

template <Recipe R>
std::unique_ptr<System> load_system(const train::Checkpoint& checkpoint, int threads) {
  return std::make_unique<ModelSystem<R>>(train::load_model<R>(checkpoint, backend::Cpu(threads)));
}

}  // namespace detail

/// The harness's entry for a recipe.
template <Recipe R>
Kind make_kind() {
  using Config = typename ModelSystem<R>::ModelType::Config;
  return {std::string(R::name),  true, detail::describe_model<Config>, detail::resolve_model<Config>, detail::train_model<R>,
          detail::load_system<R>};
}

}  // namespace ramer::app
