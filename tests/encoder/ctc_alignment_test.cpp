// The CTC module: what comes out of unaligned rows, its derivatives, and what a missing modality gives.
#include "ramer/encoder/ctc_alignment.hpp"

#include <doctest/doctest.h>

#include "heap_counter.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/loss/ctc.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

/// Tokens of one modality of width 2 in samples of the given lengths; `available` for all of them.
ModalityBatch modality(const std::vector<std::int32_t>& lengths, std::vector<std::uint8_t> available) {
  ModalityBatch m;
  m.name = "visual";
  m.width = 2;
  m.available = std::move(available);
  for (std::int32_t n : lengths) m.offsets.push_back(m.offsets.back() + n);
  for (double v : nn::check_values(2 * m.rows(), 4)) m.features.push_back(static_cast<float>(v));
  return m;
}

encoder::CtcAlignmentConfig config(Index length) {
  encoder::CtcAlignmentConfig c;
  c.length = length;
  return c;
}

/// Aligned rows of a modality, from a module with given start values.
std::vector<double> aligned(const ModalityBatch& m, encoder::CtcAlignment::Module<E>& module, Index length) {
  encoder::AlignmentPlan plan;
  encoder::TokenPlan tokens;
  plan.build(m, length, length, tokens);
  const std::vector<double> x(m.features.begin(), m.features.end());
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const auto y = module(ctx, nn::Var<E, 2>(x.data(), Shape{m.rows(), Index{2}}), plan, 0);
  CHECK(y.logits.shape() == Shape{static_cast<Index>(plan.offsets.back()), length + 1});
  return {y.rows.data(), y.rows.data() + y.rows.size()};
}

TEST_CASE("plan by hand: unavailable tokens are left out, every sample gets its places") {
  const ModalityBatch m = modality({2, 3, 0, 1}, {1, 1, 0, 1, 1, 0});
  encoder::AlignmentPlan plan;
  encoder::TokenPlan tokens;
  plan.build(m, 2, 5, tokens);
  CHECK_FALSE(plan.all);
  CHECK(plan.available.index == std::vector<std::int32_t>{0, 1, 3, 4});
  CHECK(plan.offsets == std::vector<std::int32_t>{0, 2, 4, 4, 4});
  CHECK(tokens.rows == 8);
  CHECK(tokens.longest == 2);
  CHECK(tokens.offsets == std::vector<std::int32_t>{0, 2, 4, 6, 8});
  CHECK(tokens.key == std::vector<std::uint8_t>(8, 1));
  CHECK(tokens.position.index == std::vector<std::int32_t>{0, 1, 0, 1, 0, 1, 0, 1});
  CHECK(tokens.position.view().sources == 5);
  CHECK(tokens.at_target_time.index == std::vector<std::int32_t>(8, -1));
  CHECK(tokens.target.index == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(tokens.target_offsets == tokens.offsets);
  CHECK(tokens.target_mask == std::vector<std::uint8_t>{1, 1, 1, 1, 0, 0, 0, 0});
  CHECK(tokens.present == std::vector<std::uint8_t>{1, 1, 0, 0});
  CHECK(tokens.row_key[3] == ((1ull << 32) | 1));
  CHECK(tokens.target_key == tokens.row_key);
  CHECK_FALSE(tokens.single);
  plan.build(modality({1}, {1}), 2, 2, tokens);  // again, smaller
  CHECK(plan.all);
  CHECK(plan.offsets == std::vector<std::int32_t>{0, 1});
  CHECK(tokens.offsets == std::vector<std::int32_t>{0, 2});
  CHECK_THROWS_AS(plan.build(m, 3, 2, tokens), ConfigError);
}

TEST_CASE("derivatives, with all tokens available and not") {
  for (const std::uint8_t last : {std::uint8_t{1}, std::uint8_t{0}}) {
    const ModalityBatch m = modality({2, 3, 0, 1}, {1, 1, last, 1, 1, last});
    encoder::AlignmentPlan plan;
    encoder::TokenPlan tokens;
    plan.build(m, 3, 3, tokens);
    CHECK(plan.all == (last == 1));
    for (const bool logits : {false, true}) {
      encoder::CtcAlignment::Module<E> module(config(3), 2);
      CHECK(nn::check_module(module, {nn::check_values(12)}, [&](auto& ctx, const auto& in) {
              const auto y = module(ctx, in[0].reshape(Shape{Index{6}, Index{2}}), plan, 0);
              return logits ? y.logits : y.rows;
            }) == "");
    }
  }
}

TEST_CASE("what a sample gives depends on its available tokens alone") {
  encoder::CtcAlignment::Module<E> module(config(3), 2);
  backend::Reference backend;
  nn::register_parameters<E>(module, backend, 1);
  const ModalityBatch whole = modality({2, 3, 0, 1}, {1, 1, 0, 1, 1, 0});
  const auto all = aligned(whole, module, 3);
  REQUIRE(all.size() == 4 * 3 * 2);
  const auto sample = [&](std::size_t b) {
    return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(6 * b),
                               all.begin() + static_cast<std::ptrdiff_t>(6 * b + 6));
  };

  ModalityBatch alone = modality({2}, {1, 1});
  alone.features = {whole.features[6], whole.features[7], whole.features[8], whole.features[9]};
  CHECK(aligned(alone, module, 3) == sample(1));
  ModalityBatch other = whole;
  other.features[4] = other.features[5] = 100;  // of an unavailable token
  CHECK(aligned(other, module, 3) == all);
  other.features[8] = 100;
  CHECK(aligned(other, module, 3) != all);
  CHECK(sample(2) == std::vector<double>(6, 0.0));  // no token at all
  CHECK(sample(3) == std::vector<double>(6, 0.0));  // none that is available
}

