// Connectionist temporal classification (Graves et al. 2006): its loss, and the soft alignment made of its logits.
#pragma once

#include <limits>
#include <span>

#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/backend/fast_math.hpp"

namespace ramer::autodiff {

/// Whom the loss compares with what: K classes, one of which is the blank; rows of the logits and target labels, both packed.
/// Arrays where the backend computes.
struct CtcTargets {
  Index samples = 0, rows = 0;                   ///< B, R
  Index longest_input = 0, longest_target = 0;   ///< of any sample, in rows and labels
  const std::int32_t* offsets = nullptr;         ///< (B + 1) rows of sample b are [offsets[b], offsets[b + 1])
  const std::int32_t* sample = nullptr;          ///< (R) sample of each row
  const std::int32_t* target_offsets = nullptr;  ///< (B + 1)
  const std::int32_t* target = nullptr;          ///< labels in [0, K), never the blank
  const double* weight = nullptr;                ///< (B)
  std::int32_t blank = 0;                        ///< class that stands for no label
  bool zero_infinity = true;                     ///< a target that no alignment gives counts 0, not infinity

  /// Rows and labels of a sample.
  RAMER_HD Index input_length(Index b) const { return offsets[b + 1] - offsets[b]; }
  RAMER_HD Index target_length(Index b) const { return target_offsets[b + 1] - target_offsets[b]; }
  /// A path runs through blank, label, blank, label, ..., blank: states 0 ... 2 n.
  RAMER_HD Index states(Index b) const { return 2 * target_length(b) + 1; }
  /// Class of a state.
  RAMER_HD std::int32_t label(Index b, Index state) const {
    return state % 2 ? target[target_offsets[b] + state / 2] : blank;
  }
  /// Whether state - 2 may come directly before: not over the blank between equal labels, and never to a blank.
  RAMER_HD bool skips(Index b, Index state) const {
    return state % 2 && state > 1 && label(b, state) != label(b, state - 2);
  }
};

namespace detail {

inline constexpr double kImpossible = -std::numeric_limits<double>::infinity();

/// log(e^a + e^b + e^c)
RAMER_HD inline double log_add(double a, double b, double c) {
  double largest = a > b ? a : b;
  largest = largest > c ? largest : c;
  if (largest == kImpossible) return kImpossible;
  return largest +
         std::log(backend::fast_exp(a - largest) + backend::fast_exp(b - largest) + backend::fast_exp(c - largest));
}

template <class T>
struct LogNormalizer {  // log sum_k exp(x[r, k])
  const T* x;
  Index classes;
  double* out;
  RAMER_HD void operator()(Index r) const {
    const T* row = x + r * classes;
    double largest = static_cast<double>(row[0]), total = 0;
    for (Index k = 1; k < classes; ++k)
      largest = largest > static_cast<double>(row[k]) ? largest : static_cast<double>(row[k]);
    for (Index k = 0; k < classes; ++k) total += backend::fast_exp(static_cast<double>(row[k]) - largest);
    out[r] = largest + std::log(total);
  }
};
/// alpha[r, s]: log probability of the sample's rows up to its t-th, which is r, over paths that are in state s then.
template <class T>
struct CtcForward {
  CtcTargets target;
  const T* x;
  const double* normalizer;
  Index classes, t, stride;
  double* alpha;
  RAMER_HD void operator()(Index b, Index s) const {
    if (t >= target.input_length(b) || s >= target.states(b)) return;
    const Index r = target.offsets[b] + t;
    const double emission = static_cast<double>(x[r * classes + target.label(b, s)]) - normalizer[r];
    double* here = alpha + r * stride + s;
    if (t == 0) {
      *here = s < 2 ? emission : kImpossible;
    } else {
      const double* before = here - stride;
      *here = emission + log_add(before[0], s > 0 ? before[-1] : kImpossible, target.skips(b, s) ? before[-2] : kImpossible);
    }
  }
};
/// -log of the probability of the target: paths end in the last label or in the blank behind it.
struct CtcTotal {
  CtcTargets target;
  const double* alpha;
  Index stride;
  double* loss;
  RAMER_HD void operator()(Index b) const {
    const Index n = target.target_length(b), last = 2 * n;
    if (target.input_length(b) == 0) {
      loss[b] = n == 0 ? 0.0 : -kImpossible;
      return;
    }
    const double* end = alpha + (target.offsets[b + 1] - 1) * stride;
    loss[b] = -log_add(end[last], n > 0 ? end[last - 1] : kImpossible, kImpossible);
  }
};
struct CtcTerm {
  CtcTargets target;
  const double* loss;
  RAMER_HD double operator()(Index b) const {
    const bool counts = target.weight[b] != 0 && !(target.zero_infinity && loss[b] == -kImpossible);
    return counts ? target.weight[b] * loss[b] : 0.0;
  }
};
/// beta[b, s]: log probability of what follows row t over paths that are in state s there. alpha becomes the probability of
/// being in state s at row t given the target.
template <class T>
struct CtcReverse {
  CtcTargets target;
  const T* x;
  const double *normalizer, *loss, *after;
  Index classes, t, stride;
  double *beta, *alpha;
  RAMER_HD double following(Index b, Index r, Index s) const {
    return after[b * stride + s] + static_cast<double>(x[r * classes + target.label(b, s)]) - normalizer[r];
  }
  RAMER_HD void operator()(Index b, Index s) const {
    const Index n = target.states(b);
    if (t >= target.input_length(b) || s >= n) return;
    const Index r = target.offsets[b] + t;
    double value = s + 2 >= n ? 0.0 : kImpossible;
    if (t + 1 < target.input_length(b)) {
      value = log_add(following(b, r + 1, s), s + 1 < n ? following(b, r + 1, s + 1) : kImpossible,
                      s + 2 < n && target.skips(b, s + 2) ? following(b, r + 1, s + 2) : kImpossible);
    }
    beta[b * stride + s] = value;
    double& occupied = alpha[r * stride + s];
    occupied = std::exp(occupied + value + loss[b]);
  }
};
/// d loss / d x[r, k] = p[r, k] - (probability of being in a state of label k at row r); 0 where the loss is infinite.
template <class T>
struct CtcGradient {
  CtcTargets target;
  const T *dloss, *x;
  const double *normalizer, *loss, *occupied;
  Index classes, stride;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index k) const {
    const Index b = target.sample[r], n = target.target_length(b);
    const double weight = target.weight[b], *row = occupied + r * stride;
    double value = 0;
    if (weight != 0 && loss[b] != -kImpossible) {
      value = backend::fast_exp(static_cast<double>(x[r * classes + k]) - normalizer[r]);
      if (k == target.blank) {
        for (Index j = 0; j <= n; ++j) value -= row[2 * j];
      } else {
        for (Index j = 0; j < n; ++j) value -= target.label(b, 2 * j + 1) == k ? row[2 * j + 1] : 0.0;
      }
      value *= weight;
    }
    dx.put(r * classes + k, *dloss * static_cast<T>(value));
  }
};

template <class T>
struct SoftmaxRow {
  const T* x;
  Index cols;
  T* p;
  RAMER_HD void operator()(Index r) const {
    const T* in = x + r * cols;
    T* out = p + r * cols;
    T largest = in[0], total = 0;
    for (Index k = 1; k < cols; ++k) largest = largest > in[k] ? largest : in[k];
    for (Index k = 0; k < cols; ++k) out[k] = backend::fast_exp(in[k] - largest);
    for (Index k = 0; k < cols; ++k) total += out[k];
    for (Index k = 0; k < cols; ++k) out[k] /= total;
  }
};
template <class T>
struct BesidesBlank {  // p dp over the columns but the blank's
  const T *p, *dp;
  Index cols;
  RAMER_HD T operator()(Index r, Index k) const { return p[r * cols + k + 1] * dp[r * cols + k + 1]; }
};
template <class T>
struct BlankSoftmaxReverse {  // dx = p (dp - sum p dp); dp of the blank is 0
  const T *p, *dp, *mean;
  Index cols;
  backend::Target<T> dx;
  RAMER_HD void operator()(Index r, Index k) const {
    const Index at = r * cols + k;
    dx.put(at, p[at] * ((k > 0 ? dp[at] : T(0)) - mean[r]));
  }
};

}  // namespace detail

