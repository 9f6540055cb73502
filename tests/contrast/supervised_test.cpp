// Which rows enter the contrastive loss, and the queue of earlier ones.
#include "ramer/contrast/supervised.hpp"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

struct Nothing {
  template <class Self, class Visitor>
  static void parameters(Self&, Visitor&&) {}
};

TEST_CASE("rows and classes by hand") {
  // Two samples, two levels, two modalities, two labels; sample 0 lacks modality 1; its label 1 is not annotated.
  const std::vector<std::uint8_t> y{1, 1, 0, 1}, mask{1, 0, 1, 1}, present{1, 1, 0, 1};
  contrast::ContrastPlan plan;
  plan.build(2, 2, 2, 2, y.data(), mask.data(), present.data());
  // Row of [level][modality][b][j] = 8 level + 4 modality + 2 b + j; class = j + 2 (2 modality + !y).
  CHECK(plan.rows.index ==
        std::vector<std::int32_t>{0, /* alpha of modality 1 is missing */ 8, 12, 2, 3, 6, 7, 10, 11, 14, 15});
  CHECK(plan.ids == std::vector<std::int32_t>{0, 0, 4, 2, 1, 6, 5, 2, 1, 6, 5});
  plan.build(2, 2, 2, 2, y.data(), mask.data(), nullptr);
  CHECK(plan.ids.size() == 12);
  const std::vector<std::uint8_t> nothing(4, 0);
  plan.build(2, 2, 2, 2, y.data(), nothing.data(), nullptr);
  CHECK(plan.ids.empty());
  CHECK(plan.rows.view().size == 0);
}

TEST_CASE("fresh rows of the queue: unit length, of class -1, from the seed") {
  backend::Reference backend;
  contrast::Queue<E> a(50, 6, 1, backend), b(50, 6, 1, backend), c(50, 6, 2, backend), longer(60, 6, 1, backend);
  CHECK(a.places() == 50);
  std::set<double> firsts;
  for (Index r = 0; r < 50; ++r) {
    double squares = 0;
    for (Index d = 0; d < 6; ++d) {
      squares += a.rows(r, d) * a.rows(r, d);
      CHECK(a.rows(r, d) == b.rows(r, d));
      CHECK(a.rows(r, d) == longer.rows(r, d));
    }
    CHECK(squares == doctest::Approx(1).epsilon(1e-12));
    CHECK(a.ids(r) == -1);
    firsts.insert(a.rows(r, 0));
  }
  CHECK(firsts.size() == 50);
  CHECK(a.rows(0, 0) != c.rows(0, 0));
}

/// Pushes rows whose entries are their serial number, and returns the serial numbers in the queue.
struct Serial {
  backend::Reference backend;
  contrast::Queue<E> queue;
  int next = 0;

  explicit Serial(Index places) : queue(places, 2, 1, backend) {}
  void push(Index n) {
    std::vector<double> rows;
    std::vector<std::int32_t> ids;
    for (Index i = 0; i < n; ++i, ++next) {
      rows.insert(rows.end(), {next + 0.0, next + 0.5});
      ids.push_back(next);
    }
    queue.push(backend, rows.data(), ids.data(), n);
  }
  std::vector<int> content() const {
    std::vector<int> list;
    for (Index r = 0; r < queue.places(); ++r) {
      list.push_back(queue.ids(r));
      if (queue.ids(r) >= 0) {
        CHECK(queue.rows(r, 0) == queue.ids(r));
        CHECK(queue.rows(r, 1) == queue.ids(r) + 0.5);
      }
    }
    return list;
  }
};

