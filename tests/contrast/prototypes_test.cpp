// Prototypes: derivatives of the mixture, the hard choice, and the moving average against its closed form.
#include "ramer/contrast/prototypes.hpp"

#include <doctest/doctest.h>

#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

constexpr Index kBatch = 3, kLabels = 2, kWidth = 4, kRows = kBatch * kLabels;

struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

TEST_CASE("the soft mixture's derivative") {
  const auto mu = nn::check_values(2 * kLabels * kWidth, 4);
  Nothing nobody;
  CHECK(nn::check_module(nobody, {nn::check_values(kRows * kWidth)}, [&](auto& ctx, const auto& in) {
          const auto z = autodiff::normalize_rows(ctx.tape, in[0].reshape(Shape{kRows, kWidth}));
          return contrast::prototype_mixture(ctx.tape, z, mu.data(), mu.data() + kLabels * kWidth, kLabels, false);
        }) == "");
}

TEST_CASE("the hard choice is the nearer prototype, ties go to the negative one, and nothing flows back") {
  //                                 label 0         label 1
  const std::vector<double> positive{1, 0, /* */ 0, 0}, negative{0, 1, /* */ 0, 0};
  const std::vector<double> z{0.6, 0.8, /* */ 1, 0, /* */ 0.8, 0.6, /* */ 0, 1, /* */ 0.5, 0.5, /* */ 1, 1};
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, true);
  auto input = tape.output_if(true, Shape{Index{6}, Index{2}});
  std::copy(z.begin(), z.end(), input.data);
  const double* weight = nullptr;
  const auto delta = contrast::prototype_mixture(tape, input.var, positive.data(), negative.data(), 2, true, &weight);
  CHECK_FALSE(delta.tracked());
  const auto row = [&](Index r) { return std::vector<double>{delta.data()[2 * r], delta.data()[2 * r + 1]}; };
  CHECK(row(0) == std::vector<double>{0, 1});
  CHECK(row(2) == std::vector<double>{1, 0});
  CHECK(row(4) == std::vector<double>{0, 1});  // a tie
  CHECK(weight[8] == 0.5);
  // Fresh prototypes are all zero: the mixture is zero, whichever is chosen.
  for (const Index r : {1, 3, 5}) CHECK(row(r) == std::vector<double>{0, 0});
}

struct Update {
  std::vector<std::uint8_t> y, mask, present;
  std::vector<double> z = nn::check_values(kRows * kWidth, 7);
  std::vector<double> mu = nn::check_values(2 * kLabels * kWidth, 8);

  void run(double momentum, bool with_present = true) {
    backend::Reference backend;
    backend.map_2d(kLabels, kWidth,
                   contrast::detail::MoveAverage<double>{z.data(), y.data(), mask.data(),
                                                         with_present ? present.data() : nullptr, kBatch, kLabels, kWidth,
                                                         momentum, nullptr, mu.data(), mu.data() + kLabels * kWidth});
  }
};

TEST_CASE("the moving average against its closed form; masked and missing rows are dropped") {
  const double momentum = 0.9;
  for (unsigned bits = 0; bits < 512; bits += 7) {
    Update u;
    for (unsigned b = 0; b < kBatch; ++b) u.present.push_back(bits >> b & 1);
    for (unsigned i = 0; i < kRows; ++i) {
      u.mask.push_back(i != 1 || (bits >> 3 & 1));
      u.y.push_back(bits >> (3 + i) & 1);
    }
    const auto before = u.mu;
    u.run(momentum);
    for (Index j = 0; j < kLabels; ++j) {
      for (const bool positive : {true, false}) {
        std::vector<Index> taken;
        for (Index b = 0; b < kBatch; ++b) {
          const auto at = static_cast<std::size_t>(b * kLabels + j);
          if (u.mask[at] && u.present[static_cast<std::size_t>(b)] && (u.y[at] != 0) == positive) taken.push_back(b);
        }
        const auto n = static_cast<double>(taken.size());
        for (Index d = 0; d < kWidth; ++d) {
          const auto place = static_cast<std::size_t>(((positive ? 0 : kLabels) + j) * kWidth + d);
          double expected = std::pow(momentum, n) * before[place];  // m^n mu + (1 - m) sum_i m^(n - i) z_i, i from 1
          for (std::size_t i = 0; i < taken.size(); ++i)
            expected += (1 - momentum) * std::pow(momentum, n - static_cast<double>(i) - 1) *
                        u.z[static_cast<std::size_t>((taken[i] * kLabels + j) * kWidth + d)];
          CHECK(u.mu[place] == doctest::Approx(expected).epsilon(1e-14));
          if (taken.empty()) CHECK(u.mu[place] == before[place]);
        }
      }
    }
  }
}

TEST_CASE("without presence every annotated row counts") {
  Update one, other;
  one.y = other.y = {1, 0, 1, 1, 0, 0};
  one.mask = other.mask = {1, 1, 0, 1, 1, 1};
  other.present = {1, 1, 1};
  one.run(0.99, false);
  other.run(0.99);
  CHECK(one.mu == other.mu);
}

}  // namespace
