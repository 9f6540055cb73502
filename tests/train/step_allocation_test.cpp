// After the first step of its size, a training step allocates nothing.
#include <doctest/doctest.h>

#include "heap_counter.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;

TEST_CASE("A step allocates nothing after the first") {
  const auto data = small_data(80);
  const auto split = data::split_samples(data);
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    Small model = small_model(data, threads);
    train::Stepper<Small> stepper(model, {}, 1);
    data::BatchBuilder builder(data);
    Batch first, second;
    builder.build(std::span<const std::int32_t>(split.train).first(16), first);
    builder.build(std::span<const std::int32_t>(split.train).subspan(16, 16), second);

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
      const auto samples = std::span<const std::int32_t>(split.train).subspan(step % 2 ? 0 : 16, 16);
      builder.build(samples, step % 2 ? first : second);
      stepper.run(step % 2 ? first : second, step, 100);
    }
    const long by_turns = turns.requests();
    CHECK(by_turns == 0);
  }
}
