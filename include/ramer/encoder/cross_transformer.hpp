// Fusion by cross transformers (TAILOR): two sequences of a sample, one behind the other, in one stack of layers.
#pragma once

#include <string>

#include "ramer/encoder/transformer.hpp"

namespace ramer::encoder {

/// Packed rows of every sample. A row has a place among `places`, its number in a sequence without gaps; rows that are left out
/// leave their place empty, so that nothing moves when a sample is shorter or lacks something.
struct Sequence {
  Index places = 0;                      ///< of the longest sample that there can be
  std::vector<std::int32_t> offsets{0};  ///< (B + 1)
  std::vector<std::int32_t> place;       ///< (R) in [0, places)
  std::vector<std::uint8_t> key;         ///< (R) whether others may attend to the row

  /// R
  Index rows() const { return static_cast<Index>(place.size()); }
  /// No samples, no rows.
  void clear(Index new_places) {
    places = new_places;
    offsets.assign(1, 0);
    place.clear();
    key.clear();
  }
  /// A row of the sample at hand; `end_sample` ends it.
  void add(std::int32_t at, std::uint8_t is_key) {
    place.push_back(at);
    key.push_back(is_key);
  }
  /// What was added since the last call is one sample.
  void end_sample() { offsets.push_back(static_cast<std::int32_t>(rows())); }
};

/// The second sequence of each sample behind the first: places [0, first.places) and from there on.
struct JoinPlan {
  Sequence rows;                       ///< (R) first and second of each sample
  Index longest = 0;                   ///< rows of the longest sample
  std::vector<std::uint8_t> attended;  ///< (R) the keys; all rows of a sample that has none
  std::vector<std::uint64_t> row_key;  ///< (R) sample * 2^32 + place
  GatherPlan from;                     ///< (R) row of [first; second]
  GatherPlan position, part;           ///< (R) row of the position table; 0 first, 1 second

  /// @param positions rows of the position table
  void build(const Sequence& first, const Sequence& second, Index positions) {
    rows.clear(first.places + second.places);
    row_key.clear();
    from.index.clear();
    part.index.clear();
    longest = 0;
    for (std::size_t b = 0; b + 1 < first.offsets.size(); ++b) {
      const auto append = [&](const Sequence& s, std::int32_t which, Index stacked, Index shift) {
        for (std::int32_t r = s.offsets[b]; r < s.offsets[b + 1]; ++r) {
          const auto at = static_cast<std::size_t>(r);
          rows.add(s.place[at] + static_cast<std::int32_t>(shift), s.key[at]);
          row_key.push_back((static_cast<std::uint64_t>(b) << 32) | static_cast<std::uint64_t>(rows.place.back()));
          from.index.push_back(r + static_cast<std::int32_t>(stacked));
          part.index.push_back(which);
        }
      };
      append(first, 0, 0, 0);
      append(second, 1, first.rows(), first.places);
      rows.end_sample();
      longest = std::max<Index>(longest, rows.offsets[b + 1] - rows.offsets[b]);
    }
    attended.assign(rows.key.begin(), rows.key.end());
    for (std::size_t b = 0; b + 1 < rows.offsets.size(); ++b) {
      const auto begin = attended.begin() + rows.offsets[b], end = attended.begin() + rows.offsets[b + 1];
      if (std::none_of(begin, end, [](std::uint8_t k) { return k != 0; })) std::fill(begin, end, std::uint8_t{1});
    }
    position.index.assign(rows.place.begin(), rows.place.end());
    from.finish(first.rows() + second.rows());
    position.finish(positions);
    part.finish(2);
  }

  /// What the layers are told of the rows: a sample's attend to each other.
  template <class E>
  nn::TokenRows token_rows(const nn::Context<E>& ctx) const {
    const auto groups = static_cast<Index>(rows.offsets.size()) - 1;
    return {{groups, longest, ctx.device(rows.offsets), ctx.device(attended), nullptr}, ctx.device(row_key)};
  }
};

/// Stack of layers over LN([first; second] + position + part).
template <class E>
struct CrossTransformer {
  nn::Parameter<E> position;  ///< (positions, H)
  nn::Parameter<E> part;      ///< (2, H)
  LayerStack<E> layers;

  CrossTransformer() = default;
  /// Of `layer_count` layers.
  CrossTransformer(Index positions, Index hidden, Index heads, Index inner, Index layer_count, double dropout)
      : position({positions, hidden}, nn::Init::normal(0.02), true),
        part({2, hidden}, nn::Init::normal(0.02), true),
        layers(hidden, heads, inner, layer_count, dropout) {}

