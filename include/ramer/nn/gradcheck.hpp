// Checks the reverse of a module against central differences, for its inputs and for its parameters. Public: check your own.
//
//   MyModule<nn::CheckEngine> module(...);
//   nn::CheckOptions options;                                       // dropout is on: draws depend on seed and step alone
//   const std::string trouble = nn::check_module(                   // empty: all is well
//       module, {nn::check_values(6)}, [&](auto& ctx, const auto& in) { return module(ctx, in[0].reshape(Shape{Index{2},
//       Index{3}})); }, options);
//
// The output may have any rank: it is paired with a random cotangent. Everything is run through twice, once with gradients
// pre-filled with NaN (what must be overwritten is overwritten) and once with gradients started at random numbers (what must
// be accumulated is accumulated).
#pragma once

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "ramer/backend/reference.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::nn {

/// What modules are checked in, unless another backend is asked for: plain loops in double.
using CheckEngine = Engine<backend::Reference, Double>;

/// How a module's derivatives are compared.
struct CheckOptions {
  double step = 1e-5;       ///< of the central difference
  double tolerance = 1e-6;  ///< of |analytic - numeric| / (1 + |numeric|)
  std::uint64_t seed = 1;   ///< of start values, dropout and cotangent
  double spread = 0.3;      ///< standard deviation added to start values, so that gains, biases and marks are generic
  Index most = 0;           ///< elements checked per tensor, evenly spread; 0: all
  bool training = true;     ///< whether dropout is on
};

/// `n` standard normal numbers.
inline std::vector<double> check_values(Index n, std::uint64_t seed = 1) {
  const RandomStream stream(seed, name_hash("check_module.values"));
  std::vector<double> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = stream.normal(i, 0);
  return x;
}

namespace detail {

/// One thing that is differentiated with respect to: an input or a parameter.
struct CheckedTensor {
  std::string name;
  double* value;
  Index size;
  double* gradient;
  autodiff::Slot<double>* slot;
};

template <class E, class Forward>
class ModuleCheck {
 public:
  using InputVar = Var<E, 1>;

  ModuleCheck(typename E::Backend backend, Forward& forward, const CheckOptions& options,
              std::vector<Parameter<E>*> parameters, std::vector<std::vector<double>>& inputs)
      : backend_(std::move(backend)), forward_(forward), options_(options), inputs_(inputs), slots_(inputs.size()) {
    std::vector<Index> sizes;
    for (const auto* p : parameters) sizes.push_back(p->size());
    gradients_ = Gradients<E>(sizes);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      input_gradients_.emplace_back(inputs[i].size());
      slots_[i] = {input_gradients_[i].data(), static_cast<Index>(inputs[i].size()), false, true};
      checked_.push_back({"input " + std::to_string(i), inputs[i].data(), slots_[i].size, slots_[i].adjoint, &slots_[i]});
    }
    for (auto* p : parameters) {
      auto& slot = gradients_.slot(p->number);
      checked_.push_back({"parameter " + p->name, p->value.data(), p->size(), slot.adjoint, &slot});
    }
  }

  std::string run(bool accumulate) {
    for (std::size_t i = 0; i < checked_.size(); ++i) {
      for (Index j = 0; j < checked_[i].size; ++j)
        checked_[i].gradient[j] = accumulate ? start(i, j) : std::numeric_limits<double>::quiet_NaN();
      checked_[i].slot->written = accumulate;
    }
    if (std::string trouble = reverse(); !trouble.empty()) return trouble;
    for (std::size_t i = 0; i < checked_.size(); ++i) {
      const CheckedTensor& t = checked_[i];
      const Index stride = options_.most > 0 ? std::max<Index>(1, t.size / options_.most) : 1;
      for (Index j = 0; j < t.size; j += stride) {
        const double analytic = t.slot->written ? t.gradient[j] - (accumulate ? start(i, j) : 0.0) : 0.0;
        const double numeric = difference(t.value[j]);
        if (std::abs(analytic - numeric) <= options_.tolerance * (1 + std::abs(numeric))) continue;
        std::ostringstream trouble;
        trouble.precision(9);
        trouble << t.name << " element " << j << (accumulate ? " (accumulating)" : "") << ": analytic " << analytic
                << ", numeric " << numeric;
        return trouble.str();
      }
    }
    return {};
  }

