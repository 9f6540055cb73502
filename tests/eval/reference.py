"""Writes reference_cases.hpp: random cases of the metrics, computed with numpy and scikit-learn.

    python3 reference.py > reference_cases.hpp
"""
import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

rng = np.random.default_rng(7)


def numbers(x, form="{:.17g}"):
    return "{" + ", ".join("NaN" if v is None or np.isnan(v) else form.format(v) for v in np.ravel(x)) + "}"


def jaccard(y, p, m):
    rows = [(np.sum(a & b & k), np.sum((a | b) & k)) for a, b, k in zip(y, p, m) if k.any()]
    return np.mean([i / max(1, u) for i, u in rows])


def case(n, c, masked):
    s = np.round(rng.random((n, c)), 2 if n > 20 else 1)  # coarse: ties, and scores equal to the threshold
    t = 0.3
    y = rng.random((n, c)) < 0.25 + 0.5 * s
    y[:, 0] &= n > 20  # small cases: one class only
    m = rng.random((n, c)) < 0.8 if masked else np.ones((n, c), bool)
    if masked:
        m[1] = False
    p = s > t
    cells = m.ravel()
    yt, yp = y.ravel()[cells], p.ravel()[cells]
    out = {"accuracy": jaccard(y, p, m), "precision": precision_score(yt, yp), "recall": recall_score(yt, yp),
           "micro": f1_score(yt, yp)}
    f1, auc, true_support, said_support = [], [], [], []
    for j in range(c):
        k = m[:, j]
        f1.append(f1_score(y[k, j], p[k, j], zero_division=0))
        auc.append(roc_auc_score(y[k, j], s[k, j]) if 0 < y[k, j].sum() < k.sum() else np.nan)
        true_support.append(y[k, j].sum())
        said_support.append(p[k, j].sum())
    if not masked and c > 1:  # our loops against the library's own averages
        assert np.isclose(np.mean(f1), f1_score(y, p, average="macro", zero_division=0))
        assert np.isclose(np.average(f1, weights=true_support), f1_score(y, p, average="weighted", zero_division=0))
        assert np.isclose(out["micro"], f1_score(y, p, average="micro", zero_division=0))
    print(f"    {{{n}, {c}, {t},")
    print("     " + numbers(s, "{:.2f}") + ",")
    print("     " + numbers(y.astype(int), "{:d}") + ",")
    print("     " + (numbers(m.astype(int), "{:d}") if masked else "{}") + ",")
    values = [out["accuracy"], out["precision"], out["recall"], out["micro"], np.mean(f1),
              np.average(f1, weights=true_support), np.average(f1, weights=said_support), np.nanmean(auc)]
    print("     " + ", ".join(f"{v:.17g}" for v in values) + ",")
    print("     " + numbers(f1) + ",\n     " + numbers(auc) + "},")


def single(n, c):
    s = np.round(rng.random((n, c)), 1)
    y = rng.integers(0, c - 1, n)  # the last class is never true
    p = s.argmax(1)
    values = [np.mean(y == p), f1_score(y, p, average="macro", zero_division=0),
              f1_score(y, p, average="weighted", zero_division=0)]
    print(f"    {{{n}, {c},\n     " + numbers(s, "{:.1f}") + ",\n     " + numbers(y, "{:d}") + ",")
    print("     " + ", ".join(f"{v:.17g}" for v in values) + "},")


print("""// Written by reference.py with numpy and scikit-learn.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace reference {

// clang-format off
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

struct MultiLabel {
  std::int64_t samples, labels;
  double threshold;
  std::vector<double> scores;
  std::vector<std::uint8_t> truth, mask;
  double accuracy, precision, recall, micro_f1, macro_f1, weighted_f1, weighted_f1_released, mean_auc;
  std::vector<double> f1, auc;
};
struct SingleLabel {
  std::int64_t samples, classes;
  std::vector<double> scores;
  std::vector<std::int32_t> truth;
  double accuracy, macro_f1, weighted_f1;
};

inline const std::vector<MultiLabel> multi_label{""")
case(12, 3, False)
case(12, 3, True)
case(40, 5, False)
case(40, 5, True)
case(30, 1, False)
print("};\n\ninline const std::vector<SingleLabel> single_label{")
single(15, 4)
single(25, 9)
print("};\n// clang-format on\n\n}  // namespace reference")
