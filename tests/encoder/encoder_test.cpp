// Derivatives of the encoder's modules; what of a batch they see.
#include <doctest/doctest.h>

#include "model/sample_batch.hpp"
#include "ramer/encoder/label_attention.hpp"
#include "ramer/encoder/person_segment_attention.hpp"
#include "ramer/encoder/transformer.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

auto rows_of(Index cols) {
  return [=](const auto& x) { return x.reshape(Shape{x.size() / cols, cols}); };
}

Batch a_batch(bool target = true) {
  test::BatchSpec spec;
  spec.target = target;
  spec.seed = 3;
  return test::make_batch(spec);
}

encoder::TokenPlan plan_of(const Batch& batch, std::size_t m, encoder::TargetTime time, Index positions = 9) {
  encoder::TokenPlan plan;
  plan.build(batch, batch.modalities[m], time, positions, batch.has_target());
  return plan;
}

TEST_CASE("the encoder's derivatives, the target's time marked or not") {
  const Batch batch = a_batch();
  encoder::TransformerConfig config;
  config.hidden = 4, config.heads = 2, config.inner = 3, config.dropout = 0.3;
  for (const auto time : {encoder::TargetTime::All, encoder::TargetTime::Marked}) {
    for (const Index layers : {0, 2}) {
      const auto plan = plan_of(batch, 1, time);
      encoder::Transformer::Module<E> module(config, layers, 4, 9, time == encoder::TargetTime::Marked);
      nn::CheckOptions options;
      options.most = 9;
      CHECK(nn::check_module(
                module, {nn::check_values(plan.rows * 4)},
                [&](auto& ctx, const auto& in) { return module(ctx, rows_of(4)(in[0]), plan, 1); }, options) == "");
    }
  }
}

TEST_CASE("label attention's derivatives") {
  for (const bool target : {true, false}) {
    const Batch batch = a_batch(target);
    for (const auto time : {encoder::TargetTime::All, encoder::TargetTime::Segment}) {
      const auto plan = plan_of(batch, 0, time);
      CHECK(plan.single == (target && time == encoder::TargetTime::Segment));
      encoder::LabelAttention<E> module(3, 4);
      CHECK(nn::check_module(module, {nn::check_values(plan.target.view().size * 4)},
                             [&](auto& ctx, const auto& in) { return module(ctx, rows_of(4)(in[0]), plan, 0); }) == "");
    }
  }
}

TEST_CASE("label attention over one row per sample leaves its weight alone") {
  const Batch batch = a_batch();
  const auto plan = plan_of(batch, 0, encoder::TargetTime::Segment);
  encoder::LabelAttention<E> module(3, 4);
  backend::Reference backend;
  const auto parameters = nn::register_parameters<E>(module, backend, 1);
  nn::Gradients<E> gradients({parameters[0]->size()});
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, true);
  nn::Context<E> ctx{tape, &gradients, true};
  auto h = tape.output_if(true, Shape{plan.target.view().size, Index{4}});
  std::fill_n(h.data, h.var.size(), 1.0);
  const auto x = module(ctx, h.var, plan, 0);
  const auto target = tape.target(x);
  for (Index i = 0; i < x.size(); ++i) target.put(i, 1.0);
  tape.sweep();
  CHECK_FALSE(gradients.slot(0).written);
}

TEST_CASE("person and segment attention's derivatives, with and without personality") {
  const Batch batch = a_batch();
  for (const auto time : {encoder::TargetTime::All, encoder::TargetTime::Segment}) {
    const auto tokens = plan_of(batch, 1, time);
    encoder::AuxiliaryPlan plan;
    plan.attention.resize(1);
    plan.attention[0].build(batch, batch.modalities[1]);
    for (const bool personality : {true, false}) {
      encoder::PersonSegmentAttention::Module<E> module(3, personality, {personality ? 0.5 : 1.0});
      const auto size = tokens.rows * 3;
      CHECK(nn::check_module(module, {nn::check_values(size), nn::check_values(size, 2)}, [&](auto& ctx, const auto& in) {
              const auto h = rows_of(3)(in[0]);
              return module(ctx, h, personality ? rows_of(3)(in[1]) : nn::Var<E, 2>{}, tokens, plan, 0);
            }) == "");
    }
  }
}

