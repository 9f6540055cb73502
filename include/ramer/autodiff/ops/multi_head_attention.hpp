// A whole multi-head attention, from the rows that ask and the rows that are asked to the projected result, as one op: it knows
// which of its arrays its reverse can compute again.
#pragma once

#include <array>

#include "ramer/autodiff/ops/attention.hpp"

namespace ramer::autodiff {

/// An affine map x W^T + b.
template <class T>
struct Affine {
  Var<T, 2> w;  ///< (O, I)
  Var<T, 1> b;  ///< (O)
};

/// The maps of a multi-head attention.
template <class T>
struct AttentionMaps {
  Affine<T> query, key, value;  ///< to width H, which the heads divide
  Affine<T> output;             ///< from width H
};

namespace detail {

template <class T>
void check_attention_maps(const Var<T, 2>& x, const Var<T, 2>& memory, const AttentionMaps<T>& maps) {
  const Index width = maps.query.w.extent(0);
  const auto check = [](const char* which, const Affine<T>& map, Index inputs, Index outputs) {
    require<ShapeError>(map.w.extent(0) == outputs && map.w.extent(1) == inputs && map.b.extent(0) == outputs,
                        "attention: ", which, " map from width ", inputs, " to ", outputs, " with weight ", map.w.shape(),
                        " and bias ", map.b.shape());
  };
  check("query", maps.query, x.extent(1), width);
  check("key", maps.key, memory.extent(1), width);
  check("value", maps.value, memory.extent(1), width);
  check("output", maps.output, width, maps.output.w.extent(0));
}

}  // namespace detail

/// y (Q, O) = output(a), a (Q, H) = attention (above) of query(x) to key(memory), value(memory); x (Q, I), memory (R, J).
/// a is never kept: the reverse computes it with the probabilities. Of q, k and v the first `recomputed` are not kept either, at the cost
/// of a product each. In host memory their adjoints take their places.
template <class Tp, class T>
Var<T, 2> multi_head_attention(Tp& tape, Var<T, 2> x, Var<T, 2> memory, const AttentionMaps<T>& maps,
                               const AttentionGroups& groups, Index heads, T scale, const backend::DropoutPlan& dropout = {},
                               int recomputed = 0) {
  detail::check_attention_maps(x, memory, maps);
  const Index rows = x.extent(0), width = maps.query.w.extent(0), outputs = maps.output.w.extent(0);
  struct Operand {  // q, k or v
    Var<T, 2> x;
    Affine<T> map;
    T* data;
    bool kept;
    Index rows() const { return x.extent(0); }
    void compute(Tp& t) const {
      detail::affine(t.backend(), rows(), map.w.extent(0), x.extent(1), x.data(), map.w.data(), x.extent(1), {data, false},
                     {map.b.data()});
    }
  };
  std::array<Operand, 3> operands{
      {{x, maps.query, nullptr, false}, {memory, maps.key, nullptr, false}, {memory, maps.value, nullptr, false}}};
  const Var<T, 2> wo = maps.output.w;
  const Var<T, 1> bo = maps.output.b;
  auto [y, out] = tape.output(Shape{rows, outputs}, x, memory, maps.query.w, maps.query.b, maps.key.w, maps.key.b,
                              maps.value.w, maps.value.b, wo, bo);
  for (std::size_t i = 0; i < 3; ++i) {
    Operand& o = operands[i];
    o.kept = y.tracked() && static_cast<int>(i) >= recomputed;
    o.data = o.kept ? tape.template keep<T>(o.rows() * width) : tape.scratch(o.rows() * width);
    o.compute(tape);
  }
  const auto var = [&](const Operand& o) { return Var<T, 2>(o.data, Shape{o.rows(), width}); };
  backend::Attention<T> p =
      detail::attention_problem(var(operands[0]), var(operands[1]), var(operands[2]), groups, heads, scale, dropout);
  p.out = tape.scratch(rows * width);  // (Q, H)
  tape.backend().attention(p);
  detail::affine(tape.backend(), rows, outputs, width, p.out, wo.data(), width, {out, false}, {bo.data()});
  tape.release(p.out, rows * width);
  for (const Operand& o : operands)
    if (!o.kept) tape.release(o.data, o.rows() * width);

  tape.record(y, [=](Tp& t, const T* dy) mutable {
    T *const da = t.scratch(rows * width), *const a = t.scratch(rows * width);
    if (auto db = t.target(bo)) detail::affine_bias_gradient(t.backend(), rows, outputs, dy, db);
    detail::affine_input_gradient(t.backend(), rows, outputs, width, dy, wo.data(), width, {da, false});
    std::array<T*, 3> adjoint;  // dq, dk, dv
    for (std::size_t i = 0; i < 3; ++i) {
      Operand& o = operands[i];
      if (!o.kept) {
        o.data = t.scratch(o.rows() * width);
        o.compute(t);
      }
      adjoint[i] = Tp::Memory::host ? o.data : t.scratch(o.rows() * width);
    }
    p.q = operands[0].data, p.k = operands[1].data, p.v = operands[2].data, p.out = nullptr;
    t.backend().attention_reverse(
        backend::AttentionReverse<T>{p, da, {adjoint[0], false}, {adjoint[1], false}, {adjoint[2], false}, a});
    if (auto dw = t.target(wo)) detail::affine_weight_gradient(t.backend(), rows, outputs, width, dy, a, dw, width);
    t.release(a, rows * width);
    t.release(da, rows * width);
    for (std::size_t i = 3; i-- > 0;) {
      const Operand& o = operands[i];
      const T* const du = adjoint[i];
      const Index n = o.rows(), inputs = o.x.extent(1);
      if (auto db = t.target(o.map.b)) detail::affine_bias_gradient(t.backend(), n, width, du, db);
      if (auto dw = t.target(o.map.w))
        detail::affine_weight_gradient(t.backend(), n, width, inputs, du, o.x.data(), dw, inputs);
      if (auto dx = t.target(o.x))
        detail::affine_input_gradient(t.backend(), n, width, inputs, du, o.map.w.data(), inputs, dx);
      if (adjoint[i] != o.data) t.release(adjoint[i], n * width);
      if (!o.kept) t.release(o.data, n * width);
    }
  });
  return y;
}

}  // namespace ramer::autodiff
