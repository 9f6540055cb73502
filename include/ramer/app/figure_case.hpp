// One sample, for Figure 5: who was there, what was missing, what was predicted, and through which modality.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/figure_parts.hpp"

namespace ramer::app {

/// What is known of a modality at a person's segment.
enum class TokenState : std::uint8_t { None, Missing, Dropped, Available };
/// As the CSV has it.
inline const char* token_state_name(TokenState state) {
  static const char* const names[] = {"none", "missing", "dropped", "available"};
  return names[static_cast<std::size_t>(state)];
}

/// The sample, as Figure 5 shows it.
struct FigureCase {
  std::int64_t id = 0;
  std::vector<std::string> modalities, labels, persons;
  std::size_t segments = 0;
  std::vector<TokenState> tokens;  ///< (persons, M, segments)
  std::optional<std::size_t> target_person, target_segment;
  std::vector<std::uint8_t> observed;  ///< (M) whether the system counts the modality as observed

  std::string level;                       ///< whose class scores these are: the last that the recipe has
  std::vector<float> score;                ///< (C) of the system
  std::vector<double> modality_score;      ///< (C, M) sigmoid of the class scores
  std::vector<std::size_t> winner;         ///< (C) the modality with the maximum
  std::vector<std::optional<bool>> truth;  ///< (C) absent: not annotated
  double threshold = 0.5;

