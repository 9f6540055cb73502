#include "ramer/eval/auc.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cases.hpp"

using namespace ramer;
using namespace ramer::eval;
using cases::Cells;
using cases::kNoMask;

TEST_CASE("AUC is the share of pairs in the right order, ties half") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Cells x(25, 3, seed);
    const auto aucs = label_aucs(x.scores(), x.labels(), x.masks());
    for (Index c = 0; c < x.c; ++c) {
      double right = 0, pairs = 0;
      for (Index i = 0; i < x.n; ++i) {
        for (Index j = 0; j < x.n; ++j) {
          if (!x.masks()(i, c) || !x.masks()(j, c) || !x.labels()(i, c) || x.labels()(j, c)) continue;
          const double above = x.scores()(i, c) - x.scores()(j, c);
          right += above > 0 ? 1.0 : above == 0 ? 0.5 : 0.0;
          ++pairs;
        }
      }
      REQUIRE(pairs > 0);
      REQUIRE(aucs[static_cast<std::size_t>(c)].has_value());
      CHECK(*aucs[static_cast<std::size_t>(c)] == doctest::Approx(right / pairs).epsilon(1e-14));
    }
  }
}

TEST_CASE("AUC stays under monotone maps and turns over with the sign") {
  const Cells x(60, 4, 3);
  Cells cubed = x, turned = x;
  for (double& s : cubed.score) s = std::exp(5 * s) - 100;
  for (double& s : turned.score) s = -s;
  const auto aucs = label_aucs(x.scores(), x.labels(), kNoMask);
  CHECK(label_aucs(cubed.scores(), x.labels(), kNoMask) == aucs);
  const auto reversed = label_aucs(turned.scores(), x.labels(), kNoMask);
  for (std::size_t c = 0; c < aucs.size(); ++c) CHECK(*aucs[c] + *reversed[c] == doctest::Approx(1.0).epsilon(1e-14));
}

TEST_CASE("a constant score has AUC one half; a label with one class has none and leaves the mean") {
  const std::vector<double> score{1, 0.5, 1, 0.5, 1, 0.5};
  const std::vector<std::uint8_t> truth{1, 1, 0, 1, 1, 1};
  const auto aucs = label_aucs(View<const double, 2>{score.data(), {3, 2}}, {truth.data(), {3, 2}}, {});
  CHECK(aucs[0] == std::optional(0.5));
  CHECK_FALSE(aucs[1].has_value());
  CHECK(mean_auc(aucs) == std::optional(0.5));
  CHECK_FALSE(mean_auc({std::nullopt}).has_value());
  CHECK_FALSE(mean_auc({}).has_value());
}

TEST_CASE("infinite scores are scores") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  std::vector<std::pair<double, bool>> pairs{{inf, true}, {-inf, false}, {inf, false}, {0.0, true}};
  CHECK(auc_of_pairs(pairs) == std::optional(2.5 / 4));
}
