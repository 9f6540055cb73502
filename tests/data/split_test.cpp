#include "ramer/data/split.hpp"

#include <doctest/doctest.h>

#include <set>

#include "ramer/data/dataset_arrays.hpp"

using namespace ramer;
using namespace ramer::data;

namespace {

Dataset grouped(std::vector<std::int32_t> groups, Index samples, std::vector<std::uint8_t> split = {}) {
  DatasetArrays a;
  a.samples = samples;
  a.modalities = {{"x", 1, 1, {0}, std::vector<std::int32_t>(static_cast<std::size_t>(samples), 0)}};
  a.group = std::move(groups);
  a.split = std::move(split);
  return make_dataset(std::move(a), "here");
}

}  // namespace

TEST_CASE("the data set's own split") {
  const SplitSamples s = split_samples(grouped({}, 5, {2, 0, 1, 0, 2}));
  CHECK(s.train == std::vector<std::int32_t>{1, 3});
  CHECK(s.validation == std::vector<std::int32_t>{2});
  CHECK(s.test == std::vector<std::int32_t>{0, 4});
  CHECK(&s.of(Split::kValidation) == &s.validation);
  CHECK(all_samples(grouped({}, 3)) == std::vector<std::int32_t>{0, 1, 2});
  CHECK_THROWS_WITH_AS(split_samples(grouped({}, 2)), "here: no 'split'; choose folds instead", DataError);
}

TEST_CASE("folds keep groups whole, are balanced, and every sample is tested once") {
  std::vector<std::int32_t> groups;
  for (std::int32_t g = 0; g < 23; ++g) groups.insert(groups.end(), static_cast<std::size_t>(1 + g % 5), 100 - 7 * g);
  const Dataset d = grouped(groups, static_cast<Index>(groups.size()));
  std::set<std::int32_t> tested;
  std::vector<std::int32_t> previous_test;
  for (Index k = 0; k < 5; ++k) {
    const SplitSamples s = fold_samples(d, {k, 5});
    const auto groups_of = [&](const std::vector<std::int32_t>& samples) {
      std::set<std::int32_t> out;
      for (std::int32_t n : samples) out.insert(d.group(n));
      return out;
    };
    const auto train = groups_of(s.train), validation = groups_of(s.validation), test = groups_of(s.test);
    std::set<std::int32_t> together = train;
    together.insert(validation.begin(), validation.end());
    together.insert(test.begin(), test.end());
    CHECK(together.size() == train.size() + validation.size() + test.size());
    CHECK(s.train.size() + s.validation.size() + s.test.size() == groups.size());
    CHECK(s.test.size() >= groups.size() / 5 - 5);
    CHECK(s.test.size() <= groups.size() / 5 + 5);
    for (std::int32_t n : s.test) CHECK(tested.insert(n).second);
    CHECK(s.validation == fold_samples(d, {(k + 1) % 5, 5}).test);
  }
  CHECK(tested.size() == groups.size());
  CHECK(assign_folds(d, 5) == assign_folds(d, 5));
  CHECK(assign_folds(d, 5) != assign_folds(d, 5, 1));
}

TEST_CASE("without groups every sample is its own") {
  const auto folds = assign_folds(grouped({}, 7), 3);
  std::array<int, 3> count{};
  for (std::int32_t f : folds) ++count[static_cast<std::size_t>(f)];
  CHECK(count[0] == 3);
  CHECK(count[1] == 2);
  CHECK(count[2] == 2);
}

TEST_CASE("folds that cannot be") {
  CHECK(parse_fold("2/5").index == 2);
  CHECK(parse_fold("2/5").count == 5);
  for (const char* text : {"", "2", "/", "1/", "/5", "a/5", "1/5x", "-1/5", "1 /5", "1/99999999999999999999"})
    CHECK_THROWS_WITH_AS(parse_fold(text), doctest::Contains("expected K/N such as 0/5"), ConfigError);
  CHECK_THROWS_WITH_AS(parse_fold("5/5"), "fold 5/5: K is counted from 0, so it must be below N", ConfigError);
  CHECK_THROWS_WITH_AS(parse_fold("0/2"), doctest::Contains("at least 3 are needed"), ConfigError);
  CHECK_THROWS_WITH_AS(fold_samples(grouped({1, 1, 2, 2}, 4), {0, 3}), "here: 3 folds, but only 2 groups", ConfigError);
  CHECK_THROWS_WITH_AS(fold_samples(grouped({}, 2), {0, 3}), "here: 3 folds, but only 2 samples", ConfigError);
  CHECK_THROWS_AS(fold_samples(grouped({}, 9), {3, 3}), ConfigError);
}
