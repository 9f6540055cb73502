// Text tables: columns as wide as their widest cell, numbers to the right.
#pragma once

#include <algorithm>
#include <cstdio>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer::app {

/// A number with so many digits after the point.
inline std::string fixed(double value, int digits = 4) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
inline std::string fixed(const std::optional<double>& value, int digits = 4) { return value ? fixed(*value, digits) : "-"; }

class Table {
 public:
  /// @param left columns that are words, and begin at the left
  explicit Table(std::vector<std::string> header, std::size_t left = 1) : left_(left) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  void print(std::ostream& out, const std::string& indent = "  ") const { print_from(0, out, indent); }
  /// As GitHub's Markdown has it.
  void print_markdown(std::ostream& out) const {
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      out << '|';
      for (const std::string& cell : rows_[r]) out << ' ' << cell << " |";
      out << '\n';
      if (r > 0) continue;
      out << '|';
      for (std::size_t k = 0; k < rows_[r].size(); ++k) out << (k < left_ ? "---|" : "---:|");
      out << '\n';
    }
  }
  /// Without the header.
  void print_rows(std::ostream& out, const std::string& indent = "  ") const { print_from(1, out, indent); }

 private:
  void print_from(std::size_t first, std::ostream& out, const std::string& indent) const {
    std::vector<std::size_t> width;
    for (const auto& row : rows_) {
      width.resize(std::max(width.size(), row.size()), 0);
      for (std::size_t k = 0; k < row.size(); ++k) width[k] = std::max(width[k], length(row[k]));
    }
    for (std::size_t r = first; r < rows_.size(); ++r) {
      const auto& row = rows_[r];
      std::string line = indent;
      for (std::size_t k = 0; k < row.size(); ++k) {
        const std::string space(width[k] - length(row[k]), ' ');
        if (k) line += "  ";
        line += k < left_ ? row[k] + space : space + row[k];
      }
      out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
    }
  }

  /// Characters, where a label is UTF-8.
  static std::size_t length(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
  }
  std::size_t left_;
  std::vector<std::vector<std::string>> rows_;
};

/// Prints rows of settings: key, default, then what it is, wrapped before column 100.
template <class Options>
void print_settings(std::ostream& out, const Options& rows) {
  for (const auto& row : rows) {
    const std::string head = "  " + row.key + " = " + (row.default_value.empty() ? "\"\"" : row.default_value);
    out << head << '\n';
    std::string line = "      ";
    const std::string words = row.doc + " (" + row.type + ")";
    for (std::size_t at = 0; at < words.size();) {
      const std::size_t end = std::min(words.find(' ', at), words.size());
      if (line.size() > 6 && line.size() + 1 + end - at > 100) {
        out << line << '\n';
        line = "      ";
      }
      if (line.size() > 6) line += ' ';
      line.append(words, at, end - at);
      at = end + 1;
    }
    out << line << '\n';
  }
}

}  // namespace ramer::app
