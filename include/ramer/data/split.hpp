// Which samples train, validate and test: by the data set's own split, or by folds that keep groups whole.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"
#include "ramer/data/dataset.hpp"
#include "ramer/data/sampler.hpp"

namespace ramer::data {

/// Samples of each part, ascending.
struct SplitSamples {
  std::vector<std::int32_t> train, validation, test;  ///< places in the data set

  /// One of the three.
  const std::vector<std::int32_t>& of(Split split) const {
    return split == Split::kTrain ? train : split == Split::kValidation ? validation : test;
  }
};

/// The samples of the data set's own split. @throws DataError when it has none
inline SplitSamples split_samples(const Dataset& dataset) {
  require<DataError>(dataset.has_split(), dataset.origin(), ": no 'split'; choose folds instead");
  SplitSamples out;
  for (std::int32_t n = 0; n < dataset.size(); ++n) {
    const std::uint8_t split = (*dataset.tensors().split)(n);
    (split == 0 ? out.train : split == 1 ? out.validation : out.test).push_back(n);
  }
  return out;
}

/// Every sample, in order.
inline std::vector<std::int32_t> all_samples(const Dataset& dataset) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(dataset.size()));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// Fold K of N, written K/N with 0 <= K < N.
struct Fold {
  Index index = 0, count = 5;  ///< K, N
};

/// Reads "K/N". @throws ConfigError
inline Fold parse_fold(std::string_view text) {
  Fold fold;
  const auto slash = text.find('/');
  const auto number = [&](std::string_view digits, Index& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return !digits.empty() && error == std::errc{} && end == digits.data() + digits.size() && out >= 0;
  };
  require<ConfigError>(slash != std::string_view::npos && number(text.substr(0, slash), fold.index) &&
                           number(text.substr(slash + 1), fold.count),
                       "fold '", text, "'; expected K/N such as 0/5");
  require<ConfigError>(fold.count >= 3, "fold ", text, ": N = ", fold.count,
                       "; at least 3 are needed, to train, to validate and to test");
  require<ConfigError>(fold.index < fold.count, "fold ", text, ": K is counted from 0, so it must be below N");
  return fold;
}

/// The seed that deals groups to folds, unless a caller wants other folds: fixed, so that results of separate runs compare.
inline constexpr std::uint64_t kFoldSeed = 20240917;

/// The fold of every sample. Groups are shuffled and dealt, each to the fold that has fewest samples so far (the first of
/// equals). Without `group` every sample is a group of its own.
/// @throws ConfigError for fewer groups than folds
inline std::vector<std::int32_t> assign_folds(const Dataset& dataset, Index folds, std::uint64_t seed = kFoldSeed) {
  require<ConfigError>(folds >= 1, folds, " folds");
  std::map<std::int32_t, Index> sizes;
  for (Index n = 0; n < dataset.size(); ++n) ++sizes[dataset.group(n)];
  require<ConfigError>(folds <= static_cast<Index>(sizes.size()), dataset.origin(), ": ", folds, " folds, but only ",
                       sizes.size(), dataset.has_group() ? " groups" : " samples");
  std::vector<std::int32_t> groups;
  for (const auto& [group, size] : sizes) groups.push_back(group);
  shuffle(std::span(groups), RandomStream(seed, name_hash("data.folds")));
  std::vector<Index> filled(static_cast<std::size_t>(folds), 0);
  std::map<std::int32_t, std::int32_t> fold_of;
  for (std::int32_t group : groups) {
    const auto smallest = std::min_element(filled.begin(), filled.end());
    *smallest += sizes[group];
    fold_of[group] = static_cast<std::int32_t>(smallest - filled.begin());
  }
  std::vector<std::int32_t> out;
  for (Index n = 0; n < dataset.size(); ++n) out.push_back(fold_of[dataset.group(n)]);
  return out;
}

/// Fold K tests, fold K + 1 (mod N) validates, the others train.
/// @throws ConfigError for K outside [0, N), N < 3 or fewer groups than folds
inline SplitSamples fold_samples(const Dataset& dataset, const Fold& fold, std::uint64_t seed = kFoldSeed) {
  require<ConfigError>(fold.count >= 3 && fold.index >= 0 && fold.index < fold.count, "fold ", fold.index, "/", fold.count,
                       "; expected 0 <= K < N and N >= 3");
  const std::vector<std::int32_t> folds = assign_folds(dataset, fold.count, seed);
  SplitSamples out;
  for (std::int32_t n = 0; n < dataset.size(); ++n) {
    const Index at = folds[static_cast<std::size_t>(n)];
    const bool tests = at == fold.index, validates = at == (fold.index + 1) % fold.count;
    (tests ? out.test : validates ? out.validation : out.train).push_back(n);
  }
  return out;
}

}  // namespace ramer::data
