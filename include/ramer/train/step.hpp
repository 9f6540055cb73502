// One training step: the phases of the recipe's procedure, the optimizer, the state.
//
// Nothing in a step waits for the backend. What its losses and its gradient's norm came to lies where it computes; a value that is not
// finite sets a flag there, and with the flag set nothing that training changes is changed, in that phase of the step and in all that
// follows. The host reads reports when they have arrived: at once from the host's memory, one step later from a device's.
#pragma once

#include <array>
#include <optional>

#include "ramer/backend/readback.hpp"
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
static_assert(loss::kMostTerms <= 32);
/// Scalars from where their terms left them to one place. One that is not finite gives the step up, if it has an adjoint.
template <class T>
struct CollectTerms {
  const T* from[loss::kMostTerms];
  Index count;
  std::uint32_t counts;  ///< bit i: term i has an adjoint
  double* to;
  std::int32_t* given_up;
  RAMER_HD void operator()(Index) const {
    for (Index i = 0; i < count; ++i) {
      const T value = *from[i];
      to[i] = static_cast<double>(value);
      if (((counts >> i) & 1u) != 0 && !(value - value == T(0))) *given_up = 1;
    }
  }
};
struct ClearFlag {
  std::int32_t* flag;
  RAMER_HD void operator()(Index) const { *flag = 0; }
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
  Stepper(ModelType& model, const OptimizerConfig& optimizer, std::uint64_t seed);

  /// Begins a step on a batch with labels, which may be changed as soon as this returns. Draws depend on (seed, step). After the first
  /// step of its size (on a device: the second) it allocates nothing.
  /// @return the report of the earliest step that has not been reported: in the host's memory of this one; else of the one before, if
  ///   there is one
  /// @throws NumericError naming term, step and samples when a loss or the gradient of the step that would be reported is not finite.
  ///   What the phase at hand would have changed is then unchanged, and so is everything since; nothing is under way any more
  std::optional<StepReport> submit(const Batch& batch, std::uint64_t step, double total_steps, nn::Taps<E>* taps = nullptr);
  /// Waits for the earliest step that has not been reported. @return none if there is none @throws NumericError, as `submit`
  std::optional<StepReport> finish() {
    if (under_way_ == 0) return std::nullopt;
    return land();
  }
  /// Forgets the reports of steps under way, whatever they would say: what those steps changed stays changed.
  void abandon() {
    under_way_ = 0;
    model_.backend().map(1, detail::ClearFlag{given_up_.data()});
  }
  /// Steps that have not been reported.
  Index under_way() const { return static_cast<Index>(under_way_); }
  /// `submit` and `finish`: one step and its report. Only where nothing is under way.
  StepReport run(const Batch& batch, std::uint64_t step, double total_steps, nn::Taps<E>* taps = nullptr) {
    require(under_way_ == 0, "a step is run while ", under_way_, " are under way; call finish() first");
    std::optional<StepReport> report = submit(batch, step, total_steps, taps);
    return report ? *report : *finish();
  }

  /// What the last step left.
  nn::Gradients<E>& gradients() { return gradients_; }
  Optimizer<E>& optimizer() { return optimizer_; }
  Workspace<ModelType>& workspace() { return workspace_; }

 private:
  static constexpr std::size_t kResults = loss::kMostTerms + 1, kMostFlights = E::Memory::host ? 1 : 2;
  static constexpr std::size_t kNamedSamples = 16;

  /// What the host knows of a phase before its results are there.
  struct Phase {
    /// One of its loss terms.
    struct Term {
      std::string_view name;
      double weight = 0;   ///< in the total
      double adjoint = 0;  ///< in what is differentiated
    };
    std::array<Term, loss::kMostTerms> terms{};
    std::size_t count = 0;
    std::vector<std::int64_t> steps_before;  ///< of the optimizer
  };
  /// A step whose report has not been read.
  struct Flight {
    std::uint64_t step = 0;
    std::vector<std::uint32_t> step_number{0};  ///< for the kernels
    std::vector<std::int64_t> samples;          ///< the first
    bool more_samples = false;
    std::array<Phase, static_cast<std::size_t>(ModelType::phases)> phases;
    backend::Readback<typename E::Backend> results;  ///< of each phase: terms, norm of the gradient

    void begin(const Batch& batch, std::uint64_t at_step) {
      step = at_step;
      step_number[0] = static_cast<std::uint32_t>(at_step);
      more_samples = batch.id.size() > kNamedSamples;
      samples.assign(batch.id.begin(), batch.id.begin() + static_cast<Index>(std::min(batch.id.size(), kNamedSamples)));
    }
    std::string where() const {
      std::string ids;
      for (std::size_t i = 0; i < samples.size(); ++i) ids += (i ? ", " : "") + std::to_string(samples[i]);
      return " at step " + std::to_string(step) + ", samples " + ids + (more_samples ? ", ..." : "");
    }
  };

