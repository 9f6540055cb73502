// Modules: structs that list their parameters once. Names are paths, "encoder.text.layer.0.attention.query.weight".
//
//   template <class E>
//   struct MyModule {
//     nn::Linear<E> inner, outer;
//     nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x) const;
//     template <class Self, class Visitor>
//     static void parameters(Self& self, Visitor&& visit) {
//       visit("inner", self.inner);
//       visit("outer", self.outer);
//     }
//   };
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ramer/nn/engine.hpp"

namespace ramer::nn {

/// A value on the engine's tape.
template <class E, int Rank>
using Var = typename E::template Var<Rank>;

namespace detail {

template <class Module, class Visitor>
concept ListsParameters = requires(Module& module, Visitor& visit) {
  std::remove_const_t<Module>::parameters(module, visit);
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

/// Walks a module: calls on_parameter(path, parameter) and on_dropout(path, dropout).
template <class OnParameter, class OnDropout>
struct Walk {
  std::string path;
  OnParameter& on_parameter;
  OnDropout& on_dropout;

  template <class Child>
  void operator()(std::string_view name, Child& child) {
    const std::string full = path.empty() ? std::string(name) : name.empty() ? path : path + "." + std::string(name);
    using Plain = std::remove_const_t<Child>;
    if constexpr (requires {
                    child.extents;
                    child.init;
                  }) {
      on_parameter(full, child);
    } else if constexpr (std::is_same_v<Plain, Dropout>) {
      on_dropout(full, child);
    } else if constexpr (is_vector<Plain>) {
      Walk inner{full, on_parameter, on_dropout};
      for (std::size_t i = 0; i < child.size(); ++i) inner(std::to_string(i), child[i]);
    } else {
      static_assert(ListsParameters<Child, Walk>,
                    "a module lists its parameters, and this one lacks `template <class Self, class Visitor> static void "
                    "parameters(Self& self, Visitor&& visit)`");
      Walk inner{full, on_parameter, on_dropout};
      Plain::parameters(child, inner);
    }
  }
};

}  // namespace detail

/// Calls f(path, parameter) for every parameter of a module, in the module's order.
template <class Module, class F>
void for_each_parameter(Module& module, F f) {
  auto skip = [](const std::string&, auto&) {};
  detail::Walk<F, decltype(skip)> walk{"", f, skip};
  walk("", module);
}

/// Gives every parameter its name and number and every dropout its stream.
/// @return pointers to the parameters in order; valid as long as the module stays where it is
/// @throws ConfigError if two parameters, or two dropouts, have one name
template <class E, class Module>
std::vector<Parameter<E>*> register_parameters(Module& module) {
  std::vector<Parameter<E>*> list;
  std::map<std::string, int> seen;
  auto on_parameter = [&](const std::string& path, Parameter<E>& p) {
    require<ConfigError>(seen[path]++ == 0, "two parameters are called ", path);
    p.name = path;
    p.number = static_cast<Index>(list.size());
    list.push_back(&p);
  };
  auto on_dropout = [&](const std::string& path, Dropout& d) {
    require<ConfigError>(seen[path]++ == 0, "two dropouts are called ", path, ": they would draw the same");
    d.stream = name_hash(path);
  };
  detail::Walk<decltype(on_parameter), decltype(on_dropout)> walk{"", on_parameter, on_dropout};
  walk("", module);
  return list;
}
/// And draws start values from the seed.
template <class E, class Module>
std::vector<Parameter<E>*> register_parameters(Module& module, typename E::Backend& backend, std::uint64_t seed) {
  std::vector<Parameter<E>*> list = register_parameters<E>(module);
  for (Parameter<E>* p : list) p->reset(seed, backend);
  return list;
}

/// Makes every drawn matrix start from N(0, sd) and every drawn vector (a bias) from 0; constants stay, and so do an LSTM's, as
/// in the released codes. To be called before
/// `register_parameters`.
template <class Module>
void start_from_normal(Module& module, double sd) {
  for_each_parameter(module, [&](const std::string&, auto& p) {
    if (p.init.kind != Init::Kind::Constant && !p.init.stays)
      p.init = p.extents.size() > 1 ? Init::normal(sd) : Init::constant(0);
  });
}

}  // namespace ramer::nn
