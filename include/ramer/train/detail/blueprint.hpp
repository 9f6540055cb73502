// A model without memory: names and shapes of its parameters, before anything is allocated for a file that may lie.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "ramer/core/schema.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::train::detail {

/// Tensors of this memory know their shape and hold nothing.
struct NoMemory {
  static constexpr bool host = false;
  static constexpr std::byte nowhere{};
  static void* allocate(std::size_t) { return const_cast<std::byte*>(&nowhere); }
  static void deallocate(void*) noexcept {}
};
struct NoBackend {
  using Memory = NoMemory;
  static constexpr const char* name = "none";
};

/// Shape of every parameter of a recipe, by name. @throws whatever the recipe's module does for this schema and
/// configuration
template <class Recipe, class Precision>
std::map<std::string, std::vector<Index>> parameter_shapes(const Schema& schema,
                                                           const typename Recipe::Wiring::template Config<Recipe>& config) {
  using E = nn::Engine<NoBackend, Precision>;
  const typename Recipe::Wiring::template Module<Recipe, E> module(schema, config);
  std::map<std::string, std::vector<Index>> shapes;
  nn::for_each_parameter(module, [&](const std::string& name, const nn::Parameter<E>& p) { shapes[name] = p.extents; });
  return shapes;
}

}  // namespace ramer::train::detail
