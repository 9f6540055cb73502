// What the host works out from a batch before RAMer runs on it: index arrays, masks and weights, no arithmetic on features.
#pragma once

#include "ramer/contrast/supervised.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/encoder/ctc_alignment.hpp"
#include "ramer/encoder/person_segment_attention.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/model/detail/batch_check.hpp"
#include "ramer/shuffle/stack.hpp"

namespace ramer::wiring {

/// Index arrays of one batch. Reused from batch to batch; vectors keep their capacity.
struct RamerPlan {
  Index batch = 0, labels = 0;                    ///< B, C
  std::vector<const ModalityBatch*> modality;     ///< in the model's order
  std::vector<encoder::TokenPlan> tokens;         ///< (M)
  std::vector<encoder::AlignmentPlan> alignment;  ///< (M) empty where rows are not aligned
  encoder::AuxiliaryPlan auxiliary;               ///< where the auxiliary task runs

  bool personality = false, unknown_person = false;  ///< personality is used; somebody's is not known
  encoder::TokenPlan personality_tokens;             ///< of the personality encoder
  GatherPlan personality_row;                        ///< (R) row of Batch::personality
  GatherPlan unknown;                                ///< (R) 0 for a token of an unknown person, else -1
  std::vector<std::uint8_t> known;                   ///< (R)

  std::vector<std::uint8_t> present;  ///< (M, B) a[b, m]; all 1 under Missing::All
  bool any_missing = false;           ///< some a[b, m] is 0

  bool supervised = false;                          ///< labels are there: losses exist
  std::vector<std::uint8_t> y, mask;                ///< (B, C) labels and whether they are annotated
  std::vector<double> cell;                         ///< (B, C) annotated / number of annotated
  std::vector<double> alpha_cell;                   ///< (B, C) the same over samples with any modality
  std::vector<double> unshuffled_cell;              ///< (K, B, C) cell / K
  std::vector<std::uint8_t> unshuffled_y;           ///< (K, B, C)
  std::vector<double> all_slots;                    ///< (B) 1 / (B C)
  std::vector<std::vector<double>> present_slots;   ///< (M)(B) a / (C n_m)
  std::vector<std::vector<double>> present_sample;  ///< (M)(B) a / n_m
  std::vector<std::vector<double>> present_pair;    ///< (M (M - 1) / 2)(B) both present / their number
  contrast::ContrastPlan contrast;                  ///< in training
  shuffle::ShufflePlan shuffle;                     ///< in training

  /// (B) a[b, m] of one modality, where the kernels find it.
  template <class E>
  const std::uint8_t* present_of(std::size_t m, const nn::Context<E>& ctx) const {
    return ctx.device(present) + static_cast<Index>(m) * batch;
  }

  /// Matches modalities by name, and works out tokens and presence.
  /// @param takes_padding whether there may be dead rows
  /// @param make_tokens fills tokens[m] from the modality's rows, make_tokens(m, rows)
  /// @throws DataError for an empty batch, one without the target that is asked about, a modality that it lacks or that has
  ///   another width, arrays whose lengths do not fit together, dead rows that may not be, and a position outside the table; the plan
  ///   must then be built anew
  template <class MakeTokens>
  void build_inputs(const Schema& schema, const Batch& b, encoder::Missing missing, bool with_auxiliary, bool takes_padding,
                    MakeTokens make_tokens) {
    batch = b.size;
    labels = schema.label_count();
    const std::size_t count = schema.modalities.size(), rows = static_cast<std::size_t>(batch);
    require<DataError>(batch > 0, "the batch is empty; a model needs at least one sample");
    require<DataError>(!schema.has_target || b.has_target(), "the model asks about a target, the batch names none");
    require<DataError>(!schema.has_target || (b.target_person.size() == rows && b.target_segment.size() == rows),
                       "the batch has ", b.target_person.size(), " target persons and ", b.target_segment.size(),
                       " target segments for ", batch, " samples");
    modality.resize(count);
    tokens.resize(count);
    alignment.resize(count);
    for (std::size_t m = 0; m < count; ++m) {
      modality[m] = &detail::find_modality(b, schema.modalities[m], takes_padding);
      make_tokens(m, *modality[m]);
    }
    if (with_auxiliary) {
      build_personality(schema, b);
    } else {
      personality = false;
    }
    present.assign(rows * count, 1);
    for (std::size_t m = 0; m < count && missing == encoder::Missing::PresentOnly; ++m) {
      std::copy(tokens[m].present.begin(), tokens[m].present.end(), present.begin() + static_cast<Index>(m * rows));
    }
    any_missing = std::find(present.begin(), present.end(), 0) != present.end();
  }

