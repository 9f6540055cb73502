// The order in which an epoch visits its samples: a function of (seed, epoch) alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"
#include "ramer/data/dataset.hpp"

namespace ramer::data {

/// In which order an epoch takes its samples.
enum class SampleOrder {
  kSequential,     ///< as given
  kShuffled,       ///< every sample once, in random order
  kClassWeighted,  ///< as many draws as samples, with replacement, samples of rare labels more often
};

/// Puts `items` into random order (Fisher-Yates), a function of the stream alone.
template <class T>
void shuffle(std::span<T> items, const RandomStream& stream) {
  for (std::size_t k = items.size(); k > 1; --k) std::swap(items[k - 1], items[stream.below(k, k)]);
}

/// Weight of each of `samples`: the mean over its labels of 1 / (number of these samples with that label). A sample without
/// any label counts as having one of its own kind, "none". Labels that were not annotated do not count.
/// @throws DataError without labels
inline std::vector<double> class_weights(const Dataset& dataset, std::span<const std::int32_t> samples) {
  require<DataError>(dataset.has_labels(), dataset.origin(), ": class weights need labels");
  const auto& labels = *dataset.tensors().labels;
  const Index C = dataset.labels();
  const auto has = [&](Index n, Index c) { return labels(n, c) && dataset.labelled(n, c); };
  std::vector<double> frequency(static_cast<std::size_t>(C) + 1, 0.0);
  const auto sum = [&](Index n, auto term) {
    Index count = 0;
    for (Index c = 0; c < C; ++c)
      if (has(n, c)) {
        term(static_cast<std::size_t>(c));
        ++count;
      }
    if (count == 0) term(static_cast<std::size_t>(C));
    return std::max<Index>(count, 1);
  };
  for (std::int32_t n : samples) sum(n, [&](std::size_t c) { frequency[c] += 1; });
  std::vector<double> weights;
  for (std::int32_t n : samples) {
    double weight = 0;
    const Index count = sum(n, [&](std::size_t c) { weight += 1 / frequency[c]; });
    weights.push_back(weight / static_cast<double>(count));
  }
  return weights;
}

/// Gives the order of samples epoch by epoch.
class Sampler {
 public:
  /// @throws DataError for `kClassWeighted` without labels
  Sampler(const Dataset& dataset, std::vector<std::int32_t> samples, SampleOrder order, std::uint64_t seed)
      : samples_(std::move(samples)), kind_(order), seed_(seed) {
    if (kind_ != SampleOrder::kClassWeighted) return;
    double total = 0;
    for (double w : class_weights(dataset, samples_)) cumulative_.push_back(total += w);
  }

  /// As given.
  std::span<const std::int32_t> samples() const { return samples_; }

  /// The order of that epoch; reuses the capacity of `out`.
  void order(std::uint64_t epoch, std::vector<std::int32_t>& out) const {
    const RandomStream stream(seed_, name_hash("data.sampler"), epoch);
    out.assign(samples_.begin(), samples_.end());
    if (kind_ == SampleOrder::kShuffled) shuffle(std::span(out), stream);
    if (kind_ != SampleOrder::kClassWeighted) return;
    for (std::size_t k = 0; k < out.size(); ++k) {
      const Philox4 w = stream.quad(k, 0);
      const double u = (static_cast<double>(w.v[0]) + static_cast<double>(w.v[1]) * 0x1p-32) * 0x1p-32;  // [0, 1)
      const auto at = std::upper_bound(cumulative_.begin(), cumulative_.end(), u * cumulative_.back());
      out[k] = samples_[std::min(static_cast<std::size_t>(at - cumulative_.begin()), samples_.size() - 1)];
    }
  }

 private:
  std::vector<std::int32_t> samples_;
  SampleOrder kind_;
  std::uint64_t seed_;
  std::vector<double> cumulative_;
};

}  // namespace ramer::data

namespace ramer {
template <>
struct EnumNames<data::SampleOrder> {
  static constexpr std::pair<std::string_view, data::SampleOrder> values[] = {
      {"sequential", data::SampleOrder::kSequential},
      {"shuffled", data::SampleOrder::kShuffled},
      {"class_weighted", data::SampleOrder::kClassWeighted}};
};
}  // namespace ramer
