// A recipe of the test's own on the CPU backend in float: the same bits with any number of threads, and many threads at
// once.
#include <doctest/doctest.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "model/sample_batch.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

/// Two phases a step, draws in the shuffle, queue rows as anchors, six pairs.
struct Mine : recipe::RamerAlternating {
  static constexpr const char* name = "mine";
  using Shuffle = shuffle::Random;
  using Contrast = contrast::SupervisedReleased;
  using Orthogonality = loss::SlotGramSixPairs;
};
using TestModel = Model<Mine, backend::Cpu, Float>;

test::BatchSpec a_spec() {
  test::BatchSpec spec;
  spec.size = 24, spec.segments = 6, spec.labels = 5, spec.available = 0.6;
  return spec;
}
TestModel::Config a_config() {
  TestModel::Config c;
  c.encoder.hidden = 32, c.encoder.heads = 4, c.encoder.inner = 32, c.encoder.layers = {2};
  c.reconstruction.latent = 16;
  c.contrast.queue = 128;
  return c;
}
train::OptimizerConfig an_optimizer() {
  train::OptimizerConfig o;
  o.schedule = train::Schedule::Constant;
  o.rate = 1e-3;
  return o;
}

/// Bits of everything that training changed, of the reports, and of scores after it.
std::vector<double> train_and_predict(int threads, std::uint64_t seed) {
  auto spec = a_spec();
  TestModel model(test::schema_of(spec), a_config(), backend::Cpu(threads));
  train::Stepper<TestModel> stepper(model, an_optimizer(), seed);
  std::vector<double> bits;
  for (std::uint64_t step = 0; step < 5; ++step) {
    spec.seed = 10 + step;
    spec.size = step == 3 ? 7 : 24;
    const auto report = stepper.run(test::make_batch(spec), step, 0);
    for (const auto& term : report.list()) bits.push_back(term.value);
    bits.push_back(report.gradient_norm);
  }
  for (const auto* p : model.parameters()) bits.insert(bits.end(), p->value.data(), p->value.data() + p->size());
  for (const auto& mu : model.state().prototypes) bits.insert(bits.end(), mu.data(), mu.data() + mu.size());
  const auto& queue = model.state().queue;
  bits.insert(bits.end(), queue.rows.data(), queue.rows.data() + queue.rows.size());
  bits.insert(bits.end(), queue.ids.data(), queue.ids.data() + queue.ids.size());
  Workspace<TestModel> workspace;
  std::vector<float> scores;
  model.predict(test::make_batch(spec), workspace, scores);
  bits.insert(bits.end(), scores.begin(), scores.end());
  return bits;
}
bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

TEST_CASE("five steps with dropout: the same bits with 1, 2 and 4 threads, others from another seed") {
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  const auto one = train_and_predict(1, 3);
  CHECK(std::all_of(one.begin(), one.end(), [](double x) { return std::isfinite(x); }));
  CHECK(same_bits(one, train_and_predict(1, 3)));
  CHECK(same_bits(one, train_and_predict(2, 3)));
  CHECK(same_bits(one, train_and_predict(4, 3)));
  CHECK_FALSE(same_bits(one, train_and_predict(1, 4)));
}

TEST_CASE("four threads predict at once what one predicts, sharing the backend's threads") {
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  const auto spec = a_spec();
  const TestModel model(test::schema_of(spec), a_config(), backend::Cpu(2));
  std::vector<Batch> batches;
  std::vector<std::vector<float>> expected;
  for (std::uint64_t i = 0; i < 4; ++i) {
    auto other = spec;
    other.seed = i;
    other.size = 5 + 6 * static_cast<Index>(i);
    batches.push_back(test::make_batch(other));
    Workspace<TestModel> workspace;
    expected.emplace_back();
    model.predict(batches.back(), workspace, expected.back());
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Workspace<TestModel> workspace;
      std::vector<float> out;
      for (std::size_t repeat = 0; repeat < 6; ++repeat) {
        const std::size_t which = (t + repeat) % 4;
        model.predict(batches[which], workspace, out);
        wrong[t] += out != expected[which];
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace
