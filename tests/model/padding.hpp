// Padded batches against the same without dead rows, on any backend.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/sample_batch.hpp"
#include "ramer/core/padding.hpp"
#include "ramer/model/ablations.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

using Values = std::vector<double>;

/// One person, six segments or fewer.
inline BatchSpec monologues(std::uint64_t seed) {
  BatchSpec spec;
  spec.target = false, spec.size = 5, spec.segments = 6, spec.available = 0.5, spec.seed = seed;
  return spec;
}
inline Batch ragged_batch(const BatchSpec& spec) {
  Batch batch = make_batch(spec);
  for (std::size_t m = 0; m < batch.modalities.size(); ++m) {
    ModalityBatch& rows = batch.modalities[m];
    const std::size_t lacks = m == 1 ? 2 : 1;  // sample 0 has no token at all, sample 1 lacks the modality in the middle
    for (Index r = 0; r < rows.offsets[lacks]; ++r) drop(rows, r);
  }
  return batch;
}
inline Batch padded(Batch batch, Index multiple) {
  pad_rows(batch, multiple);
  return batch;
}

template <class R, class M>
M small_model(const BatchSpec& spec, double dropout, typename M::Backend backend) {
  typename M::Config c;
  c.encoder.hidden = 4, c.encoder.heads = 2, c.encoder.inner = 3, c.encoder.layers = {2, 1};
  c.encoder.dropout = dropout;
  if constexpr (requires { c.reconstruction.latent; }) c.reconstruction.latent = 3;
  if constexpr (requires { c.contrast.queue; }) c.contrast.queue = 16;
  M model(schema_of(spec), c, std::move(backend));
  if constexpr (requires { model.state().prototypes; }) {
    const RandomStream stream(4, 0);  // they start at zero, where much is zero
    std::uint64_t at = 0;
    for (auto& mu : model.state().prototypes) {
      std::vector<typename M::Real> values(static_cast<std::size_t>(mu.size()));
      for (auto& x : values) x = static_cast<typename M::Real>(0.3 * stream.normal(at++, 0));
      model.backend().from_host(values.data(), mu.size(), mu.data());
    }
  }
  return model;
}

/// What a prediction and a training step compute, by name.
template <class R, class Backend, class Precision>
std::map<std::string, Values> computed(const BatchSpec& spec, const Batch& batch, double dropout) {
  using M = Model<R, Backend, Precision>;
  M model = small_model<R, M>(spec, dropout, Backend());
  CHECK(model.takes_padding());
  std::map<std::string, Values> all;
  const auto take = [&](const std::string& name, const typename M::Real* data, Index n) {
    std::vector<typename M::Real> values(static_cast<std::size_t>(n));
    model.backend().to_host(data, n, values.data());
    all[name].insert(all[name].end(), values.begin(), values.end());
  };
  Workspace<M> workspace;
  std::vector<typename M::Real> scores;
  std::vector<typename M::TermValue> terms;
  typename M::Look look;
  look.terms = &terms;
  model.predict(batch, workspace, scores, look);
  all["scores"].assign(scores.begin(), scores.end());
  for (const auto& term : terms) all["predicted " + std::string(term.name)] = {term.value};
  train::Stepper<M> stepper(model, {}, 1);
  const train::StepReport report = stepper.run(batch, 0, 0);
  for (const auto& term : report.list()) all["loss " + std::string(term.name)] = {term.value};
  for (const auto* p : model.parameters()) {
    const auto& slot = stepper.gradients().slot(p->number);
    if (slot.written) take("gradient " + p->name, slot.adjoint, slot.size);
  }
  for (const auto& mu : model.state().prototypes) take("prototypes", mu.data(), mu.size());
  if constexpr (R::Contrast::queue) take("queue", model.state().queue.rows.data(), model.state().queue.rows.size());
  return all;
}

inline double largest(const Values& x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

/// Every value relative to the largest of its array. A gradient that is 0 but for rounding, as that of a key's bias, is compared with
/// a thousandth of the largest.
inline void check_same(const std::map<std::string, Values>& found, const std::map<std::string, Values>& expected,
                       double tolerance) {
  double steepest = 0;
  for (const auto& [name, values] : expected)
    if (name.starts_with("gradient ")) steepest = std::max(steepest, largest(values));
  CHECK(steepest > 0);
  CHECK(found.size() == expected.size());
  for (const auto& [name, values] : expected) {
    CAPTURE(name);
    REQUIRE(found.contains(name));
    const Values& other = found.at(name);
    REQUIRE(other.size() == values.size());
    Values apart;
    for (std::size_t i = 0; i < values.size(); ++i) apart.push_back(other[i] - values[i]);
    const double scale = std::max(largest(values), name.starts_with("gradient ") ? 1e-3 * steepest : 0.0);
    CHECK(std::all_of(other.begin(), other.end(), [](double x) { return std::isfinite(x); }));
    CHECK(largest(apart) <= tolerance * scale);
  }
}

template <class R, class Backend, class Precision = Double>
void check_padding(std::uint64_t seeds, double tolerance = 1e-12) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const BatchSpec spec = monologues(seed);
    const Batch batch = ragged_batch(spec);
    for (const double dropout : {0.3, 0.0}) {
      const auto expected = computed<R, Backend, Precision>(spec, batch, dropout);
      for (const Index multiple : {1, 32}) {
        CAPTURE(seed);
        CAPTURE(multiple);
        check_same(computed<R, Backend, Precision>(spec, padded(batch, multiple), dropout), expected, tolerance);
      }
    }
  }
}

}  // namespace ramer::test
