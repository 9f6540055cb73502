// Figures 3, 4 and 5 of the paper, drawn, and the data behind them as CSV.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/csv.hpp"
#include "ramer/app/figure_case.hpp"
#include "ramer/app/figure_parts.hpp"
#include "ramer/app/matrix_plot.hpp"
#include "ramer/app/svg.hpp"
#include "ramer/app/tsne.hpp"

namespace ramer::app {

namespace detail {

/// The two shapes of a panel's kinds: a dot, and a diamond.
inline void mark(Svg& svg, double x, double y, bool second, const std::string& color, double size = 3.4,
                 double opacity = 0.75) {
  if (!second) return svg.circle(x, y, size, color, opacity);
  const double r = size * 1.35;
  svg.polygon({{x, y - r}, {x + r, y}, {x, y + r}, {x - r, y}}, color, opacity);
}

inline void frame(Svg& svg, double x, double y, double w, double h, std::string_view color, double width = 1,
                  std::string_view dashes = "") {
  svg.polyline({{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}, {x, y}}, color, width, dashes);
}

}  // namespace detail

/// Figure 3. `places`: of each panel's points, as t-SNE has them.
inline std::string draw_embeddings(const std::vector<EmbeddingPanel>& panels, const std::vector<Tsne>& places,
                                   const std::vector<std::string>& modalities, const std::string& title,
                                   const std::string& subtitle) {
  constexpr double side = 24, size = 400, gap = 40;
  const double inner = static_cast<double>(panels.size()) * (size + gap) - gap;
  const double width =
      std::max({2 * side + inner, 2 * side + Svg::text_width(title, 16), 2 * side + Svg::text_width(subtitle, 12)});
  const auto [legend, last_row] = place_legend(modalities, {side, 76}, width - side, 20, 20);
  const double top = last_row + 66;
  Svg svg(width, top + size + 44);
  svg.text(side, 28, title, 16, Svg::Anchor::Start, "#222", true);
  svg.text(side, 48, subtitle, 12, Svg::Anchor::Start, "#555");
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    svg.rectangle(legend[m].x, legend[m].y - 6, 12, 12, plot_color(m));
    svg.text(legend[m].x + 20, legend[m].y + 4.5, modalities[m]);
  }
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const EmbeddingPanel& panel = panels[k];
    const std::vector<double>& y = places[k].places;
    const double x0 = side + static_cast<double>(k) * (size + gap);
    double low[2] = {y[0], y[1]}, high[2] = {y[0], y[1]};
    for (std::size_t i = 0; i < y.size(); ++i)
      low[i % 2] = std::min(low[i % 2], y[i]), high[i % 2] = std::max(high[i % 2], y[i]);
    const double range = std::max({high[0] - low[0], high[1] - low[1], 1e-9}) * 1.06;  // one scale for both directions
    const auto place = [&](std::size_t i, std::size_t d) {
      const double part = (y[2 * i + d] - (low[d] + high[d]) / 2) / range + 0.5;
      return d == 0 ? x0 + part * size : top + size - part * size;
    };
    svg.text(x0, top - 34, panel.title, 14, Svg::Anchor::Start, "#222", true);
    detail::mark(svg, x0 + 6, top - 16, false, "#5d5d5d", 4, 1);
    svg.text(x0 + 18, top - 12, panel.first, 12);
    const double next = x0 + 18 + Svg::text_width(panel.first, 12) + 24;
    detail::mark(svg, next, top - 16, true, "#5d5d5d", 4, 1);
    svg.text(next + 12, top - 12, panel.second, 12);
    detail::frame(svg, x0, top, size, size, "#777");
    for (std::size_t i = 0; i < panel.points.size(); ++i)
      detail::mark(svg, place(i, 0), place(i, 1), panel.points[i].second, plot_color(panel.points[i].modality));
    svg.text(x0, top + size + 20,
             std::to_string(panel.points.size()) + " vectors, perplexity " + fixed(places[k].perplexity, 0) + ", KL " +
                 fixed(places[k].kl(), 2),
             12, Svg::Anchor::Start, "#555");
  }
  return svg.str();
}

