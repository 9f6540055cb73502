#include "ramer/autodiff/tape.hpp"

#include <array>

#include "autodiff/support.hpp"
#include "heap_counter.hpp"
#include "ramer/autodiff/ops/attention.hpp"
#include "ramer/autodiff/ops/contrastive.hpp"
#include "ramer/autodiff/ops/distance.hpp"
#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/gram.hpp"
#include "ramer/autodiff/ops/linear.hpp"
#include "ramer/autodiff/ops/loss.hpp"
#include "ramer/autodiff/ops/norm.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/autodiff/ops/scores.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

constexpr double kUnreached = -77;

/// weight |x|^4.
template <class Tp>
Var<double, 0> fourth_power(Tp& tape, Var<double, 1> x, const double* weight) {
  return gram_squared(tape, x.reshape(Shape{Index{1}, Index{1}, x.size()}), x.reshape(Shape{Index{1}, Index{1}, x.size()}),
                      weight);
}

/// A step that uses every op: two layers of everything over rows R in groups, M "modalities", C labels.
struct EveryOp {
  static constexpr Index kBatch = 3, kRows = 7, kHidden = 6, kLabels = 3;
  std::vector<Values> parameters;
  std::vector<Values> gradients;
  std::vector<Slot<double>> slots;
  Values x, weight, queue;
  std::vector<std::int32_t> offsets{0, 2, 3, 7}, ids, queue_ids;
  std::vector<std::uint8_t> key{1, 0, 0, 1, 1, 0, 1}, labels, present;
  GatherPlan positions, copies;
  backend::DropoutPlan dropout{RandomStream(1, 2, 3), 0.2, nullptr};

  EveryOp() {
    Draw draw(12);
    for (Index n : {4 * kHidden, kHidden, 5 * kHidden, kHidden * kHidden, kHidden, kHidden, kHidden, kLabels * kHidden,
                    kHidden * 2 * kHidden, kLabels * kHidden})
      parameters.push_back(draw.normal(n));
    for (const Values& p : parameters) gradients.emplace_back(p.size());
    slots.resize(parameters.size());
    x = draw.normal(kRows * 4);
    weight = draw.positive(kBatch * kLabels);
    queue = draw.normal(4 * kHidden);
    ids = draw.integers(kBatch * kLabels, -1, 3);
    queue_ids = draw.integers(4, -1, 3);
    labels = draw.mask(kBatch * kLabels, 0.5);
    present = {1, 0, 1, 0, 0, 1};  // (2, B): the second sample has nothing
    positions.index = {0, 1, 0, 0, 1, -1, 3};
    positions.finish(5);
    copies.index = {6, 5, 4, 3, 2, 1, 0};
    copies.finish(kRows);
  }
  template <class Tp>
  Var<double, 2> parameter(Tp&, std::size_t i, Index rows, Index cols) {
    return Var<double, 2>(parameters[i].data(), Shape{rows, cols}, &slots[i]);
  }
  template <class Tp>
  Var<double, 1> vector(Tp&, std::size_t i) {
    return Var<double, 1>(parameters[i].data(), Shape{static_cast<Index>(parameters[i].size())}, &slots[i]);
  }
  /// Forward and reverse; the losses in order.
  template <class B>
  std::array<double, 5> run(B& backend, Workspace<typename B::Memory>& workspace) {
    for (std::size_t i = 0; i < slots.size(); ++i)
      slots[i] = {gradients[i].data(), static_cast<Index>(gradients[i].size()), false, true};
    Tape<B, double> t(backend, workspace, true);
    using Span = std::span<const Var<double, 2>>;
    auto h =
        linear(t, constant(x, Shape{kRows, Index{4}}), parameter(t, 0, kHidden, 4), vector(t, 1), backend::Activation::Gelu);
    h = add_embedding(t, h, parameter(t, 2, 5, kHidden), positions.view());
    const auto q = linear(t, h, parameter(t, 3, kHidden, kHidden), vector(t, 4));
    const AttentionGroups groups{kBatch, 4, offsets.data(), key.data(), nullptr};
    h = residual_norm(t, attention(t, q, q, h, groups, 2, 0.5, dropout), h, vector(t, 5), vector(t, 6), dropout);
    const Var<double, 2> twice[]{h, mask_rows(t, gather_rows(t, h, copies.view()), key.data())};
    h = linear(t, Span(twice), parameter(t, 8, kHidden, 2 * kHidden), Var<double, 1>{}, backend::Activation::Tanh);
    const auto scores = linear(t, h, parameter(t, 7, kLabels, kHidden), Var<double, 1>{});
    const auto pooled = segment_pool(t, h, scores, Segments{kBatch, offsets.data(), key.data(), nullptr});  // (B, C, H)
    const auto slots_of = pooled.reshape(Shape{kBatch * kLabels, kHidden});
    const auto s = label_dot(t, pooled, parameter(t, 9, kLabels, kHidden));
    const Var<double, 2> both[]{s, scale(t, activation(t, s, backend::Activation::Sigmoid), 2.0)};
    const auto best = max_over(t, Span(both), present.data());
    const Var<double, 2> rows[]{slots_of, dropout_rows(t, slots_of)};
    const auto stacked = concat_rows(t, Span(rows));
    const auto wide = concat_columns(t, Span(rows));
    const auto mean = slot_mean(t, pooled);
    const auto domain = gradient_reversal(t, add(t, mean, mean), 0.5);
    const ContrastSet<double> set{ids.data(), 3, queue.data(), queue_ids.data(), 4, false};
    using Seed = typename Tape<B, double>::Seed;
    const Seed seeds[]{
        {bce_with_logits(t, best, labels.data(), weight.data()), 1.0},
        {cross_entropy(t, domain, 1, weight.data(), 1), 0.5},
        {squared_error(t, stacked, scale(t, stacked, 0.5), weights_of(stacked.extent(0)).data()), 0.25},
        {gram_squared(t, pooled, pooled, weight.data()), 0.125},
        {contrastive(t, normalize_rows(t, wide.reshape(Shape{2 * kBatch * kLabels, kHidden})), doubled(set), 0.5), 2.0}};
    t.reverse(seeds);
    std::array<double, 5> losses{};
    for (std::size_t i = 0; i < 5; ++i) losses[i] = seeds[i].scalar.data()[0];
    return losses;
  }

