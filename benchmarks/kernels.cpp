// The kernels one by one, at the shapes that a training step at CMU-MOSEI's sizes has. The argument is the number of threads.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "ramer/backend/cpu.hpp"
#include "step/contrastive_bench.hpp"
#include "step/gemm_bench.hpp"

namespace {

using namespace ramer;
using bench::numbers;

constexpr Index kSamples = 64, kTokens = 60, kRows = kSamples * kTokens, kHidden = 256, kHeads = 8, kLabels = 6;

int threads_of(const benchmark::State& state) { return static_cast<int>(state.range(0)); }

void rates(benchmark::State& state, double flop, double bytes) {
  using benchmark::Counter;
  state.counters["FLOP/s"] = Counter(flop, Counter::kIsIterationInvariantRate, Counter::OneK::kIs1000);
  if (bytes > 0) state.counters["B/s"] = Counter(bytes, Counter::kIsIterationInvariantRate, Counter::OneK::kIs1000);
}

/// m, n, k, A transposed, B transposed: what a linear layer does forward, for its input and for its weight.
void product(benchmark::State& state, Index m, Index n, Index k, bool trans_a, bool trans_b) {
  bench::GemmBench bench(m, n, k, trans_a, trans_b, threads_of(state));
  for (auto _ : state) bench.run();
  rates(state, 2.0 * static_cast<double>(m * n) * static_cast<double>(k), 0);
}
void linear_forward(benchmark::State& state) { product(state, kRows, kHidden, kHidden, false, true); }
void linear_input_gradient(benchmark::State& state) { product(state, kRows, kHidden, kHidden, false, false); }
void linear_weight_gradient(benchmark::State& state) { product(state, kHidden, kHidden, kRows, true, false); }

void norm(benchmark::State& state, bool reverse, double rate) {
  backend::Cpu cpu(threads_of(state));
  const Index n = kRows * kHidden;
  const auto x = numbers(n, 1), residual = numbers(n, 2), gain = numbers(kHidden, 3), bias = numbers(kHidden, 4);
  std::vector<float> y(static_cast<std::size_t>(n)), inverse_sd(kRows), dx(y), dresidual(y), dgain(kHidden), dbias(kHidden);
  const backend::DropoutPlan dropout{RandomStream(1, 2), rate, nullptr};
  backend::LayerNorm<float> f{kRows,       kHidden, x.data(), residual.data(), dropout,          gain.data(),
                              bias.data(), 1e-12f,  y.data(), nullptr,         inverse_sd.data()};
  cpu.layer_norm(f);
  backend::LayerNormReverse<float> r{kRows,       kHidden,           x.data(),    nullptr, y.data(),
                                     bias.data(), inverse_sd.data(), gain.data(), dropout};
  r.dx = {dx.data(), false}, r.dresidual = {dresidual.data(), false};
  r.dgain = {dgain.data(), false}, r.dbias = {dbias.data(), false};
  for (auto _ : state) reverse ? cpu.layer_norm_reverse(r) : cpu.layer_norm(f);
  rates(state, (reverse ? 14.0 : 8.0) * static_cast<double>(n), (reverse ? 4.0 : 3.0) * 4.0 * static_cast<double>(n));
}
void layer_norm(benchmark::State& state) { norm(state, false, 0.3); }
void layer_norm_reverse(benchmark::State& state) { norm(state, true, 0.3); }
void layer_norm_without_dropout(benchmark::State& state) { norm(state, false, 0); }

void attend(benchmark::State& state, bool reverse, double rate) {
  backend::Cpu cpu(threads_of(state));
  const Index n = kRows * kHidden;
  const auto q = numbers(n, 1), k = numbers(n, 2), v = numbers(n, 3), dout = numbers(n, 4);
  std::vector<float> out(static_cast<std::size_t>(n)), dq(out), dk(out), dv(out);
  std::vector<std::int32_t> offsets;
  for (Index b = 0; b <= kSamples; ++b) offsets.push_back(static_cast<std::int32_t>(b * kTokens));
  backend::Attention<float> f;
  f.groups = kSamples, f.rows = kRows, f.heads = kHeads, f.width = kHidden / kHeads, f.offsets = offsets.data(),
  f.longest = kTokens;
  f.scale = 1 / std::sqrt(static_cast<float>(f.width)), f.q = q.data(), f.k = k.data(), f.v = v.data(), f.ld = kHidden;
  f.dropout = {RandomStream(1, 2), rate, nullptr};
  f.out = out.data(), f.ld_out = kHidden;
  const backend::AttentionReverse<float> r{
      f, dout.data(), {dq.data(), false}, {dk.data(), false}, {dv.data(), false}, out.data()};
  for (auto _ : state) reverse ? cpu.attention_reverse(r) : cpu.attention(f);
  const double products = static_cast<double>(kSamples * kTokens * kTokens) * static_cast<double>(kHidden);
  rates(state, (reverse ? 12.0 : 4.0) * products, (reverse ? 8.0 : 4.0) * 4.0 * static_cast<double>(n));
}
void attention(benchmark::State& state) { attend(state, false, 0.3); }
void attention_reverse(benchmark::State& state) { attend(state, true, 0.3); }
void attention_without_dropout(benchmark::State& state) { attend(state, false, 0); }

void label_attention(benchmark::State& state) {
  backend::Cpu cpu(threads_of(state));
  const auto x = numbers(kRows * kHidden, 1), score = numbers(kRows * kLabels, 2);
  std::vector<float> weight(score.size()), out(static_cast<std::size_t>(kSamples * kLabels * kHidden));
  std::vector<std::int32_t> offsets;
  for (Index b = 0; b <= kSamples; ++b) offsets.push_back(static_cast<std::int32_t>(b * kTokens));
  const backend::SegmentPool<float> p{kSamples, kRows,    kLabels,      kHidden,       offsets.data(), nullptr,
                                      nullptr,  x.data(), score.data(), weight.data(), out.data()};
  for (auto _ : state) cpu.segment_pool(p);
  rates(state, 2.0 * static_cast<double>(kRows * kLabels) * kHidden, 4.0 * static_cast<double>(kRows * kHidden));
}

/// Published sizes: 3456 rows of a batch, a queue of 8192, width 64, queue rows as anchors.
void contrast(benchmark::State& state, bool reverse) {
  constexpr Index kBatchRows = 3456, kQueue = 8192, kWidth = 64;
  bench::ContrastiveBench bench(kBatchRows, kQueue, kWidth, true, threads_of(state));
  bench.forward();
  for (auto _ : state) reverse ? bench.reverse() : bench.forward();
  const double n = kBatchRows + kQueue;
  rates(state, (reverse ? 4.0 * kBatchRows * n : n * n) * kWidth, 0);
}
void contrastive(benchmark::State& state) { contrast(state, false); }
void contrastive_reverse(benchmark::State& state) { contrast(state, true); }

}  // namespace

#define RAMER_KERNEL(f) BENCHMARK(f)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime()
RAMER_KERNEL(linear_forward);
RAMER_KERNEL(linear_input_gradient);
RAMER_KERNEL(linear_weight_gradient);
RAMER_KERNEL(layer_norm);
RAMER_KERNEL(layer_norm_without_dropout);
RAMER_KERNEL(layer_norm_reverse);
RAMER_KERNEL(attention);
RAMER_KERNEL(attention_without_dropout);
RAMER_KERNEL(attention_reverse);
RAMER_KERNEL(label_attention);
RAMER_KERNEL(contrastive);
RAMER_KERNEL(contrastive_reverse);

BENCHMARK_MAIN();
