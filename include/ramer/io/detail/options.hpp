// Helpers of the settings reader that need no JSON: what a field's type is called, how near two keys are, numbers as text.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/types.hpp"

namespace ramer::io::detail {

using ramer::detail::FieldTraits;
using ramer::detail::join_key;

inline std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// What help and error messages call the type of a field.
template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_integral_v<T>) {
    return "integer";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "number";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else if constexpr (NamedEnum<T>) {
    std::string names;
    for (const auto& [name, value] : EnumNames<T>::values) names.append(names.empty() ? "" : "|").append(name);
    return names;
  } else if constexpr (FieldTraits<T>::optional) {
    return type_name<typename FieldTraits<T>::Element>() + " or null";
  } else if constexpr (FieldTraits<T>::list) {
    return "list of " + type_name<typename FieldTraits<T>::Element>();
  } else if constexpr (FieldTraits<T>::map) {
    return "map to " + type_name<typename FieldTraits<T>::Element>();
  } else {
    static_assert(Configuration<T>,
                  "a configuration field is a bool, number, string, named enum, configuration, or an "
                  "optional, vector or string-keyed map of these");
    return "object";
  }
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other, upper and lower case alike.
inline Index edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::vector<Index> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = static_cast<Index>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = static_cast<Index>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const Index replace = last[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      now[j] = std::min({replace, last[j] + 1, now[j - 1] + 1});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

/// The word with its last dots cut away: "encoder.hidden" gives "hidden".
inline std::string_view leaf(std::string_view key) { return key.substr(key.rfind('.') + 1); }

/// Up to three of `keys`, nearest first: few edits away as a whole, or the right last word in another group.
inline std::vector<std::string> nearest_keys(std::string_view wanted, const std::vector<std::string>& keys) {
  std::vector<std::pair<Index, std::string>> near;
  for (const std::string& key : keys) {
    const Index whole = edit_distance(wanted, key);
    const Index last = edit_distance(leaf(wanted), leaf(key)) + 1;  // elsewhere: counts one more
    const Index allowed = 1 + static_cast<Index>(leaf(wanted).size()) / 3;
    if (std::min(whole, last) <= allowed) near.emplace_back(std::min(whole, last), key);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> out;
  for (std::size_t i = 0; i < near.size() && i < 3; ++i) out.push_back(near[i].second);
  return out;
}

inline std::string quoted_list(const std::vector<std::string>& words, std::string_view between = ", ") {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append("'").append(word).append("'");
  return out;
}

/// "; did you mean 'a' or 'b'?", or the list of all keys when none is near.
inline std::string hint(std::string_view wanted, const std::vector<std::string>& near,
                        const std::vector<std::string>& here) {
  const std::vector<std::string> found = nearest_keys(wanted, near);
  if (!found.empty()) return "; did you mean " + quoted_list(found, " or ") + "?";
  return here.empty() ? "; no keys are valid here" : "; valid here: " + quoted_list(here);
}

/// Reads the whole of `text` as a number; false if it is none. Integers may be written as 1e4 or 3.0.
template <class T>
bool parse_whole(std::string_view text, T& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace ramer::io::detail
