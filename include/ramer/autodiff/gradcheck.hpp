// Checks the reverse of an op or a module against central differences. Public: check your own with it.
//
//   autodiff::Gradcheck check;
//   check.input(6);                               // six random values; move them away from kinks through `value`
//   const std::string trouble =                   // empty: all is well
//       check.run([&](auto& tape, const auto& in) { return my_op(tape, in[0].reshape(Shape{Index{2}, Index{3}})); });
//
// The output may have any rank: it is paired with a random cotangent. Every input is run through twice, once with its adjoint
// pre-filled with NaN (what must be overwritten is overwritten) and once with it started at random numbers (what must be
// accumulated is accumulated).
#pragma once

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "ramer/autodiff/tape.hpp"
#include "ramer/backend/reference.hpp"

namespace ramer::autodiff {

namespace detail {
template <class T>
struct PutArray {
  backend::Target<T> target;
  const T* values;
  RAMER_HD void operator()(Index i) const { target.put(i, values[i]); }
};
}  // namespace detail

/// How derivatives are compared.
struct GradcheckOptions {
  double step = 1e-5;       ///< of the central difference
  double tolerance = 1e-6;  ///< of |analytic - numeric| / (1 + |numeric|)
  std::uint64_t seed = 1;   ///< of inputs and cotangent
};

/// Inputs of an op, and the comparison. See above.
template <class Backend = backend::Reference>
class Gradcheck {
 public:
  using T = double;
  using TapeType = Tape<Backend, T>;
  using Options = GradcheckOptions;

  /// On `backend`; what the op reads besides its inputs must lie in its memory.
  explicit Gradcheck(Backend backend = Backend{}, Options options = {}) : backend_(std::move(backend)), options_(options) {}

  /// Adds an input with standard normal entries and returns its number.
  int input(Index size) {
    Tensor<T, 1> x(Shape{size});
    const RandomStream stream(options_.seed, name_hash("gradcheck.input"), inputs_.size());
    for (Index i = 0; i < size; ++i) x(i) = stream.normal(0, static_cast<std::uint32_t>(i));
    inputs_.push_back(std::move(x));
    return static_cast<int>(inputs_.size()) - 1;
  }
  /// Adds an input with given entries.
  int input(const std::vector<T>& values) {
    const int which = input(static_cast<Index>(values.size()));
    std::copy(values.begin(), values.end(), value(which).data());
    return which;
  }
  /// Input number `which`, to be changed at will.
  Tensor<T, 1>& value(int which) { return inputs_[static_cast<std::size_t>(which)]; }

  /// @return an empty string if all derivatives agree, else a sentence that names the first that does not
  template <class F>
  std::string run(F f) {
    for (const bool accumulate : {false, true}) {
      if (std::string trouble = run_once(f, accumulate); !trouble.empty()) return trouble;
    }
    return {};
  }

 private:
  /// Where the backend computes: the array itself, or its copy.
  class There {
   public:
    T* put(Backend& backend, Tensor<T, 1>& x) {
      if constexpr (Backend::Memory::host) {
        return x.data();
      } else {
        copy_ = Tensor<T, 1, typename Backend::Memory>(x.shape());
        backend.from_host(x.data(), x.size(), copy_.data());
        return copy_.data();
      }
    }
    void get([[maybe_unused]] Backend& backend, [[maybe_unused]] Tensor<T, 1>& x) const {
      if constexpr (!Backend::Memory::host) backend.to_host(copy_.data(), x.size(), x.data());
    }

   private:
    Tensor<T, 1, typename Backend::Memory> copy_;
  };

  template <class F>
  std::string run_once(F& f, bool accumulate) {
    std::vector<Tensor<T, 1>> start, gradient;
    std::vector<There> inputs(inputs_.size()), gradients(inputs_.size());
    std::vector<Slot<T>> slots(inputs_.size());
    std::vector<Var<T, 1>> leaves;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      gradient.emplace_back(inputs_[i].shape());
      start.emplace_back(inputs_[i].shape());
      const RandomStream stream(options_.seed, name_hash("gradcheck.start"), i);
      for (Index j = 0; j < inputs_[i].size(); ++j) {
        start[i](j) = accumulate ? stream.normal(0, static_cast<std::uint32_t>(j)) : 0.0;
        gradient[i](j) = accumulate ? start[i](j) : std::numeric_limits<T>::quiet_NaN();
      }
      slots[i] = {gradients[i].put(backend_, gradient[i]), inputs_[i].size(), accumulate, true};
      leaves.emplace_back(inputs[i].put(backend_, inputs_[i]), inputs_[i].shape(), &slots[i]);
    }
    Tensor<T, 1> cotangent;
    There cotangent_there;
    {
      TapeType tape(backend_, workspace_, true);
      auto y = f(tape, leaves);
      cotangent = Tensor<T, 1>(Shape{y.size()});
      const RandomStream stream(options_.seed, name_hash("gradcheck.cotangent"));
      for (Index j = 0; j < y.size(); ++j) cotangent(j) = stream.normal(0, static_cast<std::uint32_t>(j));
      if (!y.tracked()) return "the output does not depend on any input";
      const auto target = tape.target(y);
      backend_.map(y.size(), detail::PutArray<T>{target, cotangent_there.put(backend_, cotangent)});
      tape.sweep();
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) gradients[i].get(backend_, gradient[i]);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      for (Index j = 0; j < inputs_[i].size(); ++j) {
        const T analytic = slots[i].written ? gradient[i](j) - start[i](j) : T(0);
        const T numeric = difference(f, i, j, cotangent);
        if (!(std::abs(analytic - numeric) <= options_.tolerance * (1 + std::abs(numeric)))) {
          std::ostringstream trouble;
          trouble.precision(9);
          trouble << "input " << i << " element " << j << (accumulate ? " (accumulating)" : "") << ": analytic " << analytic
                  << ", numeric " << numeric;
          return trouble.str();
        }
      }
    }
    return {};
  }
  template <class F>
  T difference(F& f, std::size_t i, Index j, const Tensor<T, 1>& cotangent) {
    T& x = inputs_[i](j);
    const T kept = x;
    T side[2];
    for (int s = 0; s < 2; ++s) {
      x = kept + (s ? options_.step : -options_.step);
      std::vector<There> inputs(inputs_.size());
      std::vector<Var<T, 1>> leaves;
      for (std::size_t k = 0; k < inputs_.size(); ++k)
        leaves.emplace_back(inputs[k].put(backend_, inputs_[k]), inputs_[k].shape());
      TapeType tape(backend_, workspace_, false);
      const auto y = f(tape, leaves);
      std::vector<T> values(static_cast<std::size_t>(y.size()));
      backend_.to_host(y.data(), y.size(), values.data());
      side[s] = 0;
      for (Index k = 0; k < y.size(); ++k) side[s] += values[static_cast<std::size_t>(k)] * cotangent(k);
    }
    x = kept;
    return (side[1] - side[0]) / (2 * options_.step);
  }

  Backend backend_;
  Options options_;
  Workspace<typename Backend::Memory> workspace_;
  std::vector<Tensor<T, 1>> inputs_;
};

}  // namespace ramer::autodiff
