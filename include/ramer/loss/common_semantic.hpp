// The common-semantic loss (Eq 3): labels from commonality alone.
#pragma once

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/loss.hpp"
#include "ramer/autodiff/ops/scores.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::loss {

/// The head H -> C that all forms share, with dropout on its logits as released.
template <class E>
struct CommonSemanticHead {
  nn::Linear<E> linear;  ///< (C, H)
  nn::Dropout dropout;

  CommonSemanticHead() = default;
  CommonSemanticHead(Index hidden, Index labels, double rate) : linear(hidden, labels), dropout{rate} {}

  /// (B, H) -> (B, C). `use`: which of its runs in this step, see Context::dropout.
  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, Index use = 0) const {
    return autodiff::dropout(ctx.tape, linear(ctx, x), ctx.dropout(dropout, nullptr, use));
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("", self.linear);
    visit("dropout", self.dropout);
  }
};

/// sum_m mean over (b, c) of BCE(sigmoid(head(mean over label slots of C^m)), y). All rows: C comes from the reconstruction.
struct PerModality {
  static constexpr bool enabled = true;

  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, const CommonSemanticHead<E>& head, std::span<const nn::Var<E, 3>> c,
                            const std::uint8_t* y, const double* cell) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < c.size(); ++m) {
      const nn::Var<E, 2> logits = head(ctx, autodiff::slot_mean(ctx.tape, c[m]), static_cast<Index>(m));  // (B, C)
      ctx.tap("cml_logit", static_cast<Index>(m), logits);
      const auto term = autodiff::bce_with_logits(ctx.tape, logits, y, cell);
      total = autodiff::add_to(ctx.tape, total, term);
    }
    return total;
  }
};
namespace detail {

template <class E>
nn::Var<E, 3> sum(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> c) {
  nn::Var<E, 3> total;
  for (const nn::Var<E, 3>& x : c) total = autodiff::add_to(ctx.tape, total, x);
  ctx.tap("C_sum", -1, total);
  return total;
}
template <class E>
nn::Var<E, 0> of_sum(nn::Context<E>& ctx, const CommonSemanticHead<E>& head, nn::Var<E, 2> x, const std::uint8_t* y,
                     const double* cell) {
  const nn::Var<E, 2> logits = head(ctx, x);  // (B, C)
  ctx.tap("cml_logit", -1, logits);
  return autodiff::bce_with_logits(ctx.tape, logits, y, cell);
}

}  // namespace detail

/// BCE(sigmoid(head(mean over label slots of sum_m C^m)), y).
struct PooledSum {
  static constexpr bool enabled = true;

  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, const CommonSemanticHead<E>& head, std::span<const nn::Var<E, 3>> c,
                            const std::uint8_t* y, const double* cell) {
    return detail::of_sum(ctx, head, autodiff::slot_mean(ctx.tape, detail::sum(ctx, c)), y, cell);
  }
};
/// As released: label slot 0 of the sum stands for all of it, though that axis is the labels'.
/// BCE(sigmoid(head((sum_m C^m)[0])), y).
struct FirstSlotOfSum {
  static constexpr bool enabled = true;

  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, const CommonSemanticHead<E>& head, std::span<const nn::Var<E, 3>> c,
                            const std::uint8_t* y, const double* cell) {
    return detail::of_sum(ctx, head, autodiff::take_slot(ctx.tape, detail::sum(ctx, c), 0), y, cell);
  }
};
/// No common-semantic term, and no head.
struct NoCommonSemantic {
  static constexpr bool enabled = false;
};

}  // namespace ramer::loss
