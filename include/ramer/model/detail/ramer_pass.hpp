// The forward pass of wiring::Ramer, equation by equation. Included by ramer_wiring.hpp.
#pragma once

#include "ramer/model/detail/input.hpp"
#include "ramer/model/ramer_wiring.hpp"

namespace ramer::wiring {

/// One forward pass. Lists are per modality and live on the tape. Rows of (B C, .) are ordered (sample, label).
template <class Recipe, class E>
class Ramer::Module<Recipe, E>::Pass {
 public:
  Pass(const Module& module, nn::Context<E>& context, const Batch& input, const Plan& the_plan, const State& the_state,
       int the_phase)
      : self(module), ctx(context), batch(input), plan(the_plan), state(the_state), phase(the_phase) {}

  Outputs<E> run() {
    encode();
    reconstruct();
    project();
    if constexpr (phases > 1) {
      if (phase == 0 && ctx.training) {
        adversarial_terms();
        return out;
      }
    }
    score();
    if (plan.supervised) losses();
    out.defined = true;
    return out;
  }

 private:
  using Vars2 = std::span<Var2>;
  using Weights = std::span<const double* const>;

  const Module& self;
  nn::Context<E>& ctx;
  const Batch& batch;
  const Plan& plan;
  const State& state;
  int phase;
  Outputs<E> out;

  const Index m_count = self.schema_.modality_count(), labels = self.schema_.label_count(), hidden = self.hidden_;
  Vars2 alpha = list(m_count), tilde = list(m_count), mixed = list(m_count), beta = list(m_count), gamma = list(m_count);
  Vars2 code_alpha = list(m_count), unit_alpha = list(m_count);
  Vars2 c = list(has_c ? m_count : 0), s = list(has_s ? m_count : 0), f = list(self.slots_);
  Var2 top_score, aggregated;
  Var2 level_score[3];

  Vars2 list(Index n) { return ctx.tape.template list<Var2>(n); }
  Var3 by_sample(Var2 x) const { return x.reshape(Shape{batch.size, labels, x.extent(1)}); }
  Vars2 fused(std::span<const Var2> xs) {
    Vars2 result = list(m_count);
    for (std::size_t m = 0; m < result.size(); ++m) result[m] = xs[static_cast<std::size_t>(self.order_[m])];
    return result;
  }
  std::span<const Var3> by_sample(std::span<const Var2> xs) {
    auto result = ctx.tape.template list<Var3>(static_cast<Index>(xs.size()));
    for (std::size_t i = 0; i < xs.size(); ++i) result[i] = by_sample(xs[i]);
    return result;
  }
  std::span<const Var2> top() const { return has_gamma ? gamma : has_beta ? beta : alpha; }
  std::span<const Var2> level(projection::Level l) const {
    switch (l) {
      case projection::Level::Alpha: return alpha;
      case projection::Level::Beta: return beta;
      case projection::Level::Gamma: return gamma;
      case projection::Level::Top: break;
    }
    return top();
  }
  Weights weights(const std::vector<std::vector<double>>& rows) {
    auto result = ctx.tape.template list<const double*>(static_cast<Index>(rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) result[i] = ctx.device(rows[i]);
    return result;
  }
  void tap(std::string_view name, std::span<const Var2> xs) {
    for (std::size_t m = 0; ctx.taps && m < xs.size(); ++m) ctx.tap(name, static_cast<Index>(m), xs[m]);
  }

  /// Section 4.1: raw rows to X_alpha^m (B C, H).
  void encode() {
    Var2 personality;
    if (plan.personality) personality = encode_personality();
    for (Index m = 0; m < m_count; ++m) {
      const auto at = static_cast<std::size_t>(m);
      const encoder::TokenPlan& tokens = plan.tokens[at];
      Var2 h = hidden_states(m);  // (R, H)
      const encoder::LabelRows* rows = &tokens;
      if constexpr (Recipe::Auxiliary::enabled) {
        if (self.auxiliary_) {
          h = self.auxiliary_modules_[at](ctx, h, personality, tokens, plan.auxiliary, m);  // (R_t, H)
          rows = &Recipe::Auxiliary::label_rows(tokens, plan.auxiliary, m);
        }
      }
      if (!self.auxiliary_ && tokens.target.view().size != tokens.rows) {
        h = autodiff::gather_rows(ctx.tape, h, ctx.device(tokens.target));
      }
      const Var3 x = self.label_attention_[at](ctx, h, *rows, m);  // (B, C, H)
      alpha[at] = x.reshape(Shape{batch.size * labels, hidden});
    }
    tap("X_alpha", alpha);
  }
  Var2 hidden_states(Index m) {
    const auto at = static_cast<std::size_t>(m);
    const auto& encoder = self.encoders_[at];
    const Var2 raw = detail::input(ctx, *plan.modality[at]);
    if constexpr (Recipe::Alignment::enabled) {
      if (m != self.reference_) {
        const Var2 x = self.alignment_[at](ctx, encoder.normalize(ctx, raw, m), plan.alignment[at], m).rows;  // (B L, D)
        return encoder.encode(ctx, x, plan.tokens[at], m);
      }
    }
    return encoder(ctx, raw, plan.tokens[at], m);
  }
  Var2 encode_personality() {
    const Var2 rows = autodiff::gather_rows(ctx.tape, detail::input(ctx, batch.personality, batch.personality_width),
                                            ctx.device(plan.personality_row));
    Var2 h = self.personality_[0](ctx, rows, plan.personality_tokens, m_count);
    if (plan.unknown_person) {
      h = autodiff::mask_rows(ctx.tape, h, ctx.device(plan.known));
      h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(self.unknown_person_[0]), ctx.device(plan.unknown));
    }
    return h;
  }

