// A plain early-fusion perceptron: all modalities of a sample pooled into one row, a multi-layer perceptron on it. The
// simplest neural system that can be compared with, and the shortest example of a wiring.
#pragma once

#include <string_view>
#include <vector>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/loss.hpp"
#include "ramer/core/config.hpp"
#include "ramer/model/detail/batch_check.hpp"
#include "ramer/model/detail/input.hpp"
#include "ramer/model/outputs.hpp"
#include "ramer/model/pooled_features.hpp"
#include "ramer/nn/linear.hpp"
#include "ramer/nn/norm.hpp"

namespace ramer::wiring {

struct EarlyFusionConfig {
  Index hidden = 128;
  Index layers = 1;
  double dropout = 0.3;
  Pooling pooling = Pooling::TargetAndWindow;
  double threshold = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("hidden", self.hidden, "width of the hidden layers", extent());
    field("layers", self.layers, "hidden layers", between(0, 1000));
    field("dropout", self.dropout, "dropout of the normalised input", from_to_below(0, 1));
    field("pooling", self.pooling, "what becomes the input: the target's features, the mean of the window, or both");
    field("threshold", self.threshold, "a label is predicted when its score is above", between(0, 1));
  }
};

/// score = sigmoid(MLP(dropout(LN(pooled)))), trained by binary cross-entropy.
struct EarlyFusion {
  template <class Recipe>
  using Config = EarlyFusionConfig;

  /// What the host works out of a batch.
  struct Plan {
    Index batch = 0;                 ///< B
    bool supervised = false;         ///< labels are there: losses exist
    std::vector<float> pooled;       ///< (B, W)
    std::vector<std::uint8_t> y;     ///< (B, C)
    std::vector<double> cell;        ///< (B, C) annotated / number of annotated
    std::vector<std::uint64_t> key;  ///< (B) row for dropout
  };

  /// None: everything that training changes is a parameter.
  template <class E>
  struct State {
    template <class Self, class Visitor>
    static void tensors(Self&, const Schema&, Visitor&&) {}
  };

  template <class Recipe, class E>
  class Module {
   public:
    using Real = typename E::Real;
    using Config = EarlyFusionConfig;
    using State = EarlyFusion::State<E>;
    static constexpr int phases = 1;

    Module(const Schema& schema, const Config& config)
        : schema_(schema),
          config_(config),
          width_(pooled_width(schema, config.pooling)),
          norm_(width_),
          dropout_{config.dropout} {
      std::vector<Index> widths{width_};
      for (Index k = 0; k < config.layers; ++k) widths.push_back(config.hidden);
      widths.push_back(schema.label_count());
      perceptron_ = nn::Perceptron<E>(widths);
    }

    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("norm", self.norm_);
      visit("dropout", self.dropout_);
      visit("perceptron", self.perceptron_);
    }
    static bool in_phase(std::string_view, int) { return true; }

    const Config& config() const { return config_; }
    State blank_state() const { return {}; }
    State make_state(std::uint64_t, typename E::Backend&) const { return {}; }

    void build_plan(Plan& plan, const Batch& batch, bool, const RandomStream&, bool supervised = true) const {
      require<DataError>(batch.size > 0, "the batch is empty; a model needs at least one sample");
      plan.batch = batch.size;
      pool_features(schema_, batch, config_.pooling, plan.pooled);
      plan.key.resize(static_cast<std::size_t>(batch.size));
      for (std::size_t b = 0; b < plan.key.size(); ++b) plan.key[b] = b;
      plan.supervised = supervised && batch.has_labels();
      if (!plan.supervised) return;
      detail::check_labels(batch, schema_.label_count());
      plan.y.assign(batch.labels.begin(), batch.labels.end());
      detail::weigh(plan.cell, plan.y.size(), [&](std::size_t k) { return batch.label_mask[k] != 0; });
    }

    Outputs<E> forward(nn::Context<E>& ctx, const Batch&, const Plan& plan, const State&, int) const {
      const auto x = detail::input(ctx, plan.pooled, width_);  // (B, W)
      const auto in = autodiff::dropout(ctx.tape, norm_(ctx, x), ctx.dropout(dropout_, ctx.device(plan.key)));
      const auto logits = perceptron_(ctx, in);  // (B, C)
      ctx.tap("logit", -1, logits);
      Outputs<E> out;
      out.score = autodiff::activation(ctx.tape, logits, backend::Activation::Sigmoid);
      if (plan.supervised)
        out.terms.add("bce", autodiff::bce_with_logits(ctx.tape, logits, ctx.device(plan.y), ctx.device(plan.cell)), 1.0);
      out.defined = true;
      return out;
    }
    void commit(nn::Context<E>&, const Plan&, const Outputs<E>&, State&) const {}

   private:
    Schema schema_;
    Config config_;
    Index width_;
    nn::LayerNorm<E> norm_;
    nn::Dropout dropout_;
    nn::Perceptron<E> perceptron_;
  };
};

}  // namespace ramer::wiring

namespace ramer::recipe {

/// A perceptron on pooled features.
struct EarlyFusion {
  static constexpr const char* name = "early-fusion";
  using Wiring = wiring::EarlyFusion;
};

}  // namespace ramer::recipe
