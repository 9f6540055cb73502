// ramer plot
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/evaluate_command.hpp"
#include "ramer/app/figures.hpp"
#include "ramer/app/picture_file.hpp"

namespace ramer::app {

namespace detail {

inline constexpr Index kFigurePairs = 150, kMostFigurePoints = 6000;

/// Where the data of a picture go: its own name with another ending.
inline std::string csv_file(const std::string& picture, const std::string& part = "") {
  return std::filesystem::path(picture).replace_extension(part + ".csv").string();
}

inline void plot_embeddings(const Options& options, const FigureSource& from, const std::string& headline,
                            std::ostream& out) {
  const auto panels = embeddings_of(from, options.pairs.value_or(kFigurePairs), options.seed.value_or(1));
  std::vector<Tsne> places;
  TsneOptions settings;
  settings.perplexity = options.perplexity.value_or(settings.perplexity);
  settings.seed = options.seed.value_or(1);
  for (const EmbeddingPanel& panel : panels) {
    const auto n = static_cast<Index>(panel.points.size());
    require<ConfigError>(n <= kMostFigurePoints, "figure3: ", n, " vectors are more than the ", kMostFigurePoints,
                         " that a panel may have; give a smaller --pairs");
    require<DataError>(n >= 4, "figure3: ", n, " vectors are too few; give a larger --pairs or more samples");
    places.push_back(tsne({panel.x.data(), Shape{n, static_cast<Index>(panel.x.size()) / n}}, settings));
    out << panel.title << ": " << n << " vectors, KL " << fixed(places.back().divergence.front(), 3) << " -> "
        << fixed(places.back().kl(), 3) << '\n';
  }
  std::vector<std::string> modalities;
  for (const ModalitySchema& m : from.schema().modalities) modalities.push_back(m.name);
  write_picture(options.out, draw_embeddings(panels, places, modalities, "Embeddings in the plane (t-SNE)", headline));
  io::write_file_atomically(csv_file(options.out), embeddings_csv(panels, places, from.schema()));
}

inline void plot_carriers(const Options& options, const FigureSource& from, const std::string& headline) {
  const LabelCarriers carriers = label_carriers(from);
  write_picture(
      options.out,
      draw_carriers(carriers, "Which modality carries which label (level " + carriers.levels.back() + ")", headline));
  io::write_file_atomically(csv_file(options.out), carriers_csv(carriers));
}

inline void plot_case(const Options& options, const Opened& o, const FigureSource& from, const std::string& headline) {
  const std::int32_t sample = options.sample ? find_case(from, *options.sample, o.part.text) : choose_case(from);
  const io::Json& config = o.checkpoint.config;
  const bool moment = config.contains("target_time") && config["target_time"] == "segment";
  const FigureCase one = figure_case(from, sample, o.threshold, moment);
  write_picture(options.out, draw_case(one, "Sample " + std::to_string(one.id), headline));
  io::write_file_atomically(csv_file(options.out), case_csv(one));
  io::write_file_atomically(csv_file(options.out, ".tokens"), case_tokens_csv(one));
}

}  // namespace detail

/// @return the program's exit code. @throws ConfigError for a recipe without the figure's parts
inline int plot_command(const Options& options, const std::vector<Kind>& kinds, std::ostream& out) {
  const std::string& figure = options.figure;
  const auto only = [&](bool given, const char* option, const char* of) {
    require<ConfigError>(!given || figure == of, option, " is for ", of, " alone");
  };
  only(options.pairs.has_value(), "--pairs", "figure3");
  only(options.perplexity.has_value(), "--perplexity", "figure3");
  only(options.seed.has_value(), "--seed", "figure3");
  only(options.sample.has_value(), "--sample", "figure5");
  only(options.threshold.has_value(), "--threshold", "figure5");
  require<ConfigError>(options.pairs.value_or(1) >= 1, "--pairs ", options.pairs.value_or(1), ": expected at least 1");
  check_picture(options.out);
  detail::check_threshold(options);
  const detail::Opened o = detail::open_system(options, kinds);
  const FigureSource from{*o.system, o.checkpoint.recipe, o.dataset, o.part.samples, o.predict};
  const std::string headline = detail::headline(o, options);
  if (figure == "figure3")
    detail::plot_embeddings(options, from, headline, out);
  else if (figure == "figure4")
    detail::plot_carriers(options, from, headline);
  else
    detail::plot_case(options, o, from, headline);
  out << figure << " of " << headline << "\npicture: " << options.out << "\ndata: " << detail::csv_file(options.out) << '\n';
  return 0;
}

}  // namespace ramer::app
