// Tensor owns, View does not. Row-major and contiguous; which memory they live in is part of the type.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "ramer/core/shape.hpp"

namespace ramer {

namespace detail {

/// Asks the system for huge pages inside a large block: a step walks through hundreds of megabytes, and translating addresses costs it
/// a twentieth. A request, no more; elsewhere than on Linux nothing.
inline void prefer_huge_pages([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  if (bytes < 4 * kHuge) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(p) + kHuge - 1) / kHuge * kHuge;
  const auto end = (reinterpret_cast<std::uintptr_t>(p) + bytes) / kHuge * kHuge;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace detail

/// Ordinary memory, 64-byte aligned. Backends name the memory that they compute in; the CPU backends share this one.
struct HostMemory {
  static constexpr bool host = true;            ///< the host may read and write it
  static constexpr std::size_t alignment = 64;  ///< of every block, in bytes
  /// Uninitialised. @throws std::bad_alloc
  static void* allocate(std::size_t bytes) {
    void* const p = ::operator new (bytes, std::align_val_t{alignment});
    detail::prefer_huge_pages(p, bytes);
    return p;
  }
  /// Gives back what `allocate` gave.
  static void deallocate(void* p) noexcept { ::operator delete (p, std::align_val_t{alignment}); }
};

/// A tensor that somebody else owns.
template <class T, int Rank, class Memory = HostMemory>
class View {
 public:
  static constexpr int rank = Rank;  ///< number of axes

  constexpr View() = default;
  /// `data` must outlive the view.
  constexpr View(T* data, Shape<Rank> shape) : data_(data), shape_(shape) {}
  /// A view of constants from a view of variables.
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_const_v<U>) constexpr View(const View<U, Rank, Memory>& variables)
      : View(variables.data(), variables.shape()) {}

  /// Elements, extents, their product.
  constexpr T* data() const { return data_; }
  constexpr const Shape<Rank>& shape() const { return shape_; }
  constexpr Index extent(int axis) const { return shape_[axis]; }
  constexpr Index size() const { return shape_.size(); }
  constexpr bool empty() const { return size() == 0; }

  /// The element at an index for each axis; not checked.
  template <class... I>
  requires(sizeof...(I) == Rank) constexpr T& operator()(I... index) const {
    Index offset = 0;
    [[maybe_unused]] int axis = 0;
    ((offset = offset * shape_[axis++] + static_cast<Index>(index)), ...);
    return data_[offset];
  }

  /// All elements in memory's order.
  std::span<T> span() const requires(Memory::host) { return {data_, static_cast<std::size_t>(size())}; }

 private:
  T* data_ = nullptr;
  Shape<Rank> shape_{};
};

/// A tensor that owns its elements. Moves; copies only through `copy_from`, so that no copy is made by accident.
/// Elements of a new host tensor are zero; those of a device tensor are undefined until written.
template <class T, int Rank, class Memory = HostMemory>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr int rank = Rank;  ///< number of axes

  Tensor() = default;
  /// @throws ShapeError for extents that no memory could hold; std::bad_alloc
  explicit Tensor(Shape<Rank> shape) : shape_(shape) {
    const Index n = checked_size(shape.extents);
    require<ShapeError>(n <= static_cast<Index>(static_cast<std::size_t>(-1) / 2 / sizeof(T)), "tensor too large: ", shape);
    data_ = static_cast<T*>(Memory::allocate(static_cast<std::size_t>(n) * sizeof(T)));
    if constexpr (Memory::host) std::fill_n(data_, n, T{});
  }
  /// Leaves the other one empty, or with this one's elements.
  Tensor(Tensor&& other) noexcept : data_(std::exchange(other.data_, nullptr)), shape_(std::exchange(other.shape_, {})) {}
  /// The two change places.
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(shape_, other.shape_);
    return *this;
  }
  ~Tensor() {
    if (data_) Memory::deallocate(data_);
  }

  /// Elements (null after a move), extents, their product.
  T* data() { return data_; }
  const T* data() const { return data_; }
  const Shape<Rank>& shape() const { return shape_; }
  Index extent(int axis) const { return shape_[axis]; }
  Index size() const { return data_ ? shape_.size() : 0; }

  /// Of all elements, valid while the tensor lives and is not assigned to.
  View<T, Rank, Memory> view() { return {data_, shape_}; }
  View<const T, Rank, Memory> view() const { return {data_, shape_}; }

  /// The element at an index for each axis; not checked.
  template <class... I>
  T& operator()(I... index) {
    return view()(index...);
  }
  /// The element at an index for each axis; not checked.
  template <class... I>
  const T& operator()(I... index) const {
    return view()(index...);
  }
  /// All elements in memory's order.
  std::span<T> span() requires(Memory::host) { return {data_, static_cast<std::size_t>(size())}; }
  std::span<const T> span() const requires(Memory::host) { return {data_, static_cast<std::size_t>(size())}; }

 private:
  T* data_ = nullptr;
  Shape<Rank> shape_{};
};

}  // namespace ramer
