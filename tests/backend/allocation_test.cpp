// A kernel that has seen its largest shape allocates nothing. Replaces the allocation functions of this whole program.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

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

void* operator new(std::size_t bytes) { return allocate(bytes, kPlain); }
void* operator new[](std::size_t bytes) { return allocate(bytes, kPlain); }
void* operator new(std::size_t bytes, std::align_val_t a) { return allocate(bytes, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return allocate(bytes, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using namespace ramer;

TEST_CASE("the counter counts") {
  counting = true;
  allocations = 0;
  HostMemory::deallocate(HostMemory::allocate(100));
  delete new int(1);
  counting = false;
  CHECK(allocations == 2);
}

TEST_CASE_TEMPLATE("nothing is allocated once the scratch has grown", T, float, double) {
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    backend::Cpu b(threads);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const auto problems = test::ProblemMaker<T, backend::Cpu>(b, seed, seed % 2 == 0).all();
      for (const auto& p : problems) p->run(b);
      for (const auto& p : problems) {
        allocations = 0;
        counting = true;
        for (int repeat = 0; repeat < 3; ++repeat) p->run(b);
        counting = false;
        CAPTURE(p->name);
        CHECK(allocations == 0);
      }
    }
  }
}

}  // namespace
