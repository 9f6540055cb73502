#include "ramer/app/html.hpp"

#include <doctest/doctest.h>

using namespace ramer::app;

TEST_CASE("words of anybody's are text, in HTML, SVG and inside quotes") {
  CHECK(markup("joy") == "joy");
  CHECK(markup("Freude und Ärger, 喜") == "Freude und Ärger, 喜");
  CHECK(markup("<b a=\"1\" c='2'>&amp;") == "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
  CHECK(markup(std::string("a\0b\x1b\x7f\r", 6)) ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(markup("\xEF\xBF\xBE-\xEF\xBF\xBF") == "\xEF\xBF\xBD-\xEF\xBF\xBD");
  CHECK(markup("a\tb\nc") == "a\tb\nc");
}

TEST_CASE("a page needs nothing else") {
  Html html;
  html.element("h1", "<i>").table({"a&b", "n"}, {{"<td>", "1"}}).fold("more >", "<p>inner</p>");
  const std::string page = html.page("</title><script>");
  CHECK(page.find("<h1>&lt;i&gt;</h1>") != std::string::npos);
  CHECK(page.find("<tr><th>a&amp;b</th><th class=\"n\">n</th></tr>") != std::string::npos);
  CHECK(page.find("<td>&lt;td&gt;</td><td class=\"n\">1</td>") != std::string::npos);
  CHECK(page.find("<p>inner</p>") != std::string::npos);
  CHECK(page.find("<title>&lt;/title&gt;&lt;script&gt;</title>") != std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  for (const char* outside : {"http://", "https://", "url(", "@import", "src=", "href="})
    CHECK_MESSAGE(page.find(outside) == std::string::npos, outside);
}
