// Bench of one recipe, on the CPU in single precision.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ramer/io/json.hpp"
#include "ramer/io/safetensors.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/train/step.hpp"
#include "step/bench.hpp"
#include "step/profiled_cpu.hpp"

namespace ramer::bench {

template <class Recipe>
class RecipeBench : public Bench {
  using ModelType = Model<Recipe, ProfiledCpu>;
  using E = typename ModelType::E;
  static constexpr double kTotalSteps = 1000;

 public:
  RecipeBench(const Sizes& sizes, int threads, bool profiled)
      : sizes_(sizes), model_(schema_of(sizes), config_of(sizes), ProfiledCpu(EitherCpu(threads, sizes.bf16), profiled), 1) {
    for (std::uint64_t i = 0; i < 2; ++i) batches_.push_back(random_batch(sizes, i));
  }
  void train() override {
    if (!stepper_) stepper_.emplace(model_, train::OptimizerConfig{}, 1);
    stepper_->run(batches_[step_ % 2], step_, kTotalSteps);
    ++step_;
  }
  void evaluate() override { model_.predict(batches_[step_++ % 2], workspace_, scores_); }
  Profile take_profile() override { return model_.backend().take_profile(); }
  Index parameters() const override { return model_.parameter_count(); }

  void dump(const std::filesystem::path& file) override {
    const Batch& batch = batches_[0];
    io::SafetensorsWriter writer;
    const auto keep = [&](const std::string& name, std::vector<Index> shape, const auto* data, Index n) {
      using T = std::remove_cvref_t<decltype(*data)>;
      auto& held = std::get<std::vector<std::vector<T>>>(held_);
      held.emplace_back(data, data + n);
      writer.add(name, std::move(shape), std::span<const T>(held.back()));
    };
    for (const ModalityBatch& m : batch.modalities)
      keep("input/" + m.name, {batch.size, sizes_.time, m.width}, m.features.data(), m.rows() * m.width);
    keep("labels", {batch.size, batch.label_count}, batch.labels.data(), batch.size * batch.label_count);
    for (const auto* p : model_.parameters()) keep("parameter/" + p->name, p->extents, p->value.data(), p->size());
    const auto note = [&](const std::string& name, const auto& view, auto&&...) {
      keep("state/" + name, {view.shape().extents.begin(), view.shape().extents.end()}, view.data(), view.shape().size());
    };
    ModelType::State::tensors(model_.state(), model_.schema(), note);

    auto& module = model_.module();
    nn::Gradients<E> gradients = model_.make_gradients();
    module.build_plan(workspace_.plan, batch, true, RandomStream(1, name_hash("shuffle"), 0));
    gradients.begin_step();
    typename E::Tape tape(model_.backend(), workspace_.memory, true);
    nn::Context<E> ctx{tape, &gradients, true, 1, 0};
    const auto out = module.forward(ctx, batch, workspace_.plan, model_.state(), 0);
    keep("score", {batch.size, batch.label_count}, out.score.data(), out.score.size());
    float total = 0;
    for (const auto& term : out.terms.list()) {
      const float value = *term.value.data(), weight = static_cast<float>(term.weight);
      keep("loss/" + std::string(term.name), {}, &value, 1);
      keep("weight/" + std::string(term.name), {}, &weight, 1);
      total += weight * value;
    }
    keep("loss/total", {}, &total, 1);
    out.terms.reverse(tape);
    for (const auto* p : model_.parameters()) {
      const auto& slot = gradients.slot(p->number);
      if (slot.written) keep("gradient/" + p->name, p->extents, slot.adjoint, p->size());
    }
    const auto& shuffle = workspace_.plan.shuffle;
    const std::vector<Index> slots{shuffle.permutations.batch, shuffle.permutations.modalities, shuffle.permutations.labels};
    keep("plan/shuffle.sample", slots, shuffle.sample.data(), static_cast<Index>(shuffle.sample.size()));
    keep("plan/shuffle.modality", slots, shuffle.modality.data(), static_cast<Index>(shuffle.modality.size()));
    writer.set_metadata("config", io::to_json(model_.config()).dump());
    writer.set_metadata("recipe", std::string(Recipe::name));
    writer.write(file);
  }

 private:
  static typename ModelType::Config config_of(const Sizes& s) {
    typename ModelType::Config c;
    c.encoder.hidden = s.hidden, c.encoder.heads = s.heads, c.encoder.inner = s.inner;
    c.encoder.layers = s.layers, c.encoder.recompute = s.recompute;
    c.reconstruction.latent = s.latent;
    c.contrast.queue = s.queue;
    if (!s.dropout) {
      c.encoder.dropout = 0;
      c.common_semantic_dropout = 0;
      if constexpr (requires { c.projection.specificity_dropout; }) c.projection.specificity_dropout = 0;
      if constexpr (requires { c.projection.generator_dropout; }) c.projection.generator_dropout = 0;
      if constexpr (requires { c.adversary.dropout; }) c.adversary.dropout = 0;
    }
    return c;
  }

  Sizes sizes_;
  ModelType model_;
  std::optional<train::Stepper<ModelType>> stepper_;  ///< made by the first training step: an evaluation has no gradients
  Workspace<ModelType> workspace_;
  std::vector<Batch> batches_;
  std::vector<float> scores_;
  std::uint64_t step_ = 0;
  std::tuple<std::vector<std::vector<float>>, std::vector<std::vector<std::uint8_t>>, std::vector<std::vector<std::int32_t>>>
      held_;
};

template <class Recipe>
std::unique_ptr<Bench> make_bench(const Sizes& sizes, int threads, bool profiled) {
  return std::make_unique<RecipeBench<Recipe>>(sizes, threads, profiled);
}

}  // namespace ramer::bench
