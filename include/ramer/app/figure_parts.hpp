// What Figures 3, 4 and 5 of the paper are made of: the numbers, before anything is drawn. They come from values that a system shows by
// name while it predicts (model/detail/ramer_pass.hpp): one vector and one class score for each modality and label.
// B samples, M modalities, C labels, H hidden width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/system.hpp"
#include "ramer/eval/auc.hpp"

namespace ramer::app {

/// The samples that a figure is of, as a system sees them.
struct FigureSource {
  const System& system;
  std::string recipe;
  const data::Dataset& dataset;
  std::span<const std::int32_t> samples;
  train::PredictOptions options;

  const Schema& schema() const { return system.schema(); }
  std::size_t modalities() const { return schema().modalities.size(); }
  std::size_t labels() const { return schema().labels.size(); }
};

/// A level of embeddings, X_alpha, X_beta or X_gamma, and where its class scores are found.
struct FigureLevel {
  const char *name, *embedding, *logits, *best;
};
/// A recipe may lack some; the last that it has is the one that predicts.
inline constexpr FigureLevel kFigureLevels[] = {{"alpha", "X_alpha", "logits_alpha", "max_logit_alpha"},
                                                {"beta", "X_beta", "logits_beta", "max_logit_beta"},
                                                {"gamma", "X_gamma", "logits_gamma", "max_logit_gamma"}};

namespace detail {

inline double sigmoid(float x) { return 1 / (1 + std::exp(-static_cast<double>(x))); }

/// One batch as the system sees it, without labels.
inline void build_figure_batch(const FigureSource& from, std::span<const std::int32_t> samples, Batch& batch) {
  data::BatchOptions shown = train::batch_options(from.schema(), from.options.view);
  shown.labels.clear();
  data::make_batch(from.dataset, samples, shown, batch);
  batch.labels.clear();
  batch.label_mask.clear();
  if (from.options.transform) from.options.transform(batch);
}

/// f(first, batch, values) for these samples, some at a time; `first`: place of the batch's first sample among them.
template <class F>
void inspect_samples(const FigureSource& from, std::span<const std::int32_t> samples, const std::vector<std::string>& names,
                     F&& f) {
  Batch batch;
  const auto size = static_cast<std::size_t>(std::max<Index>(1, from.options.batch));
  for (std::size_t at = 0; at < samples.size(); at += size) {
    build_figure_batch(from, samples.subspan(at, std::min(size, samples.size() - at)), batch);
    f(at, batch, from.system.inspect(batch, names));
  }
}

/// Of a recipe that has no such thing. @throws ConfigError
inline void require_parts(bool has, const FigureSource& from, const char* figure, const char* what) {
  require<ConfigError>(has, figure, ": recipe '", from.recipe, "' has no ", what);
}

/// The levels that a system has; each is complete. @throws ConfigError if it has none
inline std::vector<FigureLevel> figure_levels(const FigureSource& from, const Batch& batch, const Inspection& values,
                                              const char* figure) {
  std::vector<FigureLevel> levels;
  const std::size_t cells = static_cast<std::size_t>(batch.size) * from.labels();
  for (const FigureLevel& level : kFigureLevels) {
    bool whole = values.has(level.best, -1) && values.at(level.best).size() == cells;
    for (Index m = 0; m < from.schema().modality_count(); ++m)
      whole = whole && values.has(level.logits, m) && values.at(level.logits, m).size() == cells;
    if (whole) levels.push_back(level);
  }
  require_parts(!levels.empty(), from, figure, "class score of each modality");
  return levels;
}

/// Which modality a maximum came from; ties go to the first, as the model has it.
inline std::size_t winner_of(const Inspection& values, const FigureLevel& level, std::size_t cell, std::size_t modalities) {
  const float best = values.at(level.best)[cell];
  std::size_t m = 0;
  while (m + 1 < modalities && values.at(level.logits, static_cast<Index>(m))[cell] != best) ++m;
  return m;
}

inline std::vector<std::string> names_of_levels(bool embeddings) {
  std::vector<std::string> names;
  for (const FigureLevel& level : kFigureLevels) {
    if (embeddings) {
      names.push_back(level.embedding);
    } else {
      names.push_back(level.logits);
      names.push_back(level.best);
    }
  }
  return names;
}

}  // namespace detail

// --- Figure 3 ---------------------------------------------------------------------------------------------------------

/// A vector of one modality, for one label of one sample.
struct FigurePoint {
  std::int64_t id = 0;
  std::size_t label = 0, modality = 0;
  bool second = false;  ///< of the two kinds that a panel shows
};
/// Vectors that are put into one plane.
struct EmbeddingPanel {
  std::string title, first, second;  ///< names of the two kinds
  std::vector<FigurePoint> points;
  std::vector<float> x;  ///< (points, H)
};

/// The panels that the system has the parts for: specificity S^m and commonality C^m; X_alpha^m of what was observed, and the last
/// level of the reconstruction. `pairs` times a sample and a label are drawn from all samples. S and X_alpha of a modality that was
/// not observed are left out: they are zero, and a guess.
/// @throws ConfigError for a system that has neither
inline std::vector<EmbeddingPanel> embeddings_of(const FigureSource& from, Index pairs, std::uint64_t seed) {
  const std::size_t labels = from.labels(), modalities = from.modalities();
  const RandomStream stream(seed, name_hash("figure3"));
  std::vector<std::pair<std::uint32_t, std::size_t>> drawn;  // (lot, sample * C + label)
  for (std::size_t k = 0; k < from.samples.size() * labels; ++k) drawn.emplace_back(stream.word(k, 0), k);
  std::sort(drawn.begin(), drawn.end());
  drawn.resize(std::min(drawn.size(), static_cast<std::size_t>(pairs)));
  std::vector<std::size_t> slots;
  for (const auto& [lot, k] : drawn) slots.push_back(k);
  std::sort(slots.begin(), slots.end());
  std::vector<std::int32_t> samples;
  std::vector<std::vector<std::size_t>> labels_of;
  for (const std::size_t k : slots) {
    const std::int32_t sample = from.samples[k / labels];
    if (samples.empty() || samples.back() != sample) samples.push_back(sample), labels_of.emplace_back();
    labels_of.back().push_back(k % labels);
  }

  std::vector<EmbeddingPanel> panels{{"Specificity and commonality", "specificity S", "commonality C", {}, {}},
                                     {"Observed and reconstructed embeddings", "observed X_alpha", "", {}, {}}};
  std::vector<std::string> names = detail::names_of_levels(true);
  names.insert(names.end(), {"S", "C"});
  bool subspaces = false, reconstructed = false;
  detail::inspect_samples(from, samples, names, [&](std::size_t first, const Batch& batch, const Inspection& values) {
    const auto size = static_cast<std::size_t>(batch.size);
    detail::require_parts(values.has("X_alpha") && values.at("X_alpha", 0).size() % (size * labels) == 0, from, "figure3",
                          "embedding of each modality and label");
    const std::size_t width = values.at("X_alpha", 0).size() / (size * labels);
    const auto whole = [&](const char* name) {
      for (std::size_t m = 0; m < modalities; ++m)
        if (!values.has(name, static_cast<Index>(m)) ||
            values.at(name, static_cast<Index>(m)).size() != size * labels * width)
          return false;
      return true;
    };
    const bool gamma = whole("X_gamma");
    subspaces = whole("S") && whole("C");
    reconstructed = gamma || whole("X_beta");
    detail::require_parts(subspaces || reconstructed, from, "figure3", "specificity and commonality and no reconstruction");
    const char* top = gamma ? "X_gamma" : "X_beta";
    panels[1].second = std::string("reconstructed ") + top;
    const auto add = [&](EmbeddingPanel& panel, const char* name, bool second, std::size_t b, std::size_t c, std::size_t m) {
      const float* x = values.at(name, static_cast<Index>(m)).data() + (b * labels + c) * width;
      panel.points.push_back({batch.id[b], c, m, second});
      panel.x.insert(panel.x.end(), x, x + width);
    };
    for (std::size_t b = 0; b < size; ++b)
      for (const std::size_t c : labels_of[first + b])
        for (std::size_t m = 0; m < modalities; ++m) {
          bool observed = true;
          if (subspaces) {
            const float* s = values.at("S", static_cast<Index>(m)).data() + (b * labels + c) * width;
            observed = std::any_of(s, s + width, [](float v) { return v != 0; });
            if (observed) add(panels[0], "S", false, b, c, m);
            add(panels[0], "C", true, b, c, m);
          }
          if (reconstructed) {
            if (observed) add(panels[1], "X_alpha", false, b, c, m);
            add(panels[1], top, true, b, c, m);
          }
        }
  });
  if (!subspaces) panels.erase(panels.begin());
  if (!reconstructed) panels.pop_back();
  return panels;
}

// --- Figure 4 ---------------------------------------------------------------------------------------------------------

/// How a modality does for a label, at one level.
struct LabelCarrier {
  Index wins_true = 0,
        wins_other = 0;  ///< samples in which its class score is the maximum: of those with the label, of the others
  double score_true = 0,
         score_other = 0;     ///< mean of sigmoid(its class score) over the same samples; 0 where there are none
  std::optional<double> auc;  ///< of its class score alone
};
/// Of every level, label and modality.
struct LabelCarriers {
  std::vector<std::string> levels, labels, modalities;
  std::vector<Index> with, without;  ///< (C) annotated samples with and without the label
  std::vector<LabelCarrier> cells;   ///< (levels, C, M)
  const LabelCarrier& at(std::size_t level, std::size_t c, std::size_t m) const {
    return cells[(level * labels.size() + c) * modalities.size() + m];
  }
};

/// @throws ConfigError for a system without class scores of each modality; DataError for a data set without labels
inline LabelCarriers label_carriers(const FigureSource& from) {
  const std::size_t labels = from.labels(), modalities = from.modalities();
  const train::Truth truth = train::truth_of(from.dataset, from.samples, from.schema().labels);
  LabelCarriers out;
  out.labels = from.schema().labels;
  for (const ModalitySchema& m : from.schema().modalities) out.modalities.push_back(m.name);
  out.with.assign(labels, 0);
  out.without.assign(labels, 0);
  std::vector<FigureLevel> levels;
  std::vector<std::vector<std::pair<float, bool>>> pairs;  // (levels, C, M)
  detail::inspect_samples(from, from.samples, detail::names_of_levels(false),
                          [&](std::size_t first, const Batch& batch, const Inspection& v) {
                            levels = detail::figure_levels(from, batch, v, "figure4");
                            out.cells.resize(levels.size() * labels * modalities);
                            pairs.resize(out.cells.size());
                            for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b)
                              for (std::size_t c = 0; c < labels; ++c) {
                                const std::size_t cell = (first + b) * labels + c, here = b * labels + c;
                                if (!truth.mask[cell]) continue;
                                const bool is = truth.labels[cell] != 0;
                                ++(is ? out.with : out.without)[c];
                                for (std::size_t l = 0; l < levels.size(); ++l) {
                                  const std::size_t winner = detail::winner_of(v, levels[l], here, modalities);
                                  for (std::size_t m = 0; m < modalities; ++m) {
                                    const std::size_t k = (l * labels + c) * modalities + m;
                                    const float logit = v.at(levels[l].logits, static_cast<Index>(m))[here];
                                    (is ? out.cells[k].wins_true : out.cells[k].wins_other) += m == winner;
                                    (is ? out.cells[k].score_true : out.cells[k].score_other) += detail::sigmoid(logit);
                                    pairs[k].emplace_back(logit, is);
                                  }
                                }
                              }
                          });
  for (const FigureLevel& level : levels) out.levels.push_back(level.name);
  for (std::size_t k = 0; k < out.cells.size(); ++k) {
    const std::size_t c = k / modalities % labels;
    out.cells[k].score_true /= static_cast<double>(std::max<Index>(1, out.with[c]));
    out.cells[k].score_other /= static_cast<double>(std::max<Index>(1, out.without[c]));
    out.cells[k].auc = eval::auc_of_pairs(pairs[k]);
  }
  return out;
}

}  // namespace ramer::app