TEST_CASE("the queue wraps; of more rows than places the last ones stay") {
  Serial s(5);
  s.push(3);
  CHECK(s.content() == std::vector<int>{0, 1, 2, -1, -1});
  CHECK(s.queue.pointer() == 3);
  s.push(0);
  CHECK(s.queue.pointer() == 3);
  s.push(4);
  CHECK(s.content() == std::vector<int>{5, 6, 2, 3, 4});
  CHECK(s.queue.pointer() == 2);
  s.push(12);  // rows 7 ... 18 one by one from place 2: row 18 ends at place (2 + 11) % 5
  CHECK(s.content() == std::vector<int>{15, 16, 17, 18, 14});
  CHECK(s.queue.pointer() == 4);
  s.push(5);
  CHECK(s.content() == std::vector<int>{20, 21, 22, 23, 19});
  Serial none(0);
  none.push(3);
  CHECK(none.queue.pointer() == 0);
}

TEST_CASE("rows of class -1 count in the denominator and match nothing, not even each other") {
  constexpr Index n = 3, q = 2, d = 2;
  const std::vector<double> z{1, 0, 0.6, 0.8, 0, 1}, queue{0.8, 0.6, 0.8, 0.6};
  const std::vector<std::int32_t> ids{0, 0, 1}, unknown{-1, -1}, known{1, 5};
  const double temperature = 0.5;
  backend::Reference backend;
  const auto loss = [&](const std::vector<std::int32_t>& queue_ids, bool anchors) {
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, false);
    autodiff::ContrastSet<double> set;
    set.ids = ids.data();
    set.classes = 6;
    set.queue = queue.data();
    set.queue_ids = queue_ids.data();
    set.queue_rows = q;
    set.queue_anchors = anchors;
    return *autodiff::contrastive(tape, nn::Var<E, 2>(z.data(), Shape{n, d}), set, temperature).data();
  };
  const auto by_hand = [&](const std::vector<std::int32_t>& queue_ids, bool anchors) {
    std::vector<std::array<double, 2>> x;
    std::vector<int> id(ids.begin(), ids.end());
    id.insert(id.end(), queue_ids.begin(), queue_ids.end());
    for (std::size_t i = 0; i < 3; ++i) x.push_back({z[2 * i], z[2 * i + 1]});
    for (std::size_t i = 0; i < 2; ++i) x.push_back({queue[2 * i], queue[2 * i + 1]});
    double total = 0;
    const std::size_t count = anchors ? 5 : 3;
    for (std::size_t i = 0; i < count; ++i) {
      const auto s = [&](std::size_t k) { return (x[i][0] * x[k][0] + x[i][1] * x[k][1]) / temperature; };
      double denominator = 0, sum = 0, matches = 0;
      for (std::size_t k = 0; k < 5; ++k)
        if (k != i) denominator += std::exp(s(k));
      for (std::size_t k = 0; k < 5; ++k) {
        if (k == i || id[k] != id[i] || id[i] < 0) continue;
        sum += s(k) - std::log(denominator);
        ++matches;
      }
      if (matches > 0) total -= sum / matches;
    }
    return total / static_cast<double>(count);
  };
  for (const bool anchors : {false, true}) {
    CHECK(loss(unknown, anchors) == doctest::Approx(by_hand(unknown, anchors)).epsilon(1e-10));
    CHECK(loss(known, anchors) == doctest::Approx(by_hand(known, anchors)).epsilon(1e-10));
  }
  CHECK(loss(unknown, false) != doctest::Approx(loss(known, false)));
}

TEST_CASE("the loss of unit codes: derivative") {
  const std::vector<std::int32_t> ids{0, 1, 0, 1, 2}, queue_ids{0, -1};
  const std::vector<double> queue{0.6, 0.8, 0, 1, 0, 0};
  Nothing nobody;
  CHECK(nn::check_module(nobody, {nn::check_values(15)}, [&](auto& ctx, const auto& in) {
          autodiff::ContrastSet<double> set;
          set.ids = ids.data();
          set.classes = 3;
          set.queue = queue.data();
          set.queue_ids = queue_ids.data();
          set.queue_rows = 2;
          return autodiff::contrastive(
              ctx.tape, autodiff::normalize_rows(ctx.tape, in[0].reshape(Shape{Index{5}, Index{3}})), set, 0.2);
        }) == "");
}

}  // namespace
