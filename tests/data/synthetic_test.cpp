#include "ramer/data/synthetic.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "ramer/data/batch_builder.hpp"
#include "ramer/data/split.hpp"

using namespace ramer;
using namespace ramer::data;

namespace {

Batch whole(const Dataset& dataset) {
  Batch batch;
  make_batch(dataset, all_samples(dataset), {}, batch);
  return batch;
}

std::vector<double> best(const SyntheticModel& model, const Batch& batch) {
  std::vector<double> out;
  model.best_probabilities(batch, out);
  return out;
}

double log_odds(double p) { return std::log(p / (1 - p)); }

/// Mean log loss.
double loss(const std::vector<double>& p, const Batch& batch) {
  double sum = 0;
  for (std::size_t k = 0; k < p.size(); ++k) sum -= std::log(batch.labels[k] ? p[k] : 1 - p[k]);
  return sum / static_cast<double>(p.size());
}

template <class T>
bool same(std::span<const T> a, std::span<const T> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

SyntheticConfig tiny() {
  SyntheticConfig c;
  c.samples = 12;
  c.modalities = {"text", "visual"};
  c.widths = {5, 4};
  c.persons = 2;
  c.segments = 2;
  c.labels = 2;
  c.moods = 2;
  c.personality_width = 3;
  c.separation = 1;
  c.unknown_personality = 0.4;
  c.missing = 0.2;
  c.noise = 1.3;
  return c;
}

/// log N(x; mean, noise^2 I) up to a constant that does not depend on the mean.
double log_density(const float* x, const std::vector<double>& mean, double noise) {
  double sum = 0;
  for (std::size_t d = 0; d < mean.size(); ++d) sum += (x[d] - mean[d]) * (x[d] - mean[d]);
  return -sum / (2 * noise * noise);
}

/// The posterior by summing the joint density over every state of mood, styles and emotion chains: an oracle of the oracle
/// that shares none of its algebra. P = S = C = 2 at most.
std::vector<double> by_enumeration(const SyntheticModel& model, const Batch& batch, std::size_t n) {
  const SyntheticConfig& c = model.config();
  const Index P = batch.persons[n], S = batch.segments[n], C = c.labels;
  double total = 0;
  std::vector<double> positive(static_cast<std::size_t>(C), 0.0);
  for (Index mood = 0; mood < c.moods; ++mood) {
    // Emotions and styles of all persons as one number each.
    const Index style_states = P == 1 ? c.styles : c.styles * c.styles;
    for (Index styles = 0; styles < style_states; ++styles)
      for (Index bits = 0; bits < Index{1} << (P * S * C); ++bits) {
        const auto y = [&](Index p, Index t, Index j) { return (bits >> ((p * S + t) * C + j)) & 1; };
        const auto style = [&](Index p) { return p == 0 ? styles % c.styles : styles / c.styles; };
        double log_p = 0;
        for (Index p = 0; p < P; ++p) {
          const auto row = static_cast<std::size_t>(batch.person_offsets[n] + p);
          if (batch.personality_known[row]) {
            const auto mean = model.personality_mean(style(p));
            log_p += log_density(batch.personality.data() + row * mean.size(), {mean.begin(), mean.end()}, 1);
          }
          for (Index j = 0; j < C; ++j)
            for (Index t = 0; t < S; ++t) {
              const double rate = model.rate(j, mood, style(p));
              const double fresh = y(p, t, j) ? rate : 1 - rate;
              log_p +=
                  std::log(t == 0 ? fresh : (1 - c.persistence) * fresh + c.persistence * (y(p, t, j) == y(p, t - 1, j)));
            }
        }
        for (std::size_t m = 0; m < batch.modalities.size(); ++m) {
          const ModalityBatch& modality = batch.modalities[m];
          for (auto r = static_cast<std::size_t>(modality.offsets[n]); r < static_cast<std::size_t>(modality.offsets[n + 1]);
               ++r) {
            if (!modality.available[r]) continue;
            std::vector<double> mean(static_cast<std::size_t>(modality.width));
            const auto add = [&](Index k, double factor) {
              for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += factor * model.direction(m, k)[d];
            };
            for (Index j = 0; j < C; ++j)
              add(j, (y(modality.person[r], modality.segment[r], j) ? 1 : -1) * model.gain(j, style(modality.person[r])) *
                         model.strength(m, j));
            add(C + mood, c.mood_signal);
            log_p += log_density(modality.features.data() + r * mean.size(), mean, c.noise);
          }
        }
        const double p = std::exp(log_p);
        total += p;
        for (Index j = 0; j < C; ++j)
          if (y(batch.target_person[n], batch.target_segment[n], j)) positive[static_cast<std::size_t>(j)] += p;
      }
  }
  for (double& p : positive) p /= total;
  return positive;
}

}  // namespace

TEST_CASE("the same configuration gives the same data, another seed other data") {
  SyntheticConfig c;
  c.samples = 60;
  const Dataset a = make_synthetic(c), b = make_synthetic(c);
  c.seed = 2;
  const Dataset other = make_synthetic(c);
  for (std::size_t m = 0; m < 3; ++m) {
    CHECK(same(a.modalities()[m].features.span(), b.modalities()[m].features.span()));
    CHECK(same(a.modalities()[m].index.span(), b.modalities()[m].index.span()));
    CHECK_FALSE(same(a.modalities()[m].features.span(), other.modalities()[m].features.span()));
  }
  CHECK(same(a.tensors().labels->span(), b.tensors().labels->span()));
  CHECK(same(a.tensors().target->span(), b.tensors().target->span()));
  CHECK(same(a.tensors().split->span(), b.tensors().split->span()));
}

TEST_CASE("a longer data set begins with the shorter one") {
  SyntheticConfig c;
  c.samples = 40;
  const Dataset a = make_synthetic(c);
  c.samples = 80;
  const Dataset b = make_synthetic(c);
  const auto features = a.modalities()[0].features.span();
  CHECK(same(features, b.modalities()[0].features.span().first(features.size())));
  const auto labels = a.tensors().labels->span();
  CHECK(same(labels, b.tensors().labels->span().first(labels.size())));
}

TEST_CASE("the default is what it says: splits, groups, roles, listeners who have the last modality alone") {
  const Dataset d = make_synthetic();
  CHECK(d.size() == 1500);
  CHECK(d.persons() == 4);
  CHECK(d.times() == 6);
  CHECK(d.labels() == 6);
  CHECK(d.straddling_groups() == 0);
  const SplitSamples s = split_samples(d);
  CHECK(s.train.size() == 1050);
  CHECK(s.validation.size() == 150);
  CHECK(s.test.size() == 300);
  Index heard = 0, seen = 0, places = 0, holes = 0;
  for (Index n = 0; n < d.size(); ++n)
    for (Index p = 0; p < 4; ++p) {
      bool before = false;
      for (Index t = 0; t < 6; ++t) {
        const bool here = d.exists(n, p, t);
        places += here;
        heard += d.modalities()[0].index(n, p, t) >= 0;
        seen += d.modalities()[2].index(n, p, t) >= 0;
        holes += !here && t > 0 && d.exists(n, (*d.tensors().target)(n, 0), t);
        CHECK_FALSE((before && !here));  // nobody leaves
        before = here;
      }
      CHECK(d.exists(n, (*d.tensors().target)(n, 0), (*d.tensors().target)(n, 1)));
    }
  CHECK(holes > 100);
  CHECK(heard < places / 2);  // one speaks, of three on average
  CHECK(seen > places * 6 / 10);
  CHECK(seen < places * 9 / 10);
  Index positive = 0;
  for (std::uint8_t y : d.tensors().labels->span()) positive += y;
  CHECK(positive > 9000 / 5);
  CHECK(positive < 9000 / 2);
}

TEST_CASE("labels are correlated through the mood, as the configuration says") {
  SyntheticConfig c;
  c.samples = 4000;
  c.widths = {9, 9, 9};
  c.persons = 1;
  c.segments = 1;
  const auto both = [](const Dataset& d, Index i, Index j) {
    double pi = 0, pj = 0, pij = 0;
    const auto& y = *d.tensors().labels;
    for (Index n = 0; n < d.size(); ++n) {
      pi += y(n, i);
      pj += y(n, j);
      pij += y(n, i) * y(n, j);
    }
    const auto N = static_cast<double>(d.size());
    return pij / N - pi / N * pj / N;
  };
  const Dataset coupled = make_synthetic(c);
  CHECK(both(coupled, 0, 3) > 0.05);   // raised by the same mood
  CHECK(both(coupled, 0, 1) < -0.01);  // by different moods
  c.moods = 1;
  CHECK(std::abs(both(make_synthetic(c), 0, 2)) < 0.02);
}

TEST_CASE("the best probabilities are those of enumerating every state") {
  for (const double persistence : {0.7, 0.0, 1.0}) {
    SyntheticConfig c = tiny();
    c.persistence = persistence;
    const SyntheticModel model(c);
    const Batch batch = whole(model.generate());
    const std::vector<double> p = best(model, batch);
    REQUIRE(p.size() == 24);
    for (std::size_t n = 0; n < 12; ++n) {
      const std::vector<double> expected = by_enumeration(model, batch, n);
      for (std::size_t j = 0; j < 2; ++j) CHECK(p[2 * n + j] == doctest::Approx(expected[j]).epsilon(1e-9));
    }
  }
}

TEST_CASE("the best probabilities are calibrated, and beat what they become when changed") {
  SyntheticConfig c;
  c.samples = 8000;
  c.widths = {10, 10, 10};
  const SyntheticModel model(c);
  const Batch batch = whole(model.generate());
  const std::vector<double> p = best(model, batch);
  // In each bin of predicted probability, the labels' mean is the predictions' mean, to 4.5 standard errors. Labels of one
  // sample are not independent given what is seen, so samples are the unit: errors are summed per sample.
  for (int bin = 0; bin < 10; ++bin) {
    double error = 0, variance = 0;
    for (std::size_t n = 0; n < 8000; ++n) {
      double sum = 0;
      for (std::size_t j = 0; j < 6; ++j) {
        const double q = p[n * 6 + j];
        if (static_cast<int>(q * 10) == bin) sum += batch.labels[n * 6 + j] - q;
      }
      error += sum;
      variance += sum * sum;
    }
    CHECK(variance > 0);
    CHECK(std::abs(error) < 4.5 * std::sqrt(variance));
  }
  const double reached = loss(p, batch);
  for (const double slope : {0.8, 1.25}) {
    std::vector<double> changed = p;
    for (double& q : changed) q = 1 / (1 + std::exp(-slope * log_odds(q)));
    CHECK(loss(changed, batch) > reached);
  }
}

TEST_CASE("personality, other people and each modality tell something") {
  SyntheticConfig c;
  c.samples = 4000;
  c.widths = {10, 10, 10};
  const SyntheticModel model(c);
  const Batch batch = whole(model.generate());
  const double reached = loss(best(model, batch), batch);
  Batch less = batch;
  std::fill(less.personality_known.begin(), less.personality_known.end(), std::uint8_t{0});
  CHECK(loss(best(model, less), batch) > reached + 0.005);
  less = batch;
  for (ModalityBatch& m : less.modalities)
    for (std::size_t n = 0; n < 4000; ++n)
      for (auto r = static_cast<std::size_t>(m.offsets[n]); r < static_cast<std::size_t>(m.offsets[n + 1]); ++r)
        if (m.person[r] != batch.target_person[n]) m.available[r] = 0;
  CHECK(loss(best(model, less), batch) > reached + 0.005);
  for (std::size_t m = 0; m < 3; ++m) {
    less = batch;
    std::fill(less.modalities[m].available.begin(), less.modalities[m].available.end(), std::uint8_t{0});
    CHECK(loss(best(model, less), batch) > reached + 0.01);
  }
}

TEST_CASE("in the linear setting the log-odds are affine in the target's features and nothing else matters") {
  SyntheticConfig c;
  c.samples = 50;
  c.linear = true;
  const SyntheticModel model(c);
  const Batch batch = whole(model.generate());
  const auto deviation = [&](const SyntheticModel& made_by, const Batch& first) {
    // Log-odds at the midpoint of the features against the mean of the log-odds at both ends.
    Batch other = first, middle = first;
    for (std::size_t m = 0; m < first.modalities.size(); ++m)
      for (std::size_t k = 0; k < first.modalities[m].features.size(); ++k) {
        other.modalities[m].features[k] = -first.modalities[m].features[k];
        middle.modalities[m].features[k] = 0;
      }
    const auto a = best(made_by, first), b = best(made_by, other), mid = best(made_by, middle);
    double worst = 0;
    for (std::size_t k = 0; k < a.size(); ++k)
      worst = std::max(worst, std::abs(0.5 * (log_odds(a[k]) + log_odds(b[k])) - log_odds(mid[k])));
    return worst;
  };
  CHECK(deviation(model, batch) < 1e-6);
  for (const ModalityBatch& m : batch.modalities)
    for (std::uint8_t available : m.available) CHECK(available);
  Batch without = batch;
  for (ModalityBatch& m : without.modalities)
    for (std::size_t n = 0; n < 50; ++n)
      for (auto r = static_cast<std::size_t>(m.offsets[n]); r < static_cast<std::size_t>(m.offsets[n + 1]); ++r)
        if (m.person[r] != batch.target_person[n]) m.available[r] = 0;
  std::fill(without.personality_known.begin(), without.personality_known.end(), std::uint8_t{0});
  const auto p = best(model, batch), q = best(model, without);
  for (std::size_t k = 0; k < p.size(); ++k) CHECK(p[k] == doctest::Approx(q[k]).epsilon(1e-9));
  // The usual setting is not so.
  c.linear = false;
  const SyntheticModel usual(c);
  CHECK(deviation(usual, whole(usual.generate())) > 0.1);
}

TEST_CASE("extents are free: one person, one segment, one label, one modality, fourteen labels, no personality") {
  SyntheticConfig c;
  c.samples = 20;
  c.modalities = {"only"};
  c.widths = {4};
  c.persons = c.segments = c.labels = c.moods = c.styles = 1;
  c.personality_width = 0;
  const SyntheticModel small(c);
  const Dataset d = small.generate();
  CHECK_FALSE(d.has_personality());
  CHECK(best(small, whole(d)).size() == 20);
  c.modalities = {"a", "b", "c", "d"};
  c.widths = {20, 21, 22, 23};
  c.persons = 9;
  c.segments = 7;
  c.labels = 14;
  c.moods = 4;
  c.styles = 4;
  c.personality_width = 5;
  const SyntheticModel large(c);
  for (double p : best(large, whole(large.generate()))) CHECK((p >= 0 && p <= 1));
}

TEST_CASE("settings out of range are refused by name") {
  const auto refusal = [](auto change) -> std::string {
    SyntheticConfig c;
    change(c);
    try {
      SyntheticModel model(c);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  CHECK(refusal([](auto&) {}).empty());
  CHECK(refusal([](auto& c) { c.labels = 0; }) == "synthetic.labels: expected 1 to 2147483647, found 0");
  CHECK(refusal([](auto& c) {
          c.widths = {32, 24, 8};
        }) == "synthetic.widths: 'visual' has 8; expected at least labels + moods = 9");
  CHECK(refusal([](auto& c) { c.widths.pop_back(); }) ==
        "synthetic: 3 modalities and 2 widths; expected equal numbers, at least one");
  CHECK(refusal([](auto& c) { c.missing = 1.5; }) == "synthetic.missing: expected 0 to 1, found 1.5");
  CHECK(refusal([](auto& c) { c.noise = 0; }) == "synthetic.noise: expected more than 0, found 0");
  SyntheticModel model;
  std::vector<double> out;
  Batch batch;
  batch.size = 1;
  CHECK_THROWS_WITH_AS(model.best_probabilities(batch, out), doctest::Contains("need a batch with persons and target"),
                       DataError);
}
