// Affine layers and the small perceptrons made of them.
#pragma once

#include <span>

#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::nn {

/// y (R, O) = act(x W^T + b), W (O, I), b (O).
template <class E>
struct Linear {
  Parameter<E> weight, bias;  ///< W (O, I), b (O)

  Linear() = default;
  /// As the usual framework starts it: both U(-1 / sqrt(I), 1 / sqrt(I)).
  Linear(Index in, Index out) : Linear(in, out, Init::fan_in(in), Init::fan_in(in)) {}
  Linear(Index in, Index out, Init w, Init b) : weight({out, in}, w, true), bias({out}, b, false) {}

  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, backend::Activation act = backend::Activation::None) const {
    return autodiff::linear(ctx.tape, x, ctx.template use<2>(weight), ctx.template use<1>(bias), act);
  }
  /// Of the inputs side by side, without concatenating them.
  Var<E, 2> operator()(Context<E>& ctx, std::span<const Var<E, 2>> xs,
                       backend::Activation act = backend::Activation::None) const {
    return autodiff::linear(ctx.tape, xs, ctx.template use<2>(weight), ctx.template use<1>(bias), act);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// "MLLinear" of the released code: widths i_0 -> i_1 -> ... -> out with ReLU between and none at the end. Weights Xavier uniform,
/// biases as the framework leaves them.
template <class E>
struct Perceptron {
  std::vector<Linear<E>> layer;  ///< one for each pair of neighbouring widths

  Perceptron() = default;
  explicit Perceptron(const std::vector<Index>& widths) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layer.emplace_back(widths[i], widths[i + 1], Init::xavier(widths[i], widths[i + 1]), Init::fan_in(widths[i]));
  }
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x) const {
    for (std::size_t i = 0; i < layer.size(); ++i)
      x = layer[i](ctx, x, i + 1 < layer.size() ? backend::Activation::Relu : backend::Activation::None);
    return x;
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("", self.layer);
  }
};

}  // namespace ramer::nn
