// A drawing as SVG text: shapes in pixels, and scales with round numbers on them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "ramer/app/markup.hpp"
#include "ramer/app/table.hpp"

namespace ramer::app {

class Svg {
 public:
  enum class Anchor { Start, Middle, End };

  Svg(double width, double height) : width_(width), height_(height) {}

  void line(double x0, double y0, double x1, double y1, std::string_view color, double width = 1,
            std::string_view dashes = "") {
    body_ += "<line x1=\"" + n(x0) + "\" y1=\"" + n(y0) + "\" x2=\"" + n(x1) + "\" y2=\"" + n(y1) + "\" stroke=\"" +
             std::string(color) + "\" stroke-width=\"" + n(width) + "\"" +
             (dashes.empty() ? "" : " stroke-dasharray=\"" + std::string(dashes) + "\"") + "/>\n";
  }
  void rectangle(double x, double y, double width, double height, std::string_view color, double opacity = 1) {
    body_ += "<rect x=\"" + n(x) + "\" y=\"" + n(y) + "\" width=\"" + n(width) + "\" height=\"" + n(height) + "\" fill=\"" +
             std::string(color) + "\"" + opacity_text(opacity) + "/>\n";
  }
  void circle(double x, double y, double radius, std::string_view color, double opacity = 1) {
    body_ += "<circle cx=\"" + n(x) + "\" cy=\"" + n(y) + "\" r=\"" + n(radius) + "\" fill=\"" + std::string(color) + "\"" +
             opacity_text(opacity) + "/>\n";
  }
  struct Point {
    double x, y;
  };
  void polyline(const std::vector<Point>& points, std::string_view color, double width, std::string_view dashes = "") {
    body_ += "<polyline fill=\"none\" stroke=\"" + std::string(color) + "\" stroke-width=\"" + n(width) + "\"" +
             (dashes.empty() ? "" : " stroke-dasharray=\"" + std::string(dashes) + "\"") + " points=\"" + list(points) +
             "\"/>\n";
  }
  void polygon(const std::vector<Point>& points, std::string_view color, double opacity = 1) {
    body_ += "<polygon fill=\"" + std::string(color) + "\"" + opacity_text(opacity) + " points=\"" + list(points) + "\"/>\n";
  }
  void text(double x, double y, std::string_view words, double size = 13, Anchor anchor = Anchor::Start,
            std::string_view color = "#222", bool bold = false) {
    body_ += "<text x=\"" + n(x) + "\" y=\"" + n(y) + "\" font-size=\"" + n(size) + "\"" + anchor_text(anchor) + " fill=\"" +
             std::string(color) + "\"" + (bold ? " font-weight=\"bold\"" : "") + ">" + markup(words) + "</text>\n";
  }
  /// From below to above, around its middle.
  void text_upward(double x, double y, std::string_view words, double size = 13) {
    body_ += "<text transform=\"translate(" + n(x) + " " + n(y) + ") rotate(-90)\" font-size=\"" + n(size) +
             "\" text-anchor=\"middle\" fill=\"#222\">" + markup(words) + "</text>\n";
  }

  std::string str() const {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + n(width_) + "\" height=\"" + n(height_) +
           "\" viewBox=\"0 0 " + n(width_) + " " + n(height_) +
           "\" font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" "
           "fill=\"white\"/>\n" +
           body_ + "</svg>\n";
  }

  /// About as wide as the words are drawn.
  static double text_width(std::string_view words, double size = 13) {
    const auto characters =
        std::count_if(words.begin(), words.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; });
    return 0.62 * size * static_cast<double>(characters);
  }

 private:
  static std::string n(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    std::string s = text;
    s.erase(s.find_last_not_of('0') + 1);
    if (s.ends_with('.')) s.pop_back();
    return s == "-0" ? "0" : s;
  }
  static std::string list(const std::vector<Point>& points) {
    std::string text;
    for (const Point& p : points) text += (text.empty() ? "" : " ") + n(p.x) + "," + n(p.y);
    return text;
  }
  static std::string opacity_text(double opacity) { return opacity < 1 ? " fill-opacity=\"" + n(opacity) + "\"" : ""; }
  static std::string anchor_text(Anchor anchor) {
    return anchor == Anchor::Start ? "" : anchor == Anchor::Middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
  }

  double width_, height_;
  std::string body_;
};

/// Where the entries of a legend go.
struct LegendPlaces {
  std::vector<Svg::Point> entries;
  double last_row = 0;  ///< its y
};
/// In as many rows as it takes, from a point up to `right`. An entry is its mark, its name and a gap.
inline LegendPlaces place_legend(const std::vector<std::string>& names, Svg::Point from, double right, double mark,
                                 double gap, double row = 22, double size = 13) {
  LegendPlaces places{{}, from.y};
  double at = from.x;
  for (const std::string& name : names) {
    const double needs = mark + Svg::text_width(name, size) + gap;
    if (at > from.x && at + needs > right) at = from.x, places.last_row += row;
    places.entries.push_back({at, places.last_row});
    at += needs;
  }
  return places;
}

/// From numbers to pixels, with round numbers to write beside the axis.
struct Scale {
  double low = 0, high = 1;   ///< numbers
  double from = 0, to = 100;  ///< pixels
  double step = 0.2;          ///< between two marks

  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
  std::vector<double> marks() const {
    std::vector<double> out;
    const auto first = static_cast<long long>(std::ceil(low / step - 1e-9));
    for (long long k = first; static_cast<double>(k) * step <= high + 1e-9 * step; ++k)
      out.push_back(static_cast<double>(k) * step);
    return out;
  }
  int digits() const { return step >= 1 - 1e-9 ? 0 : step >= 0.1 - 1e-9 ? 1 : step >= 0.01 - 1e-9 ? 2 : 3; }

  /// Holds these numbers, ends at marks, and has about so many of them.
  static Scale around(double low, double high, double from, double to, int marks = 6) {
    if (!(high > low)) low -= 0.05, high += 0.05;
    const double raw = (high - low) / marks, power = std::pow(10.0, std::floor(std::log10(raw)));
    const double lead = raw / power;
    const double step = power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
    return {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, from, to, step};
  }
};

/// Colours that can be told apart, also by most who see colours differently (after Okabe and Ito).
inline std::string plot_color(std::size_t k) {
  static const char* const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                       "#e69f00", "#56b4e9", "#5d5d5d", "#8c510a"};
  return colors[k % std::size(colors)];
}

}  // namespace ramer::app
