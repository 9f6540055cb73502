// A page of HTML that needs nothing else: no script, no font, no network. Light or dark, as the reader's system is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ramer/app/markup.hpp"

namespace ramer::app {

/// A page as it grows.
class Html {
 public:
  /// Markup as it is.
  Html& raw(std::string_view markup_text) {
    body_ += markup_text;
    return *this;
  }
  /// Words of anybody's.
  Html& words(std::string_view text) {
    body_ += markup(text);
    return *this;
  }
  /// <tag>text</tag>
  Html& element(std::string_view tag, std::string_view text) {
    return raw("<").raw(tag).raw(">").words(text).raw("</").raw(tag).raw(">\n");
  }
  /// A drawing; its colours follow the page's.
  Html& figure(std::string_view svg, std::string_view caption) {
    raw("<figure>\n").raw(svg);
    return raw("<figcaption>").words(caption).raw("</figcaption>\n</figure>\n");
  }
  /// @param left columns that are words; the others are numbers
  Html& table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
              std::size_t left = 1) {
    raw("<div class=\"wide\"><table>\n");
    if (!header.empty()) line(header, "th", left);
    for (const auto& row : rows) line(row, "td", left);
    return raw("</table></div>\n");
  }
  /// Something to unfold.
  Html& fold(std::string_view title, std::string_view inner) {
    return raw("<details><summary>").words(title).raw("</summary>\n").raw(inner).raw("</details>\n");
  }
  /// What was added so far.
  const std::string& body() const { return body_; }

  /// The whole document.
  std::string page(std::string_view title) const {
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";
    out += markup(title);
    out += "</title>\n<style>\n";
    out += style();
    out += "</style>\n</head>\n<body>\n";
    out += body_;
    out += "</body>\n</html>\n";
    return out;
  }

 private:
  void line(const std::vector<std::string>& cells, std::string_view tag, std::size_t left) {
    raw("<tr>");
    for (std::size_t k = 0; k < cells.size(); ++k)
      raw("<").raw(tag).raw(k < left ? ">" : " class=\"n\">").words(cells[k]).raw("</").raw(tag).raw(">");
    raw("</tr>\n");
  }
  /// Drawings name their colours; here the neutral ones are exchanged for the page's.
  static std::string_view style() {
    return R"(:root{color-scheme:light dark;--page:#fff;--ink:#222;--soft:#555;--grid:#e3e3e3;--grey:#5d5d5d}
@media (prefers-color-scheme:dark){:root{--page:#17191d;--ink:#e6e6e6;--soft:#a8adb5;--grid:#343840;--grey:#a0a0a0}}
body{background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",Verdana,Arial,sans-serif;max-width:1040px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--grid)}
p.soft,figcaption{color:var(--soft)}figcaption{font-size:.9rem}
figure{margin:1rem 0;overflow-x:auto}svg{display:block;max-width:100%;height:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.6rem 0}
th,td{padding:.2rem .7rem;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top;unicode-bidi:isolate}
th{color:var(--soft);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}
details{margin:.8rem 0}summary{cursor:pointer}pre{overflow-x:auto;font-size:.85rem}
svg [fill="white"]{fill:var(--page)}svg [fill="#222"],svg [fill="#444"]{fill:var(--ink)}
svg [fill="#555"],svg [fill="#777"]{fill:var(--soft)}svg [fill="#e3e3e3"]{fill:var(--grid)}
svg [stroke="#222"],svg [stroke="#444"]{stroke:var(--ink)}svg [stroke="#777"]{stroke:var(--soft)}
svg [stroke="#e3e3e3"]{stroke:var(--grid)}svg [stroke="#5d5d5d"]{stroke:var(--grey)}svg [fill="#5d5d5d"]{fill:var(--grey)}
)";
  }
  std::string body_;
};

}  // namespace ramer::app
