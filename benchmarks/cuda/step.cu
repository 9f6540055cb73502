// Times a training step or a prediction on a GPU, on random data at the sizes of CMU-MOSEI.
// graphs=256: steps are launched as graphs of at most 256 kernels and copies; 0: one after the other.
// ahead=1: the host goes on when the report of the step before is there, as in train::Trainer; 0: it waits for each step's end.
// ragged=1: samples have 1 to 60 tokens, drawn anew for each of eight batches that take turns; the shapes of a step then differ but for what
// padding to buckets makes equal (pad=1, as train::Trainer does). 0: 60 tokens each, and every step has the shape of the one before.
// profile=1: every kernel by itself, for roofline.py. mode=peaks: what the GPU does at most in a product of 8192^3, and in a copy.
//   ramer_bench_cuda [recipe=carat|ramer-released] [mode=train|eval|peaks] [math=fp32|tf32|bf16] [graphs=256] [ahead=0|1] [ragged=0|1] [pad=0|1]
//                    [profile=0|1] [batch=64] [steps=20] [warmup=5] [json=FILE]
#include <cuda_runtime.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "measure.hpp"
#include "ramer/backend/cuda.cuh"
#include "ramer/core/padding.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/train/step.hpp"
#include "step/profiled.hpp"
#include "step/sizes.hpp"

