// Ops that move rows: gather with its ordered scatter-add, table lookup, concatenation, masking, normalisation.
#pragma once

#include <span>

#include "ramer/autodiff/tape.hpp"
#include "ramer/core/gather.hpp"

namespace ramer::autodiff {

namespace detail {

template <class T>
struct GatherForward {
  const T* x;
  const std::int32_t* index;
  Index cols;
  const T* base;  // null: none
  T* y;
  RAMER_HD void operator()(Index r, Index c) const {
    const T value = index[r] < 0 ? T(0) : x[index[r] * cols + c];
    y[r * cols + c] = base ? base[r * cols + c] + value : value;
  }
};
template <class T>
struct ScatterAdd {  // kBlock columns at a time: whole cache lines of dy
  static constexpr Index kBlock = 16;
  const T* dy;
  GatherView plan;
  Index cols;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index block) const {
    const Index first = block * kBlock, n = cols - first < kBlock ? cols - first : kBlock;
    T total[kBlock]{};
    for (std::int32_t i = plan.offsets[r]; i < plan.offsets[r + 1]; ++i) {
      const T* row = dy + plan.places[i] * cols + first;
      if (n == kBlock) {
        for (Index c = 0; c < kBlock; ++c) total[c] += row[c];
      } else {
        for (Index c = 0; c < n; ++c) total[c] += row[c];
      }
    }
    for (Index c = 0; c < n; ++c) dx.put(r * cols + first + c, total[c]);
  }
  /// Runs it for all rows of `dx`.
  template <class Backend>
  void run(Backend& backend) const {
    backend.map_2d(plan.sources, (cols + kBlock - 1) / kBlock, *this);
  }
};
template <class T>
struct CopyBlock {  // y[r, to + c] <- x[r, from + c]
  const T* x;
  Index ld_x, from;
  backend::Target<T> y;
  Index ld_y, to;
  RAMER_HD void operator()(Index r, Index c) const { y.put(r * ld_y + to + c, x[r * ld_x + from + c]); }
};
template <class T>
struct MaskRows {
  const T* x;
  const std::uint8_t* mask;
  Index group, cols;
  backend::Target<T> y;
  RAMER_HD void operator()(Index r, Index c) const { y.put(r * cols + c, mask[r / group] ? x[r * cols + c] : T(0)); }
};
template <class T>
struct SquareTerm {
  const T* x;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return x[r * cols + c] * x[r * cols + c]; }
};
template <class T>
struct PutInverseNorm {
  T* inverse;
  RAMER_HD void operator()(Index r, T squares) const {
    const T norm = std::sqrt(squares);
    inverse[r] = T(1) / (norm < T(1e-12) ? T(1e-12) : norm);  // not-a-number stays
  }
};
template <class T>
struct ScaleRows {
  const T *x, *factor;
  Index cols;
  T* y;
  RAMER_HD void operator()(Index r, Index c) const { y[r * cols + c] = x[r * cols + c] * factor[r]; }
};
template <class T>
struct DotTerm {
  const T *a, *b;
  Index cols;
  RAMER_HD T operator()(Index r, Index c) const { return a[r * cols + c] * b[r * cols + c]; }
};
template <class T>
struct PutRow {
  T* out;
  RAMER_HD void operator()(Index r, T value) const { out[r] = value; }
};
template <class T>
struct NormalizeReverse {  // dx = (dy - y <y, dy>) / |x|
  const T *dy, *y, *dot, *inverse;
  Index cols;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index c) const {
    const Index i = r * cols + c;
    // Below the floor of the norm the map is linear: the projection term vanishes.
    const T along = inverse[r] < T(1e12) ? y[i] * dot[r] : T(0);
    dx.put(i, (dy[i] - along) * inverse[r]);
  }
};

}  // namespace detail

/// y (n, D): y[i] = x[index[i]], zeros where the index is -1. The reverse adds in ascending order of places.
template <class Tp, class T>
Var<T, 2> gather_rows(Tp& tape, Var<T, 2> x, GatherView plan) {
  require<ShapeError>(x.extent(0) == plan.sources, "gather_rows: ", x.shape(), ", plan for ", plan.sources, " rows");
  const Index cols = x.extent(1);
  auto [y, out] = tape.output(Shape{plan.size, cols}, x);
  tape.backend().map_2d(plan.size, cols, detail::GatherForward<T>{x.data(), plan.index, cols, nullptr, out});
  tape.record(y, [=](Tp& t, const T* dy) { detail::ScatterAdd<T>{dy, plan, cols, t.target(x)}.run(t.backend()); });
  return y;
}

