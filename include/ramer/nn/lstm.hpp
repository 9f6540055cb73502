// Long short-term memory: layers of autodiff::lstm over packed rows, forward in time.
#pragma once

#include <algorithm>
#include <span>

#include "ramer/autodiff/ops/recurrent.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::nn {

/// Which sequences a batch's packed rows are, made by the host with the batch. Vectors keep their capacity.
struct SequencePlan {
  GatherPlan to_time;               ///< (R) the packed row of each place in the order of time
  GatherPlan to_rows;               ///< (R) the way back
  std::vector<std::int32_t> first;  ///< (steps + 1) see autodiff::TimeSteps

  /// @param offsets (B + 1) rows of sequence b are [offsets[b], offsets[b + 1])
  void build(std::span<const std::int32_t> offsets) {
    require<ShapeError>(!offsets.empty() && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()),
                        "sequences: offsets must rise from 0");
    const auto rows = static_cast<std::size_t>(offsets.back());
    const auto length = [&](std::int32_t b) {
      return offsets[static_cast<std::size_t>(b) + 1] - offsets[static_cast<std::size_t>(b)];
    };
    order_.resize(offsets.size() - 1);
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int32_t>(i);
    std::sort(order_.begin(), order_.end(),
              [&](std::int32_t a, std::int32_t b) { return length(a) != length(b) ? length(a) > length(b) : a < b; });
    to_time.index.resize(rows);
    to_rows.index.resize(rows);
    first.assign(1, 0);
    std::int32_t at = 0;
    for (std::int32_t t = 0; !order_.empty() && t < length(order_.front()); ++t) {
      for (std::size_t i = 0; i < order_.size() && length(order_[i]) > t; ++i, ++at) {
        const std::int32_t row = offsets[static_cast<std::size_t>(order_[i])] + t;
        to_time.index[static_cast<std::size_t>(at)] = row;
        to_rows.index[static_cast<std::size_t>(row)] = at;
      }
      first.push_back(at);
    }
    to_time.finish(offsets.back());
    to_rows.finish(offsets.back());
  }
  /// What the layers take.
  autodiff::TimeSteps steps() const { return {static_cast<Index>(first.size()) - 1, first.data()}; }

 private:
  std::vector<std::int32_t> order_;  ///< sequences, the longest first
};

/// One layer: gates in the order i, f, g, o, and two biases, so that weights of PyTorch's layer fit.
template <class E>
struct LstmLayer {
  /// (4 H, I), (4 H, H), (4 H), (4 H): all U(-1 / sqrt(H), 1 / sqrt(H))
  Parameter<E> weight_ih, weight_hh, bias_ih, bias_hh;

  LstmLayer() = default;
  LstmLayer(Index in, Index width)
      : weight_ih({4 * width, in}, Init::fan_in(width).staying(), true),
        weight_hh({4 * width, width}, Init::fan_in(width).staying(), true),
        bias_ih({4 * width}, Init::fan_in(width).staying(), false),
        bias_hh({4 * width}, Init::fan_in(width).staying(), false) {}

  /// (R, I) -> (R, H), rows in the order of time.
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, const autodiff::TimeSteps& steps) const {
    return autodiff::lstm(ctx.tape, x, ctx.template use<2>(weight_ih), ctx.template use<2>(weight_hh),
                          ctx.template use<1>(bias_ih), ctx.template use<1>(bias_hh), steps);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
  }
};

/// Layers on top of one another: y (R, H) is the last one's state after each row of x (R, I), which are packed sequences.
template <class E>
struct Lstm {
  std::vector<LstmLayer<E>> layer;  ///< the first one is I wide

  Lstm() = default;
  /// @throws ConfigError without a layer or a width
  Lstm(Index in, Index width, Index layers) {
    require<ConfigError>(layers > 0 && width > 0, "an LSTM of ", layers, " layers of width ", width);
    for (Index i = 0; i < layers; ++i) layer.emplace_back(i == 0 ? in : width, width);
  }
  Var<E, 2> operator()(Context<E>& ctx, Var<E, 2> x, const SequencePlan& plan) const {
    x = autodiff::gather_rows(ctx.tape, x, ctx.device(plan.to_time));
    for (const LstmLayer<E>& one : layer) x = one(ctx, x, plan.steps());
    return autodiff::gather_rows(ctx.tape, x, ctx.device(plan.to_rows));
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("layer", self.layer);
  }
};

}  // namespace ramer::nn