/// One sample of two persons and two segments; person 0 at time 1 is a hole, and has the modality nowhere.
Batch by_hand() {
  Batch batch;
  batch.size = 1;
  batch.persons = {2};
  batch.segments = {2};
  batch.target_person = {1};
  batch.target_segment = {1};
  batch.label_count = 1;
  batch.modalities.resize(1);
  ModalityBatch& m = batch.modalities[0];
  m.name = "text";
  m.width = 1;
  m.features = {0, 5, 7};
  m.available = {0, 1, 1};
  m.person = {0, 1, 1};
  m.segment = {0, 0, 1};
  m.position = {0, 2, 3};
  m.offsets = {0, 3};
  batch.id = {42};
  return batch;
}

TEST_CASE("token plan of a sample by hand") {
  Batch batch = by_hand();
  auto plan = plan_of(batch, 0, encoder::TargetTime::Marked, 4);
  CHECK(plan.rows == 3);
  CHECK(plan.longest == 3);
  CHECK(plan.key == std::vector<std::uint8_t>{0, 1, 1});
  CHECK(plan.at_target_time.index == std::vector<std::int32_t>{-1, -1, 0});
  CHECK(plan.target.index == std::vector<std::int32_t>{1, 2});
  CHECK(plan.row_key == std::vector<std::uint64_t>{0, 2, 3});
  CHECK(plan.present == std::vector<std::uint8_t>{1});

  plan = plan_of(batch, 0, encoder::TargetTime::Segment, 4);
  CHECK(plan.target.index == std::vector<std::int32_t>{2});
  batch.modalities[0].available = {1, 1, 0};
  plan = plan_of(batch, 0, encoder::TargetTime::Segment, 4);
  CHECK(plan.present == std::vector<std::uint8_t>{0});  // the one segment that is looked at lacks it
  CHECK(plan_of(batch, 0, encoder::TargetTime::All, 4).present == std::vector<std::uint8_t>{1});

  batch.modalities[0].available = {1, 0, 0};
  plan = plan_of(batch, 0, encoder::TargetTime::All, 4);
  CHECK(plan.present == std::vector<std::uint8_t>{0});  // the other person's token is no observation of the target
  CHECK(plan.key == std::vector<std::uint8_t>{1, 0, 0});
  batch.modalities[0].available = {0, 0, 0};
  plan = plan_of(batch, 0, encoder::TargetTime::All, 4);
  CHECK(plan.key == std::vector<std::uint8_t>{1, 1, 1});  // none available: all existing tokens
  CHECK(plan.target_mask == std::vector<std::uint8_t>{0, 0});
}

TEST_CASE("dead rows are rows of the plan that no sample has") {
  Batch batch = by_hand();
  for (auto* array : {&batch.modalities[0].person, &batch.modalities[0].segment, &batch.modalities[0].position})
    array->resize(8);
  batch.modalities[0].features.resize(8);
  batch.modalities[0].available.resize(8);
  batch.target_person.clear(), batch.target_segment.clear();
  auto plan = plan_of(batch, 0, encoder::TargetTime::Marked, 4);
  CHECK(plan.dead_rows);
  CHECK(plan.rows == 8);
  CHECK(plan.longest == 16);
  CHECK(plan.offsets == std::vector<std::int32_t>{0, 3});
  CHECK(plan.key == std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0, 0, 0});
  CHECK(plan.position.index == std::vector<std::int32_t>{0, 2, 3, 0, 1, 2, 3, 0});
  CHECK(plan.row_key == std::vector<std::uint64_t>{0, 2, 3, 1ull << 32, 2ull << 32, 3ull << 32, 4ull << 32, 5ull << 32});
  CHECK(plan.target.index == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(plan.target_offsets == std::vector<std::int32_t>{0, 3});
  CHECK(plan.target_mask == std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0, 0, 0});
  CHECK(plan.target_key == plan.row_key);
  CHECK(plan.at_target_time.index == std::vector<std::int32_t>(8, -1));

  pad_rows(batch, 1);  // one is left
  plan.build(batch, batch.modalities[0], encoder::TargetTime::All, 4, false);
  CHECK(plan.dead_rows);
  CHECK(plan.rows == 4);
  batch = by_hand();
  plan = plan_of(batch, 0, encoder::TargetTime::All, 4);
  CHECK_FALSE(plan.dead_rows);
  CHECK(plan.longest == 3);
}

