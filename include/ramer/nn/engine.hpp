// Backend and precision as one parameter, and what every module is called with.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "ramer/autodiff/tape.hpp"
#include "ramer/core/gather.hpp"
#include "ramer/core/precision.hpp"
#include "ramer/nn/parameter.hpp"

namespace ramer::nn {

/// Receives intermediate values while a model runs: `on(name, modality, var data ...)`. For inspection and tests.
template <class E>
class Taps {
 public:
  virtual ~Taps() = default;
  /// A value called `name` of modality `which` (-1: of none): `size` elements at `data`, its adjoint at `slot` once the sweep ran.
  /// `data` holds it during the call; later only where a tape records.
  virtual void on(std::string_view name, Index which, const typename E::Real* data, Index size,
                  autodiff::Slot<typename E::Real>* slot, typename E::Tape& tape) = 0;
};

/// Shorthand for the types that belong together.
template <class Backend_, class Precision_>
struct Engine {
  using Backend = Backend_;
  using Precision = Precision_;
  using Real = typename Precision::Activation;
  using Memory = typename Backend::Memory;
  using Tape = autodiff::Tape<Backend, Real>;
  template <int Rank>
  using Var = autodiff::Var<Real, Rank>;
};

/// A named source of dropout. The name, and so the stream, is given when the module is registered.
struct Dropout {
  double rate = 0;           ///< probability of 0
  std::uint64_t stream = 0;  ///< hash of its name
};

/// What a forward pass works with. Made anew for each step; modules take it by reference.
template <class E>
struct Context {
  using Real = typename E::Real;
  template <int Rank>
  using Var = typename E::template Var<Rank>;

  typename E::Tape& tape;                  ///< where ops are recorded
  Gradients<E>* gradients = nullptr;       ///< null: parameters are constants
  bool training = false;                   ///< dropout, shuffling and soft prototypes
  std::uint64_t seed = 0;                  ///< of the run
  std::uint64_t step = 0;                  ///< part of every random draw
  Taps<E>* taps = nullptr;                 ///< null: nobody looks
  int frozen = 0;                          ///< above 0: parameters are constants (see Frozen)
  const std::uint32_t* step_at = nullptr;  ///< where kernels find `step`; null: they are told
  const std::int32_t* given_up =
      nullptr;  ///< where kernels of a wiring's commit find whether they must change nothing (1); null: never

  /// The kernels.
  typename E::Backend& backend() { return tape.backend(); }

  /// A parameter as a value. Its adjoint goes to the gradients, unless parameters are frozen.
  template <int Rank>
  Var<Rank> use(const Parameter<E>& p) {
    return {p.value.data(), p.template shape<Rank>(), gradients && !frozen ? &gradients->slot(p.number) : nullptr};
  }
  /// The dropout of this step; inactive outside training. `row_key`: logical row of each row, see DropoutPlan. `use`: a module that
  /// runs several times in a step, as one that modalities share does, counts its runs, so that each has draws of its own.
  backend::DropoutPlan dropout(const Dropout& d, const std::uint64_t* row_key = nullptr, Index use = 0) const {
    if (!training || d.rate <= 0) return {};
    return {RandomStream(seed, use ? mix64(d.stream + static_cast<std::uint64_t>(use)) : d.stream, step_at ? 0 : step),
            d.rate, row_key, step_at};
  }
  /// Shows a value to whoever inspects this pass; see Taps::on.
  template <int Rank>
  void tap(std::string_view name, Index which, const Var<Rank>& x) {
    if (taps) taps->on(name, which, x.data(), x.size(), x.slot(), tape);
  }
  /// Where the kernels find an array of the host: in the same place where the backend computes in host memory, else in a copy that
  /// is made once in a step. The array must stay as it is until the step ends.
  template <class U>
  const U* device(const std::vector<U>& array) const {
    if constexpr (E::Memory::host) {
      return array.data();
    } else {
      return tape.mirror(array.data(), static_cast<Index>(array.size()));
    }
  }
  /// The same for a plan's arrays.
  GatherView device(const GatherPlan& plan) const {
    return plan.view([this](const std::vector<std::int32_t>& array) { return device(array); });
  }
};

/// While one of these lives, parameters are constants: a frozen discriminator passes adjoints through but gets none.
template <class E>
class Frozen {
 public:
  /// Until it is destroyed; they may be nested.
  explicit Frozen(Context<E>& context) : context_(context) { ++context_.frozen; }
  ~Frozen() { --context_.frozen; }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  Context<E>& context_;
};

}  // namespace ramer::nn
