// What training and prediction give, as numbers: to compare backends with each other.
#pragma once

#include <vector>

#include "model/sample_batch.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

struct Unaligned : recipe::RamerAlternating {
  static constexpr const char* name = "unaligned";
  using Alignment = encoder::CtcAlignment;
};

/// Reports of three steps, then scores.
template <class R, class Backend, class Precision>
std::vector<double> trace(const BatchSpec& spec, Backend backend = Backend()) {
  using M = Model<R, Backend, Precision>;
  typename M::Config config;
  if constexpr (requires { config.encoder.hidden; }) {
    config.encoder.hidden = config.encoder.inner = 8, config.encoder.heads = 2, config.encoder.layers = {1};
  }
  if constexpr (requires { config.contrast.queue; }) config.contrast.queue = 24;
  if constexpr (requires { config.alignment.length; }) config.alignment.length = 4;
  if constexpr (requires { config.fusion.layers; }) config.fusion.layers = 1;
  M model(schema_of(spec), config, backend, 7);
  train::OptimizerConfig optimizer;
  optimizer.rate = 1e-2, optimizer.schedule = train::Schedule::Constant;
  train::Stepper<M> stepper(model, optimizer, 5);
  std::vector<double> values;
  for (std::uint64_t step = 0; step < 3; ++step) {
    BatchSpec drawn = spec;
    drawn.seed = step + 1, drawn.size = spec.size + static_cast<Index>(step);
    const train::StepReport report = stepper.run(make_batch(drawn), step, 100);
    for (const auto& term : report.list()) values.push_back(term.value);
    values.push_back(report.gradient_norm);
  }
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
