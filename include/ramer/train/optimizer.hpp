// BertAdam (as released), Adam and AdamW, with global and per-tensor clipping.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/nn/module.hpp"
#include "ramer/train/schedule.hpp"

namespace ramer::train {

/// BertAdam: no bias correction, decay beside the update. Adam: decay inside the gradient. AdamW: decay beside the update.
enum class OptimizerKind { BertAdam, Adam, AdamW };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::BertAdam;
  double rate = 5e-5;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-6;
  double decay = 0.01;
  double clip_global = 1.0;
  double clip_tensor = 1.0;
  Schedule schedule = Schedule::WarmupLinear;
  double warmup = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("kind", self.kind, "bert_adam (no bias correction, decay in the update), adam (decay in the gradient), adamw");
    field("rate", self.rate, "base learning rate", at_least(0));
    field("beta1", self.beta1, "decay of the first moment", from_to_below(0, 1));
    field("beta2", self.beta2, "decay of the second moment", from_to_below(0, 1));
    field("epsilon", self.epsilon, "added to the root of the second moment", more_than(0));
    field("decay", self.decay, "weight decay, for parameters that decay", at_least(0));
    field("clip_global", self.clip_global, "largest Euclidean norm of all gradients together; 0: no clipping", at_least(0));
    field("clip_tensor", self.clip_tensor, "largest norm of one tensor's gradient, after the global clip; 0: no clipping",
          at_least(0));
    field("schedule", self.schedule, "constant, warmup_linear or warmup_cosine");
    field("warmup", self.warmup, "fraction of the run that the rate takes to rise", between(0, 1));
  }
};

namespace detail {

template <class T>
struct SquareOf {
  const T* x;
  RAMER_HD double operator()(Index i) const { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};
/// norm = the root of the squares' sum, which is taken in their order. Where it is not finite the step is given up.
struct GradientNorm {
  const double* squares;
  Index count;
  double* norm;
  std::int32_t* given_up;
  RAMER_HD void operator()(Index) const {
    double total = 0;
    for (Index k = 0; k < count; ++k) total += squares[k];
    *norm = std::sqrt(total);
    if (given_up && !(*norm - *norm == 0)) *given_up = 1;
  }
};
/// factor[k] of tensor k: min(1, limit / (norm + 1e-6)), global first, then its own. NaN where the norm is not finite or the step given
/// up.
struct ClipFactor {
  const double *squares, *norm;
  double global, tensor;
  const std::int32_t* given_up;
  double* factor;
  RAMER_HD void operator()(Index k) const {
    const double all = global > 0 ? limit(global, *norm) : 1.0;
    factor[k] = all * (tensor > 0 ? limit(tensor, all * std::sqrt(squares[k])) : 1.0) + (*norm - *norm);
    if (given_up && *given_up) factor[k] = std::numeric_limits<double>::quiet_NaN();
  }
  RAMER_HD static double limit(double largest, double n) {
    const double f = largest / (n + 1e-6);
    return f < 1.0 ? f : 1.0;
  }
};
/// One step of one tensor. `factor` is its clip; a factor that is not finite leaves everything as it is.
template <class T>
struct AdamUpdate {
  T *p, *m, *v;
  const T* g;
  const double* factor;
  T beta1, beta2, rest1, rest2;  ///< rest = 1 - beta, rounded once: 1 - float(0.999) is off by 5e-5 of itself
  T epsilon, rate, decay, correction1, correction2;
  bool coupled, decoupled;  ///< decay inside the gradient (Adam), or shrinking p apart from the moments (AdamW)
  RAMER_HD void operator()(Index i) const {
    if (!(*factor >= 0)) return;
    T gradient = static_cast<T>(*factor) * g[i];
    if (coupled) gradient += decay * p[i];
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    T update = m[i] * correction1 / (std::sqrt(v[i] * correction2) + epsilon);
    if (decoupled) update += decay * p[i];
    p[i] -= rate * update;
  }
};
/// What `map_arrays` and `sum_arrays` take of the table of a step's updates.
template <class T>
struct UpdateOf {
  const AdamUpdate<T>* table;
  RAMER_HD AdamUpdate<T> operator()(Index k) const { return table[k]; }
};
template <class T>
struct GradientOf {
  const AdamUpdate<T>* table;
  RAMER_HD SquareOf<T> operator()(Index k) const { return {table[k].g}; }
};

}  // namespace detail

/// First and second moments per parameter, and the steps that each has taken. A parameter that no adjoint reached is skipped
/// altogether: no moments, no decay, no step.
template <class E>
class Optimizer {
 public:
  using T = typename E::Precision::Parameter;
  using Parameter = nn::Parameter<E>;
  using Buffer = Tensor<T, 1, typename E::Memory>;

  /// Moments of zero for these parameters.
  Optimizer(const OptimizerConfig& config, const std::vector<Parameter*>& parameters, typename E::Backend& backend)
      : config_(config), parameters_(parameters), steps_(parameters.size(), 0) {
    const auto n = static_cast<Index>(parameters.size());
    squares_ = Tensor<double, 1, typename E::Memory>(Shape{n});
    factor_ = Tensor<double, 1, typename E::Memory>(Shape{n});
    norm_ = Tensor<double, 1, typename E::Memory>(Shape{Index{1}});
    table_.reserve(parameters.size());
    offsets_.reserve(parameters.size() + 1);
    for (const Parameter* p : parameters) {
      first_.emplace_back(Shape{p->size()});
      second_.emplace_back(Shape{p->size()});
    }
    reset(backend);
  }

