// One training step: the phases of the recipe's procedure, the optimizer, the state.
#pragma once

#include <array>

#include "ramer/model/model.hpp"
#include "ramer/train/optimizer.hpp"

namespace ramer::train {

/// What one step reports. Values are unweighted; `total` is their weighted sum.
struct StepReport {
  /// One loss term of the step.
  struct Term {
    std::string_view name;         ///< a literal
    double value = 0, weight = 0;  ///< unweighted, its factor
  };
  std::array<Term, loss::kMostTerms> terms{};  ///< the first `term_count`
  std::size_t term_count = 0;                  ///< terms of this step
  double total = 0;                            ///< weighted sum
  double gradient_norm = 0;                    ///< before clipping, of the last phase

  /// The terms, in the objective's order.
  std::span<const Term> list() const& { return {terms.data(), term_count}; }
  void list() const&& = delete;  ///< a report that nobody keeps has no terms to point at
};

namespace detail {
/// Scalars from where their terms left them to one place, so that the host reads them at once.
template <class T>
struct CollectTerms {
  const T* from[loss::kMostTerms];
  T* to;
  RAMER_HD void operator()(Index i) const { to[i] = *from[i]; }
};
/// While the result lives, a backend that can make launches together (backend::Cuda, as graphs) may hold them back.
template <class Backend>
auto hold_launches([[maybe_unused]] Backend& backend) {
  if constexpr (requires { backend.hold(); }) {
    return backend.hold();
  } else {
    return 0;
  }
}
}  // namespace detail

/// Runs training steps on a model. Holds what a step needs besides the model: workspace, gradients, optimizer.
template <class ModelType>
class Stepper {
 public:
  using E = typename ModelType::E;

  /// The model must outlive it. Draws depend on `seed`.
  Stepper(ModelType& model, const OptimizerConfig& optimizer, std::uint64_t seed)
      : model_(model),
        gradients_(model.make_gradients()),
        optimizer_(optimizer, model.parameters(), model.backend()),
        seed_(seed) {}

  /// One step on a batch with labels. Draws depend on (seed, step). After the first step of its size it allocates nothing.
  /// @throws NumericError naming term, step and samples when a loss or the gradient is not finite; what the phase at hand
  ///   would have changed is then unchanged
  StepReport run(const Batch& batch, std::uint64_t step, double total_steps, nn::Taps<E>* taps = nullptr) {
    require<DataError>(batch.has_labels(), "a training batch needs labels");
    StepReport report;
    [[maybe_unused]] const auto held = detail::hold_launches(model_.backend());
    model_.module().build_plan(workspace_.plan, batch, true, RandomStream(seed_, name_hash("shuffle"), step));
    gradients_.begin_step();
    for (int phase = 0; phase < ModelType::phases; ++phase) {
      typename E::Tape tape(model_.backend(), workspace_.memory, true);
      nn::Context<E> ctx{tape, &gradients_, true, seed_, step, phase + 1 == ModelType::phases ? taps : nullptr};
      const Outputs<E> out = model_.module().forward(ctx, batch, workspace_.plan, model_.state(), phase);
      read(tape, out, batch, step, report);
      out.terms.reverse(tape);
      optimizer_.step(gradients_, total_steps, model_.backend(),
                      [&](const auto& p) { return ModelType::Module::in_phase(p.name, phase); });
      report.gradient_norm = optimizer_.gradient_norm(model_.backend());
      if (!std::isfinite(report.gradient_norm)) {
        optimizer_.uncount();
        fail<NumericError>("the gradient's norm is ", report.gradient_norm, " at step ", step, ", samples ", samples(batch));
      }
      if (out.defined) model_.module().commit(ctx, workspace_.plan, out, model_.state());
    }
    return report;
  }

  /// What the last step left.
  nn::Gradients<E>& gradients() { return gradients_; }
  Optimizer<E>& optimizer() { return optimizer_; }
  Workspace<ModelType>& workspace() { return workspace_; }

 private:
  void read(typename E::Tape& tape, const Outputs<E>& out, const Batch& batch, std::uint64_t step, StepReport& report) {
    using Real = typename E::Real;
    const auto terms = out.terms.list();
    const auto count = static_cast<Index>(terms.size());
    detail::CollectTerms<Real> collect{};
    std::array<Real, loss::kMostTerms> values{};
    collect.to = tape.template keep<Real>(count);
    for (std::size_t i = 0; i < terms.size(); ++i) collect.from[i] = terms[i].value.data();
    tape.backend().map(count, collect);
    tape.backend().to_host(collect.to, count, values.data());
    report.term_count = 0;
    report.total = 0;
    for (const auto& term : terms) {
      const Real value = values[report.term_count];
      report.terms[report.term_count++] = {term.name, static_cast<double>(value), term.weight};
      if (term.weight != 0) report.total += term.weight * static_cast<double>(value);
      if (!std::isfinite(static_cast<double>(value)) && term.adjoint != 0) {
        fail<NumericError>("loss term ", term.name, " is ", static_cast<double>(value), " at step ", step, ", samples ",
                           samples(batch));
      }
    }
  }
  static std::string samples(const Batch& batch) {
    std::string ids;
    for (std::size_t i = 0; i < batch.id.size() && i < 16; ++i) ids += (i ? ", " : "") + std::to_string(batch.id[i]);
    return ids + (batch.id.size() > 16 ? ", ..." : "");
  }

  ModelType& model_;
  Workspace<ModelType> workspace_;
  nn::Gradients<E> gradients_;
  Optimizer<E> optimizer_;
  std::uint64_t seed_;
};

}  // namespace ramer::train
