// Small batches of modalities that have different numbers of tokens.
#pragma once

#include <cstdlib>
#include <tuple>

#include "ramer/core/batch.hpp"
#include "ramer/core/random.hpp"

namespace ramer::test {

/// Numbers of tokens per sample; a negative one: as many, none of which is available.
struct Lengths {
  std::vector<Index> text{3, 1, 4, 2}, audio{9, 2, 5, 7};
};

inline Batch make_unaligned(const Lengths& lengths) {
  const RandomStream stream(5, name_hash("test.unaligned"));
  Batch batch;
  batch.size = static_cast<Index>(lengths.text.size());
  batch.label_count = 2;
  for (const auto& [name, width, counts] :
       {std::tuple{"text", Index{3}, &lengths.text}, std::tuple{"audio", Index{2}, &lengths.audio}}) {
    ModalityBatch m;
    m.name = name;
    m.width = width;
    for (std::size_t b = 0; b < counts->size(); ++b) {
      const Index n = (*counts)[b];
      for (Index t = 0; t < std::abs(n); ++t) {
        m.available.push_back(n > 0);
        m.person.push_back(0);
        m.segment.push_back(static_cast<std::int32_t>(t));
        m.position.push_back(static_cast<std::int32_t>(t));
        for (Index d = 0; d < width; ++d)
          m.features.push_back(
              n > 0 ? static_cast<float>(stream.normal((b * 2 + (width == 2)) * 100 + static_cast<std::uint64_t>(t),
                                                       static_cast<std::uint32_t>(d)))
                    : 0.0f);
      }
      m.offsets.push_back(static_cast<std::int32_t>(m.rows()));
    }
    batch.modalities.push_back(std::move(m));
  }
  for (Index b = 0; b < batch.size; ++b) {
    batch.persons.push_back(1);
    batch.segments.push_back(0);
    for (const Index y : {b % 2, b / 2 % 2}) batch.labels.push_back(static_cast<std::uint8_t>(y));
    batch.id.push_back(b);
    batch.sample.push_back(static_cast<std::int32_t>(b));
  }
  batch.label_mask.assign(batch.labels.size(), 1);
  return batch;
}

}  // namespace ramer::test