/// sum_b weight[b] (-log P(target_b | x_b)) for logits x (R, K): P sums over all ways to spread the target's labels over the
/// sample's rows, with blanks between. Computed in logarithms, in double. A target that no alignment gives (rows fewer than
/// labels plus equal neighbours) has an infinite loss, or 0 with `zero_infinity`, and sends nothing in either case; so does
/// weight 0. `per_sample`, if asked for, receives the place of -log P (B).
/// O(R (n + K n)) for n labels; (R, 2 n + 1) numbers are kept.
template <class Tp, class T>
Var<T, 0> ctc_loss(Tp& tape, Var<T, 2> x, const CtcTargets& target, const double** per_sample = nullptr) {
  const Index rows = x.extent(0), classes = x.extent(1), samples = target.samples, stride = 2 * target.longest_target + 1;
  require<ShapeError>(rows == target.rows && classes > 0, "ctc_loss: logits ", x.shape(), " for ", target.rows,
                      " rows and at least the blank");
  auto [result, out] = tape.output(Shape<0>{}, x);
  double* normalizer = tape.template keep<double>(rows);
  double* alpha = tape.template keep<double>(rows * stride);
  double* loss = tape.template keep<double>(samples);
  tape.backend().map(rows, detail::LogNormalizer<T>{x.data(), classes, normalizer});
  for (Index t = 0; t < target.longest_input; ++t) {
    tape.backend().map_2d(samples, stride, detail::CtcForward<T>{target, x.data(), normalizer, classes, t, stride, alpha});
  }
  tape.backend().map(samples, detail::CtcTotal{target, alpha, stride, loss});
  tape.backend().sum(samples, detail::CtcTerm{target, loss}, T(1), backend::Target<T>{out, false});
  if (per_sample) *per_sample = loss;
  if (!result.tracked()) return result;

  double* beta[] = {tape.template keep<double>(samples * stride), tape.template keep<double>(samples * stride)};
  double *even = beta[0], *odd = beta[1];
  tape.record(result, [=](Tp& t, const T* dloss) {
    for (Index step = target.longest_input - 1; step >= 0; --step) {
      double *now = step % 2 ? odd : even, *after = step % 2 ? even : odd;
      t.backend().map_2d(
          samples, stride,
          detail::CtcReverse<T>{target, x.data(), normalizer, loss, after, classes, step, stride, now, alpha});
    }
    t.backend().map_2d(
        rows, classes,
        detail::CtcGradient<T>{target, dloss, x.data(), normalizer, loss, alpha, classes, stride, t.target(x)});
  });
  return result;
}

