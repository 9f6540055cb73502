// Curves over epochs: a small panel for each quantity, with a scale of its own.
#pragma once

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "ramer/app/svg.hpp"

namespace ramer::app {

/// One quantity.
struct EpochPanel {
  std::string title;
  std::vector<std::vector<std::optional<double>>> lines;  ///< by name, then epoch; what is absent is left out
};

namespace detail {

/// A number on an axis, whatever its size.
inline std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace detail

/// @param names of the lines, in the legend above; the same in every panel
/// @param selected epoch to mark, counted from 1; 0: none
inline std::string plot_epochs(const std::vector<EpochPanel>& panels, const std::vector<std::string>& names, Index epochs,
                               Index selected, const std::string& x_label = "epoch") {
  constexpr double w = 236, h = 132, gap_x = 74, gap_y = 70, left = 66, side = 16, bottom = 48;
  static const char* const dashes[] = {"", "6 4"};
  const auto columns = std::clamp<std::size_t>(panels.size(), 1, 3);
  const std::size_t rows = (panels.size() + columns - 1) / columns;
  const double width = left + static_cast<double>(columns) * w + static_cast<double>(columns - 1) * gap_x + side;
  const auto [places, last_row] = place_legend(names, {left, 16}, width - side, 36, 20, 20, 12);
  const double top = last_row + 40;
  Svg svg(width, top + static_cast<double>(rows) * h + static_cast<double>(rows - 1) * gap_y + bottom);
  for (std::size_t k = 0; k < names.size(); ++k) {
    svg.polyline({{places[k].x, places[k].y}, {places[k].x + 28, places[k].y}}, plot_color(k), 2, dashes[k % 2]);
    svg.text(places[k].x + 36, places[k].y + 4.5, names[k], 12);
  }
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const double x0 = left + static_cast<double>(k % columns) * (w + gap_x);
    const std::size_t row = k / columns;
    const double y0 = top + static_cast<double>(row) * (h + gap_y);
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& values : panels[k].lines)
      for (const auto& v : values)
        if (v) low = std::min(low, *v), high = std::max(high, *v);
    svg.text(x0 + w / 2, y0 - 10, panels[k].title, 13, Svg::Anchor::Middle, "#222", true);
    svg.line(x0, y0, x0, y0 + h, "#222");
    svg.line(x0, y0 + h, x0 + w, y0 + h, "#222");
    svg.text(x0 + w / 2, y0 + h + 34, x_label, 12, Svg::Anchor::Middle, "#444");
    Scale x = Scale::around(1, std::max<double>(2, static_cast<double>(epochs)), x0 + 6, x0 + w - 6, 4);
    x.low = 1, x.high = std::max<double>(2, static_cast<double>(epochs));
    x.step = std::max(1.0, x.step);
    for (const double mark : x.marks()) {
      svg.line(x(mark), y0 + h, x(mark), y0 + h + 4, "#222");
      svg.text(x(mark), y0 + h + 17, detail::tick_text(mark), 11, Svg::Anchor::Middle, "#444");
    }
    if (low > high) {
      svg.text(x0 + w / 2, y0 + h / 2, "undefined", 12, Svg::Anchor::Middle, "#777");
      continue;
    }
    const Scale y = Scale::around(low, high, y0 + h - 4, y0 + 4, 4);
    for (const double mark : y.marks()) {
      svg.line(x0, y(mark), x0 + w, y(mark), "#e3e3e3");
      svg.text(x0 - 6, y(mark) + 4, detail::tick_text(mark), 11, Svg::Anchor::End, "#444");
    }
    if (selected > 0)
      svg.line(x(static_cast<double>(selected)), y0, x(static_cast<double>(selected)), y0 + h, "#777", 1, "2 3");
    for (std::size_t n = 0; n < panels[k].lines.size(); ++n) {
      const auto& values = panels[k].lines[n];
      std::vector<Svg::Point> points;
      const auto draw = [&] {
        if (points.size() > 1) svg.polyline(points, plot_color(n), 1.8, dashes[n % 2]);
        if (points.size() == 1 || values.size() <= 30)
          for (const Svg::Point& p : points) svg.circle(p.x, p.y, 2.2, plot_color(n));
        points.clear();
      };
      for (std::size_t e = 0; e < values.size(); ++e) {
        if (values[e])
          points.push_back({x(static_cast<double>(e + 1)), y(*values[e])});
        else
          draw();
      }
      draw();
    }
  }
  return svg.str();
}

}  // namespace ramer::app
