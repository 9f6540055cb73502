// JSON files, and the bridge between JSON, `--set key=value` and the configuration structs of core/config.hpp.
// The only header that names the JSON library.
//
// A setting that is absent keeps its value. One that is unknown, of the wrong type or out of range is a ConfigError that
// names the full key; a configuration is changed as a whole or not at all. Whether settings fit together is asked once they
// are used: by `checked` (core/config.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/io/detail/options.hpp"
#include "ramer/io/file.hpp"

namespace ramer::io {

/// The one place that names the JSON library.
using Json = nlohmann::json;

/// Reads JSON text; `name` is what errors call it. A key that appears twice in one object is an error, and so is nesting
/// that no file of ours has: copying and printing go down as deep as the text does, which its author must not choose.
/// @throws IoError with line, column and byte
inline Json parse_json(std::string_view text, std::string_view name = "JSON") {
  std::vector<std::set<std::string>> open;  // keys so far of every object that is being read
  constexpr int kDeepest = 100;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    require<IoError>(depth <= kDeepest, name, ": nested deeper than ", kDeepest, " levels");
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
      fail<IoError>(name, ": key '", value.get<std::string>(), "' appears twice in one object");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    const std::size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
    const std::string_view before = text.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 == 0
    const std::string_view what = error.what();
    const std::size_t colon = what.find(": ");
    fail<IoError>(name, ":", line, ":", column, " (byte ", at,
                  "): not valid JSON: ", colon == std::string_view::npos ? what : what.substr(colon + 2));
  } catch (const Json::exception& error) {
    fail<IoError>(name, ": not valid JSON: ", error.what());
  }
}

/// Reads a JSON file. @throws IoError
inline Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  require<IoError>(file.good() && !std::filesystem::is_directory(path), path.string(), ": cannot be opened for reading");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  require<IoError>(!file.bad(), path.string(), ": cannot be read");
  return parse_json(text, path.string());
}

/// Text of a JSON value; `indent` < 0 gives one line. @throws IoError for a string that is not UTF-8
inline std::string dump_json(const Json& json, int indent = 2) {
  try {
    return json.dump(indent);
  } catch (const Json::exception& error) {
    fail<IoError>("JSON cannot be written: ", error.what());
  }
}

/// Writes a JSON file, whole or not at all. @throws IoError
inline void write_json(const std::filesystem::path& path, const Json& json, int indent = 2) {
  write_file_atomically(path, dump_json(json, indent) + "\n");
}

/// JSON of a configuration, a report, or a field of one. An undefined number (NaN) is null; infinities are "inf", "-inf".
/// A float is written with the fewest digits that give it back.
template <class T>
Json to_json(const T& value) {
  using Traits = detail::FieldTraits<T>;
  if constexpr (Configuration<T>) {
    Json out = Json::object();
    T::fields(value, [&](std::string_view name, const auto& field, std::string_view, const auto&...) {
      out[std::string(name)] = io::to_json(field);
    });
    return out;
  } else if constexpr (NamedEnum<T>) {
    require<ConfigError>(!enum_name(value).empty(), "a value without a name, expected ", detail::type_name<T>());
    return Json(std::string(enum_name(value)));
  } else if constexpr (Traits::optional) {
    return value ? io::to_json(*value) : Json();
  } else if constexpr (Traits::list) {
    Json out = Json::array();
    for (const typename Traits::Element& element : value) out.push_back(io::to_json(element));  // vector<bool>: a copy
    return out;
  } else if constexpr (Traits::map) {
    Json out = Json::object();
    for (const auto& [key, element] : value) out[key] = io::to_json(element);
    return out;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return Json();
    if (std::isinf(value)) return Json(value > 0 ? "inf" : "-inf");
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    double shortest = 0;
    std::from_chars(text, end, shortest);
    return Json(shortest);
  } else {
    static_assert(std::is_integral_v<T> || std::is_same_v<T, std::string>, "a type that has no JSON form here");
    return Json(value);
  }
}

/// One row of the help text.
struct Option {
  std::string key;            ///< full key, "group.field"
  std::string type;           ///< such as "integer", "list of number", "number, 0 to 1", or an enum's names "a|b|c"
  std::string default_value;  ///< as --set would take it
  std::string doc;            ///< what the setting is for
};

