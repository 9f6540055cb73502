// A model without memory: names and shapes of its tensors, before anything is allocated for a file that may lie.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/nn/module.hpp"
#include "ramer/train/detail/snapshot.hpp"

namespace ramer::train::detail {

/// Tensors of this memory know their shape and hold nothing. There is an end to how many there may be: a configuration can
/// ask for any number of layers.
struct NoMemory {
  static constexpr bool host = false;
  static constexpr std::byte nowhere{};
  inline static thread_local std::size_t left = 0;
  static void* allocate(std::size_t) {
    require<ConfigError>(left > 0, "the configuration asks for more tensors than the file has");
    --left;
    return const_cast<std::byte*>(&nowhere);
  }
  static void deallocate(void*) noexcept { ++left; }
};
struct NoBackend {
  using Memory = NoMemory;
  static constexpr const char* name = "none";
};

/// Shape of every parameter of a recipe's model, and of its state, by name. @param most tensors at one time
/// @throws ConfigError if there are more; whatever the recipe's module does for this schema and configuration
template <class Recipe, class Precision>
std::map<std::string, std::vector<Index>> tensor_shapes(const Schema& schema,
                                                        const typename Recipe::Wiring::template Config<Recipe>& config,
                                                        std::size_t most) {
  using E = nn::Engine<NoBackend, Precision>;
  using Module = typename Recipe::Wiring::template Module<Recipe, E>;
  NoMemory::left = most;
  const Module module(schema, config);
  const typename Module::State state = module.blank_state();
  std::map<std::string, std::vector<Index>> shapes;
  nn::for_each_parameter(module, [&](const std::string& name, const nn::Parameter<E>& p) { shapes[name] = p.extents; });
  const auto note = [&](const std::string& name, const std::vector<Index>& shape, const auto&...) { shapes[name] = shape; };
  Module::State::tensors(state, schema, StateVisitor<decltype(note), decltype(note)>{note, note});
  return shapes;
}

}  // namespace ramer::train::detail
