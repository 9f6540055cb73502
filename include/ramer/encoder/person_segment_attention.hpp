// The personality auxiliary task (paper section 4.1): attention over the persons of a segment, then over the segments of a person.
#pragma once

#include <cmath>
#include <optional>

#include "ramer/autodiff/ops/attention.hpp"
#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/encoder/tokens.hpp"

namespace ramer::encoder {

/// Rows of one modality ordered for the two attentions. Groups without an available row attend uniformly to all of their rows.
struct PersonSegmentPlan {
  GatherPlan by_segment, by_person;               ///< permutations: segment-major rows, and back
  std::vector<std::int32_t> segment_offsets;      ///< groups (sample, segment) of the permuted rows
  std::vector<std::uint8_t> segment_key;          ///< available, permuted
  std::vector<std::int32_t> person_offsets;       ///< groups (sample, person) of the original rows
  std::vector<std::uint8_t> person_key;           ///< available
  Index longest_segment = 0, longest_person = 0;  ///< rows of the largest group of each kind

  /// @throws ShapeError for more rows than 32-bit indices reach
  void build(const Batch& batch, const ModalityBatch& m) {
    by_segment.index.clear();
    segment_key.clear();
    segment_offsets.assign(1, 0);
    person_offsets.assign(1, 0);
    person_key.assign(m.available.begin(), m.available.end());
    by_person.index.resize(static_cast<std::size_t>(m.rows()));
    longest_segment = longest_person = 0;
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
      const std::int32_t begin = m.offsets[b], end = m.offsets[b + 1];
      for (std::int32_t r = begin; r < end; ++r) {  // rows are person-major
        const auto at = static_cast<std::size_t>(r);
        if (r > begin && m.person[at] != m.person[at - 1]) close(person_offsets, r, longest_person);
      }
      if (end > begin) close(person_offsets, end, longest_person);
      order_.clear();
      for (std::int32_t r = begin; r < end; ++r) order_.push_back(r);
      std::sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t c) {
        const std::int32_t sa = m.segment[static_cast<std::size_t>(a)], sc = m.segment[static_cast<std::size_t>(c)];
        return sa != sc ? sa < sc : a < c;
      });
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const auto row = static_cast<std::size_t>(order_[i]);
        if (i > 0 && m.segment[row] != m.segment[static_cast<std::size_t>(order_[i - 1])]) {
          close(segment_offsets, static_cast<std::int32_t>(by_segment.index.size()), longest_segment);
        }
        by_person.index[row] = static_cast<std::int32_t>(by_segment.index.size());
        by_segment.index.push_back(order_[i]);
        segment_key.push_back(m.available[row]);
      }
      if (end > begin) close(segment_offsets, static_cast<std::int32_t>(by_segment.index.size()), longest_segment);
    }
    by_segment.finish(m.rows());
    by_person.finish(m.rows());
  }

 private:
  static void close(std::vector<std::int32_t>& offsets, std::int32_t end, Index& longest) {
    longest = std::max<Index>(longest, end - offsets.back());
    offsets.push_back(end);
  }
  std::vector<std::int32_t> order_;
};

/// What an auxiliary task works out from a batch; each policy fills what it needs, per modality.
struct AuxiliaryPlan {
  std::vector<PersonSegmentPlan> attention;  ///< (M) or empty
  std::vector<LabelRows> rows;               ///< (M) or empty
};

struct PersonSegmentConfig {
  double scale = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("scale", self.scale,
          "factor on J after its two residual attentions, which about quadruple it; 0.25 gives it unit scale again",
          more_than(0));
  }
};

/// Per modality: J = [H_m | H_p] (R, 2H), or H_m without personality;
///   J += Att(J over the persons of each segment);  J += Att(J over the segments of each person),
/// Att(q = k = v = x) = softmax(x x^T / sqrt(width)) x over available rows (no projections, one head); then the rows that label
/// attention looks at, Linear 2H -> H with personality (section 4.1).
struct PersonSegmentAttention {
  using Config = PersonSegmentConfig;
  static constexpr bool enabled = true;

  static void build(AuxiliaryPlan& plan, const Batch& batch, const std::vector<const ModalityBatch*>& modalities,
                    const std::vector<TokenPlan>&, const std::vector<std::uint8_t>&) {
    plan.attention.resize(modalities.size());
    for (std::size_t m = 0; m < modalities.size(); ++m) plan.attention[m].build(batch, *modalities[m]);
  }
  static const LabelRows& label_rows(const TokenPlan& tokens, const AuxiliaryPlan&, Index) { return tokens; }

  template <class E>
  struct Module {
    std::vector<nn::Linear<E>> reduce;  ///< one with personality, none without
    typename E::Real factor = 1;        ///< of each attention's result before it is added

    Module() = default;
    Module(Index hidden, bool with_personality, const Config& c) : factor(static_cast<typename E::Real>(c.scale)) {
      if (with_personality) reduce.emplace_back(2 * hidden, hidden);
    }

    /// h (R, H), personality (R, H) or invalid -> (R_t, H).
    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> h, nn::Var<E, 2> personality, const TokenPlan& tokens,
                             const AuxiliaryPlan& auxiliary, Index which) const {
      using Real = typename E::Real;
      const PersonSegmentPlan& plan = auxiliary.attention[static_cast<std::size_t>(which)];
      nn::Var<E, 2> j = h;
      if (personality.valid()) {
        const nn::Var<E, 2> both[] = {h, personality};
        j = autodiff::concat_columns(ctx.tape, std::span<const nn::Var<E, 2>>(both));  // (R, 2H)
      }
      const Real scale = Real(1) / std::sqrt(static_cast<Real>(j.extent(1)));
      const nn::Var<E, 2> across = autodiff::gather_rows(ctx.tape, j, ctx.device(plan.by_segment));
      nn::Var<E, 2> a = autodiff::attention(ctx.tape, across, across, across, inter(ctx, plan), 1, scale);
      j = autodiff::add(ctx.tape, j, autodiff::gather_rows(ctx.tape, a, ctx.device(plan.by_person)));
      ctx.tap("aux_inter", which, j);
      j = autodiff::add(ctx.tape, j, autodiff::attention(ctx.tape, j, j, j, intra(ctx, plan), 1, scale));
      ctx.tap("aux_intra", which, j);
      j = autodiff::gather_rows(ctx.tape, j, ctx.device(tokens.target));  // (R_t, 2H)
      if (factor != Real(1)) j = autodiff::scale(ctx.tape, j, factor);
      if (!reduce.empty()) j = reduce[0](ctx, j);  // (R_t, H)
      ctx.tap("aux_reduced_target", which, j);
      return j;
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      if (!self.reduce.empty()) visit("reduce", self.reduce[0]);
    }

   private:
    static autodiff::AttentionGroups inter(nn::Context<E>& ctx, const PersonSegmentPlan& p) {
      return {static_cast<Index>(p.segment_offsets.size()) - 1, p.longest_segment, ctx.device(p.segment_offsets),
              ctx.device(p.segment_key), nullptr};
    }
    static autodiff::AttentionGroups intra(nn::Context<E>& ctx, const PersonSegmentPlan& p) {
      return {static_cast<Index>(p.person_offsets.size()) - 1, p.longest_person, ctx.device(p.person_offsets),
              ctx.device(p.person_key), nullptr};
    }
  };
};

}  // namespace ramer::encoder
