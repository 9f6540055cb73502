// The stack shuffle: worked example by hand, edge cases, and what holds of every permutation.
#include "ramer/shuffle/stack.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>

using namespace ramer;

namespace {

std::vector<std::int32_t> riffled(Index n, Index k, Index rounds, Index start = 0) {
  std::vector<std::int32_t> x(static_cast<std::size_t>(n)), scratch(x.size());
  std::iota(x.begin(), x.end(), 0);
  shuffle::riffle(x, k, rounds, start, scratch);
  return x;
}
using List = std::vector<std::int32_t>;

TEST_CASE("riffle: examples") {
  CHECK(riffled(8, 4, 1) == List{0, 2, 4, 6, 1, 3, 5, 7});
  CHECK(riffled(8, 4, 2) == List{0, 4, 1, 5, 2, 6, 3, 7});
  CHECK(riffled(8, 4, 3) == List{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(riffled(4, 2, 1, 0) == List{0, 2, 1, 3});
  CHECK(riffled(4, 2, 1, 1) == List{2, 0, 3, 1});
  CHECK(riffled(3, 3, 1, 1) == List{1, 2, 0});
  CHECK(riffled(64, 4, 3) == riffled(64, 4, 0));
  CHECK(riffled(7, 3, 1) == List{0, 2, 4, 6, 1, 3, 5});     // width 2: stacks [01] [23] [45] [6]
  CHECK(riffled(7, 3, 1, 3) == List{6, 0, 2, 4, 1, 3, 5});  // the sweep starts at the short one
  CHECK(riffled(7, 3, 2) == List{0, 4, 1, 5, 2, 6, 3});     // stacks of the same width are cut anew
  CHECK(shuffle::stack_count(7, 3) == 4);
}

TEST_CASE("riffle: one element, none, more stacks than elements, one stack") {
  CHECK(riffled(1, 4, 1) == List{0});
  CHECK(riffled(0, 4, 1).empty());
  CHECK(riffled(3, 4, 1) == List{0, 1, 2});
  CHECK(riffled(3, 4, 1, 2) == List{2, 0, 1});
  CHECK(riffled(5, 1, 3) == List{0, 1, 2, 3, 4});
  CHECK(shuffle::stack_count(0, 4) == 0);
  CHECK(shuffle::stack_count(2, 4) == 2);
}

TEST_CASE("riffle is a permutation for all sizes, stacks, starts and rounds") {
  for (Index n = 1; n <= 17; ++n) {
    for (Index k = 1; k <= n + 2; ++k) {
      for (Index start = 0; start < shuffle::stack_count(n, k); ++start) {
        for (Index rounds = 1; rounds <= 3; ++rounds) {
          auto x = riffled(n, k, rounds, start);
          std::sort(x.begin(), x.end());
          CHECK(x == riffled(n, k, 0));
        }
      }
    }
  }
}

template <class Policy>
shuffle::ShufflePlan plan_of(const shuffle::Config& config, Index b, Index m, Index c, const std::vector<std::uint8_t>& y,
                             const std::vector<std::uint8_t>& mask, std::uint64_t step = 0) {
  shuffle::ShufflePlan plan;
  plan.build<Policy>(config, b, m, c, y.data(), mask.data(), RandomStream(1, name_hash("shuffle"), step));
  return plan;
}

TEST_CASE("the worked example: two samples' labels meet in one slot") {
  shuffle::Config config;
  config.sample_stacks = 2;
  const std::vector<std::uint8_t> y{1, 0, 0, 0, 0, 1, 1, 1}, mask(8, 1);
  const auto plan = plan_of<shuffle::Stack>(config, 4, 3, 2, y, mask);
  struct Source {
    int sample, modality;
  };
  const Source expected[3][2] = {{{0, 0}, {0, 1}}, {{2, 1}, {2, 2}}, {{0, 2}, {2, 0}}};  // of sample 0: [modality][label]
  for (Index m = 0; m < 3; ++m) {
    for (Index j = 0; j < 2; ++j) {
      const auto at = plan.permutations.at(0, m, j);
      CAPTURE(m);
      CAPTURE(j);
      CHECK(plan.sample[at] == expected[m][j].sample);
      CHECK(plan.modality[at] == expected[m][j].modality);
      CHECK(plan.labels[at] == y[static_cast<std::size_t>(plan.sample[at] * 2 + j)]);
      CHECK(plan.rows.index[at] == (plan.modality[at] * 4 + plan.sample[at]) * 2 + j);
    }
  }
  // V^2 of sample 0 has label 0 of sample 0 and label 1 of sample 2: a pair (1, 1) that neither has.
  CHECK(plan.labels[plan.permutations.at(0, 2, 0)] == 1);
  CHECK(plan.labels[plan.permutations.at(0, 2, 1)] == 1);
}

/// Random labels and mask for B samples and C labels.
struct Cells {
  std::vector<std::uint8_t> y, mask;
  Cells(Index n, std::uint64_t seed) {
    const RandomStream stream(seed, 1);
    for (Index i = 0; i < n; ++i) {
      y.push_back(stream.uniform(static_cast<std::uint64_t>(i), 0) < 0.4f);
      mask.push_back(stream.uniform(static_cast<std::uint64_t>(i), 1) < 0.8f);
    }
  }
};

TEST_CASE_TEMPLATE("sequential gather: every slot is used exactly once, and its label travels with it", Policy,
                   shuffle::Stack, shuffle::PlainStack, shuffle::Reversal, shuffle::Identity, shuffle::Random) {
  for (const auto& [b, m, c] : {std::array<Index, 3>{1, 3, 2}, {2, 3, 6}, {3, 1, 2}, {8, 2, 1}, {9, 4, 14}, {7, 3, 3}}) {
    for (const Index rounds : {1, 2}) {
      shuffle::Config config;
      config.rounds = rounds;
      const Cells cells(b * c, 3);
      const auto plan = plan_of<Policy>(config, b, m, c, cells.y, cells.mask);
      std::vector<int> used(static_cast<std::size_t>(b * m * c), 0);
      double total = 0;
      for (Index i = 0; i < b; ++i) {
        for (Index k = 0; k < m; ++k) {
          for (Index j = 0; j < c; ++j) {
            const auto at = plan.permutations.at(i, k, j);
            const auto from = static_cast<std::size_t>(plan.sample[at] * c + j);
            CHECK(plan.rows.index[at] % c == j);  // a slot keeps its label's number
            ++used[static_cast<std::size_t>(plan.rows.index[at])];
            CHECK(plan.labels[at] == cells.y[from]);
            CHECK((plan.weight[at] > 0) == (cells.mask[from] != 0));
            total += plan.weight[at];
          }
        }
      }
      CHECK(std::all_of(used.begin(), used.end(), [](int n) { return n == 1; }));
      CHECK(total == doctest::Approx(1));
    }
  }
}

TEST_CASE("joint gather: every plane is a permutation of the samples; slots may repeat") {
  shuffle::Config config;
  config.gather = shuffle::Gather::Joint;
  const Index b = 8, m = 3, c = 2;
  const Cells cells(b * c, 5);
  const auto plan = plan_of<shuffle::Stack>(config, b, m, c, cells.y, cells.mask);
  for (Index k = 0; k < m; ++k) {
    for (Index j = 0; j < c; ++j) {
      std::vector<std::int32_t> plane;
      for (Index i = 0; i < b; ++i) plane.push_back(plan.sample[plan.permutations.at(i, k, j)]);
      std::sort(plane.begin(), plane.end());
      CHECK(plane == riffled(b, 1, 0));
    }
  }
  std::map<std::int32_t, int> used;
  for (const auto row : plan.rows.index) ++used[row];
  CHECK(static_cast<Index>(used.size()) < b * m * c);
}

TEST_CASE("labels may stay where they are; nothing annotated weighs nothing") {
  shuffle::Config config;
  config.labels_follow = false;
  const Index b = 5, m = 3, c = 2;
  const Cells cells(b * c, 7);
  const auto plan = plan_of<shuffle::Stack>(config, b, m, c, cells.y, cells.mask);
  for (Index i = 0; i < b; ++i)
    for (Index k = 0; k < m; ++k)
      for (Index j = 0; j < c; ++j)
        CHECK(plan.labels[plan.permutations.at(i, k, j)] == cells.y[static_cast<std::size_t>(i * c + j)]);
  const auto empty = plan_of<shuffle::Stack>(config, b, m, c, cells.y, std::vector<std::uint8_t>(cells.mask.size(), 0));
  CHECK(std::all_of(empty.weight.begin(), empty.weight.end(), [](double w) { return w == 0; }));
}

TEST_CASE("random: uniform permutations, new ones at each step, the same from the same seed") {
  // Of four samples: 24 permutations for each of (label, modality), over many steps. Chi-square with 23 degrees of freedom.
  const std::vector<std::uint8_t> y(8, 0), mask(8, 1);
  shuffle::Config config;
  config.gather = shuffle::Gather::Joint;
  std::map<List, int> samples, modalities;
  const int steps = 1000;
  for (int step = 0; step < steps; ++step) {
    const auto plan = plan_of<shuffle::Random>(config, 4, 3, 2, y, mask, static_cast<std::uint64_t>(step));
    for (Index j = 0; j < 2; ++j) {
      for (Index m = 0; m < 3; ++m) {
        List p;
        for (Index b = 0; b < 4; ++b) p.push_back(plan.sample[plan.permutations.at(b, m, j)]);
        ++samples[p];
      }
      for (Index b = 0; b < 4; ++b) {
        List p;
        for (Index m = 0; m < 3; ++m) p.push_back(plan.modality[plan.permutations.at(b, m, j)]);
        ++modalities[p];
      }
    }
  }
  const auto chi_square = [](const std::map<List, int>& counts, double n, double kinds) {
    double sum = 0;
    for (const auto& [p, k] : counts) sum += (k - n / kinds) * (k - n / kinds) / (n / kinds);
    return sum;
  };
  CHECK(samples.size() == 24);
  CHECK(modalities.size() == 6);
  CHECK(chi_square(samples, steps * 6, 24) < 49.7);  // p = 0.001
  CHECK(chi_square(modalities, steps * 8, 6) < 20.5);
  const auto one = plan_of<shuffle::Random>(config, 4, 3, 2, y, mask, 9),
             same = plan_of<shuffle::Random>(config, 4, 3, 2, y, mask, 9);
  const auto next = plan_of<shuffle::Random>(config, 4, 3, 2, y, mask, 10);
  CHECK(one.rows.index == same.rows.index);
  CHECK(one.rows.index != next.rows.index);
}

}  // namespace
