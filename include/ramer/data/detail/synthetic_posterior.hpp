// The exact posterior of the synthetic model. Included at the end of data/synthetic.hpp.
//
// In a modality's frame the tokens' coordinates are independent, so given (mood, style) each emotion of each person is a
// two-state hidden Markov chain of its own; with s the coordinate along e_j, its states differ by
//   log p(x | y_j) = +-g A - g^2 B + const,  A = sum_m a s / noise^2,  B = sum_m a^2 / (2 noise^2).
// Mood and styles are summed over: person by person, since people are independent given the mood.
#pragma once

#include "ramer/data/synthetic.hpp"

namespace ramer::data {

namespace detail {

inline double log_sum_exp(std::span<const double> x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double v : x) sum += std::exp(v - top);
  return top + std::log(sum);
}

struct ChainResult {
  double log_evidence;
  double marginal;  ///< P(y = 1 | observations) at the asked time
};

/// Forward and backward sums of a stationary two-state chain; `a` holds A of each segment, `g` the gain.
inline ChainResult run_chain(std::span<const double> a, double g, double rate, double persistence, Index asked) {
  const auto moved = [&](double p0, double p1, double& q0, double& q1) {  // one step of the (reversible) chain
    const double total = p0 + p1;
    q0 = persistence * p0 + (1 - persistence) * (1 - rate) * total;
    q1 = persistence * p1 + (1 - persistence) * rate * total;
  };
  const auto likelihood = [&](std::size_t t, double& e0, double& e1, double& log_scale) {
    const double l = g * a[t];
    log_scale = std::abs(l);
    e0 = std::exp(-l - log_scale);
    e1 = std::exp(l - log_scale);
  };
  const auto S = a.size(), at = static_cast<std::size_t>(asked);
  double log_evidence = 0, f0 = 1 - rate, f1 = rate, at0 = 0, at1 = 0;
  for (std::size_t t = 0; t < S; ++t) {
    double e0 = 0, e1 = 0, scale = 0;
    if (t > 0) moved(f0, f1, f0, f1);
    likelihood(t, e0, e1, scale);
    f0 *= e0;
    f1 *= e1;
    const double sum = f0 + f1;
    log_evidence += scale + std::log(sum);
    f0 /= sum;
    f1 /= sum;
    if (t == at) at0 = f0, at1 = f1;
  }
  // Backwards from the end to the asked time: b(y_t) = P(later observations | y_t), up to a factor.
  double b0 = 1, b1 = 1;
  for (std::size_t t = S; t-- > at + 1;) {
    double e0 = 0, e1 = 0, scale = 0;
    likelihood(t, e0, e1, scale);
    b0 *= e0;
    b1 *= e1;
    const double fresh = (1 - persistence) * ((1 - rate) * b0 + rate * b1);
    b0 = persistence * b0 + fresh;
    b1 = persistence * b1 + fresh;
    const double sum = b0 + b1;
    b0 /= sum;
    b1 /= sum;
  }
  return {log_evidence, at1 * b1 / (at0 * b0 + at1 * b1)};
}

}  // namespace detail

