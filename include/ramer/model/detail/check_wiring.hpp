// What every model's recipe and precision must have, said in one sentence each. What else a recipe needs is its wiring's to say.
#pragma once

#include <concepts>
#include <string_view>

namespace ramer::detail {

template <class R>
concept HasWiring = requires {
  typename R::Wiring;
};
template <class R>
concept HasWiringConfig = requires {
  typename R::Wiring::template Config<R>;
};
template <class R>
concept HasPlan = requires {
  typename R::Wiring::Plan;
};

template <class R, class E>
concept HasWiredModule = requires {
  typename R::Wiring::template Module<R, E>;
};

/// `E`: the engine, which is only named.
template <class R, class E>
struct CheckWiring {
  static_assert(
      requires {
        { R::name } -> std::convertible_to<std::string_view>;
      },
      "the recipe of the model lacks `static constexpr const char* name`");
  static_assert(HasWiring<R>,
                "the recipe has no slot Wiring: add `using Wiring = ...;` or inherit a recipe, as recipe::Ramer");
  static_assert(
      !HasWiring<R> || HasWiringConfig<R>,
      "the policy in slot Wiring of the recipe lacks `template <class Recipe> using Config` that lists its fields");
  static_assert(!HasWiring<R> || HasPlan<R>, "the policy in slot Wiring of the recipe lacks `struct Plan`");
  static_assert(!HasWiring<R> || HasWiredModule<R, E>,
                "the policy in slot Wiring of the recipe lacks `template <class Recipe, class E> class Module`");
  static constexpr bool value = true;
};

template <class P>
struct CheckPrecision {
#define RAMER_ROLE(role)                                                                                             \
  static_assert(                                                                                                     \
      requires { requires std::floating_point<typename P::role>; }, "the precision of the model lacks `using " #role \
                                                                    "`, "                                            \
                                                                    "a floating-point type (core/precision.hpp)")
  RAMER_ROLE(Parameter);
  RAMER_ROLE(Activation);
#undef RAMER_ROLE
  static constexpr bool value = true;
};

}  // namespace ramer::detail