  /// first (R_1, H), second (R_2, H) -> (R_1 + R_2, H) in the order of the plan. `which` numbers it in taps.
  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> first, nn::Var<E, 2> second, const JoinPlan& plan,
                           Index which) const {
    const nn::Var<E, 2> parts[] = {first, second};
    nn::Var<E, 2> h = autodiff::gather_rows(ctx.tape, autodiff::concat_rows(ctx.tape, std::span<const nn::Var<E, 2>>(parts)),
                                            ctx.device(plan.from));
    h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(position), ctx.device(plan.position));
    h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(part), ctx.device(plan.part));
    h = layers(ctx, h, plan.token_rows(ctx), "cross_layer", which);
    ctx.tap("cross", which, h);
    return h;
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("position", self.position);
    visit("part", self.part);
    visit("", self.layers);
  }
};

/// The joins of a chain over M modalities and what they have in common, one for each cross transformer:
///   X = [P_0; P_1],  X = [P_k; X] for k = 2 ... M - 1,  [X; C]
/// where P_k is the k-th modality of the order and X stands for the output of the join before.
struct FusionPlan {
  std::vector<JoinPlan> join;

  /// `order`: of the modalities, each once. @param positions rows of the position tables
  void build(const std::vector<Sequence>& modality, const Sequence& common, const std::vector<Index>& order,
             Index positions) {
    join.resize(order.size());
    const auto part = [&](std::size_t k) -> const Sequence& { return modality[static_cast<std::size_t>(order[k])]; };
    for (std::size_t k = 0; k + 1 < order.size(); ++k) {
      join[k].build(k == 0 ? part(0) : part(k + 1), k == 0 ? part(1) : join[k - 1].rows, positions);
    }
    join.back().build(join.size() == 1 ? part(0) : join[join.size() - 2].rows, common, positions);
  }
  /// What the last one makes: the rows that a decoder looks at.
  const JoinPlan& memory() const { return join.back(); }
};

struct CrossChainConfig {
  Index layers = 3;
  double dropout = 0.3;
  std::vector<Index> order;
  Index places = 0;
  Index positions = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("layers", self.layers, "layers of each cross transformer", between(0, 1000));
    field("dropout", self.dropout, "dropout rate inside the cross transformers", from_to_below(0, 1));
    field("order", self.order,
          "modalities (0: the model's first) in the order in which they are fused; empty: backwards, from the last to the "
          "first",
          extent(0));
    field("places", self.places,
          "places of a modality's sequence: where the next one starts; 0: as many as the longest has positions", extent(0));
    field("positions", self.positions, "rows of each position table; 0: as many as the whole sequence has places",
          extent(0));
  }
  /// All modalities in the order in which they are fused. @throws ConfigError
  std::vector<Index> order_of(Index modalities) const {
    std::vector<Index> result(order);
    if (result.empty())
      for (Index m = modalities; m > 0; --m) result.push_back(m - 1);
    std::vector<Index> sorted(result);
    std::sort(sorted.begin(), sorted.end());
    bool each_once = static_cast<Index>(sorted.size()) == modalities;
    for (std::size_t m = 0; m < sorted.size(); ++m) each_once = each_once && sorted[m] == static_cast<Index>(m);
    require<ConfigError>(each_once, "fusion.order: expected each of the modalities 0 to ", modalities - 1,
                         " once, or nothing");
    return result;
  }
};

/// A chain of cross transformers, each with parameters of its own.
struct CrossChain {
  using Config = CrossChainConfig;

  template <class E>
  struct Module {
    std::vector<Index> order;
    std::vector<CrossTransformer<E>> cross;  ///< (M) one for each join

    Module() = default;
    /// @param positions rows of every position table
    Module(const Config& c, Index modalities, Index positions, Index hidden, Index heads, Index inner)
        : order(c.order_of(modalities)) {
      for (Index k = 0; k < modalities; ++k) cross.emplace_back(positions, hidden, heads, inner, c.layers, c.dropout);
    }

    /// p: per modality (R_m, H); c (R_c, H) -> (sum R_m + R_c, H).
    nn::Var<E, 2> operator()(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> p, nn::Var<E, 2> c,
                             const FusionPlan& plan) const {
      const auto part = [&](std::size_t k) { return p[static_cast<std::size_t>(order[k])]; };
      nn::Var<E, 2> x = part(0);
      for (std::size_t k = 0; k + 1 < cross.size(); ++k) {
        x = cross[k](ctx, k == 0 ? x : part(k + 1), k == 0 ? part(1) : x, plan.join[k], static_cast<Index>(k));
      }
      return cross.back()(ctx, x, c, plan.join.back(), static_cast<Index>(cross.size()) - 1);
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("", self.cross);
    }
  };
};

}  // namespace ramer::encoder
