// After the first step of its size, a training step allocates nothing.
#include <doctest/doctest.h>

#include "heap_counter.hpp"
#include "ramer/model/tailor.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;

TEST_CASE("A step allocates nothing after the first") {
  const auto data = small_data(80);
  const auto split = data::split_samples(data);
  for (const int way : {0, 1, 2}) {
    const int threads = way == 0 ? 1 : 2;
    const bool by_row = way == 2;
    CAPTURE(way);
    Small model = small_model(data, threads);
    train::Stepper<Small> stepper(model, {}, 1);
    data::BatchOptions shown;
    if (by_row) shown.features = data::Features::kByRow;
    data::BatchBuilder builder(data, shown);
    const auto build = [&](std::size_t at, Batch& batch) {
      builder.build(std::span<const std::int32_t>(split.train).subspan(at, 16), batch);
      for (std::size_t m = 0; m < batch.modalities.size() && by_row; ++m) {
        const auto& kept = data.modalities()[m].features;
        batch.modalities[m].kept = {kept.data(), kept.extent(0)};
      }
    };
    Batch first, second;
    build(0, first);
    build(16, second);

    const test::HeapCounter cold;
    stepper.run(first, 0, 100);
    CHECK(cold.requests() > 0);  // so the counter works, and the memory was not there before

    const test::HeapCounter warm;
    for (std::uint64_t step = 1; step < 4; ++step) stepper.run(first, step, 100);
    const long repeated = warm.requests();
    CHECK(repeated == 0);

    // Two batches by turns: nothing once both were seen. Building them into used buffers allocates nothing either.
    stepper.run(second, 4, 100);
    const test::HeapCounter turns;
    for (std::uint64_t step = 5; step < 9; ++step) {
      build(step % 2 ? 0 : 16, step % 2 ? first : second);
      stepper.run(step % 2 ? first : second, step, 100);
    }
    const long by_turns = turns.requests();
    CHECK(by_turns == 0);
  }
}

TEST_CASE_TEMPLATE("A step of TAILOR allocates nothing after the first", R, recipe::Tailor, recipe::TailorUnaligned) {
  using M = Model<R, backend::Cpu, Float>;
  const auto data = small_data(80);
  const auto split = data::split_samples(data);
  data::BatchOptions shown;
  shown.view = data::PersonView::kAll;
  typename M::Config config;
  config.encoder.hidden = config.encoder.inner = 16, config.encoder.heads = 2, config.encoder.layers = {1};
  config.fusion.layers = 1;
  if constexpr (requires { config.alignment.length; }) config.alignment.length = 4;
  M model(train::make_schema(data, shown), config, backend::Cpu(2));
  train::Stepper<M> stepper(model, {}, 1);
  data::BatchBuilder builder(data, shown);
  Batch batches[2];
  for (std::size_t i = 0; i < 2; ++i)
    builder.build(std::span<const std::int32_t>(split.train).subspan(i * 16, 16), batches[i]);
  const test::HeapCounter cold;
  for (std::uint64_t step = 0; step < 4; ++step) stepper.run(batches[step % 2], step, 100);
  CHECK(cold.requests() > 0);
  const test::HeapCounter warm;
  for (std::uint64_t step = 4; step < 8; ++step) stepper.run(batches[step % 2], step, 100);
  const long by_turns = warm.requests();
  CHECK(by_turns == 0);
}
