// The shapes of a benchmark, CMU-MOSEI's unless told otherwise, and random batches of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/io/json.hpp"

namespace ramer::bench {

struct Sizes {
  Index batch = 64, time = 60, hidden = 256, heads = 8, inner = 256, labels = 6, queue = 8192, latent = 64;
  std::vector<Index> widths{300, 35, 74};  ///< of raw features, one per modality
  std::vector<Index> layers{6, 4, 4};      ///< encoder layers, one per modality
  double filled = 1;                       ///< real tokens per padded one
  bool ragged = false;                     ///< lengths are drawn anew for each batch, 1 to `time`; `filled` is not looked at
  bool dropout = true;                     ///< at the recipe's rates
  Index recompute = 0;                     ///< encoder.recompute
  bool bf16 = false;                       ///< backend::CpuBf16 instead of Cpu
};

inline io::Json described(const Sizes& s) {
  return {{"batch", s.batch},   {"time", s.time},     {"widths", s.widths},       {"layers", s.layers},
          {"hidden", s.hidden}, {"heads", s.heads},   {"labels", s.labels},       {"latent", s.latent},
          {"queue", s.queue},   {"filled", s.filled}, {"recompute", s.recompute}, {"bf16", s.bf16}};
}

inline std::string modality_name(std::size_t m) {
  static const char* const known[] = {"text", "visual", "audio"};
  return m < 3 ? known[m] : "modality" + std::to_string(m);
}

inline Schema schema_of(const Sizes& s) {
  Schema schema;
  for (std::size_t m = 0; m < s.widths.size(); ++m) schema.modalities.push_back({modality_name(m), s.widths[m], s.time});
  for (Index j = 0; j < s.labels; ++j) schema.labels.push_back("label" + std::to_string(j));
  return schema;
}

/// Tokens of sample b: `filled` of the padded ones on average, spread evenly over half to one and a half of that; or drawn.
inline Index length_of(const Sizes& s, Index b, std::uint64_t seed) {
  if (s.ragged) {
    const RandomStream stream(seed, name_hash("bench.lengths"));
    return 1 + static_cast<Index>(stream.below(static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(s.time)));
  }
  const double mean = s.filled * static_cast<double>(s.time);
  const double spread = s.batch > 1 ? static_cast<double>(b) / static_cast<double>(s.batch - 1) - 0.5 : 0.0;
  const double reach = std::min(mean, static_cast<double>(s.time) - mean);
  return std::clamp<Index>(static_cast<Index>(mean + spread * reach + 0.5), 1, s.time);
}

/// Standard normal features, each label with a probability of 0.3. Without a target: the whole sample is asked about.
inline Batch random_batch(const Sizes& s, std::uint64_t seed) {
  Batch batch;
  batch.size = s.batch;
  batch.label_count = s.labels;
  for (std::size_t m = 0; m < s.widths.size(); ++m) {
    ModalityBatch rows;
    rows.name = modality_name(m);
    rows.width = s.widths[m];
    for (Index b = 0; b < s.batch; ++b) {
      for (Index t = 0; t < length_of(s, b, seed); ++t) {
        rows.available.push_back(1);
        rows.person.push_back(0);
        rows.segment.push_back(static_cast<std::int32_t>(t));
        rows.position.push_back(static_cast<std::int32_t>(t));
      }
      rows.offsets.push_back(static_cast<std::int32_t>(rows.rows()));
    }
    const RandomStream stream(seed, name_hash("features"), m);
    rows.features.resize(static_cast<std::size_t>(rows.rows() * rows.width));
    for (std::size_t i = 0; i < rows.features.size(); ++i)
      rows.features[i] = static_cast<float>(stream.normal(i / 1024, static_cast<std::uint32_t>(i % 1024)));
    batch.modalities.push_back(std::move(rows));
  }
  const RandomStream labels(seed, name_hash("labels"));
  for (Index b = 0; b < s.batch; ++b) {
    batch.persons.push_back(1);
    batch.segments.push_back(static_cast<std::int32_t>(length_of(s, b, seed)));
    batch.id.push_back(b);
    batch.sample.push_back(static_cast<std::int32_t>(b));
    batch.person_offsets.push_back(static_cast<std::int32_t>(b + 1));
    for (Index j = 0; j < s.labels; ++j) {
      batch.labels.push_back(labels.uniform(static_cast<std::uint64_t>(b), static_cast<std::uint32_t>(j)) < 0.3f);
      batch.label_mask.push_back(1);
    }
  }
  return batch;
}

}  // namespace ramer::bench