/// y (R, D) = x + table[index]: a learned position, type or marker embedding. Index -1 adds nothing.
template <class Tp, class T>
Var<T, 2> add_embedding(Tp& tape, Var<T, 2> x, Var<T, 2> table, GatherView plan, Input input = Input::Kept) {
  require<ShapeError>(x.extent(0) == plan.size && x.extent(1) == table.extent(1) && table.extent(0) == plan.sources,
                      "add_embedding: ", x.shape(), " and table ", table.shape(), ", plan ", plan.size, " of ",
                      plan.sources);
  const Index cols = x.extent(1);
  auto [y, out] = tape.output_over(input, x, table);
  tape.backend().map_2d(plan.size, cols, detail::GatherForward<T>{table.data(), plan.index, cols, x.data(), out});
  tape.record(y, [=](Tp& t, const T* dy) {
    if (auto d = t.target(table)) detail::ScatterAdd<T>{dy, plan, cols, d}.run(t.backend());
    if (auto d = t.target(x)) t.backend().map_2d(plan.size, cols, detail::CopyBlock<T>{dy, cols, 0, d, cols, 0});
  });
  return y;
}

/// y (R, sum D_k) = [x_0 | x_1 | ...].
template <class Tp, class T>
Var<T, 2> concat_columns(Tp& tape, std::span<const Var<T, 2>> xs) {
  require<ShapeError>(!xs.empty(), "concat_columns: no input");
  const Index rows = xs[0].extent(0);
  Index total = 0;
  bool tracked = false;
  for (const auto& x : xs) {
    require<ShapeError>(x.extent(0) == rows, "concat_columns: ", rows, " and ", x.extent(0), " rows");
    total += x.extent(1);
    tracked = tracked || x.tracked();
  }
  auto [y, out] = tape.output_if(tracked, Shape{rows, total});
  auto kept = tape.template list<Var<T, 2>>(static_cast<Index>(xs.size()));
  Index at = 0;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    kept[k] = xs[k];
    const Index width = xs[k].extent(1);
    tape.backend().map_2d(rows, width, detail::CopyBlock<T>{xs[k].data(), width, 0, {out, false}, total, at});
    at += width;
  }
  tape.record(y, [=](Tp& t, const T* dy) {
    Index from = 0;
    for (const Var<T, 2>& x : kept) {
      const Index width = x.extent(1);
      if (auto d = t.target(x)) t.backend().map_2d(rows, width, detail::CopyBlock<T>{dy, total, from, d, width, 0});
      from += width;
    }
  });
  return y;
}

/// y (sum R_k, D): the inputs one below the other.
template <class Tp, class T>
Var<T, 2> concat_rows(Tp& tape, std::span<const Var<T, 2>> xs) {
  require<ShapeError>(!xs.empty(), "concat_rows: no input");
  const Index cols = xs[0].extent(1);
  Index total = 0;
  bool tracked = false;
  for (const auto& x : xs) {
    require<ShapeError>(x.extent(1) == cols, "concat_rows: widths ", cols, " and ", x.extent(1));
    total += x.extent(0);
    tracked = tracked || x.tracked();
  }
  auto [y, out] = tape.output_if(tracked, Shape{total, cols});
  auto kept = tape.template list<Var<T, 2>>(static_cast<Index>(xs.size()));
  Index at = 0;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    kept[k] = xs[k];
    tape.backend().copy(xs[k].data(), xs[k].size(), out + at);
    at += xs[k].size();
  }
  tape.record(y, [=](Tp& t, const T* dy) {
    Index from = 0;
    for (const Var<T, 2>& x : kept) {
      if (auto d = t.target(x)) t.backend().map_2d(x.extent(0), cols, detail::CopyBlock<T>{dy + from, cols, 0, d, cols, 0});
      from += x.size();
    }
  });
  return y;
}

/// y (R, D) = x where mask[r / group] != 0, zero elsewhere.
template <class Tp, class T>
Var<T, 2> mask_rows(Tp& tape, Var<T, 2> x, const std::uint8_t* mask, Index group = 1) {
  const Index rows = x.extent(0), cols = x.extent(1);
  auto [y, out] = tape.output(x.shape(), x);
  tape.backend().map_2d(rows, cols, detail::MaskRows<T>{x.data(), mask, group, cols, {out, false}});
  tape.record(y, [=](Tp& t, const T* dy) {
    t.backend().map_2d(rows, cols, detail::MaskRows<T>{dy, mask, group, cols, t.target(x)});
  });
  return y;
}

/// y (R, D): rows divided by max(|row|, 1e-12).
template <class Tp, class T>
Var<T, 2> normalize_rows(Tp& tape, Var<T, 2> x) {
  const Index rows = x.extent(0), cols = x.extent(1);
  auto [y, out] = tape.output(x.shape(), x);
  T* inverse = tape.template keep<T>(rows);
  tape.backend().reduce_rows(rows, cols, detail::SquareTerm<T>{x.data(), cols}, detail::PutInverseNorm<T>{inverse});
  tape.backend().map_2d(rows, cols, detail::ScaleRows<T>{x.data(), inverse, cols, out});
  const T* value = out;
  tape.record(y, [=](Tp& t, const T* dy) {
    T* dot = t.scratch(rows);
    t.backend().reduce_rows(rows, cols, detail::DotTerm<T>{value, dy, cols}, detail::PutRow<T>{dot});
    t.backend().map_2d(rows, cols, detail::NormalizeReverse<T>{dy, value, dot, inverse, cols, t.target(x)});
    t.release(dot, rows);
  });
  return y;
}

}  // namespace ramer::autodiff