 private:
  double start(std::size_t i, Index j) const {
    return RandomStream(options_.seed, name_hash("check_module.start"), i).normal(static_cast<std::uint64_t>(j), 0);
  }
  auto value(typename E::Tape& tape, bool recording) {
    std::vector<InputVar> in;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      in.emplace_back(inputs_[i].data(), Shape{slots_[i].size}, recording ? &slots_[i] : nullptr);
    Context<E> ctx{tape, recording ? &gradients_ : nullptr, options_.training, options_.seed, 1};
    return forward_(ctx, in);
  }
  std::string reverse() {
    typename E::Tape tape(backend_, workspace_, true);
    const auto y = value(tape, true);
    if (!y.tracked()) return "the output does not depend on any input or parameter";
    cotangent_.resize(static_cast<std::size_t>(y.size()));
    const RandomStream stream(options_.seed, name_hash("check_module.cotangent"));
    for (std::size_t k = 0; k < cotangent_.size(); ++k) cotangent_[k] = stream.normal(k, 0);
    const auto target = tape.target(y);
    for (Index k = 0; k < y.size(); ++k) target.put(k, cotangent_[static_cast<std::size_t>(k)]);
    tape.sweep();
    return {};
  }
  double difference(double& x) {
    const double kept = x;
    double side[2] = {0, 0};
    for (int s = 0; s < 2; ++s) {
      x = kept + (s ? options_.step : -options_.step);
      typename E::Tape tape(backend_, workspace_, false);
      const auto y = value(tape, false);
      for (Index k = 0; k < y.size(); ++k) side[s] += y.data()[k] * cotangent_[static_cast<std::size_t>(k)];
    }
    x = kept;
    return (side[1] - side[0]) / (2 * options_.step);
  }

  typename E::Backend backend_;
  Forward& forward_;
  CheckOptions options_;
  std::vector<std::vector<double>>& inputs_;
  std::vector<autodiff::Slot<double>> slots_;
  std::vector<std::vector<double>> input_gradients_;
  Gradients<E> gradients_;
  std::vector<CheckedTensor> checked_;
  std::vector<double> cotangent_;
  autodiff::Workspace<typename E::Memory> workspace_;
};

}  // namespace detail

/// Registers the module (names, numbers, dropout streams, start values plus `spread`) and checks the derivatives of
/// forward(ctx, inputs) with respect to every input and parameter; `inputs` are variables of rank 1, to be reshaped. A
/// tensor that no adjoint reaches must have no influence. Parameters keep the values they were checked at.
/// @return an empty string if all derivatives agree, else a sentence that names the first that does not
template <class E = CheckEngine, class Module, class Forward>
std::string check_module(Module& module, std::vector<std::vector<double>> inputs, Forward forward,
                         const CheckOptions& options = {}, typename E::Backend backend = {}) {
  static_assert(std::is_same_v<typename E::Real, double>, "derivatives are checked in double precision");
  static_assert(E::Memory::host, "modules are checked in host memory");
  const auto parameters = register_parameters<E>(module, backend, options.seed);
  for (auto* p : parameters) {
    const RandomStream stream(options.seed, name_hash("check_module.spread"), static_cast<std::uint64_t>(p->number));
    for (Index i = 0; i < p->size(); ++i) p->value(i) += options.spread * stream.normal(static_cast<std::uint64_t>(i), 0);
  }
  detail::ModuleCheck<E, Forward> check(backend, forward, options, parameters, inputs);
  for (const bool accumulate : {false, true}) {
    if (std::string trouble = check.run(accumulate); !trouble.empty()) return trouble;
  }
  return {};
}

}  // namespace ramer::nn
