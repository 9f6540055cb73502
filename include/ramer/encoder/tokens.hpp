// The plan of a batch's tokens: index arrays that the host makes with each batch, per modality.
#pragma once

#include <algorithm>
#include <string>

#include "ramer/core/batch.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/gather.hpp"
#include "ramer/core/padding.hpp"
#include "ramer/nn/transformer.hpp"

namespace ramer::encoder {

/// How the moment that is asked about is shown to the model (docs/design.md, decisions of ours).
enum class TargetTime {
  All,     ///< label attention sees all of the target's segments; nothing marks the moment
  Marked,  ///< as All, and a learned embedding (initially zero) is added at the target's time before the encoders
  Segment  ///< label attention sees the target's segment alone
};

/// How a missing modality counts (docs/design.md, missing modalities).
enum class Missing {
  PresentOnly,  ///< an inferred X_alpha is an input of the reconstruction, and nowhere an observation
  All           ///< as released: missing rows count like present ones in the losses
};

/// Rows that label attention looks at, per sample.
struct LabelRows {
  GatherPlan target;                         ///< (R_t) where they are among the R rows
  std::vector<std::int32_t> target_offsets;  ///< (B + 1)
  std::vector<std::uint8_t> target_mask;     ///< (R_t) available ones
  std::vector<std::uint64_t> target_key;     ///< (R_t) sample * 2^32 + position
  bool single = false;                       ///< at most one row per sample: the scores have no effect
  bool dead_rows = false;                    ///< rows behind target_offsets[B] belong to no sample
};

/// Tokens of one modality: what its encoder and the label attention need. R rows, B samples. Dead rows of the batch (core/batch.hpp)
/// are rows here, too, and where the whole sample is asked for they are among the R_t: in no group, no keys, without weight.
struct TokenPlan : LabelRows {
  Index rows = 0, longest = 0;         ///< R; rows of the longest sample, with dead rows its bucket
  std::vector<std::int32_t> offsets;   ///< (B + 1)
  std::vector<std::uint8_t> key;       ///< (R) available tokens; all tokens of a sample that has none
  std::vector<std::uint64_t> row_key;  ///< (R) sample * 2^32 + position
  GatherPlan position;                 ///< (R) row of the position table
  GatherPlan at_target_time;           ///< (R) 0 at the target's segment, else -1
  std::vector<std::uint8_t> present;   ///< (B) a[b, m]: the target has an available token

  /// @param positions rows of the position table  @param asked whether the batch's target is asked about, not the sample as
  /// a whole
  /// @throws DataError for a position outside the table
  void build(const Batch& batch, const ModalityBatch& m, TargetTime time, Index positions, bool asked) {
    const auto b_count = static_cast<std::size_t>(batch.size), r_count = static_cast<std::size_t>(m.rows());
    rows = m.rows();
    offsets.assign(m.offsets.begin(), m.offsets.end());
    key.assign(m.available.begin(), m.available.end());
    row_key.resize(r_count);
    position.index.assign(m.position.begin(), m.position.end());
    at_target_time.index.assign(r_count, -1);
    target.index.clear();
    target_mask.clear();
    target_key.clear();
    target_offsets.assign(1, 0);
    present.assign(b_count, 0);
    longest = 0;
    single = asked && time == TargetTime::Segment;
    dead_rows = m.rows() > m.tokens();
    for (std::size_t b = 0; b < b_count; ++b) {
      const auto begin = static_cast<std::size_t>(offsets[b]), end = static_cast<std::size_t>(offsets[b + 1]);
      longest = std::max(longest, static_cast<Index>(end - begin));
      if (std::none_of(key.begin() + offsets[b], key.begin() + offsets[b + 1], [](std::uint8_t k) { return k != 0; }))
        std::fill(key.begin() + offsets[b], key.begin() + offsets[b + 1], std::uint8_t{1});
      for (std::size_t r = begin; r < end; ++r) {
        require<DataError>(m.position[r] >= 0 && m.position[r] < positions, "modality ", m.name, ", sample ",
                           b < batch.id.size() ? batch.id[b] : static_cast<std::int64_t>(b), ": position ", m.position[r],
                           " of a token is outside the model's position table of ", positions);
        row_key[r] = (static_cast<std::uint64_t>(b) << 32) | static_cast<std::uint64_t>(m.position[r]);
        bool looked_at = true, is_time = false;
        if (asked) {
          is_time = m.segment[r] == batch.target_segment[b];
          if (is_time) at_target_time.index[r] = 0;
          looked_at = m.person[r] == batch.target_person[b] && (time != TargetTime::Segment || is_time);
        }
        if (!looked_at) continue;
        target.index.push_back(static_cast<std::int32_t>(r));
        target_mask.push_back(m.available[r]);
        target_key.push_back(row_key[r]);
        if (m.available[r]) present[b] = 1;
      }
      target_offsets.push_back(static_cast<std::int32_t>(target.index.size()));
    }
    if (dead_rows) add_dead_rows(static_cast<std::size_t>(m.tokens()), b_count, positions, asked);
    position.finish(positions);
    at_target_time.finish(1);
    target.finish(rows);
  }

  /// What the layers are told of the rows: a sample's attend to each other.
  template <class E>
  nn::TokenRows token_rows(const nn::Context<E>& ctx) const {
    const auto groups = static_cast<Index>(offsets.size()) - 1;
    nn::TokenRows result{{groups, longest, ctx.device(offsets), ctx.device(key), nullptr}, ctx.device(row_key)};
    result.groups.dead_rows = dead_rows;
    return result;
  }

 private:
  /// Places of the table are spread over them, so that no sum over a place gets long; their adjoints are 0.
  void add_dead_rows(std::size_t live, std::size_t samples, Index positions, bool asked) {
    longest = bucket(longest, 16);
    for (std::size_t r = live; r < row_key.size(); ++r) {
      row_key[r] = static_cast<std::uint64_t>(samples + r - live) << 32;  // as if of further samples: no draw is a token's
      position.index[r] = static_cast<std::int32_t>((r - live) % static_cast<std::size_t>(std::max(positions, Index{1})));
      if (asked) continue;
      target.index.push_back(static_cast<std::int32_t>(r));
      target_mask.push_back(0);
      target_key.push_back(row_key[r]);
    }
  }
};

}  // namespace ramer::encoder

namespace ramer {
template <>
struct EnumNames<encoder::TargetTime> {
  static constexpr std::pair<std::string_view, encoder::TargetTime> values[] = {
      {"all", encoder::TargetTime::All}, {"marked", encoder::TargetTime::Marked}, {"segment", encoder::TargetTime::Segment}};
};
template <>
struct EnumNames<encoder::Missing> {
  static constexpr std::pair<std::string_view, encoder::Missing> values[] = {{"present_only", encoder::Missing::PresentOnly},
                                                                             {"all", encoder::Missing::All}};
};
}  // namespace ramer
