// Conversations out of a random generator whose best possible score is known: the posterior of the labels given everything
// that is observed can be computed exactly.
//
// The model. A sample has a mood c, uniform over `moods`. Person p has a style q (a personality type), uniform over `styles`
// and seen only through a noisy personality vector. Each of C emotions of each person is a two-state chain over segments,
// independent of the others given (c, q):
//   P(y_j = 1 | c, q) = sigmoid(base + coupling (c raises j ? 1 : -1/2) + bias u(q, j)),
//   y_j stays from segment to segment with probability `persistence`, else it is drawn anew.
// So emotions of one person and of different people are correlated through the mood: other people are informative.
// A token of modality m is white noise of deviation `noise` plus
//   sum_j (2 y_j - 1) g(q, j) a(m, j) e_j + mood_signal f_c
// in an orthonormal frame e_1..e_C, f_1..f_moods of the modality's own. a(m, j): emotion j speaks in one modality alone
// (strength `signal`; `leak` times that in the others) or, every (M + 1)-th, evenly in all. g(q, j) = 1 for even j; for odd
// j it is 1 or 1 - 2 `style`, depending on the style: reserved people show less of it or, above 1/2, the opposite. One
// person speaks in each segment; the others listen: silent people have only the last modality, where they are seen.
//
// The labels are the emotions of the target person at the target time. Who speaks, who is seen and what is missing does not
// depend on emotions, so the posterior needs no model of it.
//
// With `linear`, a linear model of the target's features is the right model, and should win: one segment, nobody's style,
// mood or silence matters, nothing is missing, and the log-odds of each label are affine in the target's features.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/random.hpp"
#include "ramer/data/dataset_arrays.hpp"
#include "ramer/data/sampler.hpp"

namespace ramer::data {

struct SyntheticConfig {
  std::uint64_t seed = 1;
  Index samples = 1500;
  Index group_size = 10;
  std::vector<std::string> modalities{"text", "audio", "visual"};
  std::vector<Index> widths{32, 24, 20};
  Index persons = 4;
  Index segments = 6;
  Index labels = 6;
  Index moods = 3;
  Index styles = 2;
  Index personality_width = 8;
  double signal = 0.8;
  double leak = 0.25;
  double mood_signal = 0.25;
  double noise = 1;
  double base = -0.8;
  double coupling = 2.4;
  double bias = 0.4;
  double style = 0.8;
  double separation = 3;
  double persistence = 0.7;
  double listening_target = 0.4;
  double late = 0.15;
  double missing = 0.05;
  double missing_speaker = 0;
  double missing_listener = 0.4;
  double unknown_personality = 0.1;
  bool linear = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("seed", self.seed, "seed of everything that is drawn");
    field("samples", self.samples, "number of samples", extent(0));
    field("group_size", self.group_size, "samples of one group: they share their people, and stay in one split", extent());
    field("modalities", self.modalities, "names; silent people have only the last one");
    field("widths", self.widths, "width of each modality, at least labels + moods", extent());
    field("persons", self.persons, "most persons of a sample; at least 2 where this allows", extent());
    field("segments", self.segments, "most segments of a sample; at least 2 where this allows", extent());
    field("labels", self.labels, "number of labels", extent());
    field("moods", self.moods, "states of the conversation that correlate emotions; 1: none", extent());
    field("styles", self.styles, "personality types; 1: everybody alike", extent());
    field("personality_width", self.personality_width, "width of a personality vector; 0: no personality", extent(0));
    field("signal", self.signal, "strength of an emotion in the modality where it shows", Range{});
    field("leak", self.leak, "part of that strength in the other modalities", Range{});
    field("mood_signal", self.mood_signal, "strength of the mood in every token", Range{});
    field("noise", self.noise, "standard deviation of the noise", more_than(0));
    field("base", self.base, "log-odds of an emotion, before mood and style", Range{});
    field("coupling", self.coupling, "how strongly the mood raises and lowers emotions", Range{});
    field("bias", self.bias, "how strongly the style raises and lowers emotions", Range{});
    field("style", self.style, "how much the style changes expression: 0 not, 1 turns it round", between(0, 1));
    field("separation", self.separation, "distance of a style's personality vector from 0, in units of its noise", Range{});
    field("persistence", self.persistence, "probability that an emotion is not drawn anew in the next segment",
          between(0, 1));
    field("listening_target", self.listening_target, "probability that the target person listens at the target time",
          between(0, 1));
    field("late", self.late, "probability that a person who is not the target joins late", between(0, 1));
    field("missing", self.missing, "probability that a modality of a token is missing", between(0, 1));
    field("missing_speaker", self.missing_speaker, "the same, in addition, for tokens of speakers", between(0, 1));
    field("missing_listener", self.missing_listener, "the same, in addition, for tokens of listeners", between(0, 1));
    field("unknown_personality", self.unknown_personality, "probability that a person's personality is not known",
          between(0, 1));
    field("linear", self.linear, "a setting in which a linear model of the target's features is the right model");
  }
  void check(const std::string& key) const {
    require<ConfigError>(!modalities.empty() && modalities.size() == widths.size(), key, ": ", modalities.size(),
                         " modalities and ", widths.size(), " widths; expected equal numbers, at least one");
    for (std::size_t m = 0; m < widths.size(); ++m)
      require<ConfigError>(widths[m] >= labels + moods, key, ".widths: '", modalities[m], "' has ", widths[m],
                           "; expected at least labels + moods = ", labels + moods);
    const double places = static_cast<double>(samples) * static_cast<double>(persons) * static_cast<double>(segments);
    require<ConfigError>(extent(0).holds(places), key, ": ", samples, " samples of ", persons, " persons and ", segments,
                         " segments; a data set has at most ", extent().high, " such places");
  }
};