 private:
  template <class Tp>
  Var<double, 2> dropout_rows(Tp& t, Var<double, 2> v) {
    return autodiff::dropout(t, v, dropout);
  }
  const Values& weights_of(Index n) {
    ones_.resize(at(n), 1.0);
    return ones_;
  }
  /// The set for twice the rows.
  ContrastSet<double> doubled(ContrastSet<double> set) {
    ids_.assign(ids.begin(), ids.end());
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    set.ids = ids_.data();
    return set;
  }
  Values ones_;
  std::vector<std::int32_t> ids_;
};

}  // namespace

TEST_CASE_TEMPLATE("tape: several consumers of one Var add up", B, RAMER_TEST_BACKENDS) {
  CHECK(gradcheck_subsets<B>({Draw(1).normal(4), Draw(2).normal(4)}, [](auto& tape, const Vars& v) {
          const auto h = activation(tape, add(tape, v[0], v[1]), backend::Activation::Tanh);
          const auto a = scale(tape, h, 2.0), b = activation(tape, h, backend::Activation::Gelu);
          return add(tape, add(tape, a, b), add(tape, h, v[0]));
        }) == "");
}

TEST_CASE_TEMPLATE("tape: seeds of weight 0 send nothing, and what no seed reaches stays unwritten", B,
                   RAMER_TEST_BACKENDS) {
  Workspace<typename B::Memory> workspace;
  Tape<B, double> tape(shared_backend<B>(), workspace, true);
  const double one = 1;
  const Values x{2, 3};
  std::vector<Values> gradient(4, Values{kUnreached, kUnreached});
  std::vector<Slot<double>> slots(4);
  std::vector<Var<double, 1>> leaf;
  for (std::size_t i = 0; i < 4; ++i) {
    slots[i] = {gradient[i].data(), 2, false, true};
    leaf.emplace_back(x.data(), Shape{Index{2}}, &slots[i]);
  }
  const auto reached = fourth_power(tape, leaf[0], &one), unwanted = fourth_power(tape, leaf[1], &one);
  const auto zero = fourth_power(tape, scale(tape, leaf[2], 0.0), &one);  // reached, with an adjoint of zeros
  fourth_power(tape, leaf[3], &one);                                      // recorded, seeded by nobody
  using Seed = typename Tape<B, double>::Seed;
  const Seed seeds[]{{reached, 2.0}, {unwanted, 0.0}, {zero, 1.0}, {reached, 1.0}};
  tape.reverse(seeds);
  CHECK(slots[0].written);
  CHECK(gradient[0] == Values{3 * 4 * 13 * 2, 3 * 4 * 13 * 3});  // d |x|^4 = 4 |x|^2 x, seeded with 2 + 1
  CHECK_FALSE(slots[1].written);
  CHECK(gradient[1] == Values{kUnreached, kUnreached});
  CHECK(slots[2].written);
  CHECK(gradient[2] == Values{0, 0});
  CHECK_FALSE(slots[3].written);
  CHECK(gradient[3] == Values{kUnreached, kUnreached});
}