  /// Eq 6, 9, 10: Z, X~, delta, D~, X_beta, X_gamma.
  void reconstruct() {
    for (Index m = 0; m < m_count; ++m) {
      const auto at = static_cast<std::size_t>(m);
      const auto& codec = self.branches_[at].codec;
      code_alpha[at] = codec.encode(ctx, alpha[at]);  // (B C, D)
      tilde[at] = codec.decode(ctx, code_alpha[at]);  // (B C, H)
      if constexpr (has_beta || has_gamma || Recipe::Contrast::enabled || Recipe::Prototypes::enabled) {
        unit_alpha[at] = autodiff::normalize_rows(ctx.tape, code_alpha[at]);
      }
      if constexpr (has_beta || has_gamma) {
        const auto& mu = state.prototypes[at];
        const Index half = mu.extent(1) * mu.extent(2);
        const bool hard = !ctx.training && self.config_.prototypes.evaluation == contrast::PrototypeChoice::Hard;
        const Real* choice = nullptr;
        const Var2 delta =
            contrast::prototype_mixture(ctx.tape, unit_alpha[at], mu.data(), mu.data() + half, labels, hard, &choice);
        mixed[at] = codec.decode(ctx, delta);  // D~ (B C, H)
        ctx.tap("proto_softmax", m, Var2(choice, Shape{batch.size * labels, Index{2}}));
        ctx.tap("delta", m, delta);
      }
    }
    tap("Z_alpha", code_alpha);
    tap("X_tilde", tilde);
    if constexpr (has_beta || has_gamma) {
      tap("D_tilde", mixed);
      Vars2 first = has_beta ? beta : gamma;
      for (std::size_t m = 0; m < first.size(); ++m) {  // s_j = X~^j, s_m = D~^m
        Vars2 slots = list(m_count);
        for (std::size_t j = 0; j < slots.size(); ++j) slots[j] = j == m ? mixed[j] : tilde[j];
        first[m] = self.branches_[m].cross(ctx, std::span<const Var2>(fused(slots)));
      }
      if constexpr (has_beta && has_gamma) {
        const Vars2 slots = fused(beta);
        for (std::size_t m = 0; m < gamma.size(); ++m) gamma[m] = self.branches_[m].cross(ctx, std::span<const Var2>(slots));
      }
      if constexpr (has_beta) tap("X_beta", beta);
      if constexpr (has_gamma) tap("X_gamma", gamma);
    }
  }

  /// Eq 1, 2: C^m = G(...), S^m = f_m(...); no observation, no specificity.
  void project() {
    if constexpr (has_c) {
      const auto from = level(self.config_.projection.generator_input);
      for (std::size_t m = 0; m < c.size(); ++m) c[m] = self.generator_[0](ctx, from[m], static_cast<Index>(m));
      tap("C", c);
    }
    if constexpr (has_s) {
      const auto from = level(self.config_.projection.specificity_input);
      for (std::size_t m = 0; m < s.size(); ++m) {
        s[m] = self.specificity_[m](ctx, from[m]);
        if (plan.any_missing) s[m] = autodiff::mask_rows(ctx.tape, s[m], plan.present_of(m, ctx), labels);
      }
      tap("S", s);
    }
  }