  /// Forgets every step: moments and counts become 0.
  void reset(typename E::Backend& backend) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      backend.fill(first_[i].data(), first_[i].size(), T(0));
      backend.fill(second_[i].data(), second_[i].size(), T(0));
      steps_[i] = 0;
    }
  }

  /// Updates every reached parameter p with `wanted(p)`. `total_steps` scales the schedule; not positive: constant rate.
  /// @param place where kernels find a std::vector of the host's, place(vector), as nn::Context::device
  /// @param given_up where it lies whether the step must change nothing; becomes 1 for a gradient that is not finite; null: nobody asks
  template <class Wanted, class Place>
  void step(const nn::Gradients<E>& gradients, double total_steps, typename E::Backend& backend, Wanted wanted, Place place,
            std::int32_t* given_up = nullptr) {
    table_.clear();
    offsets_.assign(1, 0);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const auto& slot = gradients.slot(static_cast<Index>(i));
      if (!slot.written || !wanted(*parameters_[i])) continue;
      table_.push_back(update(i, slot.adjoint, factor_.data() + table_.size(), total_steps));
      offsets_.push_back(offsets_.back() + slot.size);
    }
    const auto count = static_cast<Index>(table_.size());
    const auto* const table = place(table_);
    const backend::Arrays arrays{count, offsets_.back(), place(offsets_)};
    backend.sum_arrays(arrays, detail::GradientOf<T>{table}, backend::Target<double>{squares_.data(), false});
    backend.map(1, detail::GradientNorm{squares_.data(), count, norm_.data(), given_up});
    backend.map(count, detail::ClipFactor{squares_.data(), norm_.data(), config_.clip_global, config_.clip_tensor, given_up,
                                          factor_.data()});
    backend.map_arrays(arrays, detail::UpdateOf<T>{table});
  }
  /// The same in the host's memory.
  template <class Wanted>
  requires(E::Memory::host) void step(const nn::Gradients<E>& gradients, double total_steps, typename E::Backend& backend,
                                      Wanted wanted) {
    step(gradients, total_steps, backend, wanted, [](const auto& table) { return table.data(); });
  }
  /// Where the Euclidean norm of the gradients of the last step lies, before clipping.
  const double* norm() const { return norm_.data(); }

  /// As given.
  const OptimizerConfig& config() const { return config_; }
  /// What a checkpoint keeps, per parameter: the two moments and the number of steps.
  std::vector<Buffer>& first() { return first_; }
  std::vector<Buffer>& second() { return second_; }
  std::vector<std::int64_t>& steps() { return steps_; }

 private:
  /// The next step of parameter i, which is counted.
  detail::AdamUpdate<T> update(std::size_t i, const T* gradient, const double* factor, double total_steps) {
    Parameter& p = *parameters_[i];
    const double s = static_cast<double>(steps_[i]++);
    const double rate =
        config_.rate * (total_steps > 0 ? schedule_factor(config_.schedule, s / total_steps, config_.warmup) : 1.0);
    const bool bert = config_.kind == OptimizerKind::BertAdam;
    const double c1 = bert ? 1.0 : 1.0 / (1.0 - std::pow(config_.beta1, s + 1));
    const double c2 = bert ? 1.0 : 1.0 / (1.0 - std::pow(config_.beta2, s + 1));
    const double decay = p.decay ? config_.decay : 0.0;
    const bool coupled = decay > 0 && config_.kind == OptimizerKind::Adam;
    return {p.value.data(),
            first_[i].data(),
            second_[i].data(),
            gradient,
            factor,
            static_cast<T>(config_.beta1),
            static_cast<T>(config_.beta2),
            static_cast<T>(1.0 - config_.beta1),
            static_cast<T>(1.0 - config_.beta2),
            static_cast<T>(config_.epsilon),
            static_cast<T>(rate),
            static_cast<T>(decay),
            static_cast<T>(c1),
            static_cast<T>(c2),
            coupled,
            decay > 0 && !coupled};
  }

  OptimizerConfig config_;
  std::vector<Parameter*> parameters_;
  std::vector<Buffer> first_, second_;
  std::vector<std::int64_t> steps_;
  std::vector<detail::AdamUpdate<T>> table_;  ///< of those that are updated
  std::vector<Index> offsets_;
  Tensor<double, 1, typename E::Memory> squares_, factor_, norm_;
};

}  // namespace ramer::train

namespace ramer {
template <>
struct EnumNames<train::OptimizerKind> {
  static constexpr std::pair<std::string_view, train::OptimizerKind> values[] = {
      {"bert_adam", train::OptimizerKind::BertAdam},
      {"adam", train::OptimizerKind::Adam},
      {"adamw", train::OptimizerKind::AdamW}};
};
}  // namespace ramer