TEST_CASE_TEMPLATE("tape: a seed that depends on nothing tracked is harmless", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2});
  const double one = 1;
  const auto fixed = fourth_power(r.tape, r.leaf(Shape{Index{2}}).detached(), &one);
  using Seed = typename Tape<B, double>::Seed;
  const Seed seeds[]{{fixed, 1.0}};
  r.tape.reverse(seeds);
  CHECK_FALSE(fixed.tracked());
  CHECK_FALSE(r.slot.written);
}

TEST_CASE_TEMPLATE("tape: an adjoint goes back to the pool once its producer has run", B, RAMER_TEST_BACKENDS) {
  constexpr Index kSize = 20000, kDepth = 200;
  Recorder<B> r(Values(kSize, 1.0));
  auto h = scale(r.tape, r.leaf(Shape{kSize}), 1.0);
  for (Index i = 0; i < kDepth; ++i) h = scale(r.tape, h, 1.0);
  r.reverse(h, Values(kSize, 3.0));
  CHECK(r.gradient == Values(kSize, 3.0));
  CHECK(r.workspace.values.capacity() >= kDepth * kSize * sizeof(double));
  CHECK(r.workspace.adjoints.capacity() <= std::size_t{1}
                                               << 20);  // the pool's first block: two adjoints at a time fit in it
  CHECK(h.slot()->adjoint == nullptr);
  CHECK_FALSE(h.slot()->written);
}

TEST_CASE_TEMPLATE("tape: a pinned adjoint outlives the sweep", B, RAMER_TEST_BACKENDS) {
  Recorder<B> r({1, 2, 3});
  const auto x = r.leaf(Shape{Index{3}});
  const auto middle = scale(r.tape, x, 5.0), aside = scale(r.tape, x, 7.0);
  const double* kept = r.tape.pin(middle);
  const double* never = r.tape.pin(aside);
  CHECK(r.tape.pin(x.detached()) == nullptr);
  CHECK(r.tape.pin(x) == r.gradient.data());
  const auto y = add(r.tape, scale(r.tape, middle, 2.0), middle);
  r.reverse(y, {1, 10, 100});
  REQUIRE(kept != nullptr);
  CHECK(middle.slot()->written);
  CHECK(Values(kept, kept + 3) == Values{3, 30, 300});
  CHECK(never != kept);
  CHECK_FALSE(aside.slot()->written);
  CHECK(r.gradient == Values{15, 150, 1500});
}

TEST_CASE_TEMPLATE("tape: without recording there is no slot and no closure", B, RAMER_TEST_BACKENDS) {
  const Values x{1, 2};
  Slot<double> slot;
  Workspace<typename B::Memory> workspace;
  Tape<B, double> tape(shared_backend<B>(), workspace, false);
  const Var<double, 1> leaf(x.data(), Shape{Index{2}}, &slot);
  auto h = leaf;
  for (int i = 0; i < 50; ++i) h = activation(tape, add(tape, h, leaf), backend::Activation::Gelu);
  CHECK_FALSE(h.tracked());
  CHECK_FALSE(tape.recording());
  CHECK(workspace.closures.capacity() == 0);
  CHECK(workspace.adjoints.capacity() == 0);
  tape.sweep();
  CHECK_FALSE(slot.written);
  CHECK(slot.adjoint == nullptr);
}

TEST_CASE_TEMPLATE("tape: a recording tape keeps no closure for constants", B, RAMER_TEST_BACKENDS) {
  const Values x{1, 2};
  Workspace<typename B::Memory> workspace;
  Tape<B, double> tape(shared_backend<B>(), workspace, true);
  const auto y = scale(tape, constant(x, Shape{Index{2}}), 2.0);
  CHECK_FALSE(y.tracked());
  CHECK(workspace.closures.capacity() == 0);
}

TEST_CASE_TEMPLATE("tape: the same step finds the same addresses again", B, RAMER_TEST_BACKENDS) {
  Workspace<typename B::Memory> workspace;
  std::vector<const double*> first;
  for (int step = 0; step < 3; ++step) {
    std::vector<const double*> places;
    Slot<double> slot;
    const Values x(100000, 1.0);
    Values gradient(x.size());
    slot = {gradient.data(), static_cast<Index>(x.size()), false, true};
    Tape<B, double> tape(shared_backend<B>(), workspace, true);
    Var<double, 1> h(x.data(), Shape{static_cast<Index>(x.size())}, &slot);
    for (int i = 0; i < 8; ++i) {
      h = scale(tape, h, 1.5);  // 6.4 MB in all: several blocks
      places.push_back(h.data());
    }
    places.push_back(tape.scratch(10));
    places.push_back(tape.template keep<double>(10));
    if (step == 0) first = places;
    CHECK(places == first);
  }
}