/// A line for each vector: what it is, and where it stands.
inline std::string embeddings_csv(const std::vector<EmbeddingPanel>& panels, const std::vector<Tsne>& places,
                                  const Schema& schema) {
  Csv csv;
  csv << "panel"
      << "kind"
      << "id"
      << "label"
      << "modality"
      << "x"
      << "y";
  csv.end_line();
  for (std::size_t k = 0; k < panels.size(); ++k)
    for (std::size_t i = 0; i < panels[k].points.size(); ++i) {
      const FigurePoint& p = panels[k].points[i];
      csv << panels[k].title << (p.second ? panels[k].second : panels[k].first) << static_cast<Index>(p.id)
          << schema.labels[p.label] << schema.modalities[p.modality].name << std::optional(places[k].places[2 * i])
          << std::optional(places[k].places[2 * i + 1]);
      csv.end_line();
    }
  return csv.str();
}

/// Figure 4, of the last level.
inline std::string draw_carriers(const LabelCarriers& c, const std::string& title, const std::string& subtitle) {
  MatrixPanel wins{"Wins where the label is true", c.modalities, {}, "", "share of samples in which it is highest"},
      auc{"AUC of the modality alone", c.modalities, {}, "", "0.5: chance"};
  std::vector<std::string> rows;
  const std::size_t level = c.levels.size() - 1;
  for (std::size_t k = 0; k < c.labels.size(); ++k) {
    rows.push_back(c.labels[k] + " (" + std::to_string(c.with[k]) + ")");
    wins.rows.emplace_back();
    auc.rows.emplace_back();
    for (std::size_t m = 0; m < c.modalities.size(); ++m) {
      const LabelCarrier& cell = c.at(level, k, m);
      std::optional<double> share, strength;
      if (c.with[k] > 0) share = static_cast<double>(cell.wins_true) / static_cast<double>(c.with[k]);
      if (cell.auc) strength = 2 * *cell.auc - 1;
      wins.rows.back().push_back({share, fixed(share, 2)});
      auc.rows.back().push_back({strength, fixed(cell.auc, 2)});
    }
  }
  return plot_matrices({wins, auc}, rows, title, subtitle);
}

/// A line for each level, label and modality.
inline std::string carriers_csv(const LabelCarriers& c) {
  Csv csv;
  csv << "level"
      << "label"
      << "modality"
      << "samples_with"
      << "wins_with"
      << "mean_score_with"
      << "samples_without"
      << "wins_without"
      << "mean_score_without"
      << "auc";
  csv.end_line();
  for (std::size_t l = 0; l < c.levels.size(); ++l)
    for (std::size_t k = 0; k < c.labels.size(); ++k)
      for (std::size_t m = 0; m < c.modalities.size(); ++m) {
        const LabelCarrier& cell = c.at(l, k, m);
        const auto mean = [](double value, Index n) { return n > 0 ? std::optional(value) : std::nullopt; };
        csv << c.levels[l] << c.labels[k] << c.modalities[m] << c.with[k] << cell.wins_true
            << mean(cell.score_true, c.with[k]) << c.without[k] << cell.wins_other << mean(cell.score_other, c.without[k])
            << cell.auc;
        csv.end_line();
      }
  return csv.str();
}

