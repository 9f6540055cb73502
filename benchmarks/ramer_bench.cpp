// Timings that can be repeated by others, each a number of calls of one thing in one process. See docs/performance.md.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "measure.hpp"
#include "ramer/model/recipes.hpp"
#include "step/bench.hpp"
#include "step/contrastive_bench.hpp"
#include "step/encoder_bench.hpp"
#include "step/gemm_bench.hpp"

namespace ramer::bench {

extern template std::unique_ptr<Bench> make_bench<recipe::Carat>(const Sizes&, int, bool);
extern template std::unique_ptr<Bench> make_bench<recipe::Ramer>(const Sizes&, int, bool);
extern template std::unique_ptr<Bench> make_bench<recipe::RamerReleased>(const Sizes&, int, bool);

namespace {

struct Options {
  Sizes sizes;
  std::string recipe = "ramer", mode = "train", json, out;
  int threads = 0, steps = 5, warmup = 2;
  bool profile = false;
  Index rows = 3456, width = 64, m = 3840, n = 256, k = 256;
  bool trans_a = false, trans_b = false;
};

std::unique_ptr<Bench> find_bench(const Options& o, int threads) {
  if (o.recipe == "carat") return make_bench<recipe::Carat>(o.sizes, threads, o.profile);
  if (o.recipe == "ramer") return make_bench<recipe::Ramer>(o.sizes, threads, o.profile);
  return make_bench<recipe::RamerReleased>(o.sizes, threads, o.profile);
}

void step(const Options& o) {
  const int threads = backend::Cpu(o.threads).threads();
  const auto bench = find_bench(o, threads);
  const bool train = o.mode == "train";
  const auto work = [&] { train ? bench->train() : bench->evaluate(); };
  for (int i = 0; i < o.warmup; ++i) work();
  bench->take_profile();
  Json result = measured(seconds_of(0, o.steps, work), threads, o.warmup);
  result["what"] = "step", result["recipe"] = o.recipe, result["mode"] = o.mode;
  result["sizes"] = described(o.sizes), result["parameters"] = bench->parameters();
  if (o.profile) result["kernels"] = profile_table(bench->take_profile(), o.steps);
  report(o.recipe + ", " + o.mode + ", batch " + std::to_string(o.sizes.batch), result, o.json);
}

void contrast(const Options& o) {
  const int threads = backend::Cpu(o.threads).threads();
  ContrastiveBench bench(o.rows, o.sizes.queue, o.width, o.recipe != "ramer", threads);
  Json result = measured(seconds_of(o.warmup, o.steps, [&] { bench.run(); }), threads, o.warmup);
  result["what"] = "contrast", result["rows"] = o.rows, result["queue"] = o.sizes.queue, result["width"] = o.width;
  result["queue_anchors"] = o.recipe != "ramer";
  report("contrastive loss, forward and reverse", result, o.json);
}

void encoders(const Options& o) {
  const int threads = backend::Cpu(o.threads).threads();
  EncoderBench bench(o.sizes, threads);
  Json result = measured(seconds_of(o.warmup, o.steps, [&] { bench.run(o.mode == "train"); }), threads, o.warmup);
  result["what"] = "encoders", result["mode"] = o.mode, result["sizes"] = described(o.sizes),
  result["tokens"] = bench.tokens();
  report("encoders, " + o.mode, result, o.json);
}

void gemm(const Options& o) {
  const int threads = backend::Cpu(o.threads).threads();
  GemmBench bench(o.m, o.n, o.k, o.trans_a, o.trans_b, threads, o.sizes.bf16);
  Json result = measured(seconds_of(o.warmup, o.steps, [&] { bench.run(); }), threads, o.warmup);
  result["what"] = "gemm", result["m"] = o.m, result["n"] = o.n, result["k"] = o.k;
  const double rate =
      2.0 * static_cast<double>(o.m * o.n) * static_cast<double>(o.k) / result["median_s"].get<double>() / 1e9;
  result["gflops"] = rate;
  report("gemm, " + std::to_string(rate) + " GFLOP/s", result, o.json);
}

int run(int argc, char** argv) {
  Options o;
  CLI::App app{"Times the library on random data of CMU-MOSEI's sizes."};
  app.require_subcommand(1);
  const auto shared = [&](CLI::App* sub) {
    sub->add_option("--threads", o.threads, "0: all processors")->check(CLI::Range(0, 1024))->capture_default_str();
    sub->add_option("--steps", o.steps, "timed calls")->check(CLI::Range(1, 1000000))->capture_default_str();
    sub->add_option("--warmup", o.warmup, "calls before them")->check(CLI::Range(0, 1000000))->capture_default_str();
    sub->add_option("--json", o.json, "file for the result");
  };
  const auto bf16 = [&](CLI::App* sub) {
    sub->add_flag("--bf16", o.sizes.bf16, "products with factors in bf16 (backend::CpuBf16)");
  };
  const auto positive = CLI::Range(Index{1}, Index{1} << 24);
  const auto sizes = [&](CLI::App* sub, bool ragged = true) {
    sub->add_option("--batch", o.sizes.batch, "samples")->check(positive)->capture_default_str();
    sub->add_option("--time", o.sizes.time, "tokens of a modality in a padded sample")
        ->check(positive)
        ->capture_default_str();
    sub->add_option("--widths", o.sizes.widths, "of raw features, one per modality")
        ->delimiter(',')
        ->check(positive)
        ->capture_default_str();
    sub->add_option("--layers", o.sizes.layers, "of the encoders, one per modality")->delimiter(',')->capture_default_str();
    sub->add_option("--hidden", o.sizes.hidden, "width of the encoders and of their inner part")
        ->check(positive)
        ->capture_default_str();
    sub->add_option("--heads", o.sizes.heads, "attention heads")->check(positive)->capture_default_str();
    sub->add_option("--labels", o.sizes.labels)->check(positive)->capture_default_str();
    sub->add_option("--recompute", o.sizes.recompute,
                    "encoder.recompute: so many arrays of a layer are not kept for the reverse");
    sub->add_option("--queue", o.sizes.queue, "rows of the contrastive queue")->check(positive)->capture_default_str();
    if (ragged)
      sub->add_option("--filled", o.sizes.filled, "real tokens per padded one")
          ->check(CLI::Range(0.01, 1.0))
          ->capture_default_str();
  };
  const auto recipe = [&](CLI::App* sub) {
    sub->add_option("--recipe", o.recipe)->check(CLI::IsMember({"carat", "ramer", "ramer-released"}))->capture_default_str();
  };
  const auto mode = [&](CLI::App* sub) {
    sub->add_option("--mode", o.mode)->check(CLI::IsMember({"train", "eval"}))->capture_default_str();
  };

  auto* step_command = app.add_subcommand("step", "a training step, or the evaluation of a batch");
  recipe(step_command), mode(step_command), sizes(step_command), shared(step_command);
  bf16(step_command);
  step_command->add_flag("--profile", o.profile, "time every kernel, and print them by cost");
  auto* contrast_command = app.add_subcommand(
      "contrast", "the contrastive loss, forward and reverse; queue rows are anchors unless the recipe is ramer");
  recipe(contrast_command), shared(contrast_command);
  contrast_command->add_option("--rows", o.rows, "of the batch")->check(positive)->capture_default_str();
  contrast_command->add_option("--queue", o.sizes.queue, "rows of the queue")->check(positive)->capture_default_str();
  contrast_command->add_option("--width", o.width, "of a row")->check(positive)->capture_default_str();
  auto* encoders_command = app.add_subcommand("encoders", "the uni-modal encoders alone; train: forward and reverse");
  mode(encoders_command), sizes(encoders_command), shared(encoders_command);
  auto* gemm_command = app.add_subcommand("gemm", "one product C (m, n) = op(A) op(B)");
  shared(gemm_command), bf16(gemm_command);
  gemm_command->add_option("--m", o.m)->check(positive)->capture_default_str();
  gemm_command->add_option("--n", o.n)->check(positive)->capture_default_str();
  gemm_command->add_option("--k", o.k)->check(positive)->capture_default_str();
  gemm_command->add_flag("--trans-a", o.trans_a, "A is stored (k, m)");
  gemm_command->add_flag("--trans-b", o.trans_b, "B is stored (n, k)");
  auto* dump_command =
      app.add_subcommand("dump", "inputs, parameters, losses and gradients of one training step without dropout");
  recipe(dump_command), sizes(dump_command, false), bf16(dump_command);
  dump_command->add_option("--out", o.out, "safetensors file")->required();
  CLI11_PARSE(app, argc, argv);

  o.sizes.inner = o.sizes.hidden;
  if (*step_command) step(o);
  if (*contrast_command) contrast(o);
  if (*encoders_command) encoders(o);
  if (*gemm_command) gemm(o);
  if (*dump_command) {
    o.sizes.dropout = false;
    find_bench(o, 1)->dump(o.out);
  }
  return 0;
}

}  // namespace
}  // namespace ramer::bench

int main(int argc, char** argv) {
  try {
    return ramer::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "ramer_bench: " << error.what() << '\n';
    return 1;
  }
}