  /// Eq 8, the aggregation in place, and the prediction.
  void score() {
    const std::span<const Var2> xs[] = {alpha, beta, gamma};
    constexpr bool exists[] = {true, has_beta, has_gamma};
    constexpr std::string_view names[] = {"logits_alpha", "logits_beta", "logits_gamma"};
    constexpr std::string_view max_names[] = {"max_logit_alpha", "max_logit_beta", "max_logit_gamma"};
    for (std::size_t l = 0; l < 3; ++l) {
      if (!exists[l]) continue;
      Vars2 logits = list(m_count);
      for (std::size_t m = 0; m < logits.size(); ++m) {
        logits[m] = autodiff::label_dot(ctx.tape, by_sample(xs[l][m]), ctx.template use<2>(self.score_[m]));
      }
      tap(names[l], logits);
      const std::uint8_t* present = l == 0 && plan.any_missing ? ctx.device(plan.present) : nullptr;
      level_score[l] = autodiff::max_over(ctx.tape, std::span<const Var2>(logits), present);  // (B, C)
      ctx.tap(max_names[l], -1, level_score[l]);
      top_score = level_score[l];
    }
    self.shuffle_input_.fill(ctx, c, s, top(), f);
    const Var2 stacked = autodiff::concat_rows(ctx.tape, std::span<const Var2>(f));  // (K B C, H)
    ctx.tap("F", -1, stacked);
    stacked_ = stacked;
    aggregated = self.aggregation_(ctx, stacked.reshape(Shape{self.slots_ * batch.size, labels * hidden}));  // (K B, C)
    ctx.tap("agg_out", -1, aggregated);
    auto [value, data] = ctx.tape.output_if(false, Shape{batch.size, labels});
    ctx.backend().map(batch.size * labels,
                      detail::FinalScore<Real>{top_score.data(), aggregated.data(), self.slots_, batch.size * labels, data});
    out.score = value;
    ctx.tap("score", -1, value);
  }
  Var2 stacked_;

  void losses() {
    const loss::Weights& w = self.config_.weights;
    const std::uint8_t* y = ctx.device(plan.y);
    const double* cell = ctx.device(plan.cell);
    if (ctx.training) shuffled_term();
    out.terms.add(
        "unshuffled",
        autodiff::bce_with_logits(ctx.tape, aggregated, ctx.device(plan.unshuffled_y), ctx.device(plan.unshuffled_cell)),
        w.unshuffled);
    out.terms.add("cls_alpha", autodiff::bce_with_logits(ctx.tape, level_score[0], y, ctx.device(plan.alpha_cell)),
                  w.cls_alpha);
    if constexpr (has_beta)
      out.terms.add("cls_beta", autodiff::bce_with_logits(ctx.tape, level_score[1], y, cell), w.cls_beta);
    if constexpr (has_gamma)
      out.terms.add("cls_gamma", autodiff::bce_with_logits(ctx.tape, level_score[2], y, cell), w.cls_gamma);
    reconstruction_terms();
    if (ctx.training) contrast_term();
    if constexpr (has_adversary) adversarial_terms();
    orthogonality_terms();
    if constexpr (has_common_semantic) {
      out.terms.add("common_semantic",
                    Recipe::CommonSemantic::template term<E>(ctx, self.common_semantic_[0], by_sample(c), y, cell),
                    w.common_semantic);
    }
  }

  /// Eq 12: BCE(c_zeta(V), Y^m) over the shuffled slots.
  void shuffled_term() {
    const Var2 v = autodiff::gather_rows(ctx.tape, stacked_, ctx.device(plan.shuffle.rows));  // (B K C, H)
    ctx.tap("shuffle_V", -1, v);
    const Var2 logits = self.aggregation_(ctx, v.reshape(Shape{batch.size * self.slots_, labels * hidden}));  // (B K, C)
    ctx.tap("shuffle_out", -1, logits);
    out.terms.add(
        "shuffled",
        autodiff::bce_with_logits(ctx.tape, logits, ctx.device(plan.shuffle.labels), ctx.device(plan.shuffle.weight)),
        self.config_.weights.shuffled);
  }