  TokenState token(std::size_t person, std::size_t m, std::size_t segment) const {
    return tokens[(person * modalities.size() + m) * segments + segment];
  }
  bool predicted(std::size_t c) const { return eval::detail::above(score[c], threshold); }
};

namespace detail {

/// Names of a batch's persons: those who exist in the sample, in order, and the target.
inline std::vector<std::string> persons_of_case(const FigureSource& from, std::int32_t n, const Batch& batch) {
  const data::Dataset& d = from.dataset;
  const auto name = [&](Index p) {
    return d.person_names().empty() ? "person " + std::to_string(p + 1) : d.person_names()[static_cast<std::size_t>(p)];
  };
  const Index target = d.has_target() ? (*d.tensors().target)(n, 0) : Index{-1};
  const auto count = static_cast<std::size_t>(batch.persons[0]);
  std::vector<std::string> names;
  if (from.options.view == data::PersonView::kPersons && (d.persons() > 1 || target >= 0)) {
    for (Index p = 0; p < d.persons(); ++p) {
      bool there = p == target;
      for (Index t = 0; t < d.times() && !there; ++t) there = d.exists(n, p, t);
      if (there) names.push_back(name(p));
    }
    if (names.size() == count) return names;
    names.clear();
  } else if (data::shows_target_alone(from.options.view) && target >= 0) {
    return {name(target)};
  } else if (d.persons() == 1 && d.person_names().size() == 1) {
    return {name(0)};
  } else if (count == 1) {
    return {from.options.view == data::PersonView::kAll && d.persons() > 1 ? "everybody" : "the sample"};
  }
  for (std::size_t p = 0; p < count; ++p) names.push_back("person " + std::to_string(p + 1));
  return names;
}

/// What is missing and present at the target (of the sample, without a target).
inline std::pair<Index, Index> gaps_of(const Batch& batch) {
  Index missing = 0, present = 0;
  for (const ModalityBatch& m : batch.modalities)
    for (std::size_t r = 0; r < m.available.size(); ++r)
      if (!batch.has_target() || m.person[r] == batch.target_person[0]) ++(m.available[r] ? present : missing);
  return {missing, present};
}

}  // namespace detail

/// The sample with this number among the figure's. @throws DataError
inline std::int32_t find_case(const FigureSource& from, std::int64_t id, const std::string& part) {
  for (const std::int32_t n : from.samples)
    if (from.dataset.id(n) == id) return n;
  fail<DataError>(from.dataset.origin(), ": no sample ", id, " among the ", from.samples.size(), " ", part);
}

/// The first sample in which several people take part, something of the target is missing and something is there, and a label is true;
/// as much of that as there is. Nothing is predicted for the choice. @throws DataError without samples
inline std::int32_t choose_case(const FigureSource& from) {
  require<DataError>(!from.samples.empty(), from.dataset.origin(), ": no samples");
  std::int32_t best = from.samples.front();
  int best_points = -1;
  Batch batch;
  for (const std::int32_t n : from.samples) {
    detail::build_figure_batch(from, std::span(&n, 1), batch);
    const auto [missing, present] = detail::gaps_of(batch);
    bool labelled = false;
    for (Index c = 0; c < from.dataset.labels() && from.dataset.has_labels(); ++c)
      labelled = labelled || (from.dataset.labelled(n, c) && (*from.dataset.tensors().labels)(n, c));
    const int points = (batch.persons[0] > 1 ? 1 : 0) + (missing > 0 && present > 0 ? 2 : 0) + (labelled ? 4 : 0);
    if (points > best_points) best = n, best_points = points;
    if (points == 7) break;
  }
  return best;
}

/// @param target_alone a modality is observed where it is at the target's segment, and not anywhere at the target
/// @throws ConfigError for a system without class scores of each modality
inline FigureCase figure_case(const FigureSource& from, std::int32_t sample, double threshold, bool target_alone) {
  const std::size_t labels = from.labels(), modalities = from.modalities();
  FigureCase out;
  Batch whole, batch;
  FigureSource complete = from;
  complete.options.transform = {};
  detail::build_figure_batch(complete, std::span(&sample, 1), whole);
  detail::build_figure_batch(from, std::span(&sample, 1), batch);
  const Inspection values = from.system.inspect(batch, detail::names_of_levels(false));
  const FigureLevel level = detail::figure_levels(from, batch, values, "figure5").back();

  out.id = batch.id[0];
  out.labels = from.schema().labels;
  out.level = level.name;
  out.threshold = threshold;
  out.persons = detail::persons_of_case(from, sample, batch);
  if (batch.has_target()) {
    out.target_person = static_cast<std::size_t>(batch.target_person[0]);
    out.target_segment = static_cast<std::size_t>(batch.target_segment[0]);
  }
  for (const ModalityBatch& m : batch.modalities) {
    out.modalities.push_back(m.name);
    for (const std::int32_t s : m.segment) out.segments = std::max(out.segments, static_cast<std::size_t>(s) + 1);
  }
  out.tokens.assign(out.persons.size() * modalities * out.segments, TokenState::None);
  out.observed.assign(modalities, 0);
  for (std::size_t m = 0; m < modalities; ++m) {
    const ModalityBatch& rows = batch.modalities[m];
    for (std::size_t r = 0; r < rows.available.size(); ++r) {
      const auto person = static_cast<std::size_t>(rows.person[r]), segment = static_cast<std::size_t>(rows.segment[r]);
      out.tokens[(person * modalities + m) * out.segments + segment] = rows.available[r] ? TokenState::Available
                                                                       : whole.modalities[m].available[r]
                                                                           ? TokenState::Dropped
                                                                           : TokenState::Missing;
      const bool counts =
          !out.target_person || (person == *out.target_person && (!target_alone || segment == *out.target_segment));
      if (counts && rows.available[r]) out.observed[m] = 1;
    }
  }
  for (std::size_t c = 0; c < labels; ++c) {
    out.score.push_back(values.scores[c]);
    out.winner.push_back(detail::winner_of(values, level, c, modalities));
    for (std::size_t m = 0; m < modalities; ++m)
      out.modality_score.push_back(detail::sigmoid(values.at(level.logits, static_cast<Index>(m))[c]));
    out.truth.emplace_back();
    if (!from.dataset.has_labels()) continue;
    const auto at = static_cast<Index>(from.dataset.label(out.labels[c]));
    if (from.dataset.labelled(sample, at)) out.truth.back() = (*from.dataset.tensors().labels)(sample, at) != 0;
  }
  return out;
}

}  // namespace ramer::app