/// Figure 5: who was there and what was missing, above; what was predicted and through which modality, below.
inline std::string draw_case(const FigureCase& c, const std::string& title, const std::string& subtitle) {
  constexpr double side = 24, row = 20, letter = 12;
  const double cell = std::clamp(600 / static_cast<double>(std::max<std::size_t>(1, c.segments)), 3.0, 34.0);
  const std::size_t count = c.modalities.size();
  double persons = 0, modalities = 0, labels = 0;
  const auto person_name = [&](std::size_t p) { return c.persons[p] + (c.target_person == p ? " (asked about)" : ""); };
  for (std::size_t p = 0; p < c.persons.size(); ++p) persons = std::max(persons, Svg::text_width(person_name(p), 13));
  for (const std::string& name : c.modalities) modalities = std::max(modalities, Svg::text_width(name, letter));
  for (const std::string& name : c.labels) labels = std::max(labels, Svg::text_width(name, 13));
  const double grid_x = side + persons + 16 + modalities + 12, grid_w = cell * static_cast<double>(c.segments);
  const double person_h = row * static_cast<double>(count) + 12;
  const double legend_y = 78, grid_y = legend_y + 56;
  const double table_y = grid_y + person_h * static_cast<double>(c.persons.size()) + 74;

  std::vector<std::string> columns;
  double column_w = 84;
  for (std::size_t m = 0; m < count; ++m) {
    columns.push_back(c.modalities[m]);
    column_w = std::max({column_w, Svg::text_width(columns.back(), letter) + 16});
  }
  const double truth_x = side + labels + 16, bar_x = truth_x + 64, bar_w = 190, score_x = bar_x + bar_w + 128;
  const double table_w = score_x + std::max(column_w * static_cast<double>(count), 270.0) + side;
  constexpr double table_row = 28;
  const double height = table_y + 46 + table_row * static_cast<double>(c.labels.size()) + 46;
  const double width = std::max({grid_x + grid_w + side, table_w, 2 * side + Svg::text_width(title, 16),
                                 2 * side + Svg::text_width(subtitle, 12), 720.0});
  Svg svg(width, height);
  svg.text(side, 28, title, 16, Svg::Anchor::Start, "#222", true);
  svg.text(side, 48, subtitle, 12, Svg::Anchor::Start, "#555");

  const auto token = [&](double x, double y, double w, double h, TokenState state, std::size_t m) {
    if (state == TokenState::None) return;
    if (state == TokenState::Available) return svg.rectangle(x, y, w, h, plot_color(m), 0.85);
    const std::string color = state == TokenState::Dropped ? "#222" : "#777";
    if (w < 8) return svg.rectangle(x, y + h / 2 - 1, w, 2, color);
    detail::frame(svg, x + 0.5, y + 0.5, w - 1, h - 1, color, 1, state == TokenState::Dropped ? "" : "3 2");
    if (state == TokenState::Dropped) {
      svg.line(x + 3, y + 3, x + w - 3, y + h - 3, color);
      svg.line(x + 3, y + h - 3, x + w - 3, y + 3, color);
    }
  };
  double at = side;
  const auto legend = [&](TokenState state, std::size_t m, const std::string& words) {
    token(at, legend_y - 11, 22, 14, state, m);
    svg.text(at + 30, legend_y, words, letter);
    at += 30 + Svg::text_width(words, letter) + 20;
  };
  for (std::size_t m = 0; m < count; ++m) legend(TokenState::Available, m, c.modalities[m]);
  legend(TokenState::Missing, 0, "missing");
  if (std::find(c.tokens.begin(), c.tokens.end(), TokenState::Dropped) != c.tokens.end())
    legend(TokenState::Dropped, 0, "dropped on purpose");

  const std::size_t every = cell < 18 ? (c.segments > 100 ? 50 : 10) : 1;
  svg.text(grid_x - 12, grid_y - 8, "segment", letter, Svg::Anchor::End, "#555");
  for (std::size_t s = 0; s < c.segments; ++s)
    if ((s + 1) % every == 0 || every == 1)
      svg.text(grid_x + (static_cast<double>(s) + 0.5) * cell, grid_y - 8, std::to_string(s + 1), letter,
               Svg::Anchor::Middle, "#555");
  for (std::size_t p = 0; p < c.persons.size(); ++p) {
    const double y = grid_y + person_h * static_cast<double>(p);
    svg.text(side, y + person_h / 2, person_name(p), 13, Svg::Anchor::Start, "#222", c.target_person == p);
    svg.line(side, y - 1, grid_x + grid_w, y - 1, "#e3e3e3");
    for (std::size_t m = 0; m < count; ++m) {
      const double line = y + 5 + row * static_cast<double>(m);
      svg.text(grid_x - 12, line + row / 2 + 3, c.modalities[m], letter, Svg::Anchor::End, "#555");
      for (std::size_t s = 0; s < c.segments; ++s)
        token(grid_x + static_cast<double>(s) * cell + 1, line + 2, cell - 2, row - 4, c.token(p, m, s), m);
    }
    if (c.target_person == p && c.target_segment)
      detail::frame(svg, grid_x + static_cast<double>(*c.target_segment) * cell - 1.5, y + 2.5, cell + 3, person_h - 7,
                    "#222", 2);
  }
  if (c.target_segment)
    svg.text(side, table_y - 56, "Framed: the moment that is asked about.", letter, Svg::Anchor::Start, "#555");

  svg.text(side, table_y, "Prediction", 14, Svg::Anchor::Start, "#222", true);
  svg.text(truth_x, table_y + 24, "true", letter, Svg::Anchor::Start, "#555");
  svg.text(bar_x, table_y + 24, "score, predicted above " + fixed(c.threshold, 2), letter, Svg::Anchor::Start, "#555");
  svg.text(score_x, table_y, "class score of each modality (level " + c.level + ")", letter, Svg::Anchor::Start, "#555");
  for (std::size_t m = 0; m < count; ++m)
    svg.text(score_x + column_w * (static_cast<double>(m) + 0.5) - 3, table_y + 24, columns[m], letter, Svg::Anchor::Middle,
             "#555");
  for (std::size_t k = 0; k < c.labels.size(); ++k) {
    const double y = table_y + 36 + table_row * static_cast<double>(k);
    const double score = static_cast<double>(c.score[k]);
    svg.text(side, y + 17, c.labels[k], 13);
    svg.text(truth_x, y + 17,
             !c.truth[k]   ? "-"
             : *c.truth[k] ? "yes"
                           : "no",
             13, Svg::Anchor::Start, "#222", c.truth[k].value_or(false));
    svg.rectangle(bar_x, y + 4, bar_w, table_row - 12, "#e3e3e3");
    svg.rectangle(bar_x, y + 4, bar_w * std::clamp(score, 0.0, 1.0), table_row - 12, plot_color(0),
                  c.predicted(k) ? 0.9 : 0.45);
    svg.line(bar_x + bar_w * c.threshold, y, bar_x + bar_w * c.threshold, y + table_row - 4, "#222", 1.6);
    svg.text(bar_x + bar_w + 10, y + 17, fixed(score, 2) + (c.predicted(k) ? " predicted" : ""), 13, Svg::Anchor::Start,
             "#222", c.predicted(k));
    for (std::size_t m = 0; m < count; ++m) {
      const double value = c.modality_score[k * count + m], x = score_x + column_w * static_cast<double>(m);
      svg.rectangle(x, y + 1, column_w - 6, table_row - 6, plot_color(m), 0.04 + 0.86 * value);
      svg.text(x + column_w / 2 - 3, y + 16, fixed(value, 2), letter, Svg::Anchor::Middle, value > 0.6 ? "#fff" : "#222");
      if (c.winner[k] == m) detail::frame(svg, x, y + 1, column_w - 6, table_row - 6, "#222", 2);
    }
  }
  std::string unobserved;
  for (std::size_t m = 0; m < count; ++m)
    if (!c.observed[m]) unobserved += (unobserved.empty() ? "" : ", ") + c.modalities[m];
  svg.text(side, height - 18,
           "Framed: the highest class score, which is the one used. " +
               (unobserved.empty() ? "Every modality was observed."
                                   : "Not observed, and so reconstructed from the others: " + unobserved + "."),
           letter, Svg::Anchor::Start, "#555");
  return svg.str();
}

