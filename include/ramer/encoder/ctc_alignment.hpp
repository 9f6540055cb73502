// Unaligned input: what a modality's rows become before they are encoded.
#pragma once

#include <algorithm>
#include <string>

#include "ramer/autodiff/ops/ctc.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/nn/lstm.hpp"

namespace ramer::encoder {

struct AsGivenConfig {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};
/// Every modality is encoded as it comes.
struct AsGiven {
  using Config = AsGivenConfig;
  static constexpr bool enabled = false;
};

struct CtcAlignmentConfig {
  Index length = 50;
  Index layers = 2;
  std::string reference = "text";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("length", self.length, "places L that an aligned modality has", extent());
    field("layers", self.layers, "layers of the LSTM", between(1, 1000));
    field("reference", self.reference, "the modality that stays as it is; the first, if none has this name");
  }
  /// Rows of an aligned modality's position table, where its raw tokens have `raw` positions.
  Index positions(Index raw) const { return std::max(raw, length); }
  /// Which modality stays as it is.
  std::size_t reference_of(const Schema& schema) const {
    const auto found =
        std::find_if(schema.modalities.begin(), schema.modalities.end(), [&](const auto& m) { return m.name == reference; });
    return found == schema.modalities.end() ? 0 : static_cast<std::size_t>(found - schema.modalities.begin());
  }
};

/// The rows of one modality that are aligned, and the tokens that come out. Vectors keep their capacity.
struct AlignmentPlan {
  GatherPlan available;               ///< (R') the available rows among all
  bool all = true;                    ///< all rows are available: nothing to gather
  std::vector<std::int32_t> offsets;  ///< (B + 1) available rows of each sample
  nn::SequencePlan sequence;          ///< of the available rows, in the order of time

  /// Unavailable tokens are left out, as if the sample did not have them. Every sample gets `length` tokens, positions 0 ...
  /// length - 1, all of which are keys and are looked at. Where a sample has no available token the modality is missing: its
  /// tokens are made of rows of zeros, are marked unavailable (so that they attend and are pooled uniformly, like those of
  /// any missing modality), and the sample counts as one without the modality.
  /// @param positions rows of the position table
  void build(const ModalityBatch& m, Index length, Index positions, TokenPlan& tokens) {
    require<ConfigError>(length <= positions, "alignment: ", length, " places, a position table of ", positions);
    const std::size_t samples = m.offsets.size() - 1, places = static_cast<std::size_t>(length);
    available.index.clear();
    offsets.assign(1, 0);
    tokens.offsets.assign(1, 0);
    tokens.present.assign(samples, 0);
    tokens.target_mask.clear();
    tokens.row_key.clear();
    tokens.position.index.clear();
    tokens.target.index.clear();
    for (std::size_t b = 0; b < samples; ++b) {
      for (std::int32_t r = m.offsets[b]; r < m.offsets[b + 1]; ++r)
        if (m.available[static_cast<std::size_t>(r)]) available.index.push_back(r);
      offsets.push_back(static_cast<std::int32_t>(available.index.size()));
      tokens.present[b] = offsets[b + 1] > offsets[b];
      tokens.target_mask.insert(tokens.target_mask.end(), places, tokens.present[b]);
      for (std::size_t j = 0; j < places; ++j) {
        tokens.row_key.push_back((static_cast<std::uint64_t>(b) << 32) | j);
        tokens.position.index.push_back(static_cast<std::int32_t>(j));
        tokens.target.index.push_back(static_cast<std::int32_t>(b * places + j));
      }
      tokens.offsets.push_back(static_cast<std::int32_t>((b + 1) * places));
    }
    all = static_cast<Index>(available.index.size()) == m.rows();
    available.finish(m.rows());
    sequence.build(offsets);
    tokens.rows = static_cast<Index>(samples * places);
    tokens.longest = samples > 0 ? length : 0;
    tokens.key.assign(samples * places, 1);
    tokens.at_target_time.index.assign(samples * places, -1);
    tokens.at_target_time.finish(1);
    tokens.position.finish(positions);
    tokens.target.finish(tokens.rows);
    tokens.target_offsets = tokens.offsets;
    tokens.target_key = tokens.row_key;
    tokens.single = false;
  }
};

/// Rows of a sample to L places (the released "CTC module"): the states of an LSTM of width L + 1 are the logits of a
/// softmax for each row over "blank" and the places; place j is the sum of the rows, each with its probability of belonging
/// there. Nothing but what the aligned rows are used for teaches it, unless a recipe adds a CTC loss on the logits.
struct CtcAlignment {
  using Config = CtcAlignmentConfig;
  static constexpr bool enabled = true;

  /// The plan of one modality, and its tokens. @param positions rows of its position table
  static void build(AlignmentPlan& plan, const Config& c, const ModalityBatch& m, Index positions, TokenPlan& tokens) {
    plan.build(m, c.length, positions, tokens);
  }

  /// What the module gives: aligned rows, and the logits that a CTC loss takes.
  template <class E>
  struct Aligned {
    nn::Var<E, 2> rows;    ///< (B L, D)
    nn::Var<E, 2> logits;  ///< (R', L + 1)
  };

  template <class E>
  struct Module {
    nn::Lstm<E> position;  ///< (R', D) -> (R', L + 1): the place of a row, or none

    Module() = default;
    /// @throws ConfigError
    Module(const Config& c, Index width) {
      require<ConfigError>(c.length > 0 && c.layers > 0, "alignment: length ", c.length, " with ", c.layers,
                           " layers; both must be at least 1");
      position = nn::Lstm<E>(width, c.length + 1, c.layers);
    }
    /// x (R, D), normalised. `which` names the modality in taps.
    Aligned<E> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, const AlignmentPlan& plan, Index which) const {
      if (!plan.all) x = autodiff::gather_rows(ctx.tape, x, ctx.device(plan.available));  // (R', D)
      const nn::Var<E, 2> logits = position(ctx, x, plan.sequence);                       // (R', L + 1)
      ctx.tap("position", which, logits);
      return {autodiff::soft_align(ctx.tape, x, logits, std::span<const std::int32_t>(plan.offsets)), logits};
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("position", self.position);
    }
  };
};

}  // namespace ramer::encoder
