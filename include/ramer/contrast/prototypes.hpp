// Moving-average prototypes (Eq 9, 10): per modality, label and sign one vector, not trained.
#pragma once

#include "ramer/autodiff/tape.hpp"
#include "ramer/core/config.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::contrast {

/// How a prototype is chosen at evaluation; training is always soft.
enum class PrototypeChoice { Hard, Soft };

struct PrototypesConfig {
  double momentum = 0.99;
  PrototypeChoice evaluation = PrototypeChoice::Hard;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("momentum", self.momentum, "weight of the old prototype in its moving average", between(0, 1));
    field("evaluation", self.evaluation, "at evaluation: the nearer prototype (hard) or the mixture of training (soft)");
  }
};

namespace detail {

template <class T>
struct MixForward {  // o = softmax(<z, mu+>, <z, mu->), delta = o+ mu+ + o- mu-
  const T *z, *positive, *negative;
  Index labels, width;
  bool hard;
  T *delta, *weight;
  RAMER_HD void operator()(Index r) const {
    const T *u = positive + (r % labels) * width, *v = negative + (r % labels) * width, *x = z + r * width;
    T a = 0, b = 0;
    for (Index d = 0; d < width; ++d) {
      a += x[d] * u[d];
      b += x[d] * v[d];
    }
    const T largest = a > b ? a : b, ea = std::exp(a - largest), eb = std::exp(b - largest);
    T o = ea / (ea + eb), q = eb / (ea + eb);
    weight[2 * r] = o;
    weight[2 * r + 1] = q;
    if (hard) {
      o = a > b ? T(1) : T(0);
      q = T(1) - o;
    }
    for (Index d = 0; d < width; ++d) delta[r * width + d] = o * u[d] + q * v[d];
  }
};
template <class T>
struct MixReverse {  // dz = o+ o- <ddelta, mu+ - mu-> (mu+ - mu-)
  const T *ddelta, *positive, *negative, *weight;
  Index labels, width;
  backend::Target<T> dz;
  RAMER_HD void operator()(Index r) const {
    const T *u = positive + (r % labels) * width, *v = negative + (r % labels) * width;
    T along = 0;
    for (Index d = 0; d < width; ++d) along += ddelta[r * width + d] * (u[d] - v[d]);
    along *= weight[2 * r] * weight[2 * r + 1];
    for (Index d = 0; d < width; ++d) dz.put(r * width + d, along * (u[d] - v[d]));
  }
};
template <class T>
struct MoveAverage {  // for b in order: mu[y ? + : -] = momentum mu + (1 - momentum) z_b
  const T* z;
  const std::uint8_t *labels, *mask, *present;
  Index batch, label_count, width;
  T momentum;
  const std::int32_t* given_up;
  T *positive, *negative;
  RAMER_HD void operator()(Index j, Index d) const {
    if (given_up && *given_up) return;
    T p = positive[j * width + d], n = negative[j * width + d];
    for (Index b = 0; b < batch; ++b) {
      if (!mask[b * label_count + j] || (present && !present[b])) continue;
      const T value = (T(1) - momentum) * z[(b * label_count + j) * width + d];
      if (labels[b * label_count + j]) {
        p = momentum * p + value;
      } else {
        n = momentum * n + value;
      }
    }
    positive[j * width + d] = p;
    negative[j * width + d] = n;
  }
};

}  // namespace detail

/// delta (B C, D) for unit codes z (B C, D) and prototypes (C, D) each: soft mixture, or with `hard` the nearer one (ties: negative).
/// Prototypes are constants. `weight_out`, if asked for, receives the place of (o+, o-) (B C, 2).
template <class Tp, class T>
autodiff::Var<T, 2> prototype_mixture(Tp& tape, autodiff::Var<T, 2> z, const T* positive, const T* negative, Index labels,
                                      bool hard, const T** weight_out = nullptr) {
  const Index rows = z.extent(0), width = z.extent(1);
  auto [y, out] = tape.output_if(z.tracked() && !hard, z.shape());
  T* weight = tape.template keep<T>(2 * rows);
  tape.backend().map(rows, detail::MixForward<T>{z.data(), positive, negative, labels, width, hard, out, weight});
  if (weight_out) *weight_out = weight;
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map(rows, detail::MixReverse<T>{dy, positive, negative, weight, labels, width, t.target(z)});
  });
  return y;
}

/// Eq 9 and 10. State: (M, 2, C, D), positive first, initially 0.
struct MovingAverage {
  using Config = PrototypesConfig;
  static constexpr bool enabled = true;
};

}  // namespace ramer::contrast

namespace ramer {
template <>
struct EnumNames<contrast::PrototypeChoice> {
  static constexpr std::pair<std::string_view, contrast::PrototypeChoice> values[] = {
      {"hard", contrast::PrototypeChoice::Hard}, {"soft", contrast::PrototypeChoice::Soft}};
};
}  // namespace ramer
