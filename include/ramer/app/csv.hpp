// CSV: fields with commas between them, quoted where they must be.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ramer/app/table.hpp"
#include "ramer/core/types.hpp"

namespace ramer::app {

/// A field.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  quoted += '"';
  return quoted;
}

/// Lines, field by field.
class Csv {
 public:
  Csv& operator<<(std::string_view text) {
    if (!first_) text_ += ',';
    first_ = false;
    text_ += csv_field(text);
    return *this;
  }
  /// An empty field for what is undefined.
  Csv& operator<<(const std::optional<double>& value) { return *this << (value ? fixed(*value, 6) : std::string()); }
  Csv& operator<<(Index value) { return *this << std::to_string(value); }
  void end_line() {
    text_ += '\n';
    first_ = true;
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
  bool first_ = true;
};

}  // namespace ramer::app
