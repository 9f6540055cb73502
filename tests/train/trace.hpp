// What training and prediction give, as numbers: to compare backends with each other.
#pragma once

#include <vector>

#include "model/sample_batch.hpp"
#include "ramer/core/padding.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

struct Unaligned : recipe::RamerAlternating {
  static constexpr const char* name = "unaligned";
  using Alignment = encoder::CtcAlignment;
};

/// What is traced.
struct TraceOptions {
  std::uint64_t steps = 3;
  bool grows = true;    ///< each batch has a sample more than the one before
  bool ahead = false;   ///< a step is begun before the report of the one before is read
  bool padded = false;  ///< batches have dead rows up to their bucket
};

/// A small configuration of a recipe.
template <class M>
typename M::Config small_config() {
  typename M::Config config;
  if constexpr (requires { config.encoder.hidden; }) {
    config.encoder.hidden = config.encoder.inner = 8, config.encoder.heads = 2, config.encoder.layers = {1};
  }
  if constexpr (requires { config.contrast.queue; }) config.contrast.queue = 24;
  if constexpr (requires { config.alignment.length; }) config.alignment.length = 4;
  if constexpr (requires { config.fusion.layers; }) config.fusion.layers = 1;
  return config;
}
inline train::OptimizerConfig fast_optimizer() {
  train::OptimizerConfig optimizer;
  optimizer.rate = 1e-2, optimizer.schedule = train::Schedule::Constant;
  return optimizer;
}

/// Reports of a few steps, then scores.
template <class R, class Backend, class Precision>
std::vector<double> trace(const BatchSpec& spec, Backend backend = Backend(), const TraceOptions& options = {}) {
  using M = Model<R, Backend, Precision>;
  M model(schema_of(spec), small_config<M>(), backend, 7);
  train::Stepper<M> stepper(model, fast_optimizer(), 5);
  std::vector<double> values;
  const auto note = [&](const train::StepReport& report) {
    for (const auto& term : report.list()) values.push_back(term.value);
    values.push_back(report.gradient_norm);
  };
  for (std::uint64_t step = 0; step < options.steps; ++step) {
    BatchSpec drawn = spec;
    drawn.seed = step + 1;
    if (options.grows) drawn.size = spec.size + static_cast<Index>(step);
    Batch batch = make_batch(drawn);
    if (options.padded) pad_rows(batch);
    if (options.ahead) {
      if (const auto report = stepper.submit(batch, step, 100)) note(*report);
    } else {
      note(stepper.run(batch, step, 100));
    }
  }
  while (const auto report = stepper.finish()) note(*report);
  Workspace<M> workspace;
  std::vector<typename M::Real> scores;
  model.predict(make_batch(spec), workspace, scores);
  values.insert(values.end(), scores.begin(), scores.end());
  return values;
}

/// For samples without a target: one person, everything asked for.
inline BatchSpec without_target() {
  BatchSpec spec;
  spec.target = false, spec.segments = 5;
  return spec;
}

}  // namespace ramer::test
