// Every kernel of every backend against the plain loops of `reference`.
#include <doctest/doctest.h>

#include "backend/problems.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;
using backend::Transpose;

// A backend on trial. A further one is a further struct in the list below.
template <class Number>
struct OnCpu {
  using T = Number;
  using Backend = backend::Cpu;
  static Backend make() { return Backend(2); }
};
template <class Number>
struct OnOneThread {
  using T = Number;
  using Backend = backend::Cpu;
  static Backend make() { return Backend(1); }
};

}  // namespace

TYPE_TO_STRING_AS("cpu, float", OnCpu<float>);
TYPE_TO_STRING_AS("cpu, double", OnCpu<double>);
TYPE_TO_STRING_AS("cpu with one thread, float", OnOneThread<float>);

namespace {

#define RAMER_BACKENDS OnCpu<float>, OnCpu<double>, OnOneThread<float>

}  // namespace

#include "backend/conformance_cases.hpp"

namespace {

TEST_CASE_TEMPLATE("attention's adjoints may take the places of its inputs", S, RAMER_BACKENDS) {
  using T = typename S::T;
  using Backend = typename S::Backend;
  if constexpr (Backend::Memory::host) {
    auto b = S::make();
    for (const bool uniform : {false, true}) {
      std::mt19937_64 rng(5);
      std::vector<std::int32_t> offsets{0, 70, 70, 75};  // and more groups than are cut by heads
      for (std::int32_t row = 77; row <= 175; row += 2) offsets.push_back(row);
      const auto groups = static_cast<Index>(offsets.size()) - 1;
      const std::vector<std::uint8_t> flags(offsets.size(), uniform ? 1 : 0);
      const Index width = 20, heads = 3, ld = heads * width, n = 175 * ld;
      const auto numbers = [&] {
        std::vector<T> x(static_cast<std::size_t>(n));
        for (T& value : x) value = std::uniform_real_distribution<T>(-2, 2)(rng);
        return x;
      };
      auto q = numbers(), k = numbers(), v = numbers(), dout = numbers();
      std::vector<T> dq(q.size()), dk(q.size()), dv(q.size());
      backend::Attention<T> f;
      f.groups = groups, f.rows = 175, f.heads = heads, f.width = width, f.longest = 70, f.offsets = offsets.data(),
      f.uniform = flags.data();
      f.scale = T(0.3), f.q = q.data(), f.k = k.data(), f.v = v.data(), f.ld = ld, f.ld_out = ld,
      f.dropout = {RandomStream(1, 2), 0.2, nullptr};
      b.attention_reverse(backend::AttentionReverse<T>{f, dout.data(), {dq.data()}, {dk.data()}, {dv.data()}, nullptr});
      b.attention_reverse(backend::AttentionReverse<T>{f, dout.data(), {q.data()}, {k.data()}, {v.data()}, nullptr});
      CHECK(q == dq);
      CHECK(k == dk);
      CHECK(v == dv);
    }
  }
}

TEST_CASE("the oracle keeps the laws of equal rows too") {
  backend::Reference b;
  const std::vector<float> x(37, 5.1f), one(37, 1.0f), zero(37, 0.0f);
  std::vector<float> y(37, 9.0f);
  backend::LayerNorm<float> f;
  f.rows = 1, f.cols = 37, f.x = x.data(), f.gain = one.data(), f.bias = zero.data(), f.y = y.data();
  b.layer_norm(f);
  CHECK(y == zero);
}

}  // namespace

TEST_CASE("the contrastive loss with more blocks of anchors than tasks") {
  const Index rows = 1700, queue_rows = 1700, width = 6, classes = 5;  // 36 blocks of 96, 32 tasks
  std::mt19937_64 rng(3);
  const auto unit = [&](Index n) {
    std::vector<float> x(static_cast<std::size_t>(n * width));
    for (Index r = 0; r < n; ++r) {
      float square = 0;
      for (Index d = 0; d < width; ++d) {
        float& v = x[static_cast<std::size_t>(r * width + d)];
        v = std::normal_distribution<float>()(rng);
        square += v * v;
      }
      for (Index d = 0; d < width; ++d) x[static_cast<std::size_t>(r * width + d)] /= std::sqrt(square);
    }
    return x;
  };
  const auto features = unit(rows), queue = unit(queue_rows);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(rows)), queue_ids(static_cast<std::size_t>(queue_rows));
  for (auto& id : ids) id = static_cast<std::int32_t>(rng() % 6) - 1;
  for (auto& id : queue_ids) id = static_cast<std::int32_t>(rng() % 6) - 1;
  const auto log_denominators = [&](const auto& backend) {
    std::vector<float> class_sum(classes * width), class_count(classes), log_denominator(ids.size() + queue_ids.size()),
        loss(log_denominator), mean(1);
    backend::Contrastive<float> p;
    p.rows = rows, p.queue_rows = queue_rows, p.width = width, p.classes = classes, p.queue_anchors = true;
    p.features = features.data(), p.ids = ids.data(), p.queue = queue.data(), p.queue_ids = queue_ids.data();
    p.class_sum = class_sum.data(), p.class_count = class_count.data(), p.log_denominator = log_denominator.data();
    p.anchor_loss = loss.data(), p.loss = mean.data();
    backend.contrastive(p);
    return log_denominator;
  };
  const auto expected = log_denominators(backend::Reference{}), found = log_denominators(backend::Cpu(2));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}
