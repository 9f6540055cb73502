// A module of one's own, with an op of one's own, and the check of its gradients.
#include <iostream>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/nn/gradcheck.hpp"
#include "ramer/nn/linear.hpp"

using namespace ramer;

//! [Op]
// --- An op: y = a * b + (1 - a) * c, elementwise ---

/// Named structs, so that one definition serves every backend.
template <class T>
struct MixForward {
  const T *a, *b, *c;
  T* y;
  RAMER_HD void operator()(Index i) const { y[i] = a[i] * b[i] + (T(1) - a[i]) * c[i]; }
};
template <class T>
struct MixGate {  // da = dy (b - c)
  const T *dy, *b, *c;
  backend::Target<T> da;
  RAMER_HD void operator()(Index i) const { da.put(i, dy[i] * (b[i] - c[i])); }
};
template <class T>
struct MixPart {  // db = dy a, dc = dy (1 - a)
  const T *dy, *a;
  bool first;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index i) const { dx.put(i, dy[i] * (first ? a[i] : T(1) - a[i])); }
};

/// @throws ShapeError
template <class Tp, class T, int R>
autodiff::Var<T, R> mix(Tp& tape, autodiff::Var<T, R> a, autodiff::Var<T, R> b, autodiff::Var<T, R> c) {
  require<ShapeError>(a.shape() == b.shape() && b.shape() == c.shape(), "mix: ", a.shape(), ", ", b.shape(), " and ",
                      c.shape());
  auto [y, out] = tape.output(a.shape(), a, b, c);  // is differentiated if one of its inputs is
  const Index n = y.size();
  tape.backend().map(n, MixForward<T>{a.data(), b.data(), c.data(), out});
  tape.record(y, [=](Tp& t, const T* dy) {  // a target says by itself whether it is written or added to
    if (auto da = t.target(a)) t.backend().map(n, MixGate<T>{dy, b.data(), c.data(), da});
    if (auto db = t.target(b)) t.backend().map(n, MixPart<T>{dy, a.data(), true, db});
    if (auto dc = t.target(c)) t.backend().map(n, MixPart<T>{dy, a.data(), false, dc});
  });
  return y;
}
//! [Op]

//! [Module]
// --- A module: a highway layer, gate * new + (1 - gate) * x ---

template <class E>
struct Highway {
  nn::Linear<E> gate, inner;
  nn::Dropout dropout{0.2};

  explicit Highway(Index width) : gate(width, width), inner(width, width) {}

  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x) const {
    const auto g = gate(ctx, x, backend::Activation::Sigmoid);                                                   // (R, D)
    const auto h = autodiff::dropout(ctx.tape, inner(ctx, x, backend::Activation::Gelu), ctx.dropout(dropout));  // (R, D)
    return mix(ctx.tape, g, h, x);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {  // names are paths: "gate.weight", "gate.bias", ...
    visit("gate", self.gate);
    visit("inner", self.inner);
    visit("dropout", self.dropout);
  }
};
//! [Module]

//! [Check]
int main() {
  const Index rows = 4, width = 3;
  Highway<nn::CheckEngine> layer(width);  // plain loops in double
  const std::string trouble = nn::check_module(layer, {nn::check_values(rows * width)}, [&](auto& ctx, const auto& in) {
    return layer(ctx, in[0].reshape(Shape{rows, width}));
  });
  if (!trouble.empty()) {
    std::cerr << "the gradient is wrong: " << trouble << '\n';
    return 1;
  }
  std::cout << "the gradients of the input and of every parameter agree with central differences\n";
}
//! [Check]
