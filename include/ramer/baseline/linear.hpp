// The linear baseline: one logistic regression per label (binary relevance).
//
// For each label, over its annotated rows i:  minimise 1/2 |w|^2 + c sum_i log(1 + exp(-s_i (w . z_i + b))),  s = +-1,
// with z the features standardised by mean and deviation of the training rows; b is not penalised. N rows, D features,
// C labels. In double throughout; the same bits every time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ramer/baseline/detail/lockstep.hpp"
#include "ramer/baseline/detail/logistic.hpp"
#include "ramer/baseline/detail/products.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"

namespace ramer::baseline {

struct LinearConfig {
  double c = 1.0;           ///< weight of the data against the penalty, as scikit-learn's C
  double tolerance = 1e-3;  ///< stop when no entry of the gradient g is larger (weights are then within |g| of exact)
  Index max_iterations = 1000;
  Index memory = 10;  ///< steps that L-BFGS remembers

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("c", self.c, "weight of the data against the L2 penalty (larger: less regularised)", more_than(0));
    field("tolerance", self.tolerance, "stop when no entry of the gradient is larger than this", more_than(0));
    field("max_iterations", self.max_iterations, "at most so many iterations", at_least(0));
    field("memory", self.memory, "steps that L-BFGS remembers", between(1, 1000));
  }
};

/// A fitted linear classifier. Its members are all that it is: store and restore them at will.
struct LinearClassifier {
  Index features = 0;  ///< D
  /// (D) of the training rows; inverse deviation, 0 for a constant column
  std::vector<double> mean, inverse;
  std::vector<double> weight;           ///< (C, D) on standardised features
  std::vector<double> bias;             ///< (C)
  std::vector<Index> iterations;        ///< (C)
  std::vector<std::uint8_t> converged;  ///< (C) 0: max_iterations came first

  /// C
  Index labels() const { return static_cast<Index>(bias.size()); }

  /// Fits to features x (N, D) and labels y (N, C) where mask (N, C) is not 0; an empty mask: everywhere. A label whose
  /// annotated rows are all alike gets weights 0 and the constant score (positives + 1) / (rows + 2).
  /// @throws ShapeError, ConfigError; DataError for a feature that is not finite
  static LinearClassifier fit(View<const float, 2> x, View<const std::uint8_t, 2> y, View<const std::uint8_t, 2> mask,
                              const LinearConfig& config = {});

  /// Probabilities (N, C) of the labels for features x (N, D). @throws ShapeError
  Tensor<double, 2> predict(View<const float, 2> x) const;

  /// Weight of a label by the features as they are, before standardisation; the last entry is the bias. -> (D + 1)
  std::vector<double> raw_weight(Index label) const;

 private:
  void standardise(View<const float, 2> x);
};

inline std::vector<double> LinearClassifier::raw_weight(Index label) const {
  std::vector<double> u(static_cast<std::size_t>(features + 1));
  double offset = bias[static_cast<std::size_t>(label)];
  for (Index j = 0; j < features; ++j) {
    const auto at = static_cast<std::size_t>(j);
    u[at] = weight[static_cast<std::size_t>(label * features + j)] * inverse[at];
    offset -= u[at] * mean[at];
  }
  u.back() = offset;
  return u;
}

inline void LinearClassifier::standardise(View<const float, 2> x) {
  const Index n = x.extent(0);
  const auto d = static_cast<std::size_t>(x.extent(1));
  features = x.extent(1);
  mean.assign(d, 0.0);
  inverse.assign(d, 0.0);
  std::vector<double> variance(d, 0.0);
  std::vector<std::uint8_t> varies(d, 0);
  for (Index i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      const float v = x.data()[static_cast<std::size_t>(i) * d + j];
      require<DataError>(std::isfinite(v), "linear: feature ", j, " of row ", i, " is ", v);
      mean[j] += static_cast<double>(v);
      varies[j] |= v != x.data()[j];
    }
  }
  for (double& m : mean) m /= static_cast<double>(std::max<Index>(1, n));
  for (Index i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      const double off = static_cast<double>(x.data()[static_cast<std::size_t>(i) * d + j]) - mean[j];
      variance[j] += off * off;
    }
  }
  for (std::size_t j = 0; j < d; ++j)
    if (varies[j]) inverse[j] = 1.0 / std::sqrt(variance[j] / static_cast<double>(n));
}

