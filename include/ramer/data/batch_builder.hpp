// From samples of a data set to a Batch: packed tokens of the places that exist.
//
// Where all modalities have the same T (and so wherever there are persons):
// * Segments of a sample are the times at which anyone exists, renumbered from 0, so that padding in front of a file's
//   windows leaves no trace. Persons are those who exist anywhere, and the target, renumbered in order.
// * Every existing place is a token of every modality, available there or not. A hole is no token but keeps its position
//   index, person * segments + segment.
// Where T differs (P = 1, no target), each modality's tokens are the times at which it is there, renumbered.
// A sample without persons and target (P = 1) that has no available token of a modality gets ALL T positions of the file as
// unavailable tokens of it: label attention is then uniform over the file's T, never over the batch's longest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/data/dataset.hpp"

namespace ramer::data {

/// What a system is shown of a sample with several persons.
enum class PersonView {
  kPersons,  ///< everybody, as persons: for systems that know persons
  kTarget,   ///< the target person's tokens alone; P becomes 1, without target
  kMoment,   ///< the target person at the target time alone: one token; P becomes 1, without target
  kAll       ///< everybody's tokens as one long sequence, person-major; P becomes 1, without target
};

}  // namespace ramer::data

namespace ramer {
template <>
struct EnumNames<data::PersonView> {
  static constexpr std::pair<std::string_view, data::PersonView> values[] = {{"persons", data::PersonView::kPersons},
                                                                             {"target", data::PersonView::kTarget},
                                                                             {"moment", data::PersonView::kMoment},
                                                                             {"all", data::PersonView::kAll}};
};
}  // namespace ramer

namespace ramer::data {

/// Whether a view shows one person alone.
constexpr bool shows_target_alone(PersonView view) { return view == PersonView::kTarget || view == PersonView::kMoment; }

/// How a batch holds features.
enum class Features {
  kCopied,  ///< ModalityBatch::features
  kByRow    ///< ModalityBatch::row, rows of the data set; whoever knows where it is kept says so in `kept`
};

/// What of a data set batches hold, in which order.
struct BatchOptions {
  PersonView view = PersonView::kPersons;
  std::vector<std::string> modalities;    ///< which, in which order; empty: all, as the data set has them
  std::vector<std::string> labels;        ///< likewise
  Features features = Features::kCopied;  ///< a matter of the program; no setting

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("view", self.view,
          "what is shown of several persons: persons, target (that person alone), moment (that person at the time asked "
          "about) or all (one sequence)");
    field("modalities", self.modalities, "modalities in order, by name; empty: all");
    field("labels", self.labels, "labels in order, by name; empty: all");
  }
};

/// What had to be settled while building; counts of samples.
struct BatchReport {
  Index targets_moved = 0;  ///< target place does not exist: the target's nearest existing segment (the earlier of two)
  Index targets_without_place = 0;  ///< the target exists nowhere: given one unavailable token at the nearest segment
  Index empty_samples = 0;          ///< nobody exists anywhere: one unavailable token (P = 1 without target: all T)

  /// Adds up, count by count.
  BatchReport& operator+=(const BatchReport& other) {
    targets_moved += other.targets_moved;
    targets_without_place += other.targets_without_place;
    empty_samples += other.empty_samples;
    return *this;
  }
};

/// Builds batches of one data set. Once it has built its largest batch, it and the Batch allocate nothing any more.
/// Not for two threads at once; copies are independent.
class BatchBuilder {
 public:
  /// @throws DataError for a modality or label that the data set does not have, and for the view `target` of a data set of
  ///   several persons without target
  explicit BatchBuilder(Dataset dataset, BatchOptions options = {});

  /// As given.
  const Dataset& dataset() const { return dataset_; }
  const BatchOptions& options() const { return options_; }

  /// Fills `out` with these samples. @throws DataError for a sample outside the data set
  BatchReport build(std::span<const std::int32_t> samples, Batch& out);

 private:
  static constexpr std::int32_t kNone = -1;

  bool shown(Index person, Index only) const { return only < 0 || person == only; }
  void add_tokens_by_place(std::int32_t n, Batch& out, BatchReport& report);
  void add_tokens_by_modality(std::int32_t n, Batch& out);
  Index shown_length(Index times) const;
  void add_all_positions(const Modality& from, ModalityBatch& to) const;
  void add_token(const Modality& from, std::int32_t row, std::int32_t person, std::int32_t segment, std::int32_t position,
                 ModalityBatch& to) const;
  void add_personality(std::int32_t n, std::int32_t person, Batch& out) const;
  std::pair<std::int32_t, std::int32_t> target_of(std::int32_t n) const {
    const auto& target = dataset_.tensors().target;
    return target ? std::pair{(*target)(n, 0), (*target)(n, 1)} : std::pair{kNone, kNone};
  }

  Dataset dataset_;
  BatchOptions options_;
  std::vector<std::size_t> modalities_, labels_;  // places in the data set
  std::vector<std::uint8_t> exists_;              // (P, T) of the sample at hand, restricted to those shown
  std::vector<std::int32_t> persons_, segments_;  // new person -> person; time -> segment, or kNone
};

/// One batch; where many are made, keep a BatchBuilder. @throws DataError
inline BatchReport make_batch(const Dataset& dataset, std::span<const std::int32_t> samples, const BatchOptions& options,
                              Batch& out) {
  return BatchBuilder(dataset, options).build(samples, out);
}

}  // namespace ramer::data

#include "ramer/data/detail/batch_build.hpp"
