// Labels as queries (TAILOR): every label of a sample attends to the other labels, and to a memory of the sample's rows.
#pragma once

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/encoder/cross_transformer.hpp"

namespace ramer::encoder {

/// Rows (B C) in the order (sample, label).
struct LabelQueryPlan {
  Index labels = 0;                    ///< C
  GatherPlan label;                    ///< (B C) row of the embedding
  std::vector<std::int32_t> offsets;   ///< (B + 1)
  std::vector<std::uint64_t> row_key;  ///< (B C) sample * 2^32 + label

  /// For B = `batch` samples.
  void build(Index batch, Index label_count) {
    labels = label_count;
    label.index.clear();
    row_key.clear();
    offsets.assign(1, 0);
    for (Index b = 0; b < batch; ++b) {
      for (Index c = 0; c < labels; ++c) {
        label.index.push_back(static_cast<std::int32_t>(c));
        row_key.push_back((static_cast<std::uint64_t>(b) << 32) | static_cast<std::uint64_t>(c));
      }
      offsets.push_back(static_cast<std::int32_t>(label.index.size()));
    }
    label.finish(labels);
  }
};

struct LabelDecoderConfig {
  Index layers = 1;
  double dropout = 0.3;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("layers", self.layers, "layers of the label decoder", between(0, 1000));
    field("dropout", self.dropout, "dropout rate inside the label decoder", from_to_below(0, 1));
  }
};

/// h = dropout(LN(embedding of the label)), then decoder layers over the memory. Labels have no order, and so no positions.
template <class E>
struct LabelDecoder {
  nn::Parameter<E> embedding;  ///< (C, H)
  nn::LayerNorm<E> norm;       ///< of the embedding
  nn::Dropout dropout;
  std::vector<nn::DecoderLayer<E>> layer;  ///< self-attention of a sample's labels, attention to its memory

  LabelDecoder() = default;
  LabelDecoder(const LabelDecoderConfig& c, Index labels, Index hidden, Index heads, Index inner)
      : embedding({labels, hidden}, nn::Init::normal(0.02), true), norm(hidden), dropout{c.dropout} {
    for (Index i = 0; i < c.layers; ++i) layer.emplace_back(hidden, heads, inner, c.dropout);
  }

  /// memory (R, H) -> (B C, H). A sample without rows gives its labels nothing to attend to.
  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> memory, const LabelQueryPlan& plan,
                           const JoinPlan& rows) const {
    const auto groups = static_cast<Index>(plan.offsets.size()) - 1;
    const nn::TokenRows own{{groups, plan.labels, ctx.device(plan.offsets), nullptr, nullptr}, ctx.device(plan.row_key)};
    nn::TokenRows to_memory = rows.token_rows(ctx);
    to_memory.groups.query_offsets = own.groups.offsets;
    to_memory.groups.longest_query = plan.labels;
    to_memory.groups.key_row_key = to_memory.row_key;
    to_memory.row_key = own.row_key;

    nn::Var<E, 2> h = autodiff::gather_rows(ctx.tape, ctx.template use<2>(embedding), ctx.device(plan.label));
    h = autodiff::dropout(ctx.tape, norm(ctx, h), ctx.dropout(dropout, own.row_key));
    for (std::size_t i = 0; i < layer.size(); ++i) h = layer[i](ctx, h, memory, own, to_memory);
    ctx.tap("label_decoder", -1, h);
    return h;
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("embedding", self.embedding);
    visit("norm", self.norm);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
  }
};

}  // namespace ramer::encoder