  /// Labels, masks and the weights of the losses. @param slots K shuffled slots per sample
  /// @throws DataError for labels that are not the model's in number
  void build_targets(const Batch& b, Index slots) {
    detail::check_labels(b, labels);
    const std::size_t rows = static_cast<std::size_t>(batch), c = static_cast<std::size_t>(labels), count = tokens.size();
    y.assign(b.labels.begin(), b.labels.end());
    mask.assign(b.label_mask.begin(), b.label_mask.end());
    const auto here = [&](std::size_t m, std::size_t i) { return present[m * rows + i] != 0; };
    const auto any = [&](std::size_t i) {
      bool result = false;
      for (std::size_t m = 0; m < count; ++m) result = result || here(m, i);
      return result;
    };
    detail::weigh(cell, rows * c, [&](std::size_t i) { return mask[i] != 0; });
    detail::weigh(alpha_cell, rows * c, [&](std::size_t i) { return mask[i] && any(i / c); });
    unshuffled_cell.clear();
    unshuffled_y.clear();
    for (Index k = 0; k < slots; ++k) {
      for (std::size_t i = 0; i < rows * c; ++i) {
        unshuffled_cell.push_back(cell[i] / static_cast<double>(slots));
        unshuffled_y.push_back(y[i]);
      }
    }
    all_slots.assign(rows, 1.0 / static_cast<double>(rows * c));
    present_slots.resize(count);
    present_sample.resize(count);
    present_pair.resize(count * (count - 1) / 2);
    std::size_t pair = 0;
    for (std::size_t m = 0; m < count; ++m) {
      detail::weigh(present_sample[m], rows, [&](std::size_t i) { return here(m, i); });
      present_slots[m] = present_sample[m];
      for (double& w : present_slots[m]) w /= static_cast<double>(c);
      for (std::size_t k = m + 1; k < count; ++k) {
        detail::weigh(present_pair[pair++], rows, [&](std::size_t i) { return here(m, i) && here(k, i); });
      }
    }
  }

  /// Places of the personality encoder's position table.
  static Index positions_of_personality(const Schema& schema) {
    return schema.personality_positions > 0 ? schema.personality_positions : schema.modalities[0].positions;
  }

 private:
  ModalityBatch personality_rows_;

  void build_personality(const Schema& schema, const Batch& b) {
    personality = schema.personality_width > 0;
    unknown_person = false;
    known.clear();
    if (!personality) return;
    require<DataError>(b.personality_width == schema.personality_width, "the model needs personality of width ",
                       schema.personality_width, ", the batch has ", b.personality_width);
    require<DataError>(
        b.person_offsets.size() == static_cast<std::size_t>(batch) + 1 &&
            b.person_offsets.back() == static_cast<std::int32_t>(b.personality_known.size()) &&
            b.personality.size() == b.personality_known.size() * static_cast<std::size_t>(b.personality_width),
        "the batch has ", b.personality.size(), " personality values of width ", b.personality_width, " for ",
        b.personality_known.size(), " persons of ", batch, " samples");
    const ModalityBatch& first = *modality[0];
    for (const ModalityBatch* m : modality) {
      require<DataError>(m->offsets == first.offsets && m->position == first.position, "modalities ", first.name, " and ",
                         m->name, " have different tokens; persons need the same places in each");
    }
    const std::size_t rows = first.available.size();
    known.resize(rows);
    unknown.index.assign(rows, -1);
    personality_row.index.resize(rows);
    for (std::size_t s = 0; s < static_cast<std::size_t>(batch); ++s) {
      for (auto r = static_cast<std::size_t>(first.offsets[s]); r < static_cast<std::size_t>(first.offsets[s + 1]); ++r) {
        const std::int32_t row = b.person_offsets[s] + first.person[r];
        require<DataError>(first.person[r] >= 0 && row < b.person_offsets[s + 1], "sample ", detail::sample_id(b, s),
                           ": a token of person ", first.person[r], ", personalities of ",
                           b.person_offsets[s + 1] - b.person_offsets[s]);
        personality_row.index[r] = row;
        known[r] = b.personality_known[static_cast<std::size_t>(row)];
        if (!known[r]) {
          unknown.index[r] = 0;
          unknown_person = true;
        }
      }
    }
    personality_row.finish(static_cast<Index>(b.personality_known.size()));
    unknown.finish(1);
    personality_rows_.name = "personality";
    personality_rows_.offsets = first.offsets;
    personality_rows_.person = first.person;
    personality_rows_.segment = first.segment;
    personality_rows_.position = first.position;
    personality_rows_.available = known;
    personality_tokens.build(b, personality_rows_, encoder::TargetTime::All, positions_of_personality(schema), false);
  }
};

}  // namespace ramer::wiring