inline void SyntheticModel::best_probabilities(const Batch& batch, std::vector<double>& out) const {
  require<DataError>(batch.has_target() || batch.size == 0,
                     "synthetic: the best probabilities need a batch with persons and target");
  const SyntheticConfig& c = config_;
  const auto C = static_cast<std::size_t>(c.labels), K = static_cast<std::size_t>(c.moods),
             Q = static_cast<std::size_t>(c.styles);
  const double variance = c.noise * c.noise;
  std::vector<std::size_t> known;  // batch modality -> ours
  for (const ModalityBatch& m : batch.modalities) {
    const auto at = std::find(c.modalities.begin(), c.modalities.end(), m.name);
    require<DataError>(at != c.modalities.end(), "synthetic: the generator has no modality '", m.name, "'");
    known.push_back(static_cast<std::size_t>(at - c.modalities.begin()));
    require<DataError>(m.width == c.widths[known.back()], "synthetic: modality '", m.name, "' has width ", m.width,
                       "; expected ", c.widths[known.back()]);
  }

  out.clear();
  std::vector<double> a, b, style_prior, mood_log, label_weight, person_log(Q), target_log(K * Q),
      target_marginal(K * Q * C);
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch.size); ++n) {
    const auto P = static_cast<std::size_t>(batch.persons[n]), S = static_cast<std::size_t>(batch.segments[n]);
    a.assign(P * C * S, 0.0);  // A of (person, label, segment)
    b.assign(P * C, 0.0);      // B of (person, label), summed over segments
    mood_log.assign(K, 0.0);
    for (std::size_t k = 0; k < known.size(); ++k) {
      const ModalityBatch& m = batch.modalities[k];
      const auto D = static_cast<std::size_t>(m.width);
      for (auto r = static_cast<std::size_t>(m.offsets[n]); r < static_cast<std::size_t>(m.offsets[n + 1]); ++r) {
        if (!m.available[r]) continue;
        const float* x = m.features.data() + r * D;
        const auto p = static_cast<std::size_t>(m.person[r]), t = static_cast<std::size_t>(m.segment[r]);
        const auto along = [&](std::size_t direction_index) {
          const auto e = direction(known[k], static_cast<Index>(direction_index));
          return std::inner_product(e.begin(), e.end(), x, 0.0);
        };
        for (std::size_t j = 0; j < C; ++j) {
          const double strength_here = strength(known[k], static_cast<Index>(j));
          a[(p * C + j) * S + t] += strength_here * along(j) / variance;
          b[p * C + j] += strength_here * strength_here / (2 * variance);
        }
        for (std::size_t mood = 0; mood < K; ++mood)
          mood_log[mood] += c.mood_signal * along(C + mood) / variance;  // all moods have the same norm
      }
    }

    const auto target = static_cast<std::size_t>(batch.target_person[n]);
    const Index asked = batch.target_segment[n];
    for (std::size_t p = 0; p < P; ++p) {
      // log P(style | personality), up to a constant
      style_prior.assign(Q, 0.0);
      const auto row = static_cast<std::size_t>(batch.person_offsets[n]) + p;
      if (batch.has_personality() && batch.personality_known[row]) {
        const auto D = static_cast<std::size_t>(batch.personality_width);
        require<DataError>(batch.personality_width == c.personality_width, "synthetic: personality of width ", D,
                           "; expected ", c.personality_width);
        for (std::size_t q = 0; q < Q; ++q)
          for (std::size_t d = 0; d < D; ++d) {
            const double off =
                static_cast<double>(batch.personality[row * D + d]) - personality_mean(static_cast<Index>(q))[d];
            style_prior[q] -= 0.5 * off * off;
          }
      }
      for (std::size_t mood = 0; mood < K; ++mood) {
        for (std::size_t q = 0; q < Q; ++q) {
          person_log[q] = style_prior[q];
          for (std::size_t j = 0; j < C; ++j) {
            const auto label = static_cast<Index>(j), style = static_cast<Index>(q);
            const double g = gain(label, style);
            const auto chain =
                detail::run_chain(std::span(a).subspan((p * C + j) * S, S), g, rate(label, static_cast<Index>(mood), style),
                                  c.persistence, p == target ? asked : static_cast<Index>(S) - 1);
            person_log[q] += chain.log_evidence - g * g * b[p * C + j];
            if (p == target) target_marginal[(mood * Q + q) * C + j] = chain.marginal;
          }
          if (p == target) target_log[mood * Q + q] = person_log[q];
        }
        if (p != target) mood_log[mood] += detail::log_sum_exp(person_log);
      }
    }
    for (std::size_t mood = 0; mood < K; ++mood)
      for (std::size_t q = 0; q < Q; ++q) target_log[mood * Q + q] += mood_log[mood];
    const double total = detail::log_sum_exp(target_log);
    label_weight.assign(C, 0.0);
    for (std::size_t k = 0; k < K * Q; ++k)
      for (std::size_t j = 0; j < C; ++j) label_weight[j] += std::exp(target_log[k] - total) * target_marginal[k * C + j];
    out.insert(out.end(), label_weight.begin(), label_weight.end());
  }
}

}  // namespace ramer::data
