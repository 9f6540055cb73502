// The uni-modal encoder (section 4.1; its sizes and norms as released): raw rows to hidden states.
#pragma once

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/core/config.hpp"
#include "ramer/encoder/tokens.hpp"

namespace ramer::encoder {

/// Sizes of the uni-modal encoders.
struct TransformerConfig {
  Index hidden = 256;
  Index heads = 8;
  Index inner = 256;
  std::vector<Index> layers{3};
  Index personality_layers = 0;
  double dropout = 0.3;
  Index recompute = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("hidden", self.hidden, "width H of hidden states", extent(2));
    field("heads", self.heads, "attention heads", extent());
    field("inner", self.inner, "width between the two maps of the feed-forward part", extent());
    field("layers", self.layers, "layers per modality, in the model's order; the last number serves those that follow too",
          between(0, 1000));
    field("personality_layers", self.personality_layers,
          "layers of the personality encoder; 0: as many as the first modality has", between(0, 1000));
    field("dropout", self.dropout, "dropout rate inside the encoders", from_to_below(0, 1));
    field("recompute", self.recompute,
          "of six arrays (tokens, hidden) that training keeps of each layer, this many are computed again instead, from the "
          "first: feed-forward's inner array, queries, keys, values. The same numbers in less memory; each costs a product",
          between(0, 4));
  }
  void check(const std::string& key) const {
    require<ConfigError>(hidden % heads == 0, key, ".heads: expected a divisor of hidden = ", hidden, ", found ", heads);
  }
  /// Layers of modality `m`. @throws ConfigError
  Index layers_of(Index m, Index count) const {
    require<ConfigError>(!layers.empty() && static_cast<Index>(layers.size()) <= count, "encoder.layers: ", layers.size(),
                         " numbers for ", count, " modalities; give one, or up to one each");
    return layers[std::min(static_cast<std::size_t>(m), layers.size() - 1)];
  }
};

/// h = dropout(LN(e)), then n post-norm layers.
template <class E>
struct LayerStack {
  nn::LayerNorm<E> norm;
  nn::Dropout dropout;
  std::vector<nn::TransformerLayer<E>> layer;  ///< (n)

  LayerStack() = default;
  LayerStack(Index hidden, Index heads, Index inner, Index layers, double rate, Index recompute = 0)
      : norm(hidden), dropout{rate} {
    for (Index i = 0; i < layers; ++i) {
      layer.emplace_back(hidden, heads, inner, rate);
      layer.back().recompute(recompute);
    }
  }
  /// (R, H) -> (R, H). e is consumed. Layer i is tapped as `tap` followed by i.
  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> e, const nn::TokenRows& rows, std::string_view tap,
                           Index which) const {
    nn::Var<E, 2> h =
        autodiff::dropout(ctx.tape, norm(ctx, e, autodiff::Input::Consumed), ctx.dropout(dropout, rows.row_key));
    for (std::size_t i = 0; i < layer.size(); ++i) {
      ctx.tape.advance(h, [&] { return layer[i](ctx, h, rows); });
      if (ctx.taps) ctx.tap(std::string(tap) + std::to_string(i), which, h);
    }
    return h;
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("norm", self.norm);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
  }
};

/// e = Linear(LN(x)) + position [+ target-time mark], then the stack of layers. The release's "TfModel".
/// Input (R, D_m), output (R, H).
struct Transformer {
  using Config = TransformerConfig;

  template <class E>
  struct Module {
    static constexpr bool takes_padding = true;  ///< dead rows get finite numbers and change nothing of the others

    nn::LayerNorm<E> input_norm;   ///< of the raw features
    nn::Linear<E> input;           ///< D_m to H
    nn::Parameter<E> position;     ///< (positions, H)
    nn::Parameter<E> target_time;  ///< (1, H), initially zero; empty unless the target's time is marked
    LayerStack<E> layers;

    Module() = default;
    Module(const Config& c, Index layer_count, Index width, Index positions, bool marked)
        : input_norm(width, true),
          input(width, c.hidden, nn::Init::normal(0.02), nn::Init::constant(0)),
          position({positions, c.hidden}, nn::Init::normal(0.02), true),
          layers(c.hidden, c.heads, c.inner, layer_count, c.dropout, c.recompute) {
      if (marked) target_time = nn::Parameter<E>({1, c.hidden}, nn::Init::constant(0), true);
    }

    /// `which` names the modality in taps.
    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, const TokenPlan& plan, Index which) const {
      return ctx.tape.scoped([&] { return encode(ctx, normalize(ctx, x, which), plan, which); });
    }
    /// The first step alone: LN(x), for what comes between it and the encoder.
    nn::Var<E, 2> normalize(nn::Context<E>& ctx, nn::Var<E, 2> x, Index which) const {
      x = input_norm(ctx, x);  // (R, D)
      ctx.tap("normed", which, x);
      return x;
    }
    /// The others, of a normalised x.
    nn::Var<E, 2> encode(nn::Context<E>& ctx, nn::Var<E, 2> x, const TokenPlan& plan, Index which) const {
      ctx.tap("encoder_in", which, x);
      nn::Var<E, 2> h = input(ctx, x);  // (R, H)
      constexpr auto consumed = autodiff::Input::Consumed;
      h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(position), ctx.device(plan.position), consumed);
      if (!target_time.extents.empty()) {
        h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(target_time), ctx.device(plan.at_target_time),
                                    consumed);
      }
      h = layers(ctx, h, plan.token_rows(ctx), "layer", which);
      ctx.tap("encoder_out", which, h);
      return h;
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("input_norm", self.input_norm);
      visit("input", self.input);
      visit("position", self.position);
      if (!self.target_time.extents.empty()) visit("target_time", self.target_time);
      visit("", self.layers);
    }
  };
};

}  // namespace ramer::encoder
