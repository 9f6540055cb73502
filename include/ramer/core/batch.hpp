// A batch as the host holds it: real tokens, packed.
//
// A token is a place (person, segment) of a sample that exists, whether or not a modality is available there. Tokens of a
// sample are ordered person-major and their position index is person * segments + segment, with the sample's OWN number
// of segments, so that results do not depend on batch mates. A hole (a place that does not exist) keeps its index but is no
// token. Data without persons (P = 1) has position = segment.
//
// Rows behind the last sample's are dead: no tokens, of no sample, 0 in every array (`row` -1). `pad_rows` (core/padding.hpp) puts them there for
// models that take them, so that batches of different lengths have one shape; nobody else does, and a model that does not refuses them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer {

/// A data set's features of a modality that lie where the backend computes: batches may then name rows of them.
struct KeptFeatures {
  const float* data = nullptr;  ///< (rows, D), the backend's; null: none
  Index rows = 0;               ///< all of the data set
};

/// The tokens of one modality. R = number of rows in the batch, its tokens and then the dead ones; D = width of a raw feature.
struct ModalityBatch {
  std::string name;                      ///< as in the schema
  Index width = 0;                       ///< D
  std::vector<float> features;           ///< (R, D); rows of zeros where the modality is unavailable, never NaN
  std::vector<std::int32_t> row;         ///< (R) instead of `features`: rows of `kept`; -1: unavailable
  KeptFeatures kept;                     ///< what `row` names
  std::vector<std::uint8_t> available;   ///< (R)
  std::vector<std::int32_t> offsets{0};  ///< (B + 1) rows of sample b are [offsets[b], offsets[b + 1])
  std::vector<std::int32_t> person;      ///< (R)
  std::vector<std::int32_t> segment;     ///< (R)
  std::vector<std::int32_t> position;    ///< (R) index into a position table

  /// R
  Index rows() const { return static_cast<Index>(available.size()); }
  /// Rows that are not dead.
  Index tokens() const { return offsets.empty() ? 0 : offsets.back(); }
};

/// B samples. Vectors keep their capacity from batch to batch.
struct Batch {
  Index size = 0;                         ///< B
  std::vector<ModalityBatch> modalities;  ///< (M) in the schema's order

  std::vector<std::int32_t> persons;         ///< (B) persons of the sample, P_b >= 1
  std::vector<std::int32_t> segments;        ///< (B) segments of the sample; 0 where modalities differ in length
  std::vector<std::int32_t> target_person;   ///< (B), or empty: no target, the whole sample is asked for
  std::vector<std::int32_t> target_segment;  ///< (B), or empty

  Index personality_width = 0;                  ///< D_p; 0: no personality
  std::vector<float> personality;               ///< (sum P_b, D_p); zeros for unknown persons
  std::vector<std::uint8_t> personality_known;  ///< (sum P_b)
  std::vector<std::int32_t> person_offsets{0};  ///< (B + 1) rows of `personality`

  Index label_count = 0;                 ///< C
  std::vector<std::uint8_t> labels;      ///< (B, C) multi-hot; empty where only predictions are wanted
  std::vector<std::uint8_t> label_mask;  ///< (B, C) 1: annotated; as long as `labels`

  std::vector<std::int64_t> id;      ///< (B) the caller's own sample number
  std::vector<std::int32_t> sample;  ///< (B) row of the data set

  /// Which of the optional arrays there are.
  bool has_target() const { return !target_person.empty(); }
  bool has_labels() const { return !labels.empty(); }
  bool has_personality() const { return personality_width > 0; }
};

}  // namespace ramer