/// y (B L, D): y[b, j] = sum over the rows r of sample b of p[r, j + 1] x[r], p = softmax of the rows of `logits` (R, L + 1).
/// Column 0, the blank, is dropped: a row gives away at most all of itself. Zeros for a sample without rows.
/// `offsets` (B + 1), on the host, must outlive the reverse. FLOP: 2 R L D forward, twice that in reverse.
template <class Tp, class T>
Var<T, 2> soft_align(Tp& tape, Var<T, 2> x, Var<T, 2> logits, std::span<const std::int32_t> offsets) {
  using backend::Transpose;
  const Index rows = x.extent(0), width = x.extent(1), cols = logits.extent(1), length = cols - 1;
  require<ShapeError>(logits.extent(0) == rows && length > 0, "soft_align: rows ", x.shape(), ", logits ", logits.shape(),
                      "; a blank and at least one place are wanted");
  require<ShapeError>(!offsets.empty() && offsets.front() == 0 && offsets.back() == rows,
                      "soft_align: offsets do not cover the ", rows, " rows");
  const Index samples = static_cast<Index>(offsets.size()) - 1;
  const std::int32_t* const first = offsets.data();
  auto [y, out] = tape.output(Shape{samples * length, width}, x, logits);
  T* p = tape.template keep<T>(rows * cols);  // (R, L + 1)
  tape.backend().map(rows, detail::SoftmaxRow<T>{logits.data(), cols, p});
  for (Index b = 0; b < samples; ++b) {  // y_b (L, D) = p_b^T x_b
    const Index at = first[b], n = first[b + 1] - at;
    tape.backend().gemm(backend::product(Transpose::Yes, Transpose::No, length, width, n, p + at * cols + 1, cols,
                                         x.data() + at * width, width, {out + b * length * width, false}, width));
  }
  tape.record(y, [=](Tp& t, const T* dy) {
    if (auto d = t.target(x)) {
      for (Index b = 0; b < samples; ++b) {  // dx_b (n, D) = p_b dy_b
        const Index at = first[b], n = first[b + 1] - at;
        t.backend().gemm(backend::product(Transpose::No, Transpose::No, n, width, length, p + at * cols + 1, cols,
                                          dy + b * length * width, width, d.at(at * width), width));
      }
    }
    if (auto d = t.target(logits)) {
      T* const dp = t.scratch(rows * cols);
      T* const mean = t.scratch(rows);
      for (Index b = 0; b < samples; ++b) {  // dp_b (n, L) = x_b dy_b^T, beside the blank
        const Index at = first[b], n = first[b + 1] - at;
        t.backend().gemm(backend::product(Transpose::No, Transpose::Yes, n, length, width, x.data() + at * width, width,
                                          dy + b * length * width, width, {dp + at * cols + 1, false}, cols));
      }
      t.backend().reduce_rows(rows, length, detail::BesidesBlank<T>{p, dp, cols}, detail::PutRow<T>{mean});
      t.backend().map_2d(rows, cols, detail::BlankSoftmaxReverse<T>{p, dp, mean, cols, d});
      t.release(mean, rows);
      t.release(dp, rows * cols);
    }
  });
  return y;
}

}  // namespace ramer::autodiff
