#include "ramer/core/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

using namespace ramer;

namespace {

// Host memory that counts what is alive.
struct CountedMemory {
  static constexpr bool host = true;
  static inline int alive = 0;
  static inline std::size_t last_bytes = 0;
  static void* allocate(std::size_t bytes) {
    ++alive;
    last_bytes = bytes;
    return HostMemory::allocate(bytes);
  }
  static void deallocate(void* p) noexcept {
    --alive;
    HostMemory::deallocate(p);
  }
};

template <int Rank>
using Counted = Tensor<float, Rank, CountedMemory>;

}  // namespace

TEST_CASE("a new tensor is zero, row-major and aligned") {
  Tensor<double, 3> t({2, 3, 4});
  CHECK(t.size() == 24);
  CHECK(t.extent(1) == 3);
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % HostMemory::alignment == 0);
  for (double x : t.span()) CHECK(x == 0);

  std::iota(t.span().begin(), t.span().end(), 0.0);
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 4; ++k) CHECK(t(i, j, k) == static_cast<double>((i * 3 + j) * 4 + k));
  CHECK(&t(1, 2, 3) == t.data() + 23);
  CHECK(&std::as_const(t)(1, 2, 3) == t.data() + 23);
}

TEST_CASE("a scalar tensor has one element, a default tensor none") {
  Tensor<float, 0> scalar{Shape<0>{}};
  CHECK(scalar.size() == 1);
  scalar() = 3;
  CHECK(scalar.data()[0] == 3);

  Tensor<float, 0> nothing;
  CHECK(nothing.size() == 0);
  CHECK(nothing.data() == nullptr);
  CHECK(nothing.span().empty());
  CHECK(Tensor<int, 2>({0, 5}).size() == 0);
}

TEST_CASE("shapes that cannot be are refused before memory is asked for") {
  const Index big = Index{1} << 62;
  CHECK_THROWS_AS(Counted<2>({-1, 2}), ShapeError);
  CHECK_THROWS_AS(Counted<2>({big, 4}), ShapeError);  // the number of elements overflows
  CHECK_THROWS_AS(Counted<1>({big}), ShapeError);     // the number of bytes overflows
  CHECK(CountedMemory::alive == 0);
}

TEST_CASE("a tensor owns its memory exactly once") {
  CHECK_FALSE(std::is_copy_constructible_v<Counted<1>>);
  CHECK_FALSE(std::is_copy_assignable_v<Counted<1>>);
  CHECK(std::is_nothrow_move_constructible_v<Counted<1>>);
  {
    Counted<1> a({3});
    CHECK(CountedMemory::alive == 1);
    CHECK(CountedMemory::last_bytes == 3 * sizeof(float));
    a(2) = 7;
    const float* const where = a.data();

    Counted<1> b(std::move(a));
    CHECK(CountedMemory::alive == 1);
    CHECK(b.data() == where);
    CHECK(b(2) == 7);
    CHECK(a.data() == nullptr);  // NOLINT(bugprone-use-after-move): a moved-from tensor is empty
    CHECK(a.size() == 0);

    Counted<1> c({5});
    c = std::move(b);
    CHECK(c.data() == where);
    CHECK(c.extent(0) == 3);

    a = Counted<1>({4});  // an emptied tensor may be used again
    CHECK(a.size() == 4);
    Counted<1>& self = c;
    c = std::move(self);
    CHECK(c.data() == where);
    CHECK(c(2) == 7);
  }
  CHECK(CountedMemory::alive == 0);
}

TEST_CASE("a view sees the tensor's elements and owns nothing") {
  Counted<2> t({2, 3});
  {
    View<float, 2, CountedMemory> v = t.view();
    v(1, 2) = 9;
    View<const float, 2, CountedMemory> c = v;
    CHECK(c(1, 2) == 9);
    CHECK(c.size() == 6);
    CHECK(c.shape() == t.shape());
    CHECK(c.span().data() == t.data());
    CHECK_FALSE(c.empty());
  }
  CHECK(CountedMemory::alive == 1);
  CHECK(t(1, 2) == 9);
  CHECK(View<float, 1>().empty());
  CHECK_FALSE(std::is_convertible_v<View<const float, 2>, View<float, 2>>);
  CHECK_FALSE(std::is_convertible_v<View<float, 2, CountedMemory>, View<float, 2>>);
}
