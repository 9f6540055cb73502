// After the first step of its size, a training step allocates nothing. Replaces the allocation functions of this program.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "train/support.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  bytes = (bytes + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, bytes ? bytes : alignment)) return p;
  throw std::bad_alloc();
}
constexpr std::size_t kPlain = alignof(std::max_align_t);

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) { return allocate(bytes, kPlain); }
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return allocate(bytes, kPlain); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t a) {
  return allocate(bytes, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, std::align_val_t a) {
  return allocate(bytes, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

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

    allocations = 0;
    counting = true;
    stepper.run(first, 0, 100);
    counting = false;
    CHECK(allocations > 0);  // so the counter works, and the memory was not there before

    allocations = 0;
    counting = true;
    for (std::uint64_t step = 1; step < 4; ++step) stepper.run(first, step, 100);
    counting = false;
    CHECK(allocations == 0);

    // Two batches by turns: nothing once both were seen. Building them into used buffers allocates nothing either.
    stepper.run(second, 4, 100);
    allocations = 0;
    counting = true;
    for (std::uint64_t step = 5; step < 9; ++step) {
      const auto samples = std::span<const std::int32_t>(split.train).subspan(step % 2 ? 0 : 16, 16);
      builder.build(samples, step % 2 ? first : second);
      stepper.run(step % 2 ? first : second, step, 100);
    }
    counting = false;
    CHECK(allocations == 0);
  }
}