namespace {

using namespace ramer;
using namespace ramer::bench;
using backend::Cuda;
using Options = std::map<std::string, std::string>;

std::int64_t device_bytes_in_use() {
  std::size_t free = 0, total = 0;
  backend::cuda::check(cudaMemGetInfo(&free, &total), "asking for free memory");
  return static_cast<std::int64_t>(total - free);
}

template <class Recipe>
Json timed(const Options& o, const Cuda& gpu) {
  using M = Model<Recipe, Profiled<Cuda>>;
  Sizes sizes;
  sizes.batch = std::stoll(o.at("batch"));
  sizes.ragged = o.at("ragged") == "1";
  typename M::Config config;
  config.encoder.hidden = sizes.hidden, config.encoder.heads = sizes.heads, config.encoder.inner = sizes.inner,
  config.encoder.layers = sizes.layers;
  config.reconstruction.latent = sizes.latent, config.contrast.queue = sizes.queue;
  const std::int64_t before = device_bytes_in_use();
  const Profiled<Cuda> backend(gpu, o.at("profile") == "1");
  M model(schema_of(sizes), config, backend, 1);
  train::Stepper<M> stepper(model, train::OptimizerConfig{}, 1);
  std::vector<Batch> batches;
  for (std::uint64_t k = 0; k < (sizes.ragged ? 8 : 2); ++k) {
    batches.push_back(random_batch(sizes, k));
    if (sizes.ragged && o.at("pad") == "1" && model.takes_padding()) pad_rows(batches.back());
  }
  Workspace<M> workspace;
  std::vector<float> scores;
  std::uint64_t step = 0;
  const auto work = [&] {
    const Batch& batch = batches[step % batches.size()];
    if (o.at("mode") == "eval") {
      model.predict(batch, workspace, scores);  // ends by reading the scores
    } else if (o.at("ahead") == "1") {
      stepper.submit(batch, step, 1000);
    } else {
      stepper.run(batch, step, 1000);
      gpu.wait();
    }
    ++step;
  };
  const int warmup = std::stoi(o.at("warmup")), steps = std::stoi(o.at("steps"));
  for (int i = 0; i < warmup; ++i) work();
  backend.take_profile();
  Json result = measured(seconds_of(0, steps, work), 1, warmup);
  result["device_bytes"] = device_bytes_in_use() - before;  // nothing is given back before the end: the peak
  result["recipe"] = o.at("recipe"), result["mode"] = o.at("mode"), result["sizes"] = described(sizes);
  if (o.at("profile") == "1") result["kernels"] = profile_table(backend.take_profile(), steps);
  return result;
}

Json peaks(const Options& o, const Cuda& gpu) {
  constexpr Index n = 8192;
  Tensor<float, 2, Cuda::Memory> a(Shape{n, n}), b(Shape{n, n}), c(Shape{n, n});
  for (auto* x : {&a, &b}) gpu.fill(x->data(), n * n, 0.5f);
  const int warmup = std::stoi(o.at("warmup")), steps = std::stoi(o.at("steps"));
  const auto seconds = [&](const auto& work) {
    return seconds_of(warmup, steps, [&] {
      work();
      gpu.wait();
    });
  };
  const auto product = seconds([&] {
    gpu.gemm(backend::product<float>(backend::Transpose::No, backend::Transpose::Yes, n, n, n, a.data(), n, b.data(), n,
                                     {c.data(), false}, n));
  });
  const auto copy = seconds([&] { gpu.copy(a.data(), n * n, c.data()); });
  Json result = measured(product, 1, warmup);
  constexpr double size = n;
  result["gflops"] = 2 * size * size * size / median(product) / 1e9;
  result["gbs"] = 2 * size * size * sizeof(float) / median(copy) / 1e9;
  std::printf("%.0f GFLOP/s, %.0f GB/s: ", result["gflops"].get<double>(), result["gbs"].get<double>());
  return result;
}

int run(int argc, char** argv) {
  Options o{{"recipe", "carat"}, {"mode", "train"}, {"math", "fp32"}, {"batch", "64"}, {"graphs", "256"}, {"ahead", "0"},
            {"ragged", "0"},     {"pad", "1"},      {"profile", "0"}, {"steps", "20"}, {"warmup", "5"},   {"json", ""}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t at = argument.find('=');
    require<ConfigError>(at != std::string::npos && o.contains(argument.substr(0, at)), "unknown argument ", argument,
                         "; known are recipe=, mode=, ",
                         "math=, graphs=, ahead=, ragged=, pad=, profile=, batch=, steps=, warmup= and json=");
    o[argument.substr(0, at)] = argument.substr(at + 1);
  }
  const std::map<std::string, Cuda::Math> maths{
      {"fp32", Cuda::Math::Fp32}, {"tf32", Cuda::Math::Tf32}, {"bf16", Cuda::Math::Bf16}};
  require<ConfigError>(maths.contains(o["math"]), "math=", o["math"], " is none of fp32, tf32 and bf16");
  require<ConfigError>(o["mode"] == "train" || o["mode"] == "eval" || o["mode"] == "peaks", "mode=", o["mode"],
                       " is none of train, eval and peaks");
  require<ConfigError>(o["recipe"] == "carat" || o["recipe"] == "ramer-released", "recipe=", o["recipe"],
                       " is none of carat and ramer-released");
  const Cuda gpu = Cuda(0, maths.at(o["math"])).with_graphs(std::stoul(o["graphs"]));
  cudaDeviceProp device{};
  backend::cuda::check(cudaGetDeviceProperties(&device, 0), "asking for the device");
  Json result = o["mode"] == "peaks"     ? peaks(o, gpu)
                : o["recipe"] == "carat" ? timed<recipe::Carat>(o, gpu)
                                         : timed<recipe::RamerReleased>(o, gpu);
  for (const auto& [key, value] : o) result["options"][key] = value;
  result["device"] = device.name;
  const auto counts = gpu.graph_counts();
  result["graphs"] = {{"plain", counts.plain},
                      {"instantiated", counts.instantiated},
                      {"updated", counts.updated},
                      {"replayed", counts.replayed}};
  std::printf("%s, %lld MiB on the device: ", device.name,
              static_cast<long long>(result.value("device_bytes", std::int64_t{0}) >> 20));
  report(o["recipe"] + ", " + o["mode"] + ", " + o["math"] + ", batch " + o["batch"], result, o["json"]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ramer_bench_cuda: %s\n", error.what());
    return 1;
  }
}
