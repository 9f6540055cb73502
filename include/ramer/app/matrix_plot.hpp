// A matrix as cells that are the darker the larger their share is, with the numbers on them.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ramer/app/svg.hpp"

namespace ramer::app {

/// A cell.
struct MatrixCell {
  std::optional<double> share;  ///< 0 to 1: how dark; absent: undefined, and shown so
  std::string text;
};
/// A matrix with its names.
struct MatrixPanel {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<MatrixCell>> rows;  ///< (rows, columns)
  std::string row_axis, column_axis;          ///< what rows and columns are; may be empty
};

/// Panels side by side; rows have the same names in all of them.
/// @param title and subtitle: may be empty
inline std::string plot_matrices(const std::vector<MatrixPanel>& panels, const std::vector<std::string>& row_names,
                                 const std::string& title, const std::string& subtitle) {
  constexpr double cell_h = 30, side = 20, gap = 44, letter = 12;
  double names = 0, column_names = 0, cell_w = 52;
  for (const std::string& name : row_names) names = std::max(names, Svg::text_width(name, letter));
  for (const MatrixPanel& p : panels) {
    for (const std::string& name : p.columns) column_names = std::max(column_names, Svg::text_width(name, letter));
    for (const auto& row : p.rows)
      for (const MatrixCell& cell : row) cell_w = std::max(cell_w, Svg::text_width(cell.text, letter) + 12);
  }
  std::size_t most = 0;
  for (const MatrixPanel& p : panels) most = std::max(most, p.columns.size());
  if (most <= 8) cell_w = std::max(cell_w, std::min(column_names + 12, 92.0));
  const bool upward = column_names + 8 > cell_w;  // names of columns that do not fit stand upright
  const double head = upward ? column_names + 12 : 22;
  const bool has_row_axis = std::any_of(panels.begin(), panels.end(), [](const auto& p) { return !p.row_axis.empty(); });
  const double left = side + (has_row_axis ? 22 : 0) + names + 10;
  const double top = (title.empty() ? 0 : 34) + (subtitle.empty() ? 0 : 20) + 10,
               body = cell_h * static_cast<double>(row_names.size());
  double width = 0, at = left;
  std::vector<double> corners;
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const double w = std::max({cell_w * static_cast<double>(panels[k].columns.size()), Svg::text_width(panels[k].title, 13),
                               Svg::text_width(panels[k].column_axis, letter)});
    corners.push_back(at);
    width = std::max(width, at + w + side);
    at += w + gap;
  }
  width = std::max({width, 2 * side + Svg::text_width(title, 16), 2 * side + Svg::text_width(subtitle, 12)});
  Svg svg(width, top + 44 + head + body + side);
  if (!title.empty()) svg.text(side, 28, title, 16, Svg::Anchor::Start, "#222", true);
  if (!subtitle.empty()) svg.text(side, title.empty() ? 20 : 48, subtitle, 12, Svg::Anchor::Start, "#555");
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const MatrixPanel& p = panels[k];
    const double x0 = corners[k], y0 = top + 44 + head;
    svg.text(x0, top + 14, p.title, 13, Svg::Anchor::Start, "#222", true);
    svg.text(x0, top + 34, p.column_axis, letter, Svg::Anchor::Start, "#555");
    if (!p.row_axis.empty() && k == 0) svg.text_upward(side + 8, y0 + body / 2, p.row_axis, letter);
    for (std::size_t j = 0; j < p.columns.size(); ++j) {
      const double x = x0 + cell_w * (static_cast<double>(j) + 0.5);
      if (upward)
        svg.text_upward(x + 4, y0 - 6 - Svg::text_width(p.columns[j], letter) / 2, p.columns[j], letter);
      else
        svg.text(x, y0 - 8, p.columns[j], letter, Svg::Anchor::Middle);
    }
    for (std::size_t i = 0; i < p.rows.size(); ++i) {
      const double y = y0 + cell_h * static_cast<double>(i);
      if (k == 0) svg.text(x0 - 10, y + cell_h / 2 + 4, row_names[i], letter, Svg::Anchor::End);
      for (std::size_t j = 0; j < p.rows[i].size(); ++j) {
        const MatrixCell& cell = p.rows[i][j];
        const double x = x0 + cell_w * static_cast<double>(j), share = std::clamp(cell.share.value_or(0), 0.0, 1.0);
        svg.rectangle(x, y, cell_w - 2, cell_h - 2, cell.share ? plot_color(0) : "#e3e3e3",
                      cell.share ? 0.04 + 0.96 * share : 0.5);
        svg.text(x + cell_w / 2 - 1, y + cell_h / 2 + 3, cell.text, letter, Svg::Anchor::Middle,
                 share > 0.8 ? "#fff" : "#222");
      }
    }
  }
  return svg.str();
}

}  // namespace ramer::app
