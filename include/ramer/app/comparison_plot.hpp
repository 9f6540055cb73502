// Bars with error bars: one panel for each metric, one bar for each row of the table, a dot for each run.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ramer/app/comparison.hpp"
#include "ramer/app/svg.hpp"

namespace ramer::app {

/// Bars lie, so that names of any length can be read.
inline std::string plot_bars(const std::vector<RowResult>& rows, const std::vector<eval::Metric>& metrics,
                             const std::string& title, const std::string& subtitle) {
  constexpr double bar = 22, pitch = 34, gap = 84, panel = 300, top = 92, bottom = 64, side = 20;
  double names = 0;
  for (const RowResult& row : rows) names = std::max(names, Svg::text_width(row.row->name));
  const double left = side + names + 12, count = static_cast<double>(metrics.size());
  const double width = std::max(left + count * panel + (count - 1) * gap + side + 50, side * 2 + Svg::text_width(title, 16));
  const double plot_height = pitch * static_cast<double>(rows.size()), height = top + plot_height + bottom;
  Svg svg(width, height);
  svg.text(side, 28, title, 16, Svg::Anchor::Start, "#222", true);
  svg.text(side, 48, subtitle, 12, Svg::Anchor::Start, "#555");

  for (std::size_t m = 0; m < metrics.size(); ++m) {
    const double x0 = left + static_cast<double>(m) * (panel + gap);
    double high = 0;
    for (const RowResult& row : rows) {
      const Spread& s = row[metrics[m]];
      if (s.mean) high = std::max(high, *s.mean + s.sd.value_or(0));
      for (const eval::Report& r : row.reports) high = std::max(high, value_of(r, metrics[m]).value_or(0));
    }
    const Scale x = Scale::around(0, std::max(0.1, high), x0, x0 + panel, 5);
    svg.text(x0 + panel / 2, top - 14, short_name(metrics[m]), 14, Svg::Anchor::Middle, "#222", true);
    for (const double mark : x.marks()) {
      svg.line(x(mark), top, x(mark), top + plot_height, "#e3e3e3");
      svg.text(x(mark), top + plot_height + 18, fixed(mark, x.digits()), 12, Svg::Anchor::Middle, "#444");
    }
    svg.text(x0 + panel / 2, top + plot_height + 40,
             std::string(short_name(metrics[m])) +
                 (metrics[m] == eval::Metric::MeanAuc ? " (0 to 1; chance is 0.5)" : " (0 to 1)"),
             12, Svg::Anchor::Middle, "#444");
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const double y = top + pitch * (static_cast<double>(k) + 0.5);
      const Spread& s = rows[k][metrics[m]];
      if (m == 0) svg.text(left - 10, y + 4.5, rows[k].row->name, 13, Svg::Anchor::End);
      if (!s.mean) {
        svg.text(x0 + 6, y + 4.5, "undefined", 12, Svg::Anchor::Start, "#777");
        continue;
      }
      svg.rectangle(x0, y - bar / 2, x(*s.mean) - x0, bar, k == 0 ? "#8a8a8a" : plot_color(0), 0.55);
      for (const eval::Report& r : rows[k].reports)
        if (const auto v = value_of(r, metrics[m])) svg.circle(x(*v), y + bar / 2 - 4, 2, "#222", 0.45);
      if (s.sd) {
        const double a = x(std::max(0.0, *s.mean - *s.sd)), b = x(*s.mean + *s.sd);
        svg.line(a, y - 3, b, y - 3, "#222", 1.6);
        svg.line(a, y - 8, a, y + 2, "#222", 1.6);
        svg.line(b, y - 8, b, y + 2, "#222", 1.6);
      }
      svg.text(x0 + panel + 8, y + 4.5, fixed(*s.mean, 3), 12);  // beside the bars, where nothing crosses it
    }
    if (!rows.empty() && rows.front()[metrics[m]].mean) {
      const double at = x(*rows.front()[metrics[m]].mean);
      svg.line(at, top, at, top + plot_height, "#444", 1, "4 4");
    }
    svg.line(x0, top, x0, top + plot_height, "#222", 1.2);
    svg.line(x0, top + plot_height, x0 + panel, top + plot_height, "#222", 1.2);
  }
  return svg.str();
}

}  // namespace ramer::app