inline LinearClassifier LinearClassifier::fit(View<const float, 2> x, View<const std::uint8_t, 2> y,
                                              View<const std::uint8_t, 2> mask, const LinearConfig& config) {
  const Index n = x.extent(0), d = x.extent(1), labels = y.extent(1);
  require<ShapeError>(y.extent(0) == n, "linear: labels ", y.shape(), " for features ", x.shape());
  require<ShapeError>(mask.data() == nullptr || mask.shape() == y.shape(), "linear: label mask ", mask.shape(),
                      ", expected that of the labels ", y.shape());
  checked(config, "linear");
  LinearClassifier model;
  model.standardise(x);
  model.weight.assign(static_cast<std::size_t>(labels * d), 0.0);
  model.bias.assign(static_cast<std::size_t>(labels), 0.0);
  model.iterations.assign(static_cast<std::size_t>(labels), 0);
  model.converged.assign(static_cast<std::size_t>(labels), 1);

  std::vector<detail::LogisticProblem> problems(static_cast<std::size_t>(labels));  // without weights: nothing to solve
  for (std::size_t k = 0; k < problems.size(); ++k) {
    detail::LogisticProblem& p = problems[k];
    double positives = 0, rows = 0;
    p.sign.assign(static_cast<std::size_t>(n), 0.0);
    for (Index i = 0; i < n; ++i) {
      const auto label = static_cast<Index>(k);
      if (mask.data() != nullptr && mask(i, label) == 0) continue;
      p.sign[static_cast<std::size_t>(i)] = y(i, label) ? 1.0 : -1.0;
      positives += y(i, label) ? 1 : 0;
      ++rows;
    }
    const bool both = positives > 0 && positives < rows;
    model.bias[k] = both ? std::log(positives / (rows - positives)) : std::log((positives + 1) / (rows - positives + 1));
    if (!both) continue;
    p.c = config.c;
    p.history = detail::LbfgsHistory(config.memory);
    p.weight.assign(static_cast<std::size_t>(d + 1), 0.0);
    p.weight.back() = model.bias[k];
    p.margin.assign(static_cast<std::size_t>(n), model.bias[k]);
  }

  detail::minimise(problems, detail::Standardised{x, model.mean, model.inverse}, config.tolerance, config.max_iterations);
  for (std::size_t k = 0; k < problems.size(); ++k) {
    if (problems[k].weight.empty()) continue;
    model.iterations[k] = problems[k].iterations;
    model.converged[k] = problems[k].converged;
    std::copy_n(problems[k].weight.begin(), d, model.weight.begin() + static_cast<std::ptrdiff_t>(k) * d);
    model.bias[k] = problems[k].weight.back();
  }
  return model;
}

inline Tensor<double, 2> LinearClassifier::predict(View<const float, 2> x) const {
  require<ShapeError>(x.extent(1) == features, "linear: features ", x.shape(), ", fitted to ", features, " columns");
  const Index n = x.extent(0);
  Tensor<double, 2> scores(Shape<2>{n, labels()});
  std::vector<double> margin(static_cast<std::size_t>(n));
  for (Index k = 0; k < labels(); ++k) {
    std::vector<double> u = raw_weight(k);
    const double offset = u.back();
    u.back() = 0.0;
    u.resize(static_cast<std::size_t>(detail::padded(features) + 1), 0.0);
    detail::multiply(x, {u.data()}, {margin.data()});
    for (Index i = 0; i < n; ++i) scores(i, k) = 1.0 / (1.0 + std::exp(-(margin[static_cast<std::size_t>(i)] + offset)));
  }
  return scores;
}

}  // namespace ramer::baseline