  /// Eq 7.
  void reconstruction_terms() {
    const loss::Weights& w = self.config_.weights;
    const Weights present = weights(plan.present_sample);
    const auto target = by_sample(alpha);
    using Rec = typename Recipe::ReconstructionLoss;
    if constexpr (!Reconstruction::Codec::identity) {
      out.terms.add("rec_tilde", Rec::template term<E>(ctx, by_sample(tilde), target, present), w.rec_tilde);
    }
    if constexpr (has_beta)
      out.terms.add("rec_beta", Rec::template term<E>(ctx, by_sample(beta), target, present), w.rec_beta);
    if constexpr (has_gamma)
      out.terms.add("rec_gamma", Rec::template term<E>(ctx, by_sample(gamma), target, present), w.rec_gamma);
  }

  /// Eq 11 over the unit codes of all levels, in the order (sample, level, modality, label).
  void contrast_term() {
    if constexpr (Recipe::Contrast::enabled) {
      Vars2 unit = list(levels * m_count);
      std::copy(unit_alpha.begin(), unit_alpha.end(), unit.begin());
      std::size_t at = unit_alpha.size();
      const auto encode_level = [&](std::string_view name, std::span<const Var2> xs) {
        for (std::size_t m = 0; m < xs.size(); ++m) {
          const Var2 z = self.branches_[m].codec.encode(ctx, xs[m]);
          ctx.tap(name, static_cast<Index>(m), z);
          unit[at++] = autodiff::normalize_rows(ctx.tape, z);
        }
      };
      if constexpr (has_beta) encode_level("Z_beta", beta);
      if constexpr (has_gamma) encode_level("Z_gamma", gamma);
      const Var2 stacked = autodiff::concat_rows(ctx.tape, std::span<const Var2>(unit));
      const Var2 z = autodiff::gather_rows(ctx.tape, stacked, ctx.device(plan.contrast.rows));  // (N, D)
      ctx.tap("scl_features", -1, z);
      autodiff::ContrastSet<Real> set;
      set.ids = ctx.device(plan.contrast.ids);
      set.classes = 2 * m_count * labels;
      if constexpr (Recipe::Contrast::queue) {
        set.queue = state.queue.rows.data();
        set.queue_ids = state.queue.ids.data();
        set.queue_rows = state.queue.places();
        set.queue_anchors = Recipe::Contrast::queue_anchors;
      }
      const Real* per_anchor = nullptr;
      out.terms.add(
          "contrast",
          autodiff::contrastive(ctx.tape, z, set, static_cast<Real>(self.config_.contrast.temperature), &per_anchor),
          self.config_.weights.contrast);
      const Index anchors = z.extent(0) + (Recipe::Contrast::queue_anchors ? set.queue_rows : Index{0});
      if (ctx.taps) ctx.tap("scl_loss_per_anchor", -1, Var2(per_anchor, Shape{anchors, Index{1}}));
      out.contrast_rows = z;
    }
    out.unit_alpha = unit_alpha;
  }

  /// Eq 1, 2.
  void adversarial_terms() {
    const projection::AdversaryRows rows{ctx.device(plan.all_slots), weights(plan.present_slots), labels};
    const auto t =
        Recipe::Adversary::template terms<E>(ctx, self.config_.adversary, self.discriminator_[0], phase, c, s, rows);
    const double w = self.config_.weights.adversarial;
    out.terms.add("adv_commonality", t.commonality, w, w * t.commonality_sign);
    out.terms.add("adv_specificity", t.specificity, w);
    out.terms.add("adv_confusion", t.confusion, w);
  }

  /// Eq 4.
  void orthogonality_terms() {
    using Orthogonality = typename Recipe::Orthogonality;
    const double w = self.config_.weights.orthogonality;
    const loss::OrthogonalityRows rows{weights(plan.present_sample), weights(plan.present_pair)};
    if constexpr (has_c && has_s && Orthogonality::enabled) {
      out.terms.add("orth_common_specific",
                    Orthogonality::template common_specific<E>(ctx, by_sample(c), by_sample(s), rows), w);
    }
    if constexpr (has_s && Orthogonality::pairs) {
      out.terms.add("orth_specific_specific", Orthogonality::template specific_specific<E>(ctx, by_sample(s), rows), w);
    }
  }
};

}  // namespace ramer::wiring
