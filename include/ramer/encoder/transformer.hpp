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

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("hidden", self.hidden, "width H of hidden states", extent(2));
    field("heads", self.heads, "attention heads", extent());
    field("inner", self.inner, "width between the two maps of the feed-forward part", extent());
    field("layers", self.layers, "layers per modality, in the model's order; one number serves all", between(0, 1000));
    field("personality_layers", self.personality_layers,
          "layers of the personality encoder; 0: as many as the first modality has", between(0, 1000));
    field("dropout", self.dropout, "dropout rate inside the encoders", from_to_below(0, 1));
  }
  void check(const std::string& key) const {
    require<ConfigError>(!layers.empty(), key, ".layers: expected at least one number, found none");
    require<ConfigError>(hidden % heads == 0, key, ".heads: expected a divisor of hidden = ", hidden, ", found ", heads);
  }
  /// Layers of modality `m`. @throws ConfigError
  Index layers_of(Index m, Index count) const {
    require<ConfigError>(layers.size() == 1 || static_cast<Index>(layers.size()) == count, "encoder.layers: ", layers.size(),
                         " numbers for ", count, " modalities; give one, or one each");
    return layers.size() == 1 ? layers[0] : layers[static_cast<std::size_t>(m)];
  }
};

/// e = Linear(LN(x)) + position [+ target-time mark]; h = dropout(LN(e)); n post-norm layers. The release's "TfModel".
/// Input (R, D_m), output (R, H).
struct Transformer {
  using Config = TransformerConfig;

  template <class E>
  struct Module {
    nn::LayerNorm<E> input_norm;
    nn::Linear<E> input;
    nn::Parameter<E> position;     ///< (positions, H)
    nn::Parameter<E> target_time;  ///< (1, H), initially zero; empty unless the target's time is marked
    nn::LayerNorm<E> norm;
    nn::Dropout dropout;
    std::vector<nn::TransformerLayer<E>> layer;

    Module() = default;
    Module(const Config& c, Index layers, Index width, Index positions, bool marked)
        : input_norm(width, true),
          input(width, c.hidden, nn::Init::normal(0.02), nn::Init::constant(0)),
          position({positions, c.hidden}, nn::Init::normal(0.02), true),
          norm(c.hidden),
          dropout{c.dropout} {
      if (marked) target_time = nn::Parameter<E>({1, c.hidden}, nn::Init::constant(0), true);
      for (Index i = 0; i < layers; ++i) layer.emplace_back(c.hidden, c.heads, c.inner, c.dropout);
    }

    /// `which` names the modality in taps.
    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, const TokenPlan& plan, Index which) const {
      const nn::TokenRows rows = plan.token_rows(ctx);
      x = input_norm(ctx, x);                                                                                  // (R, D)
      ctx.tap("normed", which, x);
      nn::Var<E, 2> h = input(ctx, x);                                                                         // (R, H)
      h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(position), device_view(ctx, plan.position));
      if (!target_time.extents.empty()) {
        h = autodiff::add_embedding(ctx.tape, h, ctx.template use<2>(target_time), device_view(ctx, plan.at_target_time));
      }
      h = autodiff::dropout(ctx.tape, norm(ctx, h), ctx.dropout(dropout, rows.row_key));
      for (std::size_t i = 0; i < layer.size(); ++i) {
        h = layer[i](ctx, h, rows);
        if (ctx.taps) ctx.tap("layer" + std::to_string(i), which, h);
      }
      ctx.tap("encoder_out", which, h);
      return h;
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("input_norm", self.input_norm);
      visit("input", self.input);
      visit("position", self.position);
      if (!self.target_time.extents.empty()) visit("target_time", self.target_time);
      visit("norm", self.norm);
      visit("dropout", self.dropout);
      visit("layer", self.layer);
    }
  };
};

}  // namespace ramer::encoder
