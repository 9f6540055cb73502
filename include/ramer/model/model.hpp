// Model: a recipe on a backend in a precision. Parameters, state, and the forward pass.
#pragma once

#include <memory>

#include "ramer/backend/default.hpp"
#include "ramer/backend/detail/check_backend.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/model/detail/check_wiring.hpp"
#include "ramer/model/recipes.hpp"

namespace ramer {

/// A recipe that wires itself.
template <class R>
concept Recipe = requires {
  typename R::Wiring;
  { R::name } -> std::convertible_to<std::string_view>;
};

/// Per-thread memory of a forward pass: reused, never shared between threads at one time.
template <class ModelType>
struct Workspace {
  autodiff::Workspace<typename ModelType::Memory> memory;
  typename ModelType::Plan plan;  ///< index arrays of the batch at hand
};

/// Immutable while it predicts: `predict` is const and may run on many threads at once, each with a Workspace of its own.
template <class R, class Backend_ = DefaultBackend, class Precision_ = Float>
class Model {
  static_assert(detail::CheckPrecision<Precision_>::value);
  static_assert(detail::CheckWiring<R, nn::Engine<Backend_, Precision_>>::value);
  static_assert(backend::detail::CheckBackend<Backend_, typename Precision_::Activation>::value);

 public:
  using RecipeType = R;
  using Backend = Backend_;
  using Precision = Precision_;
  using E = nn::Engine<Backend, Precision>;
  using Real = typename E::Real;
  using Memory = typename E::Memory;
  using Wiring = typename R::Wiring;
  using Config = typename Wiring::template Config<R>;
  using Plan = typename Wiring::Plan;
  using Module = typename Wiring::template Module<R, E>;
  using State = typename Module::State;
  using Parameter = nn::Parameter<E>;
  static constexpr int phases = Module::phases;

  /// Start values depend on `seed` and each parameter's name.
  Model(Schema schema, const Config& config, Backend backend = Backend(), std::uint64_t seed = 42);

  /// All zeros, for what is about to be loaded: drawing start values takes longer than reading a file.
  struct Blank {};
  Model(Schema schema, const Config& config, Backend backend, Blank);

  /// What it was made for.
  const Schema& schema() const { return schema_; }
  const Config& config() const { return module_->config(); }
  /// Every parameter, in the module's order.
  const std::vector<Parameter*>& parameters() { return parameters_; }
  std::vector<const Parameter*> parameters() const { return {parameters_.begin(), parameters_.end()}; }
  /// Number of trainable numbers.
  Index parameter_count() const {
    Index n = 0;
    for (const Parameter* p : parameters_) n += p->size();
    return n;
  }
  /// What training changes without a gradient.
  State& state() { return state_; }
  const State& state() const { return state_; }
  /// The wiring's module; the kernels.
  const Module& module() const { return *module_; }
  Backend& backend() { return backend_; }
  const Backend& backend() const { return backend_; }

  /// Whether it takes batches with dead rows (pad_rows); another refuses them.
  bool takes_padding() const {
    if constexpr (requires { module_->takes_padding(); }) return module_->takes_padding();
    return false;
  }

  /// One for each parameter, for whoever trains.
  nn::Gradients<E> make_gradients() const {
    std::vector<Index> sizes;
    for (const Parameter* p : parameters_) sizes.push_back(p->size());
    return nn::Gradients<E>(sizes);
  }

  /// A loss term of a prediction, unweighted.
  struct TermValue {
    std::string_view name;  ///< a literal
    double value = 0;       ///< of this batch
  };
  /// What a prediction tells besides its scores.
  struct Look {
    nn::Taps<E>* taps = nullptr;  ///< intermediate values
    std::vector<TermValue>* terms =
        nullptr;  ///< loss terms (replaced), where the batch has labels: those that exist outside training
  };

  /// Scores (B, C) in [0, 1] of a batch, into `scores` (resized). Labels are looked at for loss terms alone. @throws DataError for a
  /// batch that does not fit the model; model and scores are then as before
  void predict(const Batch& batch, Workspace<Model>& workspace, std::vector<Real>& scores, const Look& look = {}) const;

 private:
  Schema schema_;
  mutable Backend backend_;
  std::unique_ptr<Module> module_;
  std::vector<Parameter*> parameters_;
  State state_;
};

// Outside the class: what `extern template class` says is compiled elsewhere, g++ then leaves alone.

template <class R, class Backend, class Precision>
Model<R, Backend, Precision>::Model(Schema schema, const Config& config, Backend backend, std::uint64_t seed)
    : schema_(std::move(schema)),
      backend_(std::move(backend)),
      module_(std::make_unique<Module>(schema_, checked(config, "model"))) {
  parameters_ = nn::register_parameters<E>(*module_, backend_, seed);
  state_ = module_->make_state(seed, backend_);
}

template <class R, class Backend, class Precision>
Model<R, Backend, Precision>::Model(Schema schema, const Config& config, Backend backend, Blank)
    : schema_(std::move(schema)),
      backend_(std::move(backend)),
      module_(std::make_unique<Module>(schema_, checked(config, "model"))) {
  parameters_ = nn::register_parameters<E>(*module_);
  state_ = module_->blank_state();
}

template <class R, class Backend, class Precision>
void Model<R, Backend, Precision>::predict(const Batch& batch, Workspace<Model>& workspace, std::vector<Real>& scores,
                                           const Look& look) const {
  Backend backend = backend_;
  module_->build_plan(workspace.plan, batch, false, RandomStream(), look.terms != nullptr);
  typename E::Tape tape(backend, workspace.memory, false);
  nn::Context<E> ctx{tape};
  ctx.taps = look.taps;
  const Outputs<E> out = module_->forward(ctx, batch, workspace.plan, state_, 0);
  scores.resize(static_cast<std::size_t>(out.score.size()));
  backend.to_host(out.score.data(), out.score.size(), scores.data());
  if (!look.terms) return;
  look.terms->clear();
  for (const auto& term : out.terms.list()) {
    Real value = 0;
    backend.to_host(term.value.data(), 1, &value);
    look.terms->push_back({term.name, static_cast<double>(value)});
  }
}

}  // namespace ramer
