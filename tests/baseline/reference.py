"""Writes reference_case.hpp: a small logistic regression per label, solved by scikit-learn.

    python3 reference.py > reference_case.hpp
"""
import numpy as np
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(11)
n, d, c = 24, 5, 3
x = rng.normal(size=(n, d)) * [1, 0.01, 30, 1, 0] + [0, 5, -200, 0, 2.5]  # the last column is constant
x[:, 3] += x[:, 0]
x = np.round(x, 3).astype(np.float32)
y = rng.random((n, c)) < 1 / (1 + np.exp(-(x[:, :1] + np.array([0, -1, 1]))))
mask = rng.random((n, c)) < np.array([2, 2, 0.7])

xd = x.astype(float)
sd = xd.std(0)
z = (xd - xd.mean(0)) / np.where(x.max(0) > x.min(0), sd, 1)


def numbers(v, form="{:.17g}"):
    return "{" + ", ".join(form.format(u) for u in np.ravel(v)) + "}"


print(f"""// Written by reference.py with scikit-learn: features, labels, mask; then weights on standardised features, the bias behind.
#pragma once

#include <cstdint>
#include <vector>

namespace reference {{

// clang-format off
constexpr std::int64_t kRows = {n}, kFeatures = {d}, kLabels = {c};
inline const std::vector<float> x{numbers(x, "{:.9g}f")};
inline const std::vector<std::uint8_t> y{numbers(y.astype(int), "{:d}")};
inline const std::vector<std::uint8_t> mask{numbers(mask.astype(int), "{:d}")};""")
for name, strength in (("weights", 1.0), ("weights_c20", 20.0)):
    rows = []
    for j in range(c):
        k = mask[:, j]
        fit = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-13, max_iter=500).fit(z[k], y[k, j])
        rows.append(np.r_[fit.coef_[0], fit.intercept_])
        # the optimum's own equation, in case the solver stopped early
        g = fit.coef_[0] + strength * z[k].T @ (fit.predict_proba(z[k])[:, 1] - y[k, j])
        assert np.abs(g).max() < 1e-9, g
    print(f"inline const std::vector<double> {name}{numbers(rows)};")
print("// clang-format on\n\n}  // namespace reference")