/// The generator, and the best that can be known of what it generated.
class SyntheticModel {
 public:
  /// @throws ConfigError
  explicit SyntheticModel(SyntheticConfig config = {});

  /// As given, but for `linear`, which overrides others.
  const SyntheticConfig& config() const { return config_; }

  /// The data set, with splits of about 70, 10 and 20 per cent that keep groups whole. A function of the configuration.
  Dataset generate() const;

  /// The exact P(label = 1 | everything observed in the batch), (B, C): no model can have a smaller expected log loss or
  /// Brier score, or order the samples of one label better; the best F1 takes thresholds of these numbers. Modalities that
  /// are absent or dropped are simply not observed. Tokens of people who are made unavailable likewise.
  /// @throws DataError for a batch without target or with modalities that the generator does not have
  void best_probabilities(const Batch& batch, std::vector<double>& out) const;

  /// P(y_label = 1 | mood, style).
  double rate(Index label, Index mood, Index style) const {
    const double c = config_.coupling * (label % config_.moods == mood ? 1.0 : -0.5) * (config_.moods > 1);
    return 1 / (1 + std::exp(-(config_.base + c + config_.bias * turn(label, style) * (config_.styles > 1))));
  }
  /// g(q, j): how this style shows that emotion.
  double gain(Index label, Index style) const {
    return label % 2 == 0 ? 1 : 1 - config_.style + config_.style * turn(label / 2, style);
  }
  /// a(m, j)
  double strength(std::size_t modality, Index label) const {
    const auto M = static_cast<Index>(config_.modalities.size());
    const Index home = label % (M + 1);  // M: at home in all of them
    if (home == M || M == 1) return config_.signal / std::sqrt(static_cast<double>(M));
    return config_.signal * (home == static_cast<Index>(modality) ? 1 : config_.leak);
  }
  /// Direction `k` of the modality's frame: emotions first, then moods. D numbers.
  std::span<const double> direction(std::size_t modality, Index k) const {
    const auto D = static_cast<std::size_t>(config_.widths[modality]);
    return std::span(frames_[modality]).subspan(static_cast<std::size_t>(k) * D, D);
  }
  /// Mean of the personality vectors of a style. D_p numbers; their noise has deviation 1.
  std::span<const double> personality_mean(Index style) const {
    const auto D = static_cast<std::size_t>(config_.personality_width);
    return std::span(centres_).subspan(static_cast<std::size_t>(style) * D, D);
  }

 private:
  // +1 or -1, balanced over styles where their number is a power of two.
  double turn(Index k, Index style) const {
    const Index bits =
        std::max<Index>(1, static_cast<Index>(std::bit_width(static_cast<std::uint64_t>(config_.styles - 1))));
    return (style >> (k % bits)) & 1 ? -1 : 1;
  }

  SyntheticConfig config_;
  std::vector<std::vector<double>> frames_;  // per modality (C + moods, D), orthonormal rows
  std::vector<double> centres_;              // (styles, D_p)
};

/// A generated data set. @throws ConfigError
inline Dataset make_synthetic(const SyntheticConfig& config = {}) { return SyntheticModel(config).generate(); }

}  // namespace ramer::data

#include "ramer/data/detail/synthetic_generate.hpp"
#include "ramer/data/detail/synthetic_posterior.hpp"
