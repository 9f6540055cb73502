// Words of anybody's as text of HTML and SVG.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ramer::app {

/// Nothing in `words` is markup any more, inside or outside of quotes. Control characters, which SVG may not hold, become U+FFFD.
inline std::string markup(std::string_view words) {
  std::string out;
  for (std::size_t k = 0; k < words.size(); ++k) {
    const char c = words[k];
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\t':
      case '\n': out += c; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += "\xEF\xBF\xBD";
        } else if (words.substr(k, 3) == "\xEF\xBF\xBE" || words.substr(k, 3) == "\xEF\xBF\xBF") {
          out += "\xEF\xBF\xBD";
          k += 2;
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace ramer::app
