// Modalities that go missing on purpose: for training against it, and for measuring what it costs.
//
// A token that is dropped stays a token: its place exists, its features become zero (its row -1), its availability 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"

namespace ramer::data {

/// Whose tokens a transform touches.
enum class MissingRole { kEveryone, kTarget, kOthers, kPerson };
/// What is drawn for: each token, or a whole modality of a sample's (chosen) persons at once.
enum class MissingUnit { kToken, kSample };

}  // namespace ramer::data

namespace ramer {
template <>
struct EnumNames<data::MissingRole> {
  static constexpr std::pair<std::string_view, data::MissingRole> values[] = {{"everyone", data::MissingRole::kEveryone},
                                                                              {"target", data::MissingRole::kTarget},
                                                                              {"others", data::MissingRole::kOthers},
                                                                              {"person", data::MissingRole::kPerson}};
};
template <>
struct EnumNames<data::MissingUnit> {
  static constexpr std::pair<std::string_view, data::MissingUnit> values[] = {{"token", data::MissingUnit::kToken},
                                                                              {"sample", data::MissingUnit::kSample}};
};
}  // namespace ramer

namespace ramer::data {

struct MissingConfig {
  double rate = 0;                      ///< probability that an available token (or unit) is dropped
  std::vector<std::string> modalities;  ///< which may be dropped; empty: all
  MissingRole role = MissingRole::kEveryone;
  Index person = 0;  ///< for the role `person`: number of the person in the batch's sample
  MissingUnit unit = MissingUnit::kToken;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("rate", self.rate, "probability that an available modality is dropped, 0 to 1", between(0, 1));
    field("modalities", self.modalities, "modalities that may be dropped; empty: all");
    field("role", self.role, "whose: everyone, target, others (not the target) or person");
    field("person", self.person, "which person, for the role 'person'", at_least(0));
    field("unit", self.unit, "what one draw decides on: a token, or a whole sample's modality");
  }
};

/// Drops modalities of a batch. A token's fate is a function of (seed, step, sample id, modality name, token) alone: the
/// same in whatever batch, order or choice of modalities the sample appears; and what a smaller rate drops, a larger one
/// does too. Give `step` the epoch to draw anew in each, or 0 for a fixed test condition. Returns the number of tokens
/// dropped.
/// @throws ConfigError for a rate outside [0, 1]
/// @throws DataError for a modality that the batch does not have, or the roles `target` and `others` without target
inline Index drop_modalities(Batch& batch, const MissingConfig& config, std::uint64_t seed, std::uint64_t step = 0) {
  require<ConfigError>(config.rate >= 0 && config.rate <= 1, "missing.rate = ", config.rate, "; expected 0 to 1");
  require<DataError>(
      batch.has_target() || batch.size == 0 || (config.role != MissingRole::kTarget && config.role != MissingRole::kOthers),
      "missing.role = ", enum_name(config.role), " needs a target; the batch has none");
  for (const std::string& name : config.modalities) {
    const auto has_name = [&](const ModalityBatch& m) { return m.name == name; };
    require<DataError>(std::any_of(batch.modalities.begin(), batch.modalities.end(), has_name),
                       "missing.modalities: the batch has no modality '", name, "'");
  }
  Index dropped = 0;
  for (ModalityBatch& m : batch.modalities) {
    if (!config.modalities.empty() &&
        std::find(config.modalities.begin(), config.modalities.end(), m.name) == config.modalities.end())
      continue;
    const RandomStream stream(seed, mix64(name_hash("data.missing")) ^ name_hash(m.name), step);
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
      const std::uint64_t row = mix64(static_cast<std::uint64_t>(batch.id[b]));
      for (auto r = static_cast<std::size_t>(m.offsets[b]); r < static_cast<std::size_t>(m.offsets[b + 1]); ++r) {
        const bool is_target = batch.has_target() && m.person[r] == batch.target_person[b];
        const bool meant = config.role == MissingRole::kEveryone || (config.role == MissingRole::kTarget && is_target) ||
                           (config.role == MissingRole::kOthers && !is_target) ||
                           (config.role == MissingRole::kPerson && m.person[r] == config.person);
        if (!meant || !m.available[r]) continue;
        const std::uint32_t column = config.unit == MissingUnit::kSample ? std::numeric_limits<std::uint32_t>::max()
                                                                         : static_cast<std::uint32_t>(m.position[r]);
        if (static_cast<double>(stream.uniform(row, column)) >= config.rate) continue;
        m.available[r] = 0;
        if (m.row.empty())
          std::fill_n(m.features.begin() + static_cast<std::ptrdiff_t>(r) * m.width, m.width, 0.0f);
        else
          m.row[r] = -1;
        ++dropped;
      }
    }
  }
  return dropped;
}

}  // namespace ramer::data
