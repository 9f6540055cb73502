// A data set: rows of features, and indices that say which row stands at (sample, person, time). See dataset-format.
// It may lie in a mapped file (data/dataset_file.hpp) or in arrays of the caller; either way it is checked once, here.
//
// N samples, P persons, T times, D width of a modality, R rows of a modality, C labels, D_p width of personality.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::data {

/// Values of `split`.
enum class Split : std::uint8_t { kTrain = 0, kValidation = 1, kTest = 2 };

/// One modality's rows and where they stand. T may differ between modalities.
struct Modality {
  std::string name;
  View<const float, 2> features;      ///< (R, D)
  View<const std::int32_t, 3> index;  ///< (N, P, T) row of `features`; -1: absent there
};

/// The tensors of a data set. They belong to `storage`; a View set to nothing is a tensor that is not there.
struct DatasetTensors {
  std::string name;                                               ///< what reports call it
  std::vector<Modality> modalities;                               ///< (M)
  std::vector<std::string> label_names;                           ///< C
  std::vector<std::string> person_names;                          ///< P, or empty
  std::map<std::string, std::string> notes;                       ///< license, source, note, ...
  std::optional<View<const std::uint8_t, 3>> exists;              ///< (N, P, T)
  std::optional<View<const std::uint8_t, 2>> labels, label_mask;  ///< (N, C)
  std::optional<View<const float, 2>> personality;                ///< (R, D_p)
  std::optional<View<const std::int32_t, 2>> personality_index;   ///< (N, P)
  std::optional<View<const std::int32_t, 2>> target;              ///< (N, 2): person, time
  std::optional<View<const std::uint8_t, 1>> split;               ///< (N)
  std::optional<View<const std::int64_t, 1>> id;                  ///< (N)
  std::optional<View<const std::int32_t, 1>> group;               ///< (N)
  std::shared_ptr<const void> storage;                            ///< keeps the memory of all of these
};

/// How strictly a data set is checked.
struct DatasetOptions {
  bool replace_non_finite = false;  ///< features that are NaN or infinite become 0 and are counted, instead of an error
};

/// A checked, immutable data set. Copies share it.
class Dataset {
 public:
  /// No samples, no modalities.
  Dataset() : self_(std::make_shared<State>()) {}

  /// Checks `tensors` and takes hold of them. `origin` is what messages call the data set, such as a path.
  /// @throws DataError for unequal N, P or C, an index outside [-1, R), a target outside (P, T), labels or marks other than
  ///   0 and 1, a split above 2, NaN or infinity in features, a name used twice
  explicit Dataset(DatasetTensors tensors, std::string origin = "data set", const DatasetOptions& options = {}) {
    auto state = std::make_shared<State>();
    state->t = std::move(tensors);
    state->origin = std::move(origin);
    state->check(options);
    self_ = std::move(state);
  }

  const std::string& name() const { return self_->t.name; }
  /// What messages call it.
  const std::string& origin() const { return self_->origin; }
  Index size() const { return self_->samples; }                                     ///< N
  Index persons() const { return self_->persons; }                                  ///< P
  Index labels() const { return static_cast<Index>(self_->t.label_names.size()); }  ///< C
  /// T where all modalities have the same, else 0.
  Index times() const { return self_->times; }

  /// (M), in the file's order.
  const std::vector<Modality>& modalities() const { return self_->t.modalities; }
  /// Place of a modality in `modalities()`. @throws DataError that lists the names that there are
  std::size_t modality(std::string_view name) const {
    for (std::size_t m = 0; m < modalities().size(); ++m)
      if (modalities()[m].name == name) return m;
    fail<DataError>(origin(), ": no modality '", name, "'; there are ", list(modalities(), &Modality::name));
  }
  /// Place of a label in `label_names()`. @throws DataError that lists the names that there are
  std::size_t label(std::string_view name) const {
    for (std::size_t c = 0; c < label_names().size(); ++c)
      if (label_names()[c] == name) return c;
    fail<DataError>(origin(), ": no label '", name, "'; there are ", list(label_names(), [](auto& s) { return s; }));
  }

  /// As in DatasetTensors.
  const std::vector<std::string>& label_names() const { return self_->t.label_names; }
  const std::vector<std::string>& person_names() const { return self_->t.person_names; }
  const std::map<std::string, std::string>& notes() const { return self_->t.notes; }
  const DatasetTensors& tensors() const { return self_->t; }

  /// Which of the optional tensors there are.
  bool has_labels() const { return self_->t.labels.has_value(); }
  bool has_target() const { return self_->t.target.has_value(); }
  bool has_personality() const { return self_->t.personality.has_value(); }
  bool has_split() const { return self_->t.split.has_value(); }
  bool has_group() const { return self_->t.group.has_value(); }
  Index personality_width() const { return has_personality() ? self_->t.personality->extent(1) : 0; }

  /// Whether the place is part of the sample: by `exists`, else if any modality is there. Needs equal T.
  bool exists(Index sample, Index person, Index time) const {
    if (self_->t.exists) return (*self_->t.exists)(sample, person, time) != 0;
    for (const Modality& m : modalities())
      if (m.index(sample, person, time) >= 0) return true;
    return false;
  }
  /// Whether a label of a sample is annotated.
  bool labelled(Index sample, Index label) const { return !self_->t.label_mask || (*self_->t.label_mask)(sample, label); }
  /// The caller's own number of a sample; its place where none is given.
  std::int64_t id(Index sample) const { return self_->t.id ? (*self_->t.id)(sample) : sample; }
  /// The group that a sample must not be torn from; without groups each is one of its own.
  std::int32_t group(Index sample) const {
    return self_->t.group ? (*self_->t.group)(sample) : static_cast<std::int32_t>(sample);
  }

  /// Features that were NaN or infinite and became 0, per modality; the last entry is personality.
  const std::vector<Index>& replaced() const { return self_->replaced; }

  /// Groups with samples in more than one split: their figures flatter. 0 where there are no groups or no split.
  Index straddling_groups() const {
    if (!has_group() || !has_split()) return 0;
    std::map<std::int32_t, unsigned> seen;
    for (Index n = 0; n < size(); ++n) seen[group(n)] |= 1u << (*self_->t.split)(n);
    Index count = 0;
    for (const auto& [g, splits] : seen) count += (splits & (splits - 1)) != 0;
    return count;
  }

 private:
  struct State {
    DatasetTensors t;
    std::string origin;
    Index samples = 0, persons = 1, times = 0;
    std::vector<Index> replaced;
    std::vector<std::vector<float>> repaired;  // copies of features that had to be changed

    void check(const DatasetOptions& options);
    void repair(View<const float, 2>& features, std::string_view name, const DatasetOptions& options);
    std::string at(std::string_view tensor) const { return origin + ": '" + std::string(tensor) + "'"; }
  };

  template <class Range, class Name>
  static std::string list(const Range& range, Name name) {
    std::string text;
    for (const auto& item : range) text += (text.empty() ? "" : ", ") + std::string(std::invoke(name, item));
    return text.empty() ? "none" : text;
  }

  std::shared_ptr<const State> self_;
};

}  // namespace ramer::data

#include "ramer/data/detail/dataset_check.hpp"