TEST_CASE("a token's logical row for dropout is its sample and its position, whatever is packed around it") {
  const Batch batch = a_batch();
  for (std::size_t m = 0; m < batch.modalities.size(); ++m) {
    const auto plan = plan_of(batch, m, encoder::TargetTime::All);
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
      for (auto r = static_cast<std::size_t>(plan.offsets[b]); r < static_cast<std::size_t>(plan.offsets[b + 1]); ++r) {
        CHECK((plan.row_key[r] >> 32) == b);
        CHECK((plan.row_key[r] & 0xFFFFFFFFu) == static_cast<std::uint64_t>(batch.modalities[m].position[r]));
      }
    }
  }
}

TEST_CASE("a position outside the table is refused, with modality, sample, position and table") {
  const Batch batch = by_hand();
  encoder::TokenPlan plan;
  CHECK_THROWS_WITH_AS(plan.build(batch, batch.modalities[0], encoder::TargetTime::All, 3, true),
                       "modality text, sample 42: position 3 of a token is outside the model's position table of 3",
                       DataError);
}

TEST_CASE("groups of the two attentions by hand") {
  const Batch batch = by_hand();
  encoder::PersonSegmentPlan plan;
  plan.build(batch, batch.modalities[0]);
  CHECK(plan.by_segment.index == std::vector<std::int32_t>{0, 1, 2});  // time 0: both persons; time 1: person 1
  CHECK(plan.segment_offsets == std::vector<std::int32_t>{0, 2, 3});
  CHECK(plan.segment_key == std::vector<std::uint8_t>{0, 1, 1});
  CHECK(plan.person_offsets == std::vector<std::int32_t>{0, 1, 3});
  CHECK(plan.longest_segment == 2);
  CHECK(plan.longest_person == 2);
}

TEST_CASE("the two attentions by hand: uniform where nothing is available") {
  const Batch batch = by_hand();
  const auto tokens = plan_of(batch, 0, encoder::TargetTime::All, 4);
  encoder::AuxiliaryPlan plan;
  plan.attention.resize(1);
  plan.attention[0].build(batch, batch.modalities[0]);
  encoder::PersonSegmentAttention::Module<E> module(1, false, {});
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const double h[] = {1, 2, 4};
  const auto y = module(ctx, nn::Var<E, 2>(h, Shape{Index{3}, Index{1}}), {}, tokens, plan, 0);
  // time 0: both persons look at person 1 alone (2); time 1: person 1 at itself (4). J = {3, 4, 8}.
  // person 1 looks at its two segments: 4 with weight exp(4 q), 8 with weight exp(8 q), q = 4 and 8.
  const auto looked = [](double q) { return (4 * std::exp(4 * q - 8 * q) + 8) / (std::exp(4 * q - 8 * q) + 1); };
  REQUIRE(y.size() == 2);
  CHECK(y.data()[0] == doctest::Approx(4 + looked(4)));
  CHECK(y.data()[1] == doctest::Approx(8 + looked(8)));
}

TEST_CASE("layers: up to one number for each modality, of which the last serves the rest") {
  encoder::TransformerConfig config;
  config.layers = {2};
  CHECK(config.layers_of(2, 3) == 2);
  config.layers = {1, 2, 3};
  CHECK(config.layers_of(1, 3) == 2);
  config.layers = {4, 2};
  CHECK(config.layers_of(0, 4) == 4);
  CHECK(config.layers_of(1, 4) == 2);
  CHECK(config.layers_of(3, 4) == 2);
  config.layers = {1, 2, 3};
  CHECK_THROWS_WITH_AS(config.layers_of(0, 2), "encoder.layers: 3 numbers for 2 modalities; give one, or up to one each",
                       ConfigError);
}

}  // namespace