TEST_CASE("a row gives itself away, less what goes to the blank") {
  encoder::CtcAlignment::Module<E> module(config(4), 2);
  backend::Reference backend;
  const auto parameters = nn::register_parameters<E>(module, backend, 1);
  for (auto* p : parameters) backend.fill(p->value.data(), p->size(), 0.0);  // all logits 0: one fifth to each place
  ModalityBatch m = modality({2}, {1, 1});
  m.features = {5, 10, -15, 5};
  const auto y = aligned(m, module, 4);
  for (std::size_t i = 0; i < 8; ++i) CHECK(y.at(i) == doctest::Approx(i % 2 ? 3.0 : -2.0));
}

TEST_CASE("parameters, settings, and which modality stays") {
  encoder::CtcAlignmentConfig c = config(6);
  c.layers = 3;
  encoder::CtcAlignment::Module<E> module(c, 2);
  backend::Reference backend;
  const auto parameters = nn::register_parameters<E>(module, backend, 1);
  CHECK(parameters.size() == 12);
  CHECK(parameters[0]->name == "position.layer.0.weight_ih");
  CHECK(parameters[0]->extents == std::vector<Index>{28, 2});
  CHECK(parameters[11]->name == "position.layer.2.bias_hh");
  CHECK(c.positions(4) == 6);
  CHECK(c.positions(9) == 9);

  Schema schema;
  schema.modalities = {{"audio", 2, 9}, {"text", 3, 9}};
  CHECK(c.reference_of(schema) == 1);
  c.reference = "speech";
  CHECK(c.reference_of(schema) == 0);
  CHECK_THROWS_AS(encoder::CtcAlignment::Module<E>(config(0), 2), ConfigError);
  c.layers = 0;
  CHECK_THROWS_AS(encoder::CtcAlignment::Module<E>(c, 2), ConfigError);
}

TEST_CASE("plan, alignment, CTC loss and their reverse allocate nothing when a batch is repeated") {
  using Fast = nn::Engine<backend::Cpu, Float>;
  const ModalityBatch m = modality({9, 3, 0, 6}, {1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1});
  for (const int threads : {1, 2}) {
    backend::Cpu backend(threads);
    encoder::CtcAlignment::Module<Fast> module(config(5), 2);
    std::vector<Index> sizes;
    for (const auto* p : nn::register_parameters<Fast>(module, backend, 1)) sizes.push_back(p->size());
    nn::Gradients<Fast> gradients(sizes);
    autodiff::Workspace<HostMemory> workspace;
    encoder::AlignmentPlan plan;
    encoder::TokenPlan tokens;
    loss::CtcPlan targets;
    const std::vector<std::int32_t> wanted{3, 2, 0, 5};
    const auto step = [&] {
      plan.build(m, 5, 5, tokens);
      targets.build_in_order(plan.offsets, wanted, loss::CtcReduction::Mean);
      Fast::Tape tape(backend, workspace, true);
      gradients.begin_step();
      nn::Context<Fast> ctx{tape, &gradients, true};
      const auto y = module(ctx, nn::Var<Fast, 2>(m.features.data(), Shape{m.rows(), Index{2}}), plan, 0);
      const auto target = tape.target(y.rows);
      backend.fill(target.data, y.rows.size(), 1.0f);
      const Fast::Tape::Seed seed{loss::ctc(ctx, y.logits, targets), 1.0f};
      tape.reverse(std::span(&seed, 1));
    };
    const test::HeapCounter cold;
    step();
    CHECK(cold.requests() > 0);
    const test::HeapCounter warm;
    for (int repeat = 0; repeat < 3; ++repeat) step();
    const long repeated = warm.requests();
    CHECK(repeated == 0);
  }
}

}  // namespace
