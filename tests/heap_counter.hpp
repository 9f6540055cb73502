// Counts, and on demand refuses, what a program asks of the heap: replaces its operator new and delete. To be included in one
// source of a program; a second one would not link.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace ramer::test {

namespace heap {
inline std::atomic<long> requests{0};
inline std::atomic<std::size_t> largest_granted{std::numeric_limits<std::size_t>::max()};

inline void* request(std::size_t bytes, std::size_t alignment) noexcept {
  requests.fetch_add(1, std::memory_order_relaxed);
  if (bytes > largest_granted.load(std::memory_order_relaxed)) return nullptr;
  return std::aligned_alloc(alignment, (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment);
}
inline void* request_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* p = request(bytes, alignment)) return p;
  throw std::bad_alloc{};
}
inline constexpr std::size_t kPlain = alignof(std::max_align_t);
}  // namespace heap

/// Requests of all threads since it was made.
class HeapCounter {
 public:
  long requests() const { return heap::requests.load() - start_; }

 private:
  long start_ = heap::requests.load();
};

/// While it lives, a request for more than `largest` bytes fails.
class HeapLimit {
 public:
  explicit HeapLimit(std::size_t largest) { heap::largest_granted = largest; }
  ~HeapLimit() { heap::largest_granted = std::numeric_limits<std::size_t>::max(); }
  HeapLimit(const HeapLimit&) = delete;
  HeapLimit& operator=(const HeapLimit&) = delete;
};

}  // namespace ramer::test

// Not inlined: g++ would see new paired with free. The forms with nothrow are replaced too: a library's own would not match
// this delete.
#define RAMER_TEST_HEAP [[gnu::noinline]]
RAMER_TEST_HEAP void* operator new(std::size_t n) {
  return ramer::test::heap::request_or_throw(n, ramer::test::heap::kPlain);
}
RAMER_TEST_HEAP void* operator new[](std::size_t n) {
  return ramer::test::heap::request_or_throw(n, ramer::test::heap::kPlain);
}
RAMER_TEST_HEAP void* operator new(std::size_t n, std::align_val_t a) {
  return ramer::test::heap::request_or_throw(n, static_cast<std::size_t>(a));
}
RAMER_TEST_HEAP void* operator new[](std::size_t n, std::align_val_t a) {
  return ramer::test::heap::request_or_throw(n, static_cast<std::size_t>(a));
}
RAMER_TEST_HEAP void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return ramer::test::heap::request(n, ramer::test::heap::kPlain);
}
RAMER_TEST_HEAP void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return ramer::test::heap::request(n, ramer::test::heap::kPlain);
}
RAMER_TEST_HEAP void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return ramer::test::heap::request(n, static_cast<std::size_t>(a));
}
RAMER_TEST_HEAP void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return ramer::test::heap::request(n, static_cast<std::size_t>(a));
}
RAMER_TEST_HEAP void operator delete(void* p) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete(void* p, std::size_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
RAMER_TEST_HEAP void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
#undef RAMER_TEST_HEAP
