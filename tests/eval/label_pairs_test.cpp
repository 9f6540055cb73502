#include "ramer/eval/label_pairs.hpp"

#include <doctest/doctest.h>

#include "ramer/core/random.hpp"
#include "ramer/eval/metrics.hpp"

using namespace ramer;

namespace {
using Counts = std::vector<Index>;
}

TEST_CASE("Pairs of labels, counted by hand") {
  // joy and fear true, joy and anger predicted; anger true, all predicted; nothing true; fear true, nothing predicted.
  const std::vector<float> scores{0.9f, 0.1f, 0.8f, 0.6f, 0.7f, 0.9f, 0.9f, 0.9f, 0.9f, 0.5f, 0.2f, 0.1f};
  const std::vector<std::uint8_t> truth{1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  const Shape shape{Index{4}, Index{3}};
  const View<const float, 2> s{scores.data(), shape};
  const View<const std::uint8_t, 2> t{truth.data(), shape};
  auto pairs = eval::count_label_pairs(s, t, {}, 0.5);  // 0.5 is not above 0.5
  CHECK(pairs.together == Counts{1, 1, 0, 1, 2, 0, 0, 0, 1});
  CHECK(pairs.predicted == Counts{1, 0, 1, 1, 0, 1, 1, 1, 1});
  CHECK(pairs.mistaken == Counts{0, 0, 1, 0, 0, 1, 1, 1, 0});
  CHECK(pairs.annotated == Counts{1, 1, 1, 2, 2, 2, 1, 1, 1});

  // What nobody annotated counts nowhere, neither as true nor as predicted.
  const std::vector<std::uint8_t> mask{1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1};
  pairs = eval::count_label_pairs(s, t, {mask.data(), shape}, 0.5);
  CHECK(pairs.together == Counts{1, 1, 0, 1, 1, 0, 0, 0, 1});
  CHECK(pairs.predicted == Counts{1, 0, 0, 1, 0, 0, 1, 1, 1});
  CHECK(pairs.mistaken == Counts{0, 0, 0, 0, 0, 0, 1, 1, 0});
  CHECK(pairs.annotated == Counts{1, 1, 0, 1, 1, 0, 1, 1, 1});
  CHECK_THROWS_AS(eval::count_label_pairs(s, t, {mask.data(), Shape{Index{3}, Index{4}}}, 0.5), ShapeError);
}

TEST_CASE("The diagonal is what the metrics count; what is true together is symmetric") {
  const Index n = 200, c = 5;
  const RandomStream draw(3, 1);
  std::vector<double> scores;
  std::vector<std::uint8_t> truth, mask;
  for (std::uint64_t k = 0; k < 1000; ++k) {
    scores.push_back(static_cast<double>(draw.uniform(k, 0)));
    truth.push_back(draw.uniform(k, 1) < 0.4f);
    mask.push_back(draw.uniform(k, 2) < 0.8f);
  }
  const Shape shape{n, c};
  const View<const double, 2> s{scores.data(), shape};
  const View<const std::uint8_t, 2> t{truth.data(), shape}, m{mask.data(), shape};
  const auto pairs = eval::count_label_pairs(s, t, m, 0.3);
  const auto counts = eval::count_labels(s, t, m, 0.3);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(pairs.predicted[pairs.at(i, i)] == counts[i].tp);
    CHECK(pairs.together[pairs.at(i, i)] == counts[i].support());
    CHECK(pairs.annotated[pairs.at(i, i)] == counts[i].support());
    CHECK(pairs.mistaken[pairs.at(i, i)] == 0);
    for (std::size_t j = 0; j < 5; ++j) {
      CHECK(pairs.together[pairs.at(i, j)] == pairs.together[pairs.at(j, i)]);
      CHECK(pairs.together[pairs.at(i, j)] <= pairs.annotated[pairs.at(i, j)]);
      CHECK(pairs.mistaken[pairs.at(i, j)] <= pairs.predicted[pairs.at(i, j)]);
    }
  }
}