  /// Where the host may look, what would change nothing need not be done.
  bool given_up_here() const {
    if constexpr (E::Memory::host) return given_up_(0) != 0;
    return false;
  }
  void collect(nn::Context<E>& ctx, const Outputs<E>& out, double* to, Phase& phase) {
    detail::CollectTerms<typename E::Real> collect{};
    phase.count = 0;
    for (const auto& term : out.terms.list()) {
      if (term.adjoint != 0) collect.counts |= 1u << phase.count;
      collect.from[phase.count] = term.value.data();
      phase.terms[phase.count++] = {term.name, term.weight, term.adjoint};
    }
    collect.count = static_cast<Index>(phase.count);
    collect.to = to;
    collect.given_up = given_up_.data();
    ctx.backend().map(1, collect);
  }

  /// The report of the earliest step under way, once it is there.
  StepReport land();
  /// Nothing has been changed since the phase began; the host counts so too. The flag falls behind the steps under way.
  template <class... Text>
  [[noreturn]] void give_up(const Phase& phase, const Text&... text) {
    optimizer_.steps() = phase.steps_before;
    abandon();
    fail<NumericError>(text...);
  }

  ModelType& model_;
  Workspace<ModelType> workspace_;
  nn::Gradients<E> gradients_;
  Optimizer<E> optimizer_;
  Tensor<double, 1, typename E::Memory> results_;
  Tensor<std::int32_t, 1, typename E::Memory> given_up_;  ///< (1) whether a value was not finite
  std::array<Flight, kMostFlights> flights_;
  std::size_t first_ = 0, under_way_ = 0;
  std::uint64_t seed_;
};

// Outside the class: what `extern template class` says is compiled elsewhere, g++ then leaves alone.

template <class ModelType>
Stepper<ModelType>::Stepper(ModelType& model, const OptimizerConfig& optimizer, std::uint64_t seed)
    : model_(model),
      gradients_(model.make_gradients()),
      optimizer_(optimizer, model.parameters(), model.backend()),
      results_(Shape{Index{ModelType::phases * kResults}}),
      given_up_(Shape{Index{1}}),
      seed_(seed) {
  model.backend().map(1, detail::ClearFlag{given_up_.data()});
}

template <class ModelType>
std::optional<StepReport> Stepper<ModelType>::submit(const Batch& batch, std::uint64_t step, double total_steps,
                                                     nn::Taps<E>* taps) {
  require<DataError>(batch.has_labels(), "a training batch needs labels");
  Flight& flight = flights_[(first_ + under_way_) % kMostFlights];
  auto& backend = model_.backend();
  {
    [[maybe_unused]] const auto held = detail::hold_launches(backend);
    model_.module().build_plan(workspace_.plan, batch, true, RandomStream(seed_, name_hash("shuffle"), step));
    if constexpr (!E::Memory::host) workspace_.memory.begin_step();
    flight.begin(batch, step);
    gradients_.begin_step();
    for (int phase = 0; phase < ModelType::phases; ++phase) {
      typename E::Tape tape(backend, workspace_.memory, true);
      nn::Context<E> ctx{tape, &gradients_, true, seed_, step, phase + 1 == ModelType::phases ? taps : nullptr};
      ctx.given_up = given_up_.data();
      if constexpr (!E::Memory::host) ctx.step_at = ctx.device(flight.step_number);
      const Outputs<E> out = model_.module().forward(ctx, batch, workspace_.plan, model_.state(), phase);
      double* const results = results_.data() + phase * kResults;
      Phase& known = flight.phases[static_cast<std::size_t>(phase)];
      collect(ctx, out, results, known);
      known.steps_before = optimizer_.steps();
      if (given_up_here()) break;
      out.terms.reverse(tape);
      optimizer_.step(
          gradients_, total_steps, backend, [&](const auto& p) { return ModelType::Module::in_phase(p.name, phase); },
          [&](const auto& table) { return ctx.device(table); }, given_up_.data());
      backend.copy(optimizer_.norm(), 1, results + loss::kMostTerms);
      if (given_up_here()) break;
      if (out.defined) model_.module().commit(ctx, workspace_.plan, out, model_.state());
    }
    flight.results.start(backend, results_.data(), results_.size());
  }
  workspace_.memory.ahead = false;  // whoever predicts in it waits for the kernels
  if (++under_way_ < kMostFlights) return std::nullopt;
  return land();
}

template <class ModelType>
StepReport Stepper<ModelType>::land() {
  Flight& flight = flights_[first_];
  const std::span<const double> results = flight.results.wait();
  first_ = (first_ + 1) % kMostFlights;
  --under_way_;
  StepReport report;
  for (std::size_t p = 0; p < flight.phases.size(); ++p) {
    const Phase& phase = flight.phases[p];
    const auto values = results.subspan(p * kResults, kResults);
    report.term_count = phase.count;
    report.total = 0;
    report.gradient_norm = values[loss::kMostTerms];
    for (std::size_t i = 0; i < phase.count; ++i) {
      const auto& [name, weight, adjoint] = phase.terms[i];
      report.terms[i] = {name, values[i], weight};
      if (weight != 0) report.total += weight * values[i];
      if (!std::isfinite(values[i]) && adjoint != 0) give_up(phase, "loss term ", name, " is ", values[i], flight.where());
    }
    if (!std::isfinite(report.gradient_norm))
      give_up(phase, "the gradient's norm is ", report.gradient_norm, flight.where());
  }
  return report;
}

}  // namespace ramer::train