TEST_CASE_TEMPLATE("tape: from the second time on, a step with every op asks the heap for nothing", B, RAMER_TEST_BACKENDS) {
  EveryOp step;
  B& backend = shared_backend<B>();
  Workspace<typename B::Memory> workspace;
  const auto losses = step.run(backend, workspace);
  for (double loss : losses) CHECK(std::isfinite(loss));
  for (const Slot<double>& slot : step.slots) CHECK(slot.written);
  const auto gradients = step.gradients;
  const std::size_t bytes = workspace.bytes();
  for (int again = 0; again < 3; ++again) {
    const HeapCounter heap;
    const auto repeated = step.run(backend, workspace);
    const long made = heap.requests();
    // The reference is plain on purpose: its attention and its layer norm keep a row in a std::vector.
    if constexpr (!std::is_same_v<B, backend::Reference>) CHECK(made == 0);
    CHECK(made <= 40);
    CHECK(repeated == losses);
    CHECK(step.gradients == gradients);
    CHECK(workspace.bytes() == bytes);
  }
}

TEST_CASE("tape: from the second time on, a step of ops without rows of scratch asks the heap for nothing (reference)") {
  Workspace<HostMemory> workspace;
  backend::Reference backend;
  Draw draw(3);
  const Values x = draw.normal(3000), w = draw.normal(900), one(100, 1.0);
  Values gradient(900);
  long made = -1;
  for (int step = 0; step < 2; ++step) {
    const HeapCounter heap;
    Slot<double> slot{gradient.data(), 900, false, true};
    Tape<backend::Reference, double> t(backend, workspace, true);
    const Var<double, 2> weight(w.data(), Shape{Index{30}, Index{30}}, &slot);
    auto h = constant(x, Shape{Index{100}, Index{30}});
    for (int layer = 0; layer < 60; ++layer)
      h = normalize_rows(t, linear(t, h, weight, Var<double, 1>{}, backend::Activation::Gelu));
    const Tape<backend::Reference, double>::Seed seeds[]{{squared_error(t, h, h.detached(), one.data()), 1.0},
                                                         {cross_entropy(t, h, 2, one.data(), 1), 1.0}};
    t.reverse(seeds);
    made = heap.requests();
    if (step == 0) CHECK(made > 0);
  }
  CHECK(made == 0);
}

TEST_CASE("tape: lists are value-initialised and scratch comes back") {
  Recorder<backend::Reference> r({1});
  for (int round = 0; round < 2; ++round) {
    const auto list = r.tape.list<Var<double, 2>>(3);
    for (const auto& v : list) CHECK_FALSE(v.valid());
    for (auto& v : r.tape.list<std::int32_t>(1000)) {
      CHECK(v == 0);
      v = 7;
    }
    Workspace<HostMemory> other;
    Tape<backend::Reference, double> again(r.backend, r.workspace, true);  // rewinds: the second round reuses the memory
  }
  double* a = r.tape.scratch(50);
  r.tape.release(a, 50);
  CHECK(r.tape.scratch(50) == a);
}

TEST_CASE("var: reshape shares value and adjoint, and names sizes that differ") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{2}, Index{3}});
  const auto y = x.reshape(Shape{Index{6}});
  CHECK(y.data() == x.data());
  CHECK(y.slot() == x.slot());
  CHECK(y.shape() == Shape{Index{6}});
  CHECK(x.view()(1, 0) == 4);
  CHECK_THROWS_WITH_AS(x.reshape(Shape{Index{5}}), "reshape (2, 3) to (5): sizes differ", ShapeError);
  CHECK_FALSE(x.detached().tracked());
  CHECK(x.detached().data() == x.data());
  CHECK_FALSE(Var<double, 3>{}.valid());
}

TEST_CASE("a prediction of many layers needs the memory of one, and gives the value of all") {
  const Values x{1, 2, 3, 4};
  const auto deep = [&](bool recording, Workspace<HostMemory>& workspace) {
    backend::Reference reference;
    Tape<backend::Reference, double> tape(reference, workspace, recording);
    Slot<double> slot;
    const Var<double, 1> start(x.data(), Shape{Index{4}}, recording ? &slot : nullptr);
    const auto y = tape.scoped([&] {
      Var<double, 1> h = scale(tape, start, 1.0);
      for (int layer = 0; layer < 100; ++layer) {
        tape.advance(h, [&] {
          const auto a = scale(tape, h, 0.5);
          return add(tape, a, scale(tape, a, 0.9));
        });
      }
      return h;
    });
    return Values(y.data(), y.data() + 4);
  };
  Workspace<HostMemory> training, prediction;
  CHECK(deep(true, training) == deep(false, prediction));
  CHECK(x == Values{1, 2, 3, 4});
  CHECK(training.values.mark().used == 301 * 64);  // a cache line each
  CHECK(prediction.values.mark().used == 64);
  CHECK(prediction.values.capacity() == std::size_t{1} << 20);
}
