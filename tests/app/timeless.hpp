// Results without what the clock says.
#pragma once

#include <sstream>
#include <string>

#include "app/support.hpp"
#include "ramer/io/json.hpp"

namespace ramer::test {

inline io::Json timeless(io::Json json) {
  if (json.is_object()) json.erase("seconds");
  if (json.is_structured())
    for (auto& item : json) item = timeless(item);
  return json;
}

/// results.md without the column of seconds.
inline std::string timeless_markdown(const std::string& folder) {
  std::istringstream lines(bytes_of(folder + "/results.md"));
  std::string out;
  bool tests = false;
  for (std::string line; std::getline(lines, line);) {
    tests = line.starts_with("| system | view |") || (tests && line.starts_with("|"));
    if (tests) {
      std::size_t at = 0;
      for (int k = 0; k < 5; ++k) at = line.find('|', at + 1);
      line.erase(line.rfind('|', at - 1), at - line.rfind('|', at - 1));
    }
    out += line + "\n";
  }
  return out;
}

/// A folder's results, to be compared byte by byte.
struct Timeless {
  io::Json json;
  std::string markdown, plot;

  explicit Timeless(const std::string& folder)
      : json(timeless(io::read_json(folder + "/results.json"))),
        markdown(timeless_markdown(folder)),
        plot(bytes_of(folder + "/results.svg")) {}
  bool operator==(const Timeless&) const = default;
};

}  // namespace ramer::test
