#include "ramer/data/sampler.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "ramer/data/dataset_arrays.hpp"

using namespace ramer;
using namespace ramer::data;

namespace {

/// Samples with these labels (N, C).
Dataset labelled(std::vector<std::uint8_t> labels, Index classes, std::vector<std::uint8_t> mask = {}) {
  DatasetArrays a;
  a.samples = static_cast<Index>(labels.size()) / classes;
  a.modalities = {{"x", 1, 1, {0}, std::vector<std::int32_t>(static_cast<std::size_t>(a.samples), 0)}};
  for (Index c = 0; c < classes; ++c) a.label_names.push_back("c" + std::to_string(c));
  a.labels = std::move(labels);
  a.label_mask = std::move(mask);
  return make_dataset(std::move(a));
}

std::vector<std::int32_t> order(const Sampler& sampler, std::uint64_t epoch) {
  std::vector<std::int32_t> out;
  sampler.order(epoch, out);
  return out;
}

}  // namespace

TEST_CASE("a shuffled order visits every sample once, by seed and epoch") {
  std::vector<std::int32_t> samples(100);
  std::iota(samples.begin(), samples.end(), 5);
  const Sampler a({}, samples, SampleOrder::kShuffled, 1), b({}, samples, SampleOrder::kShuffled, 2);
  auto first = order(a, 0);
  CHECK(first == order(a, 0));
  CHECK(first != samples);
  CHECK(first != order(a, 1));
  CHECK(first != order(b, 0));
  std::sort(first.begin(), first.end());
  CHECK(first == samples);
  CHECK(order(Sampler({}, samples, SampleOrder::kSequential, 1), 3) == samples);
  CHECK(order(Sampler({}, {}, SampleOrder::kShuffled, 1), 3).empty());
}

TEST_CASE("every permutation of three is about as frequent as the others") {
  std::map<std::vector<std::int32_t>, int> seen;
  const Sampler sampler({}, {0, 1, 2}, SampleOrder::kShuffled, 9);
  for (std::uint64_t epoch = 0; epoch < 6000; ++epoch) ++seen[order(sampler, epoch)];
  CHECK(seen.size() == 6);
  for (const auto& [permutation, count] : seen) CHECK(std::abs(count - 1000) < 150);  // 5 sd
}

TEST_CASE("class weights are the mean inverse frequency of a sample's labels") {
  // c0 twice, c1 once, c2 once; sample 3 has none.
  const Dataset d = labelled({1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0}, 3);
  const std::vector<std::int32_t> all{0, 1, 2, 3};
  CHECK(class_weights(d, all) == std::vector<double>{0.5, 0.75, 1, 1});
  // Over the given samples alone.
  CHECK(class_weights(d, std::vector<std::int32_t>{1, 2}) == std::vector<double>{1, 1});
  // Sample 1's c1 was not annotated.
  const Dataset masked = labelled({1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0}, 3, {1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1});
  CHECK(class_weights(masked, all) == std::vector<double>{0.5, 0.5, 1, 1});
  CHECK_THROWS_AS(class_weights(Dataset(), all), DataError);
}

TEST_CASE("class-weighted draws follow the weights") {
  std::vector<std::uint8_t> labels(20, 0);
  for (std::size_t n = 0; n < 10; ++n) labels[2 * n + (n == 7)] = 1;  // nine of c0, one of c1
  const Dataset d = labelled(labels, 2);
  const Sampler sampler(d, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, SampleOrder::kClassWeighted, 3);
  std::array<int, 10> count{};
  for (std::uint64_t epoch = 0; epoch < 1000; ++epoch) {
    const auto drawn = order(sampler, epoch);
    CHECK(drawn.size() == 10);
    for (std::int32_t n : drawn) ++count[static_cast<std::size_t>(n)];
  }
  CHECK(std::abs(count[7] - 5000) < 250);  // half of the draws, 5 sd
  for (std::size_t n = 0; n < 10; ++n)
    if (n != 7) CHECK(std::abs(count[n] - 556) < 120);
  CHECK(order(sampler, 4) == order(sampler, 4));
}
