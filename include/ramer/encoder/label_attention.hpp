// Label-wise attention (as released; the paper takes it for granted): hidden states over time to one vector per label.
#pragma once

#include "ramer/autodiff/ops/attention.hpp"
#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/encoder/tokens.hpp"

namespace ramer::encoder {

/// X (B, C, H): X[b, c] = sum_r a[r, c] h[r], a = softmax over the sample's looked-at and available rows of <h[r], w_c>;
/// uniform over the looked-at rows where none is available. W (C, H), no bias.
template <class E>
struct LabelAttention {
  nn::Parameter<E> weight;  ///< (C, H)

  LabelAttention() = default;
  LabelAttention(Index labels, Index width) : weight({labels, width}, nn::Init::xavier(width, labels), true) {}

  /// h (R, H) -> (B, C, H); `which` names the modality in taps.
  nn::Var<E, 3> operator()(nn::Context<E>& ctx, nn::Var<E, 2> h, const LabelRows& plan, Index which) const {
    const auto segments = static_cast<Index>(plan.target_offsets.size()) - 1;
    // With one row per sample the softmax is 1 whatever the score: nothing is learned, and nothing must decay.
    const nn::Var<E, 2> w = plan.single ? ctx.template use<2>(weight).detached() : ctx.template use<2>(weight);
    const nn::Var<E, 2> score = autodiff::linear(ctx.tape, plan.single ? h.detached() : h, w, nn::Var<E, 1>{});  // (R_t, C)
    const typename E::Real* a = nullptr;
    const nn::Var<E, 3> x = autodiff::segment_pool(
        ctx.tape, h, score,
        {segments, ctx.device(plan.target_offsets), ctx.device(plan.target_mask), nullptr, plan.dead_rows},
        &a);  // (B, C, H)
    if (ctx.taps) ctx.tap("label_attention", which, nn::Var<E, 2>(a, score.shape()));
    return x;
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("weight", self.weight);
  }
};

}  // namespace ramer::encoder
