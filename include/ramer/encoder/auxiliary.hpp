// What may stand between the encoders and label attention, apart from the paper's attention over persons and segments.
#pragma once

#include "ramer/encoder/person_segment_attention.hpp"

namespace ramer::encoder {

struct NoAuxiliaryConfig {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};

/// Personality as the release's compiled MEmoR version uses it: its encoder's outputs stand behind a modality's along time, and label
/// attention looks at both. No attention over persons or segments. Rows: the target's tokens, then the same tokens' personality,
/// masked where it is not known.
struct PersonalityTimeConcat {
  using Config = NoAuxiliaryConfig;
  static constexpr bool enabled = true;

  /// @param known (R) whether the personality of a token's person is; empty without personality
  static void build(AuxiliaryPlan& plan, const Batch& batch, const std::vector<const ModalityBatch*>& modalities,
                    const std::vector<TokenPlan>& tokens, const std::vector<std::uint8_t>& known) {
    plan.rows.resize(modalities.size());
    for (std::size_t m = 0; m < modalities.size(); ++m) {
      const TokenPlan& from = tokens[m];
      LabelRows& to = plan.rows[m];
      to.target.index.clear();
      to.target_mask.clear();
      to.target_key.clear();
      to.target_offsets.assign(1, 0);
      to.single = from.single && known.empty();
      const auto shift = static_cast<std::int32_t>(from.rows);
      for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
        const auto begin = static_cast<std::size_t>(from.target_offsets[b]),
                   end = static_cast<std::size_t>(from.target_offsets[b + 1]);
        for (std::size_t r = begin; r < end; ++r) add(to, from.target.index[r], from.target_mask[r], from.target_key[r]);
        for (std::size_t r = begin; r < end && !known.empty(); ++r) {
          const std::int32_t row = from.target.index[r];
          add(to, shift + row, known[static_cast<std::size_t>(row)], from.target_key[r]);
        }
        to.target_offsets.push_back(static_cast<std::int32_t>(to.target.index.size()));
      }
      to.target.finish(known.empty() ? from.rows : 2 * from.rows);
    }
  }
  static const LabelRows& label_rows(const TokenPlan&, const AuxiliaryPlan& plan, Index which) {
    return plan.rows[static_cast<std::size_t>(which)];
  }

  template <class E>
  struct Module {
    Module() = default;
    Module(Index, bool, const Config&) {}

    /// h (R, H), personality (R, H) or invalid -> the rows of `label_rows`.
    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> h, nn::Var<E, 2> personality, const TokenPlan& tokens,
                             const AuxiliaryPlan& auxiliary, Index which) const {
      const LabelRows& rows = label_rows(tokens, auxiliary, which);
      if (personality.valid()) {
        const nn::Var<E, 2> both[] = {h, personality};
        h = autodiff::concat_rows(ctx.tape, std::span<const nn::Var<E, 2>>(both));  // (2R, H)
      }
      return autodiff::gather_rows(ctx.tape, h, ctx.device(rows.target));
    }
    template <class Self, class Visitor>
    static void parameters(Self&, Visitor&&) {}
  };

 private:
  static void add(LabelRows& rows, std::int32_t index, std::uint8_t mask, std::uint64_t key) {
    rows.target.index.push_back(index);
    rows.target_mask.push_back(mask);
    rows.target_key.push_back(key);
  }
};

/// No auxiliary task: label attention sees the encoder's output.
struct NoAuxiliary {
  using Config = NoAuxiliaryConfig;
  static constexpr bool enabled = false;
};

}  // namespace ramer::encoder
