// Small batches for tests of modules and models: ragged, with holes and missing modalities, and picked apart at will.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/random.hpp"
#include "ramer/core/schema.hpp"

namespace ramer::test {

struct BatchSpec {
  Index size = 4, persons = 3, segments = 3, labels = 2;
  std::vector<std::string> modalities{"text", "audio", "face"};
  Index personality = 2;   ///< width; 0: none
  bool target = true;      ///< without: one person, the whole sample is asked for
  bool ragged = true;      ///< fewer persons and segments in some samples, and holes
  double available = 0.7;  ///< chance that a token has a modality
  double known = 0.7;      ///< chance that a person's personality is known
  double annotated = 0.8;  ///< chance that a label is annotated
  std::uint64_t seed = 1;

  Index person_count() const { return target ? persons : 1; }
  Index width(std::size_t m) const { return 3 + static_cast<Index>(m); }
  Index positions() const { return person_count() * segments; }
};

inline Schema schema_of(const BatchSpec& spec) {
  Schema s;
  for (std::size_t m = 0; m < spec.modalities.size(); ++m)
    s.modalities.push_back({spec.modalities[m], spec.width(m), spec.positions()});
  for (Index c = 0; c < spec.labels; ++c) s.labels.push_back("label" + std::to_string(c));
  s.personality_width = spec.target ? spec.personality : 0;
  s.personality_positions = s.personality_width > 0 ? spec.positions() : 0;
  s.has_target = spec.target;
  return s;
}

inline Batch make_batch(const BatchSpec& spec) {
  const RandomStream stream(spec.seed, name_hash("test.batch"));
  std::uint64_t draw = 0;
  const auto chance = [&](double p) { return stream.uniform(draw++, 0) < static_cast<float>(p); };
  const auto up_to = [&](Index n) {
    return static_cast<std::int32_t>(
        spec.ragged ? 1 + static_cast<Index>(stream.below(draw++, static_cast<std::uint64_t>(n))) : n);
  };
  Batch batch;
  batch.size = spec.size;
  batch.label_count = spec.labels;
  batch.personality_width = spec.target ? spec.personality : 0;
  for (std::size_t m = 0; m < spec.modalities.size(); ++m) {
    batch.modalities.emplace_back();
    batch.modalities.back().name = spec.modalities[m];
    batch.modalities.back().width = spec.width(m);
  }
  for (Index b = 0; b < spec.size; ++b) {
    const std::int32_t persons = spec.target ? up_to(spec.persons) : 1, segments = up_to(spec.segments);
    batch.persons.push_back(persons);
    batch.segments.push_back(segments);
    const std::int32_t target_person = static_cast<std::int32_t>(b) % persons,
                       target_segment = static_cast<std::int32_t>(b) % segments;
    if (spec.target) {
      batch.target_person.push_back(target_person);
      batch.target_segment.push_back(target_segment);
    }
    for (std::int32_t p = 0; p < persons; ++p) {
      for (std::int32_t t = 0; t < segments; ++t) {
        const bool asked_for = !spec.target || (p == target_person && t == target_segment);
        if (spec.ragged && !asked_for && chance(0.15)) continue;  // a hole
        for (auto& m : batch.modalities) {
          const bool available = chance(spec.available);
          m.available.push_back(available);
          m.person.push_back(p);
          m.segment.push_back(t);
          m.position.push_back(p * segments + t);
          for (Index d = 0; d < m.width; ++d)
            m.features.push_back(available ? static_cast<float>(stream.normal(draw++, static_cast<std::uint32_t>(d)))
                                           : 0.0f);
        }
      }
      if (batch.has_personality()) {
        const bool known = chance(spec.known);
        batch.personality_known.push_back(known);
        for (Index d = 0; d < batch.personality_width; ++d)
          batch.personality.push_back(known ? static_cast<float>(stream.normal(draw++, static_cast<std::uint32_t>(d)))
                                            : 0.0f);
      }
    }
    for (auto& m : batch.modalities) m.offsets.push_back(static_cast<std::int32_t>(m.rows()));
    if (batch.has_personality()) batch.person_offsets.push_back(static_cast<std::int32_t>(batch.personality_known.size()));
    for (Index c = 0; c < spec.labels; ++c) {
      batch.labels.push_back(chance(0.4));
      batch.label_mask.push_back(chance(spec.annotated));
    }
    batch.id.push_back(100 + b);
    batch.sample.push_back(static_cast<std::int32_t>(b));
  }
  return batch;
}

namespace detail {
template <class T>
void append(std::vector<T>& to, const std::vector<T>& from, Index begin, Index end) {
  if (!from.empty()) to.insert(to.end(), from.begin() + begin, from.begin() + end);
}
}  // namespace detail

/// A batch of the samples `which` of another, in that order.
inline Batch pick(const Batch& from, const std::vector<Index>& which) {
  Batch to;
  to.size = static_cast<Index>(which.size());
  to.label_count = from.label_count;
  to.personality_width = from.personality_width;
  for (const auto& m : from.modalities) {
    to.modalities.emplace_back();
    to.modalities.back().name = m.name;
    to.modalities.back().width = m.width;
  }
  for (const Index b : which) {
    const auto s = static_cast<std::size_t>(b);
    for (std::size_t k = 0; k < from.modalities.size(); ++k) {
      const auto& m = from.modalities[k];
      auto& t = to.modalities[k];
      const Index begin = m.offsets[s], end = m.offsets[s + 1];
      detail::append(t.features, m.features, begin * m.width, end * m.width);
      detail::append(t.available, m.available, begin, end);
      detail::append(t.person, m.person, begin, end);
      detail::append(t.segment, m.segment, begin, end);
      detail::append(t.position, m.position, begin, end);
      t.offsets.push_back(static_cast<std::int32_t>(t.rows()));
    }
    if (from.has_personality()) {
      const Index begin = from.person_offsets[s], end = from.person_offsets[s + 1];
      detail::append(to.personality, from.personality, begin * from.personality_width, end * from.personality_width);
      detail::append(to.personality_known, from.personality_known, begin, end);
      to.person_offsets.push_back(static_cast<std::int32_t>(to.personality_known.size()));
    }
    detail::append(to.persons, from.persons, b, b + 1);
    detail::append(to.segments, from.segments, b, b + 1);
    detail::append(to.target_person, from.target_person, b, b + 1);
    detail::append(to.target_segment, from.target_segment, b, b + 1);
    detail::append(to.labels, from.labels, b * from.label_count, (b + 1) * from.label_count);
    detail::append(to.label_mask, from.label_mask, b * from.label_count, (b + 1) * from.label_count);
    detail::append(to.id, from.id, b, b + 1);
    detail::append(to.sample, from.sample, b, b + 1);
  }
  return to;
}

/// Makes a token of modality `m` unavailable.
inline void drop(ModalityBatch& m, Index row) {
  m.available[static_cast<std::size_t>(row)] = 0;
  std::fill_n(m.features.begin() + row * m.width, m.width, 0.0f);
}

/// "name (extents) decays", a line for each parameter: what checkpoints depend on.
template <class Model>
void list_parameters(std::ostream& out, Model& model) {
  for (const auto* p : model.parameters()) {
    out << p->name << " (";
    for (std::size_t i = 0; i < p->extents.size(); ++i) out << (i ? ", " : "") << p->extents[i];
    out << ")" << (p->decay ? " decays" : "") << "\n";
  }
}

}  // namespace ramer::test
