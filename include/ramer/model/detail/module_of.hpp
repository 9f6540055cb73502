// Modules of policies that may be none.
#pragma once

namespace ramer::wiring::detail {

/// The module of a policy, where the policy has one.
template <class Policy, class E>
struct ModuleOf {
  struct type {};
};
template <class Policy, class E>
requires(Policy::enabled) struct ModuleOf<Policy, E> {
  using type = typename Policy::template Module<E>;
};

}  // namespace ramer::wiring::detail
