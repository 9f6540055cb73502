// The forward pass of wiring::Tailor. Included by tailor_wiring.hpp.
#pragma once

#include "ramer/model/detail/input.hpp"
#include "ramer/model/tailor_wiring.hpp"

namespace ramer::wiring {

/// One forward pass. Lists are per modality and live on the tape. R_m rows of modality m, R_c places.
template <class Recipe, class E>
class Tailor::Module<Recipe, E>::Pass {
 public:
  Pass(const Module& module, nn::Context<E>& context, const Plan& the_plan, int the_phase)
      : self(module), ctx(context), plan(the_plan), phase(the_phase) {}

  Outputs<E> run() {
    project();
    if (phases > 1 && phase == 0 && ctx.training) {  // the discriminator alone
      adversarial_terms();
      return out;
    }
    score();
    if (plan.supervised) losses();
    out.defined = true;
    return out;
  }

 private:
  const Module& self;
  nn::Context<E>& ctx;
  const Plan& plan;
  int phase;
  Outputs<E> out;

  const Index m_count = self.schema_.modality_count(), labels = self.schema_.label_count();
  std::span<Var2> c = list(m_count), s = list(m_count), position_logits = list(aligns ? m_count : 0);
  Var2 common, logits;

  std::span<Var2> list(Index n) { return ctx.tape.template list<Var2>(n); }

  /// Raw rows to H_m (R_m, H), S_m = f_m(H_m), C_m = G(H_m), and C = sum_m C_m (R_c, H).
  void project() {
    for (Index m = 0; m < m_count; ++m) {
      const auto at = static_cast<std::size_t>(m);
      const Var2 h = hidden_states(m);
      s[at] = self.specificity_[at](ctx, h);
      c[at] = self.commonality_(ctx, h, m);
      ctx.tap("S", m, s[at]);
      ctx.tap("C", m, c[at]);
      const Var2 here = plan.same_rows[at] ? c[at] : autodiff::gather_rows(ctx.tape, c[at], ctx.device(plan.common[at]));
      common = autodiff::add_to(ctx.tape, common, here);
    }
    ctx.tap("C_sum", -1, common);
  }

  /// (R_m, H)
  Var2 hidden_states(Index m) {
    const auto at = static_cast<std::size_t>(m);
    const auto& encoder = self.encoders_[at];
    const Var2 raw = detail::input(ctx, *plan.modality[at]);
    if constexpr (aligns) {
      if (m != self.reference_) {
        const auto aligned = self.alignment_[at](ctx, encoder.normalize(ctx, raw, m), plan.alignment[at], m);
        position_logits[at] = aligned.logits;
        const Var2 h = encoder.encode(ctx, aligned.rows, plan.tokens[at], m);  // (B L, H)
        if (plan.rows[at].rows() == plan.tokens[at].rows) return h;
        return autodiff::gather_rows(ctx.tape, h, ctx.device(plan.taking_part[at]));
      }
    }
    return encoder(ctx, raw, plan.tokens[at], m);
  }

  /// What labels find in the fused sequence: one logit each, (B C, 1).
  void score() {
    const Var2 memory = self.fusion_(ctx, std::span<const Var2>(s), common, plan.fusion);
    const Var2 decoded = self.decoder_(ctx, memory, plan.labels, plan.fusion.memory());  // (B C, H)
    const Var2 logit = self.head_(ctx, decoded);
    logits = autodiff::dropout(ctx.tape, logit, ctx.dropout(self.head_dropout_, ctx.device(plan.labels.row_key)))
                 .reshape(Shape{plan.batch, labels});
    ctx.tap("logit", -1, logits);
    out.score = autodiff::activation(ctx.tape, logits, backend::Activation::Sigmoid);
    ctx.tap("score", -1, out.score);
  }

  void losses() {
    const TailorWeights& w = self.config_.weights;
    const std::uint8_t* y = ctx.device(plan.y);
    const double* cell = ctx.device(plan.cell);
    out.terms.add("classification", autodiff::bce_with_logits(ctx.tape, logits, y, cell), w.classification);
    adversarial_terms();
    orthogonality_terms();
    if constexpr (aligns) ctc_term();
    const Var2 first = autodiff::gather_rows(ctx.tape, common, ctx.device(plan.first));  // (B, H)
    const Var2 semantic = self.common_semantic_(ctx, first);                             // (B, C)
    ctx.tap("cml_logit", -1, semantic);
    out.terms.add("common_semantic", autodiff::bce_with_logits(ctx.tape, semantic, y, cell), w.common_semantic);
  }

  /// The discriminator sees every token.
  void adversarial_terms() {
    if constexpr (has_adversary) {
      const projection::AdversaryRows rows{nullptr, weights(plan.token), 1};
      const auto t =
          Recipe::Adversary::template terms<E>(ctx, self.config_.adversary, self.discriminator_[0], phase, c, s, rows);
      const double w = self.config_.weights.adversarial;
      out.terms.add("adv_commonality", t.commonality, w, w * t.commonality_sign);
      out.terms.add("adv_specificity", t.specificity, w);
      out.terms.add("adv_confusion", t.confusion, w);
    }
  }

  void orthogonality_terms() {
    using Orthogonality = typename Recipe::Orthogonality;
    if constexpr (Orthogonality::enabled) {
      const double w = self.config_.weights.orthogonality;
      auto offsets = ctx.tape.template list<std::span<const std::int32_t>>(m_count);
      for (std::size_t m = 0; m < offsets.size(); ++m) offsets[m] = plan.rows[m].offsets;
      const loss::TokenRowsOf rows{offsets, weights(plan.present_sample), weights(plan.present_pair)};
      out.terms.add(
          "orth_common_specific",
          Orthogonality::template common_specific<E>(ctx, std::span<const Var2>(c), std::span<const Var2>(s), rows), w);
      if constexpr (Orthogonality::pairs) {
        out.terms.add("orth_specific_specific",
                      Orthogonality::template specific_specific<E>(ctx, std::span<const Var2>(s), rows), w);
      }
    }
  }

  /// sum over the aligned modalities of the mean over samples of -log P(1, 2, ..., n), n places of the sample's reference.
  void ctc_term() {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < position_logits.size(); ++m) {
      if (plan.aligned(m)) total = autodiff::add_to(ctx.tape, total, loss::ctc(ctx, position_logits[m], plan.ctc[m]));
    }
    out.terms.add("ctc", total, self.config_.weights.ctc);
  }

  std::span<const double* const> weights(const std::vector<std::vector<double>>& rows) {
    auto result = ctx.tape.template list<const double*>(static_cast<Index>(rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) result[i] = ctx.device(rows[i]);
    return result;
  }
};

}  // namespace ramer::wiring
