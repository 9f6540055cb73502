// The three products of a linear layer over tokens, by the library and by other GEMMs that CMake found: what the machine can do at
// these shapes. Engines take turns, each turn a process of its own, because waiting threads of one would disturb the next.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <span>

#include "engines.hpp"
#include "measure.hpp"
#include "step/gemm_bench.hpp"

namespace ramer::bench {
namespace {

struct Options {
  Index tokens = 3840, few = 60, width = 256, copies = 16;
  int threads = 2, rounds = 5, steps = 16;
  std::vector<std::string> engines;
};

/// Of a layer with X (T, d), W (d, d), Y = X W^T.
std::array<Product, 4> products(const Options& o) {
  const Index t = o.tokens, d = o.width;
  return {{{"NT, forward", false, true, t, d, d, Operand::X, Operand::W},
           {"NN, reverse of the input", false, false, t, d, d, Operand::Dy, Operand::W},
           {"TN, reverse of the weight", true, false, d, d, t, Operand::Dy, Operand::X},
           {"NT, forward", false, true, o.few, d, d, Operand::X, Operand::W}}};
}

/// X and dY (T, d), W (d, d) of every copy. Results are written elsewhere: pages that processes share are read only.
class Inputs {
 public:
  explicit Inputs(const Options& o) : tall_(o.tokens * o.width), memory_(Shape<2>{o.copies, 2 * tall_ + o.width * o.width}) {
    const auto values = numbers(memory_.extent(1), 1);
    for (Index i = 0; i < o.copies; ++i) std::copy(values.begin(), values.end(), &memory_(i, 0));
  }
  const float* of(Index copy, Operand which) const {
    return &memory_(copy, which == Operand::X ? 0 : which == Operand::Dy ? tall_ : 2 * tall_);
  }

 private:
  Index tall_;
  Tensor<float, 2> memory_;
};

void check(const Engine& engine, const Product& p, const Inputs& in, int threads) {
  std::vector<float> expected(static_cast<std::size_t>(p.m * p.n)), got(expected);
  ours(p, threads)(in.of(0, p.a), in.of(0, p.b), expected.data());
  engine.prepare(p, threads)(in.of(0, p.a), in.of(0, p.b), got.data());
  float largest = 0;
  for (const float x : expected) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < got.size(); ++i)
    require(std::abs(got[i] - expected[i]) <= 1e-4f * largest, engine.name, ", ", p.name, ": ", got[i], " where ours has ",
            expected[i]);
}

/// Seconds of every call, product by product.
void turn(const Engine& engine, const Options& o, const Inputs& in, std::span<double> seconds) {
  Tensor<float, 2> out(Shape<2>{o.copies, std::max(o.tokens, o.width) * o.width});
  auto at = seconds.begin();
  for (const Product& p : products(o)) {
    check(engine, p, in, o.threads);
    const Multiply multiply = engine.prepare(p, o.threads);
    Index copy = 0;
    const auto one = [&] { multiply(in.of(copy, p.a), in.of(copy, p.b), &out(copy, 0)), copy = (copy + 1) % o.copies; };
    at = std::ranges::copy(seconds_of(static_cast<int>(o.copies) + 2, o.steps, one), at).out;
  }
}

/// `work` in a process of its own; what it writes to `map_shared` memory is seen here.
void in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
      _exit(0);
    } catch (const std::exception& error) {
      std::cerr << error.what() << '\n';
      _exit(1);
    }
  }
  int status = 1;
  require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "an engine's process failed");
}

std::span<double> map_shared(std::size_t count) {
  void* const p = mmap(nullptr, count * sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(p != MAP_FAILED, "no shared memory");
  return {static_cast<double*>(p), count};
}

int run(int argc, char** argv) {
  Options o;
  auto all = engines();
  CLI::App app{"Compares GEMMs at the shapes of a linear layer, in GFLOP/s."};
  const auto positive = CLI::Range(Index{1}, Index{1} << 20);
  app.add_option("--tokens", o.tokens, "of a batch")->check(positive)->capture_default_str();
  app.add_option("--few", o.few, "tokens of one sample, at most --tokens")->check(positive)->capture_default_str();
  app.add_option("--width", o.width, "of the layer, both ways")->check(positive)->capture_default_str();
  app.add_option("--copies", o.copies, "of all operands, used in turn: 16 come from memory, 1 from caches")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--threads", o.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--rounds", o.rounds, "turns of every engine")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--steps", o.steps, "timed calls of a product in a turn")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  std::vector<std::string> names;
  for (const Engine& e : all) names.push_back(e.name);
  app.add_option("--engine", o.engines, "default: all")->check(CLI::IsMember(names));
  CLI11_PARSE(app, argc, argv);
  require<ConfigError>(o.few <= o.tokens, "--few ", o.few, " is more than --tokens ", o.tokens);
  if (!o.engines.empty())
    std::erase_if(all, [&](const Engine& e) { return std::ranges::find(o.engines, e.name) == o.engines.end(); });

  const Inputs in(o);
  const auto list = products(o);
  const auto steps = static_cast<std::size_t>(o.steps);
  const std::span<double> shared = map_shared(list.size() * steps);
  std::vector<std::vector<std::vector<double>>> seconds(all.size(), std::vector<std::vector<double>>(list.size()));
  for (int round = 0; round < o.rounds; ++round)
    for (std::size_t e = 0; e < all.size(); ++e) {
      in_child([&] { turn(all[e], o, in, shared); });
      for (std::size_t i = 0; i < shared.size(); ++i) seconds[e][i / steps].push_back(shared[i]);
    }

  std::printf(
      "GFLOP/s of the median call, in brackets of the slowest and the fastest; threads %d, copies %d, calls %d.\n\n| "
      "product | m, n, k |",
      o.threads, static_cast<int>(o.copies), o.rounds * o.steps);
  for (const Engine& e : all) std::printf(" %s |", e.name.c_str());
  std::printf("\n|---|---|");
  for (std::size_t e = 0; e < all.size(); ++e) std::printf("---:|");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Product& p = list[i];
    std::printf("\n| %s | %d, %d, %d |", p.name, static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k));
    for (const auto& of_engine : seconds) {
      const auto [fastest, slowest] = std::minmax_element(of_engine[i].begin(), of_engine[i].end());
      const double g = p.flop() / 1e9;
      std::printf(" %.0f (%.0f to %.0f) |", g / median(of_engine[i]), g / *slowest, g / *fastest);
    }
  }
  std::printf("\n\n");
  for (const Engine& e : all) std::printf("* %s: %s\n", e.name.c_str(), e.about.c_str());
  return 0;
}

}  // namespace
}  // namespace ramer::bench

int main(int argc, char** argv) {
  try {
    return ramer::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "ramer_bench_engines: " << error.what() << '\n';
    return 1;
  }
}
