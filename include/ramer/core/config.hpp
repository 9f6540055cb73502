// Settings as plain structs that list their fields once. JSON, `--set key=value` and the help text all come from that list.
//
//   struct Config {
//     Index hidden = 256;
//     loss::Weights weights;                                        // a nested configuration: keys "weights.…"
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor&& field) {
//       field("hidden", self.hidden, "width of an encoder's hidden state");
//       field("weights", self.weights, "weights of the objective");
//     }
//   };
//
// A field is bool, an integer, a floating-point number, std::string, an enum with names (below), a configuration, or a
// std::vector of one of these.
#pragma once

#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ramer {

namespace detail {
struct AnyField {
  template <class T>
  void operator()(std::string_view, T&, std::string_view) const {}
};
}  // namespace detail

/// A struct that lists its fields.
template <class T>
concept Configuration = requires(T& t) { std::remove_const_t<T>::fields(t, detail::AnyField{}); };

/// Specialize with `static constexpr std::pair<std::string_view, E> values[]` to give an enum names.
template <class E>
struct EnumNames;

/// An enum whose values have names.
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires { EnumNames<E>::values; };

/// The name of an enum value; empty if it has none.
template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [name, v] : EnumNames<E>::values)
    if (v == value) return name;
  return {};
}

}  // namespace ramer
