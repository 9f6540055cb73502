// What a recipe offers to the program ramer_bench. Its definition is in recipe_bench.hpp and compiled once per recipe.
#pragma once

#include <filesystem>
#include <memory>

#include "step/profiled.hpp"
#include "step/sizes.hpp"

namespace ramer::bench {

class Bench {
 public:
  virtual ~Bench() = default;
  /// One training step: forward, reverse, clipping, optimizer, prototypes, queue.
  virtual void train() = 0;
  /// Scores of one batch.
  virtual void evaluate() = 0;
  /// One training step's inputs, parameters, state, permutations, losses and gradients as a safetensors file.
  virtual void dump(const std::filesystem::path& file) = 0;
  /// What the kernels cost since the last call. Empty unless the bench was made to be profiled.
  virtual Profile take_profile() = 0;
  virtual Index parameters() const = 0;
};

/// `profiled`: every kernel is timed, which costs a microsecond each.
template <class Recipe>
std::unique_ptr<Bench> make_bench(const Sizes& sizes, int threads, bool profiled);

}  // namespace ramer::bench