namespace detail {

template <class T>
std::string option_text(const T& value) {
  const Json json = io::to_json(value);
  return json.is_string() ? json.get<std::string>() : io::dump_json(json, -1);
}

template <Configuration C>
void describe_into(const C& config, const std::string& path, std::vector<Option>& rows) {
  C::fields(config, [&]<class T>(std::string_view name, const T& field, std::string_view doc, const auto&... range) {
    const std::string key = join_key(path, name);
    if constexpr (Configuration<T>) {
      describe_into(field, key, rows);
    } else {
      std::ostringstream type;
      type << type_name<T>();
      ((type << ", " << range), ...);
      rows.push_back({key, type.str(), option_text(field), std::string(doc)});
    }
  });
}

/// Full keys of a configuration's fields: those right here, groups included, or those at the ends of all branches.
template <Configuration C>
std::vector<std::string> keys_here(const C& config, const std::string& path) {
  std::vector<std::string> keys;
  C::fields(config, [&](std::string_view name, const auto&, std::string_view, const auto&...) {
    keys.push_back(join_key(path, name));
  });
  return keys;
}
template <Configuration C>
std::vector<std::string> keys_below(const C& config, const std::string& path) {
  std::vector<std::string> keys = keys_here(config, path);
  std::vector<Option> rows;
  describe_into(config, path, rows);
  for (const Option& row : rows)
    if (std::find(keys.begin(), keys.end(), row.key) == keys.end()) keys.push_back(row.key);
  return keys;
}

inline std::string found(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return json.is_null() ? text : std::string(json.type_name()) + " " + text;
}

template <class T>
[[noreturn]] void wrong_type(std::string_view key, const std::string& what_was_found) {
  fail<ConfigError>(key.empty() ? "configuration" : key, ": expected ", NamedEnum<T> ? "one of " : "", type_name<T>(),
                    ", found ", what_was_found);
}

template <class T, class From>
void assign_integer(From from, T& value, std::string_view key) {
  if constexpr (std::is_floating_point_v<From>) {
    if (!(std::abs(from) <= 0x1p53) || from != std::floor(from)) wrong_type<T>(key, "number " + option_text(from));
    assign_integer(static_cast<std::int64_t>(from), value, key);
  } else {
    require<ConfigError>(std::in_range<T>(from), key, ": ", from, " is out of range, expected ",
                         std::int64_t{std::numeric_limits<T>::min()}, " to ", std::uint64_t{std::numeric_limits<T>::max()});
    value = static_cast<T>(from);
  }
}

template <class T>
void assign_number(double from, T& value, std::string_view key) {
  require<ConfigError>(!std::isnan(from), key, ": nan is no setting");
  value = static_cast<T>(from);
  require<ConfigError>(std::isinf(from) || std::isfinite(value), key, ": ", from, " is out of range, expected at most ",
                       std::numeric_limits<T>::max(), " in size");
}

template <class T>
void assign_json(const Json& json, T& value, const std::string& key) {
  using Traits = FieldTraits<T>;
  if constexpr (Configuration<T>) {
    if (!json.is_object()) wrong_type<T>(key, found(json));
    std::set<std::string> known;
    T::fields(value, [&](std::string_view name, auto& field, std::string_view, const auto&...) {
      known.emplace(name);
      if (const auto at = json.find(std::string(name)); at != json.end()) assign_json(*at, field, join_key(key, name));
    });
    for (const auto& entry : json.items()) {
      if (known.count(entry.key())) continue;
      const std::string full = join_key(key, entry.key());
      fail<ConfigError>("unknown key '", full, "'", hint(full, keys_below(value, key), keys_here(value, key)));
    }
  } else if constexpr (NamedEnum<T>) {
    if (json.is_string()) {
      for (const auto& [name, named] : EnumNames<T>::values) {
        if (name == json.get_ref<const std::string&>()) {
          value = named;
          return;
        }
      }
    }
    wrong_type<T>(key, found(json));
  } else if constexpr (Traits::optional) {
    if (json.is_null()) {
      value.reset();
    } else {
      assign_json(json, value.emplace(), key);
    }
  } else if constexpr (Traits::list) {
    if (!json.is_array()) wrong_type<T>(key, found(json));
    T list;
    for (std::size_t i = 0; i < json.size(); ++i) {
      typename Traits::Element element{};
      assign_json(json[i], element, key + "[" + std::to_string(i) + "]");
      list.push_back(std::move(element));
    }
    value = std::move(list);
  } else if constexpr (Traits::map) {
    if (!json.is_object()) wrong_type<T>(key, found(json));
    T map;
    for (const auto& entry : json.items()) assign_json(entry.value(), map[entry.key()], join_key(key, entry.key()));
    value = std::move(map);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) wrong_type<T>(key, found(json));
    value = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (json.is_number_unsigned()) {
      assign_integer(json.get<std::uint64_t>(), value, key);
    } else if (json.is_number_integer()) {
      assign_integer(json.get<std::int64_t>(), value, key);
    } else if (json.is_number_float()) {
      assign_integer(json.get<double>(), value, key);
    } else {
      wrong_type<T>(key, found(json));
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    const bool infinite = json.is_string() && (json == "inf" || json == "-inf");
    if (!json.is_number() && !infinite) wrong_type<T>(key, found(json));
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    assign_number(infinite ? (json == "inf" ? kInfinity : -kInfinity) : json.get<double>(), value, key);
  } else {
    static_assert(std::is_same_v<T, std::string>, "a type that has no JSON form here");
    if (!json.is_string()) wrong_type<T>(key, found(json));
    value = json.get<std::string>();
  }
}

inline std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> parts;
  if (trim(text).empty()) return parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(trim(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

/// A value as the command line gives it, read as the field's type asks.
template <class T>
void assign_text(std::string_view text, T& value, const std::string& key) {
  using Traits = FieldTraits<T>;
  const std::string shown = "'" + std::string(text) + "'";
  const auto json = [&] {
    try {
      return parse_json(text, key);
    } catch (const IoError& error) {
      fail<ConfigError>(error.what());
    }
  };
  if constexpr (std::is_same_v<T, std::string>) {
    const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    value = quoted ? json().template get<std::string>() : std::string(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false" && text != "1" && text != "0") wrong_type<T>(key, shown);
    value = text == "true" || text == "1";
  } else if constexpr (std::is_integral_v<T>) {
    std::uint64_t natural = 0;
    std::int64_t integer = 0;
    double number = 0;
    if (parse_whole(text, natural)) {
      assign_integer(natural, value, key);
    } else if (parse_whole(text, integer)) {
      assign_integer(integer, value, key);
    } else if (parse_whole(text, number)) {
      assign_integer(number, value, key);
    } else {
      wrong_type<T>(key, shown);
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    double number = 0;
    if (!parse_whole(text, number)) wrong_type<T>(key, shown);
    assign_number(number, value, key);
  } else if constexpr (NamedEnum<T>) {
    assign_json(Json(std::string(text)), value, key);
  } else if constexpr (Traits::optional) {
    if (text == "null" || text == "none") {
      value.reset();
    } else {
      assign_text(text, value.emplace(), key);
    }
  } else if constexpr (Traits::list) {
    using Element = typename Traits::Element;
    if (text.starts_with('[')) {
      assign_json(json(), value, key);
    } else if constexpr (Configuration<Element> || FieldTraits<Element>::list || FieldTraits<Element>::map) {
      wrong_type<T>(key, shown + " (write it as JSON: [...])");
    } else {
      T list;
      for (const std::string_view part : split_list(text)) {
        Element element{};
        assign_text(part, element, key + "[" + std::to_string(list.size()) + "]");
        list.push_back(std::move(element));
      }
      value = std::move(list);
    }
  } else {
    if (!text.starts_with('{')) wrong_type<T>(key, shown + " (write it as JSON: {...}, or set its keys one by one)");
    assign_json(json(), value, key);
  }
}

/// Follows `rest` ("sub.field") into `value`, whose own key is `key`.
template <class T>
void assign_path(std::string_view rest, std::string_view text, T& value, const std::string& key) {
  const std::string_view head = rest.substr(0, rest.find('.'));
  const std::string_view tail = head.size() == rest.size() ? std::string_view{} : rest.substr(head.size() + 1);
  if (rest.empty()) {
    assign_text(text, value, key);
  } else if constexpr (Configuration<T>) {
    bool known = false;
    T::fields(value, [&](std::string_view name, auto& field, std::string_view, const auto&...) {
      if (name != head) return;
      known = true;
      assign_path(tail, text, field, join_key(key, name));
    });
    const std::string full = join_key(key, rest);
    if (!known) fail<ConfigError>("unknown key '", full, "'", hint(full, keys_below(value, key), keys_here(value, key)));
  } else if constexpr (FieldTraits<T>::map) {
    assign_path(tail, text, value[std::string(head)], join_key(key, head));
  } else {
    fail<ConfigError>("unknown key '", join_key(key, rest), "'; '", key, "' is ", type_name<T>(),
                      " and has no keys of its own");
  }
}

}  // namespace detail

/// Sets the fields of `config` that `json` (an object) gives. `path` is the key of `config` itself, for messages.
/// @throws ConfigError; `config` is then as before
template <Configuration C>
void from_json(const Json& json, C& config, std::string_view path = "") {
  C changed = config;
  detail::assign_json(json, changed, std::string(path));
  ramer::detail::check_field(changed, std::string(path), false);
  config = std::move(changed);
}

/// Sets the fields of `config` that a JSON file gives. @throws IoError, ConfigError
template <Configuration C>
void read_config(const std::filesystem::path& file, C& config) {
  const Json json = read_json(file);
  try {
    from_json(json, config);
  } catch (const ConfigError& error) {
    fail<ConfigError>(file.string(), ": ", error.what());
  }
}

/// Sets one field: "encoder.hidden=64". Text needs no quotes; a list is "a,b,c" or JSON; an absent optional is "null".
/// @throws ConfigError; `config` is then as before
template <Configuration C>
void set_option(C& config, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string_view key = detail::trim(assignment.substr(0, equals));
  require<ConfigError>(equals != std::string_view::npos && !key.empty(), "'", assignment, "': expected key=value");
  C changed = config;
  detail::assign_path(key, detail::trim(assignment.substr(equals + 1)), changed, "");
  ramer::detail::check_field(changed, "", false);
  config = std::move(changed);
}

/// Every setting of a configuration with its present value as default: a row per field, groups flattened.
template <Configuration C>
std::vector<Option> describe(const C& config) {
  std::vector<Option> rows;
  detail::describe_into(config, "", rows);
  return rows;
}

}  // namespace ramer::io