/// What was predicted.
inline std::string case_csv(const FigureCase& c) {
  Csv csv;
  csv << "id"
      << "label"
      << "true"
      << "score"
      << "threshold"
      << "predicted"
      << "through";
  for (const std::string& name : c.modalities) csv << "score:" + name;
  csv.end_line();
  for (std::size_t k = 0; k < c.labels.size(); ++k) {
    csv << static_cast<Index>(c.id) << c.labels[k]
        << (!c.truth[k]   ? ""
            : *c.truth[k] ? "1"
                          : "0")
        << std::optional(static_cast<double>(c.score[k])) << std::optional(c.threshold) << (c.predicted(k) ? "1" : "0")
        << c.modalities[c.winner[k]];
    for (std::size_t m = 0; m < c.modalities.size(); ++m)
      csv << std::optional(c.modality_score[k * c.modalities.size() + m]);
    csv.end_line();
  }
  return csv.str();
}
/// Who was there, and what was missing. Segments are counted from 1, as in the drawing.
inline std::string case_tokens_csv(const FigureCase& c) {
  Csv csv;
  csv << "person"
      << "segment"
      << "modality"
      << "state"
      << "asked_about";
  csv.end_line();
  for (std::size_t p = 0; p < c.persons.size(); ++p)
    for (std::size_t s = 0; s < c.segments; ++s)
      for (std::size_t m = 0; m < c.modalities.size(); ++m) {
        if (c.token(p, m, s) == TokenState::None) continue;
        csv << c.persons[p] << static_cast<Index>(s + 1) << c.modalities[m] << token_state_name(c.token(p, m, s))
            << (c.target_person == p && c.target_segment == s ? "1" : "0");
        csv.end_line();
      }
  return csv.str();
}

}  // namespace ramer::app
