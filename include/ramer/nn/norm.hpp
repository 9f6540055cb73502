// Layer normalisation with its gain and bias (as released: eps 1e-12 inside the root).
#pragma once

#include "ramer/autodiff/ops/norm.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::nn {

/// x^ gain + bias over the last axis; law: backend::LayerNorm.
template <class E>
struct LayerNorm {
  Parameter<E> weight, bias;  ///< (D) gain and bias

  LayerNorm() = default;
  /// `gain_decays`: the released training lets the gain of an INPUT normalisation decay, and no other.
  explicit LayerNorm(Index width, bool gain_decays = false)
      : weight({width}, Init::constant(1), gain_decays), bias({width}, Init::constant(0), false) {}

  /// y (R, D) = LN(x).
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, autodiff::Input input = autodiff::Input::Kept) const {
    return (*this)(ctx, x, {}, {}, input);
  }
  /// y (R, D) = LN(dropout(x) + residual).
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, Var<E, 2> residual, const backend::DropoutPlan& dropout,
                       autodiff::Input input = autodiff::Input::Kept) const {
    return autodiff::residual_norm(ctx.tape, x, residual, ctx.template use<1>(weight), ctx.template use<1>(bias), dropout,
                                   autodiff::kNormEps<typename E::Real>, input);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

}  // namespace ramer::nn
