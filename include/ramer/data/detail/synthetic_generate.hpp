// How the synthetic data set is drawn. Included at the end of data/synthetic.hpp.
#pragma once

#include "ramer/data/synthetic.hpp"

namespace ramer::data {

namespace detail {

/// Uniform draws one after the other, along the columns of one row of a stream.
class Draws {
 public:
  Draws(const RandomStream& stream, Index row) : stream_(stream), row_(static_cast<std::uint64_t>(row)) {}
  double uniform() { return static_cast<double>(stream_.uniform(row_, column_++)); }
  bool chance(double p) { return uniform() < p; }
  /// Uniform over low..high, both included.
  Index between(Index low, Index high) {
    return low + std::min<Index>(high - low, static_cast<Index>(uniform() * static_cast<double>(high - low + 1)));
  }

 private:
  RandomStream stream_;
  std::uint64_t row_;
  std::uint32_t column_ = 0;
};

}  // namespace detail

inline SyntheticModel::SyntheticModel(SyntheticConfig config) : config_(std::move(config)) {
  if (config_.linear) {
    config_.segments = 1;
    config_.moods = config_.styles = 1;
    config_.mood_signal = 0;
    config_.listening_target = config_.late = 0;
    config_.missing = config_.missing_speaker = config_.missing_listener = 0;
  }
  checked(config_, "synthetic");
  for (std::size_t m = 0; m < config_.widths.size(); ++m) {
    const RandomStream stream(config_.seed, name_hash("synthetic.frame"), m);
    const auto D = static_cast<std::size_t>(config_.widths[m]);
    const auto K = static_cast<std::size_t>(config_.labels + config_.moods);
    std::vector<double>& frame = frames_.emplace_back(K * D);
    for (std::size_t k = 0; k < K; ++k) {  // Gram-Schmidt, twice for accuracy
      double* row = frame.data() + k * D;
      for (std::size_t d = 0; d < D; ++d) row[d] = stream.normal(k, static_cast<std::uint32_t>(d));
      for (int pass = 0; pass < 2; ++pass) {
        for (std::size_t j = 0; j < k; ++j) {
          const double* other = frame.data() + j * D;
          const double along = std::inner_product(row, row + D, other, 0.0);
          for (std::size_t d = 0; d < D; ++d) row[d] -= along * other[d];
        }
        const double norm = std::sqrt(std::inner_product(row, row + D, row, 0.0));
        for (std::size_t d = 0; d < D; ++d) row[d] /= norm;
      }
    }
  }
  const RandomStream stream(config_.seed, name_hash("synthetic.personality_mean"));
  for (Index q = 0; q < config_.styles && config_.personality_width > 0; ++q) {
    std::vector<double> centre;
    for (Index d = 0; d < config_.personality_width; ++d)
      centre.push_back(stream.normal(static_cast<std::uint64_t>(q), static_cast<std::uint32_t>(d)));
    const double norm = std::sqrt(std::inner_product(centre.begin(), centre.end(), centre.begin(), 0.0));
    for (double x : centre) centres_.push_back(config_.separation * x / norm);
  }
}

inline Dataset SyntheticModel::generate() const {
  const SyntheticConfig& c = config_;
  const Index N = c.samples, P = c.persons, T = c.segments, C = c.labels, G = (N + c.group_size - 1) / c.group_size;
  const auto M = c.modalities.size();
  const auto stream = [&](const char* name) { return RandomStream(c.seed, name_hash(name)); };
  const RandomStream people = stream("synthetic.people"), scene = stream("synthetic.scene");
  const RandomStream emotions = stream("synthetic.emotions"), absence = stream("synthetic.absence");
  const RandomStream personality_noise = stream("synthetic.personality");

  DatasetArrays a;
  a.name = c.linear ? "synthetic (linear)" : "synthetic";
  a.samples = N;
  a.persons = P;
  for (std::size_t m = 0; m < M; ++m) a.modalities.push_back({c.modalities[m], c.widths[m], T, {}, {}});
  for (Index j = 0; j < C; ++j) a.label_names.push_back("emotion" + std::to_string(j));
  a.notes["source"] = "generated, seed " + std::to_string(c.seed);
  a.personality_width = c.personality_width;

  // People of a group, and their personalities.
  std::vector<Index> style_of;            // (G, P)
  std::vector<std::int32_t> person_rows;  // (G, P)
  for (Index who = 0; who < G * P; ++who) {
    detail::Draws draw(people, who);
    const Index q = draw.between(0, c.styles - 1);
    style_of.push_back(q);
    const bool known = !draw.chance(c.unknown_personality) && c.personality_width > 0;
    person_rows.push_back(known ? static_cast<std::int32_t>(static_cast<Index>(a.personality.size()) / c.personality_width)
                                : -1);
    for (Index d = 0; known && d < c.personality_width; ++d)
      a.personality.push_back(
          static_cast<float>(personality_mean(q)[static_cast<std::size_t>(d)] +
                             personality_noise.normal(static_cast<std::uint64_t>(who), static_cast<std::uint32_t>(d))));
  }

  std::vector<Index> slots(static_cast<std::size_t>(P)), from(static_cast<std::size_t>(P));
  std::vector<std::uint8_t> y(static_cast<std::size_t>(C));
  std::vector<double> mean;
  for (Index n = 0; n < N; ++n) {
    detail::Draws draw(scene, n);
    const Index group = n / c.group_size;
    const Index mood = draw.between(0, c.moods - 1);
    const Index present = draw.between(std::min<Index>(2, P), P), S = draw.between(std::min<Index>(2, T), T);
    std::iota(slots.begin(), slots.end(), 0);
    for (Index k = P - 1; k > 0; --k)
      std::swap(slots[static_cast<std::size_t>(k)], slots[static_cast<std::size_t>(draw.between(0, k))]);
    const Index target = slots[0], target_time = T - S + draw.between(0, S - 1);  // files pad in front
    std::fill(from.begin(), from.end(), T);
    for (Index k = 0; k < present; ++k) {
      const bool late = draw.chance(c.late) && k > 0;
      from[static_cast<std::size_t>(slots[static_cast<std::size_t>(k)])] = late ? draw.between(T - S, T - 1) : T - S;
    }
    std::vector<Index> speaker(static_cast<std::size_t>(T), -1);
    for (Index t = T - S; t < T; ++t) {
      std::vector<Index> here;
      for (Index p = 0; p < P; ++p)
        if (from[static_cast<std::size_t>(p)] <= t) here.push_back(p);
      Index who = here[static_cast<std::size_t>(draw.between(0, static_cast<Index>(here.size()) - 1))];
      if (t == target_time) {
        const bool listens = draw.chance(c.listening_target) && here.size() > 1;
        std::erase(here, target);
        who = listens ? here[static_cast<std::size_t>(draw.between(0, static_cast<Index>(here.size()) - 1))] : target;
      }
      speaker[static_cast<std::size_t>(t)] = who;
    }
    a.target.push_back(static_cast<std::int32_t>(target));
    a.target.push_back(static_cast<std::int32_t>(target_time));
    a.group.push_back(static_cast<std::int32_t>(group));
    a.id.push_back(n);

    for (Index p = 0; p < P; ++p) {
      const Index who = group * P + p, q = style_of[static_cast<std::size_t>(who)];
      const Index first = from[static_cast<std::size_t>(p)];
      if (c.personality_width > 0)
        a.personality_index.push_back(first < T ? person_rows[static_cast<std::size_t>(who)] : -1);
      detail::Draws feel(emotions, n * P + p);
      detail::Draws absent(absence, n * P + p);
      for (Index t = 0; t < T; ++t) {
        a.exists.push_back(t >= first);
        if (t < first) {
          for (ModalityArrays& m : a.modalities) m.index.push_back(-1);
          continue;
        }
        for (Index j = 0; j < C; ++j) {
          const double stays = feel.uniform(), drawn = feel.uniform();
          if (t == first || stays >= c.persistence) y[static_cast<std::size_t>(j)] = drawn < rate(j, mood, q);
        }
        if (p == target && t == target_time) a.labels.insert(a.labels.end(), y.begin(), y.end());
        const bool speaks = speaker[static_cast<std::size_t>(t)] == p;
        for (std::size_t m = 0; m < M; ++m) {
          // Every draw is made whether or not it is used, so that one setting does not shift the others' draws.
          const bool gone = absent.chance(c.missing);
          const bool gone_by_role = absent.chance(speaks ? c.missing_speaker : c.missing_listener);
          const bool silent = !speaks && m + 1 < M && !c.linear;
          ModalityArrays& to = a.modalities[m];
          if (gone || gone_by_role || silent) {
            to.index.push_back(-1);
            continue;
          }
          const auto D = static_cast<std::size_t>(c.widths[m]);
          mean.assign(D, 0.0);
          const auto add = [&](Index k, double factor) {
            const auto e = direction(m, k);
            for (std::size_t d = 0; d < D; ++d) mean[d] += factor * e[d];
          };
          for (Index j = 0; j < C; ++j) add(j, (y[static_cast<std::size_t>(j)] ? 1 : -1) * gain(j, q) * strength(m, j));
          add(C + mood, c.mood_signal);
          const RandomStream noise(c.seed, name_hash("synthetic.noise"), m);
          to.index.push_back(static_cast<std::int32_t>(to.features.size() / D));
          for (std::size_t d = 0; d < D; ++d)
            to.features.push_back(
                static_cast<float>(mean[d] + c.noise * noise.normal(static_cast<std::uint64_t>((n * P + p) * T + t),
                                                                    static_cast<std::uint32_t>(d))));
        }
      }
    }
  }

  std::vector<std::int32_t> order(static_cast<std::size_t>(G));
  std::iota(order.begin(), order.end(), 0);
  shuffle(std::span(order), stream("synthetic.split"));
  std::vector<std::uint8_t> split_of(order.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    const double at = (static_cast<double>(k) + 0.5) / static_cast<double>(order.size());
    split_of[static_cast<std::size_t>(order[k])] = at < 0.7 ? 0 : at < 0.8 ? 1 : 2;
  }
  for (std::int32_t group : a.group) a.split.push_back(split_of[static_cast<std::size_t>(group)]);
  return make_dataset(std::move(a), "synthetic data");
}

}  // namespace ramer::data
