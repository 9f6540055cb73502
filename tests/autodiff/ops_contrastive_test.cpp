#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/contrastive.hpp"
#include "ramer/autodiff/ops/rows.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

Values unit_rows(Values x, Index width) {
  for (std::size_t r = 0; width > 0 && r < x.size(); r += at(width)) {
    double squares = 0;
    for (std::size_t c = r; c < r + at(width); ++c) squares += x[c] * x[c];
    for (std::size_t c = r; c < r + at(width); ++c) x[c] /= std::sqrt(squares);
  }
  return x;
}

/// loss_i by Eq 11 over the N x N matrix of similarities.
Values plain_anchor_losses(const Values& all, const std::vector<std::int32_t>& ids, Index width, Index anchors,
                           double temperature) {
  const Index n = static_cast<Index>(ids.size());
  Values loss(at(anchors));
  for (Index i = 0; i < anchors; ++i) {
    Values s(at(n), 0.0);
    for (Index a = 0; a < n; ++a)
      for (Index d = 0; d < width; ++d) s[at(a)] += all[at(i * width + d)] * all[at(a * width + d)] / temperature;
    const double largest = *std::max_element(s.begin(), s.end());
    double denominator = 1e-12, positives = 0, count = 1e-12;
    for (Index a = 0; a < n; ++a)
      if (a != i) denominator += std::exp(s[at(a)] - largest);
    for (Index a = 0; a < n; ++a) {
      if (a == i || ids[at(i)] < 0 || ids[at(a)] != ids[at(i)]) continue;
      positives += s[at(a)] - largest - std::log(denominator);
      count += 1;
    }
    loss[at(i)] = -positives / count;
  }
  return loss;
}

}  // namespace

TEST_CASE_TEMPLATE("contrastive", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& extents : {std::array<Index, 4>{0, 0, 3, 2},
                              {0, 4, 3, 2},
                              {1, 0, 3, 1},
                              {1, 1, 2, 1},
                              {2, 0, 1, 1},
                              {6, 0, 4, 3},
                              {7, 5, 3, 2},
                              {9, 14, 5, 6}}) {
    const Index rows = extents[0], queue = extents[1], width = extents[2], classes = extents[3];
    for (const bool queue_anchors : {false, true}) {
      for (const double temperature : {0.5, 1.3}) {
        CAPTURE(rows);
        CAPTURE(queue);
        CAPTURE(queue_anchors);
        Draw draw(++seed);
        const Values z = unit_rows(draw.normal(rows * width), width), queued = unit_rows(draw.normal(queue * width), width);
        const auto ids = draw.integers(rows, -1, classes), queue_ids = draw.integers(queue, -1, classes);
        const ContrastSet<double> set{ids.data(), classes, queued.data(), queue_ids.data(), queue, queue_anchors};
        const Shape<2> shape{{rows, width}};
        const double* per_anchor = nullptr;
        const auto f = [&](auto& tape, const Vars& v) {
          return contrastive(tape, v[0].reshape(shape), set, temperature, &per_anchor);
        };
        CHECK(gradcheck_subsets<B>({z}, f) == "");
        // Behind a normalisation, as models use it: rows stay unit under the differences.
        CHECK(gradcheck_subsets<B>({draw.away_from_zero(rows * width)}, [&](auto& tape, const Vars& v) {
                return contrastive(tape, normalize_rows(tape, v[0].reshape(shape)), set, temperature);
              }) == "");

        Values all = z;
        all.insert(all.end(), queued.begin(), queued.end());
        auto all_ids = ids;
        all_ids.insert(all_ids.end(), queue_ids.begin(), queue_ids.end());
        const Index anchors = rows + (queue_anchors ? queue : 0);
        const Values each = plain_anchor_losses(all, all_ids, width, anchors, temperature);
        double mean = 0;
        for (double loss : each) mean += loss / static_cast<double>(anchors);
        CHECK(max_difference(value_of<B>({z}, f), {mean}) < 1e-12);

        B& backend = shared_backend<B>();
        Workspace<typename B::Memory> workspace;
        Tape<B, double> tape(backend, workspace, false);
        f(tape, Vars{constant(z, Shape{rows * width})});
        CHECK(max_difference(Values(per_anchor, per_anchor + anchors), each) < 1e-12);
      }
    }
  }
}

TEST_CASE_TEMPLATE("contrastive at the temperature of the paper", B, RAMER_TEST_BACKENDS) {
  const Index rows = 40, queue = 60, width = 6, classes = 4;
  Draw draw(99);
  const Values z = unit_rows(draw.normal(rows * width), width), queued = unit_rows(draw.normal(queue * width), width);
  const auto ids = draw.integers(rows, 0, classes), queue_ids = draw.integers(queue, -1, classes);
  const ContrastSet<double> set{ids.data(), classes, queued.data(), queue_ids.data(), queue, false};
  CHECK(gradcheck_subsets<B>({z}, [&](auto& tape, const Vars& v) {
          return contrastive(tape, v[0].reshape(Shape{rows, width}), set, 0.07);
        }) == "");
}

TEST_CASE_TEMPLATE("contrastive: rows without a class repel nothing of their own, yet are in the denominators", B,
                   RAMER_TEST_BACKENDS) {
  const Index rows = 3, width = 2;
  const Values z{1, 0, 0, 1, 0.6, 0.8};
  const auto loss = [&](std::vector<std::int32_t> ids) {
    return value_of<B>({z}, [&](auto& tape, const Vars& v) {
      return contrastive(tape, v[0].reshape(Shape{rows, width}), ContrastSet<double>{ids.data(), 2}, 1.0);
    })[0];
  };
  CHECK(loss({-1, -1, -1}) == 0);
  CHECK(loss({0, 1, -1}) == 0);
  // Rows 0 and 1 are a pair, s = 0; row 2 is at 0.6 and 0.8.
  CHECK(loss({0, 0, -1}) == doctest::Approx((std::log(1 + std::exp(0.6)) + std::log(1 + std::exp(0.8))) / 3).epsilon(1e-9));
}
