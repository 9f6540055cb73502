// Settings as plain structs that list their fields once. JSON, `--set key=value`, the help text and checks all come from
// that list.
//
//   struct Config {
//     Index hidden = 256;
//     Index heads = 8;
//     loss::Weights weights;                                        // a nested configuration: keys "weights.…"
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor&& field) {
//       field("hidden", self.hidden, "width of an encoder's hidden state", extent());
//       field("heads", self.heads, "attention heads", extent());
//       field("weights", self.weights, "weights of the objective");
//     }
//     void check(const std::string& key) const {                    // optional: what fields must fulfil together
//       require<ConfigError>(hidden % heads == 0, key, ".heads: expected a divisor of hidden = ", hidden, ", found ",
//       heads);
//     }
//   };
//
// A field is bool, an integer, a floating-point number, std::string, an enum with names (below), a configuration, or a
// std::vector of one of these. The fourth argument, of numbers alone, is their Range. A visitor takes
// (name, field, help, const auto&... range).
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/types.hpp"

namespace ramer {

namespace detail {
struct AnyField {
  template <class T, class... Range>
  void operator()(std::string_view, T&, std::string_view, const Range&...) const {}
};
}  // namespace detail

/// A struct that lists its fields.
template <class T>
concept Configuration = requires(T& t) {
  std::remove_const_t<T>::fields(t, detail::AnyField{});
};

/// Specialize with `static constexpr std::pair<std::string_view, E> values[]` to give an enum names.
template <class E>
struct EnumNames;

/// An enum whose values have names.
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  EnumNames<E>::values;
};

/// The name of an enum value; empty if it has none.
template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [name, v] : EnumNames<E>::values)
    if (v == value) return name;
  return {};
}

// --- Ranges -----------------------------------------------------------------------------------------------------------

/// Values that a number may take, or each number of a list. None holds NaN or an infinity.
struct Range {
  /// No end on this side.
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();
  double low = -kUnbounded, high = kUnbounded;  ///< inclusive, unless the next two say otherwise
  bool above = false, below = false;            ///< `low` itself is outside, `high` itself is outside

  /// Whether `x` is a finite number inside.
  constexpr bool holds(double x) const {
    return (above ? x > low : x >= low) && (below ? x < high : x <= high) && x > -kUnbounded && x < kUnbounded;
  }
  /// In words, see below.
  friend std::ostream& operator<<(std::ostream& out, const Range& r);
};

/// Ranges of both ends, inclusive unless the name says otherwise.
constexpr Range at_least(double low) { return {low, Range::kUnbounded}; }
constexpr Range more_than(double low) { return {low, Range::kUnbounded, true}; }
constexpr Range between(double low, double high) { return {low, high}; }
/// At least `low` and below `high`.
constexpr Range from_to_below(double low, double high) { return {low, high, false, true}; }
/// What becomes an extent of a tensor: `least` to the largest 32-bit integer, so that products of two do not overflow.
constexpr Range extent(double least = 1) { return {least, 2147483647.0}; }

namespace detail {

/// The fewest digits that give the number back.
inline std::string number_text(double x) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}
inline std::string number_text(std::integral auto x) { return std::to_string(x); }

/// What a field holds several of.
template <class T>
struct FieldTraits {
  static constexpr bool optional = false, list = false, map = false;
};
template <class T>
struct FieldTraits<std::optional<T>> {
  static constexpr bool optional = true, list = false, map = false;
  using Element = T;
};
template <class T, class A>
struct FieldTraits<std::vector<T, A>> {
  static constexpr bool optional = false, list = true, map = false;
  using Element = T;
};
template <class T, class L, class A>
struct FieldTraits<std::map<std::string, T, L, A>> {
  static constexpr bool optional = false, list = false, map = true;
  using Element = T;
};

/// "encoder" and "hidden" give "encoder.hidden".
inline std::string join_key(std::string_view path, std::string_view key) {
  std::string joined(path);
  if (!joined.empty() && !key.empty()) joined += '.';
  return joined += key;
}

/// Ranges of a field and of all below it; with `together`, what its `check` asks for as well. `range` is a Range or nothing.
template <class T, class... Ranges>
void check_field(const T& value, const std::string& key, bool together, const Ranges&... range) {
  using Traits = FieldTraits<T>;
  if constexpr (Configuration<T>) {
    T::fields(value, [&](std::string_view name, const auto& field, std::string_view, const auto&... its_range) {
      check_field(field, join_key(key, name), together, its_range...);
    });
    if constexpr (requires { value.check(key); })
      if (together) value.check(key);
  } else if constexpr (Traits::optional) {
    if (value) check_field(*value, key, together, range...);
  } else if constexpr (Traits::list) {
    using Element = typename Traits::Element;
    if constexpr (!std::is_same_v<Element, bool>)
      for (std::size_t k = 0; k < value.size(); ++k)
        check_field(value[k], key + "[" + std::to_string(k) + "]", together, range...);
  } else if constexpr (Traits::map) {
    for (const auto& [name, element] : value) check_field(element, join_key(key, name), together, range...);
  } else if constexpr (sizeof...(Ranges) > 0) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "only numbers have a range");
    (require<ConfigError>(range.holds(static_cast<double>(value)), key, ": expected ", range, ", found ",
                          number_text(value)),
     ...);
  } else if constexpr (std::is_floating_point_v<T>) {
    require<ConfigError>(!std::isnan(value), key, ": nan is no setting");
  }
}

}  // namespace detail

/// "at least 1", "more than 0", "0 to 1", "at least 0 and below 1", ...
inline std::ostream& operator<<(std::ostream& out, const Range& r) {
  const bool low = r.low > -Range::kUnbounded, high = r.high < Range::kUnbounded;
  if (!low && !high) return out << "a finite number";
  if (low && high && !r.above && !r.below) return out << detail::number_text(r.low) << " to " << detail::number_text(r.high);
  if (low) out << (r.above ? "more than " : "at least ") << detail::number_text(r.low);
  if (low && high) out << " and ";
  if (high) out << (r.below ? "below " : "at most ") << detail::number_text(r.high);
  return out;
}

/// Gives back `config` if every number lies in its range and fields fit together. `key`: what messages call `config` itself.
/// @throws ConfigError naming the field, what was expected and what was found
template <Configuration C>
const C& checked(const C& config, const std::string& key = "") {
  detail::check_field(config, key, true);
  return config;
}

}  // namespace ramer
