// What a training step and an evaluation of a recipe compute, by name; and which of it another choice changes.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/sample_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/io/json.hpp"
#include "ramer/model/ablations.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

using Names = std::set<std::string>;

/// Values by name: intermediates of a training step ("X_alpha") and of the evaluation before it ("eval X_alpha"), terms ("loss contrast"),
/// "total", "gradients", and after the step "prototypes" and "queue".
using Seen = std::map<std::string, std::vector<double>>;

template <class E>
struct SeenTaps : nn::Taps<E> {
  Seen& seen;
  std::string prefix;
  SeenTaps(Seen& s, std::string p) : seen(s), prefix(std::move(p)) {}
  void on(std::string_view name, Index, const double* data, Index size, autodiff::Slot<double>*,
          typename E::Tape&) override {
    auto& values = seen[prefix + std::string(name)];
    values.insert(values.end(), data, data + size);
  }
};

/// One evaluation and one training step of R with the assignments ("missing=all"). No dropout, so that nothing is drawn but the shuffle.
template <class R>
Seen see(const std::vector<std::string>& assignments = {}) {
  using ModelType = Model<R, backend::Reference, Double>;
  BatchSpec spec;
  spec.size = 6, spec.segments = 4;
  const Batch batch = make_batch(spec);
  typename ModelType::Config config;
  config.encoder.hidden = 4, config.encoder.heads = 2, config.encoder.inner = 3, config.encoder.layers = {1};
  config.encoder.dropout = config.common_semantic_dropout = 0;
  if constexpr (requires { config.adversary.dropout; }) config.adversary.dropout = 0;
  if constexpr (requires { config.projection.generator_dropout; }) {
    config.projection.generator_dropout = config.projection.specificity_dropout = 0;
  }
  config.reconstruction.latent = 3;
  if constexpr (requires { config.contrast.queue; }) config.contrast.queue = 16;
  for (const std::string& assignment : assignments) io::set_option(config, assignment);
  ModelType model(schema_of(spec), config, backend::Reference{});
  const RandomStream stream(4, 0);
  std::uint64_t at = 0;
  for (auto& mu : model.state().prototypes)  // they start at zero, where hard and soft are one
    for (Index i = 0; i < mu.size(); ++i) mu.data()[i] = 0.3 * stream.normal(at++, 0);
  Seen seen;
  {
    Workspace<ModelType> workspace;
    backend::Reference backend;
    SeenTaps<typename ModelType::E> taps(seen, "eval ");
    model.module().build_plan(workspace.plan, batch, false, RandomStream(), false);
    typename ModelType::E::Tape tape(backend, workspace.memory, false);
    nn::Context<typename ModelType::E> ctx{tape};
    ctx.taps = &taps;
    model.module().forward(ctx, batch, workspace.plan, model.state(), 0);
  }
  train::Stepper<ModelType> stepper(model, {}, 1);
  SeenTaps<typename ModelType::E> taps(seen, "");
  const train::StepReport report = stepper.run(batch, 0, 0, &taps);
  for (const auto& term : report.list()) seen["loss " + std::string(term.name)] = {term.value};
  seen["total"] = {report.total};
  for (const auto* p : model.parameters()) {
    const auto& slot = stepper.gradients().slot(p->number);
    auto& g = seen["gradients"];
    if (slot.written) g.insert(g.end(), slot.adjoint, slot.adjoint + slot.size);
  }
  for (const auto& mu : model.state().prototypes) {
    auto& values = seen["prototypes"];
    values.insert(values.end(), mu.data(), mu.data() + mu.size());
  }
  if constexpr (R::Contrast::queue) {
    const auto& rows = model.state().queue.rows;
    seen["queue"].assign(rows.data(), rows.data() + rows.size());
  }
  return seen;
}

/// Names whose values differ in any bit, or that only one of them has.
inline Names changed(const Seen& a, const Seen& b) {
  Names names;
  for (const auto& [name, values] : a)
    if (!b.contains(name) || b.at(name) != values) names.insert(name);
  for (const auto& [name, values] : b)
    if (!a.contains(name)) names.insert(name);
  return names;
}
inline std::string text(const Names& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}
inline Names together(std::initializer_list<Names> groups) {
  Names all;
  for (const Names& g : groups) all.insert(g.begin(), g.end());
  return all;
}

// What follows from a change.
inline const Names step{"total", "gradients"};
inline const Names shuffled = together({{"shuffle_V", "shuffle_out", "loss shuffled"}, step});
inline const Names slots =
    together({{"F", "eval F", "agg_out", "eval agg_out", "score", "eval score", "loss unshuffled"}, shuffled});
inline const Names label_vectors{
    "normed",          "layer0",  "encoder_out", "aux_inter",   "aux_intra",        "aux_reduced_target",
    "label_attention", "X_alpha", "eval normed", "eval layer0", "eval encoder_out", "eval X_alpha"};
inline const Names codes{"Z_alpha", "X_tilde", "proto_softmax", "delta", "D_tilde"};

}  // namespace ramer::test
