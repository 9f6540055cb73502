// Derivatives of the loss terms, and the objective that weighs them.
#include <doctest/doctest.h>

#include "ramer/loss/common_semantic.hpp"
#include "ramer/loss/objective.hpp"
#include "ramer/loss/orthogonality.hpp"
#include "ramer/loss/reconstruction.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using Var0 = nn::Var<E, 0>;
using Var3 = nn::Var<E, 3>;

namespace {

constexpr Index kBatch = 2, kLabels = 2, kWidth = 3, kSize = kBatch * kLabels * kWidth;

struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};
std::vector<std::vector<double>> inputs(std::uint64_t count) {
  std::vector<std::vector<double>> x;
  for (std::uint64_t i = 0; i < count; ++i) x.push_back(nn::check_values(kSize, i + 1));
  return x;
}
std::vector<Var3> slots(const auto& in) {
  std::vector<Var3> x;
  for (const auto& v : in) x.push_back(v.reshape(Shape{kBatch, kLabels, kWidth}));
  return x;
}
/// Sample 1 lacks modality 1.
struct Rows {
  std::vector<double> both{0.5, 0.5}, first{1, 0};
  std::vector<const double*> present{both.data(), first.data()}, pairs{first.data()};
  loss::OrthogonalityRows rows() const { return {present, pairs}; }
};

TEST_CASE("reconstruction: both sides learn; values of absent rows do not count") {
  const Rows w;
  Nothing nobody;
  CHECK(nn::check_module(nobody, inputs(4), [&](auto& ctx, const auto& in) {
          const auto x = slots(in);
          const std::span<const Var3> all(x);
          const Var0 y = loss::MeanSquares::term<E>(ctx, all.first(2), all.last(2), w.present);
          double expected = 0;
          for (std::size_t m = 0; m < 2; ++m)
            for (Index i = 0; i < kSize; ++i)
              expected +=
                  w.present[m][i / (kSize / kBatch)] * std::pow(x[m].data()[i] - x[2 + m].data()[i], 2) / (kSize / kBatch);
          CHECK(*y.data() == doctest::Approx(expected).epsilon(1e-12));
          return y;
        }) == "");
}

TEST_CASE("orthogonality: Gram matrices over label slots, three pairs or six") {
  const Rows w;
  Nothing nobody;
  CHECK(nn::check_module(nobody, inputs(4), [&](auto& ctx, const auto& in) {
          const auto x = slots(in);
          const std::span<const Var3> all(x);
          const Var0 y = loss::SlotGram::common_specific<E>(ctx, all.first(2), all.last(2), w.rows());
          double expected = 0;
          for (std::size_t m = 0; m < 2; ++m)
            for (Index b = 0; b < kBatch; ++b)
              for (Index j = 0; j < kLabels; ++j)
                for (Index k = 0; k < kLabels; ++k) {
                  double dot = 0;
                  for (Index d = 0; d < kWidth; ++d)
                    dot += x[m].data()[(b * kLabels + j) * kWidth + d] * x[2 + m].data()[(b * kLabels + k) * kWidth + d];
                  expected += w.present[m][b] * dot * dot;
                }
          CHECK(*y.data() == doctest::Approx(expected).epsilon(1e-12));
          return y;
        }) == "");
  CHECK(nn::check_module(nobody, inputs(2), [&](auto& ctx, const auto& in) {
          const auto x = slots(in);
          return loss::SlotGramSixPairs::specific_specific<E>(ctx, std::span<const Var3>(x), w.rows());
        }) == "");
}

TEST_CASE("one modality has no pair of specificities") {
  const Rows w;
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const auto x = nn::check_values(kSize);
  const Var3 only[] = {Var3(x.data(), Shape{kBatch, kLabels, kWidth})};
  CHECK_FALSE(loss::SlotGramSixPairs::specific_specific<E>(ctx, std::span<const Var3>(only), w.rows()).valid());
}

TEST_CASE_TEMPLATE("common-semantic loss, with dropout on its logits", Form, loss::PerModality, loss::PooledSum) {
  const std::vector<std::uint8_t> y{1, 0, 0, 1};
  const std::vector<double> cell{0.5, 0, 0.25, 0.25};
  loss::CommonSemanticHead<E> head(kWidth, kLabels, 0.4);
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    CHECK(nn::check_module(
              head, inputs(3),
              [&](auto& ctx, const auto& in) {
                const auto x = slots(in);
                return Form::template term<E>(ctx, head, std::span<const Var3>(x), y.data(), cell.data());
              },
              options) == "");
  }
}

TEST_CASE("a term of weight 0 is reported and sends no adjoint; two players may pull at one term") {
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, true);
  double x[3] = {1, 2, 3}, gradient[3] = {9, 9, 9};
  autodiff::Slot<double> slot[3];
  Var0 value[3];
  for (int i = 0; i < 3; ++i) {
    slot[i] = {gradient + i, 1, false, true};
    value[i] = autodiff::scale(tape, Var0(x + i, Shape<0>{}, slot + i), 10.0);
  }
  loss::Terms<E> terms;
  terms.add("silent", value[0], 0);
  terms.add("usual", value[1], 0.5);
  terms.add("contested", value[2], 0.5, -0.5);
  terms.add("absent", Var0{}, 1);
  REQUIRE(terms.list().size() == 3);
  CHECK(*terms.list()[0].value.data() == 10);
  terms.reverse(tape);
  CHECK_FALSE(slot[0].written);
  CHECK(gradient[0] == 9);
  CHECK(gradient[1] == 5);
  CHECK(gradient[2] == -5);
}

TEST_CASE("more terms than a report holds are refused") {
  loss::Terms<E> terms;
  const double one = 1;
  for (int i = 0; i < 24; ++i) terms.add("term", Var0(&one, Shape<0>{}), 1);
  CHECK_THROWS_AS(terms.add("term", Var0(&one, Shape<0>{}), 1), Error);
}

}  // namespace
