#include "ramer/autodiff/arena.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <map>

using namespace ramer;
using namespace ramer::autodiff;

namespace {

/// Counts what is asked of the system and gives it back.
struct CountingMemory {
  static constexpr bool host = true;
  static inline int allocations = 0, live = 0;
  static void* allocate(std::size_t bytes) {
    ++allocations;
    ++live;
    return HostMemory::allocate(bytes);
  }
  static void deallocate(void* p) noexcept {
    --live;
    HostMemory::deallocate(p);
  }
};

const std::vector<std::size_t> kRequests{1, 64, 65, 0, 1000, 200, 5000, 64, 3, 20000, 100};

template <class Allocator>
std::vector<void*> ask(Allocator& from, auto request) {
  std::vector<void*> places;
  for (std::size_t bytes : kRequests) {
    places.push_back(request(from, bytes));
    std::memset(places.back(), static_cast<int>(places.size()), bytes);
  }
  for (std::size_t i = 0; i < kRequests.size(); ++i) {
    const auto* p = static_cast<const unsigned char*>(places[i]);
    for (std::size_t b = 0; b < kRequests[i]; ++b) REQUIRE(p[b] == i + 1);
  }
  return places;
}

}  // namespace

TEST_CASE("arena: pieces are aligned and apart; a repeated step gets the same addresses and asks the system for nothing") {
  const auto request = [](Arena<CountingMemory>& arena, std::size_t bytes) { return arena.allocate_bytes(bytes); };
  for (const std::size_t first : {std::size_t{64}, std::size_t{4096}, std::size_t{1} << 20}) {
    CAPTURE(first);
    {
      Arena<CountingMemory> arena(first);
      CHECK(arena.capacity() == 0);
      const auto places = ask(arena, request);
      for (void* p : places) CHECK(reinterpret_cast<std::uintptr_t>(p) % Arena<CountingMemory>::kAlignment == 0);
      const int allocations = CountingMemory::allocations;
      const std::size_t capacity = arena.capacity();
      CHECK(capacity >= 26432);
      for (int step = 0; step < 3; ++step) {
        arena.rewind();
        CHECK(ask(arena, request) == places);
        CHECK(CountingMemory::allocations == allocations);
        CHECK(arena.capacity() == capacity);
      }
    }
    CHECK(CountingMemory::live == 0);
  }
}

TEST_CASE("arena: many small pieces cost few blocks") {
  Arena<CountingMemory> arena(64);
  CountingMemory::allocations = 0;
  for (int i = 0; i < 10000; ++i) arena.allocate<double>(8);
  CHECK(CountingMemory::allocations <= 15);
  CHECK(arena.capacity() <= 4 * 640000);
}

TEST_CASE("arena: a smaller step fits in what a larger one left, and a larger one grows it") {
  Arena<CountingMemory> arena(1024);
  arena.allocate_bytes(10000);
  const std::size_t capacity = arena.capacity();
  arena.rewind();
  arena.allocate_bytes(100);
  arena.allocate_bytes(9000);
  CHECK(arena.capacity() == capacity);
  arena.allocate_bytes(9000);
  CHECK(arena.capacity() > capacity);
}

TEST_CASE("arena: moves its blocks") {
  {
    Arena<CountingMemory> from(256);
    auto* x = from.allocate<int>(4);
    x[3] = 7;
    Arena<CountingMemory> to(std::move(from));
    CHECK(x[3] == 7);
    CHECK(from.capacity() == 0);
    CHECK(from.allocate<int>(1) != nullptr);
    CHECK(to.allocate<int>(1) != x);
    to.rewind();
    CHECK(to.allocate<int>(4) == x);
  }
  CHECK(CountingMemory::live == 0);
}

TEST_CASE("pool: what was released is used again, and no block is smaller than asked for") {
  Pool<CountingMemory> pool;
  void* a = pool.allocate(1000);
  void* b = pool.allocate(1000);
  CHECK(a != b);
  pool.release(a, 1000);
  CHECK(pool.allocate(1000) == a);
  pool.release(b, 1000);
  pool.release(a, 1000);
  CHECK(pool.allocate(1000) == a);
  CHECK(pool.allocate(1000) == b);
  CHECK(pool.allocate(100000) != a);

  // Every block of these is alive at once: sorted by address, none reaches into the next.
  std::map<std::uintptr_t, std::size_t> live;
  for (std::size_t bytes = 0; bytes < 3000; bytes += 7) live[reinterpret_cast<std::uintptr_t>(pool.allocate(bytes))] = bytes;
  for (auto it = live.begin(); std::next(it) != live.end(); ++it) REQUIRE(it->first + it->second <= std::next(it)->first);
}

TEST_CASE("pool: a block serves the other sizes of its class, whose rounding wastes at most a quarter") {
  for (std::size_t bytes = 64; bytes < 70000; bytes = bytes * 5 / 4 + 1) {
    Pool<CountingMemory> pool;
    void* place = pool.allocate(bytes);
    pool.release(place, bytes);
    void* again = pool.allocate(bytes + bytes / 3);
    CHECK(again != place);
  }
  Pool<CountingMemory> pool;
  void* place = pool.allocate(1281);
  pool.release(place, 1281);
  CHECK(pool.allocate(1536) == place);
}

TEST_CASE("pool: rewinding forgets what is free and repeats the addresses") {
  const auto request = [](Pool<CountingMemory>& pool, std::size_t bytes) { return pool.allocate(bytes); };
  Pool<CountingMemory> pool;
  const auto places = ask(pool, request);
  for (std::size_t i = 0; i < places.size(); i += 2) pool.release(places[i], kRequests[i]);
  const std::size_t capacity = pool.capacity();
  pool.rewind();
  CHECK(ask(pool, request) == places);
  CHECK(pool.capacity() == capacity);
}

TEST_CASE("arena: back to a mark, over the edge of blocks; what was before it stays") {
  Arena<CountingMemory> arena(64);
  auto* const kept = static_cast<unsigned char*>(arena.allocate_bytes(40));
  std::memset(kept, 7, 40);
  const auto mark = arena.mark();
  void* const next = arena.allocate_bytes(40);
  arena.allocate_bytes(100000);
  const std::size_t held = arena.capacity();
  for (int repeat = 0; repeat < 3; ++repeat) {
    arena.rewind(mark);
    CHECK(arena.allocate_bytes(40) == next);
    arena.allocate_bytes(100000);
  }
  CHECK(arena.capacity() == held);
  for (int i = 0; i < 40; ++i) CHECK(kept[i] == 7);
}
