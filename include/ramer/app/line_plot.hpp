// Lines over a rate: a panel for each series, a line for each system, whiskers for the standard deviation.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ramer/app/svg.hpp"

namespace ramer::app {

struct LinePoint {
  double x = 0;
  std::optional<double> mean, sd;
};
struct LinePanel {
  std::string title;
  std::vector<std::vector<LinePoint>> lines;  ///< in the order of the names
};

/// All panels share one scale of values. The legend stands above them.
inline std::string plot_lines(const std::vector<LinePanel>& panels, const std::vector<std::string>& names,
                              const std::string& x_label, const std::string& y_label, const std::string& title,
                              const std::string& subtitle) {
  constexpr double w = 300, h = 220, gap_x = 66, gap_y = 84, left = 76, side = 24;
  static const char* const dashes[] = {"", "7 4", "2 3", "9 3 2 3"};
  const std::size_t columns = panels.size() == 4 ? 2 : std::clamp<std::size_t>(panels.size(), 1, 3);
  const std::size_t rows = (panels.size() + columns - 1) / columns;
  const double inner = static_cast<double>(columns) * w + static_cast<double>(columns - 1) * gap_x;
  const double width =
      std::max({left + inner + side, side * 2 + Svg::text_width(title, 16), side * 2 + Svg::text_width(subtitle, 12)});

  const auto [places, last_row] = place_legend(names, {left, 76}, width - side, 40, 22);
  const double top = last_row + 46;
  const double height = top + static_cast<double>(rows) * h + static_cast<double>(rows - 1) * gap_y + 60;
  Svg svg(width, height);
  svg.text(side, 28, title, 16, Svg::Anchor::Start, "#222", true);
  svg.text(side, 48, subtitle, 12, Svg::Anchor::Start, "#555");
  for (std::size_t k = 0; k < names.size(); ++k) {
    svg.polyline({{places[k].x, places[k].y}, {places[k].x + 32, places[k].y}}, plot_color(k), 2.2, dashes[k / 8 % 4]);
    svg.circle(places[k].x + 16, places[k].y, 3.6, plot_color(k));
    svg.text(places[k].x + 40, places[k].y + 4.5, names[k]);
  }

  double low = 1e9, high = -1e9;
  for (const LinePanel& panel : panels)
    for (const auto& points : panel.lines)
      for (const LinePoint& p : points)
        if (p.mean) {
          low = std::min(low, *p.mean - p.sd.value_or(0));
          high = std::max(high, *p.mean + p.sd.value_or(0));
        }
  if (low > high) low = 0, high = 1;

  for (std::size_t k = 0; k < panels.size(); ++k) {
    const double x0 = left + static_cast<double>(k % columns) * (w + gap_x);
    const std::size_t row = k / columns;
    const double y0 = top + static_cast<double>(row) * (h + gap_y);
    double first = 1, last = 0;
    for (const auto& points : panels[k].lines)
      for (const LinePoint& p : points) first = std::min(first, p.x), last = std::max(last, p.x);
    const Scale x = Scale::around(std::min(first, last), last, x0 + 24, x0 + w - 24, 5);
    const Scale y = Scale::around(low, high, y0 + h, y0, 5);
    svg.text(x0 + w / 2, y0 - 10, panels[k].title, 13, Svg::Anchor::Middle, "#222", true);
    for (const double mark : y.marks()) {
      svg.line(x0, y(mark), x0 + w, y(mark), "#e3e3e3");
      svg.text(x0 - 8, y(mark) + 4, fixed(mark, y.digits()), 12, Svg::Anchor::End, "#444");
    }
    for (const double mark : x.marks()) {
      svg.line(x(mark), y0 + h, x(mark), y0 + h + 4, "#222");
      svg.text(x(mark), y0 + h + 18, fixed(mark, x.digits()), 12, Svg::Anchor::Middle, "#444");
    }
    svg.text(x0 + w / 2, y0 + h + 38, x_label, 12, Svg::Anchor::Middle, "#444");
    if (k % columns == 0) svg.text_upward(x0 - 50, y0 + h / 2, y_label, 12);
    svg.line(x0, y0, x0, y0 + h, "#222", 1.2);
    svg.line(x0, y0 + h, x0 + w, y0 + h, "#222", 1.2);
    for (std::size_t n = 0; n < panels[k].lines.size(); ++n) {
      // Beside each other, so that whiskers of different systems can be seen.
      const double aside = 2.8 * (static_cast<double>(n) - 0.5 * static_cast<double>(panels[k].lines.size() - 1));
      std::vector<Svg::Point> points;
      for (const LinePoint& p : panels[k].lines[n]) {
        if (!p.mean) continue;
        const double px = x(p.x) + aside;
        if (p.sd) svg.line(px, y(*p.mean - *p.sd), px, y(*p.mean + *p.sd), plot_color(n), 1);
        points.push_back({px, y(*p.mean)});
      }
      svg.polyline(points, plot_color(n), 2, dashes[n / 8 % 4]);
      for (const Svg::Point& p : points) svg.circle(p.x, p.y, 3.2, plot_color(n));
    }
  }
  return svg.str();
}

}  // namespace ramer::app
