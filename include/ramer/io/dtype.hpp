// Element types of safetensors files, and how their values become C++ numbers.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ramer/core/types.hpp"

namespace ramer::io {

/// Element type of a stored tensor. The 8-bit floats can be listed and copied, not converted.
enum class DType : std::uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64
};

namespace detail {
struct DTypeRow {
  DType type;
  std::string_view name;
  Index size;
};
inline constexpr DTypeRow kDTypes[] = {
    {DType::kBool, "BOOL", 1},      {DType::kU8, "U8", 1},   {DType::kI8, "I8", 1},   {DType::kF8E5M2, "F8_E5M2", 1},
    {DType::kF8E4M3, "F8_E4M3", 1}, {DType::kI16, "I16", 2}, {DType::kU16, "U16", 2}, {DType::kF16, "F16", 2},
    {DType::kBf16, "BF16", 2},      {DType::kI32, "I32", 4}, {DType::kU32, "U32", 4}, {DType::kF32, "F32", 4},
    {DType::kI64, "I64", 8},        {DType::kU64, "U64", 8}, {DType::kF64, "F64", 8}};
}  // namespace detail

/// The name that files use, such as "F32".
constexpr std::string_view dtype_name(DType type) { return detail::kDTypes[static_cast<std::size_t>(type)].name; }
/// Bytes of an element.
constexpr Index dtype_size(DType type) { return detail::kDTypes[static_cast<std::size_t>(type)].size; }
/// The type of that name, if there is one.
constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& row : detail::kDTypes)
    if (row.name == name) return row.type;
  return std::nullopt;
}

/// The stored type that has exactly the layout of a C++ number.
template <class T>
constexpr DType dtype_of() {
  using U = std::remove_cv_t<T>;
  static_assert(std::is_arithmetic_v<U>, "only numbers can be stored");
  if constexpr (std::is_same_v<U, bool>)
    return DType::kBool;
  else if constexpr (std::is_same_v<U, double>)
    return DType::kF64;
  else if constexpr (std::is_same_v<U, float>)
    return DType::kF32;
  else if constexpr (sizeof(U) == 1)
    return std::is_signed_v<U> ? DType::kI8 : DType::kU8;
  else if constexpr (sizeof(U) == 2)
    return std::is_signed_v<U> ? DType::kI16 : DType::kU16;
  else if constexpr (sizeof(U) == 4)
    return std::is_signed_v<U> ? DType::kI32 : DType::kU32;
  else
    return std::is_signed_v<U> ? DType::kI64 : DType::kU64;
}

namespace detail {

/// IEEE half precision to float; exact.
inline float half_to_float(std::uint16_t h) {
  const float sign = h & 0x8000u ? -1.0f : 1.0f;
  const int exponent = (h >> 10) & 31;
  const auto mantissa = static_cast<float>(h & 1023u);
  if (exponent == 31) return mantissa == 0 ? sign * std::numeric_limits<float>::infinity() : std::nanf("");
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024.0f + mantissa, exponent - 25);
}

inline float bfloat_to_float(std::uint16_t b) { return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16); }

template <class Stored>
Stored load(const std::byte* at) {
  Stored value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Calls `use(load_element)` where load_element(pointer) gives an element as a C++ number; false if the type has none.
template <class Use>
bool with_loader(DType type, Use&& use) {
  switch (type) {
    case DType::kBool:
    case DType::kU8: use(load<std::uint8_t>); return true;
    case DType::kI8: use(load<std::int8_t>); return true;
    case DType::kI16: use(load<std::int16_t>); return true;
    case DType::kU16: use(load<std::uint16_t>); return true;
    case DType::kF16: use([](const std::byte* at) { return half_to_float(load<std::uint16_t>(at)); }); return true;
    case DType::kBf16: use([](const std::byte* at) { return bfloat_to_float(load<std::uint16_t>(at)); }); return true;
    case DType::kI32: use(load<std::int32_t>); return true;
    case DType::kU32: use(load<std::uint32_t>); return true;
    case DType::kF32: use(load<float>); return true;
    case DType::kI64: use(load<std::int64_t>); return true;
    case DType::kU64: use(load<std::uint64_t>); return true;
    case DType::kF64: use(load<double>); return true;
    case DType::kF8E5M2:
    case DType::kF8E4M3: return false;
  }
  return false;
}

/// Whether `value` can become a T: integers must fit; a floating-point number never silently becomes an integer.
template <class T, class S>
constexpr bool converts(S value) {
  if constexpr (std::is_floating_point_v<T>)
    return true;
  else if constexpr (std::is_floating_point_v<S>)
    return false;
  else if constexpr (std::is_same_v<T, bool>)
    return value == 0 || value == 1;
  else
    return std::in_range<T>(value);
}

}  // namespace detail

}  // namespace ramer::io
