// expect: the recipe of the model lacks .static constexpr const char. name => Anonymous
// expect: the recipe has no slot Wiring => Loose
// expect: slot Wiring of the recipe lacks .template <class Recipe> using Config => WithoutConfig
// expect: slot Wiring of the recipe lacks .struct Plan => WithoutPlan
// expect: slot Wiring of the recipe lacks .template <class Recipe, class E> class Module => WithoutModule
// expect: the precision of the model lacks .using Parameter => Unweighted
// expect: the precision of the model lacks .using Activation => Whole
// Recipes without a name or a wiring, wirings without a part, precisions without a type; the names say which.
#include "ramer/backend/reference.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"

using namespace ramer;

struct Anonymous {
  using Wiring = wiring::EarlyFusion;
};
struct Loose {
  static constexpr const char* name = "loose";
};

template <class R>
struct Settings {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};
template <class R, class E>
struct Hollow {};
struct WithoutConfig {
  struct Plan {};
  template <class R, class E>
  using Module = Hollow<R, E>;
};
struct WithoutPlan {
  template <class R>
  using Config = Settings<R>;
  template <class R, class E>
  using Module = Hollow<R, E>;
};
struct WithoutModule {
  template <class R>
  using Config = Settings<R>;
  struct Plan {};
};
template <class W>
struct Wired {
  static constexpr const char* name = "wired";
  using Wiring = W;
};

struct Unweighted {
  using Activation = float;
};
struct Whole {
  using Parameter = float;
  using Activation = int;
};

using E = nn::Engine<backend::Reference, Float>;
template struct detail::CheckWiring<Anonymous, E>;
template struct detail::CheckWiring<Loose, E>;
template struct detail::CheckWiring<Wired<WithoutConfig>, E>;
template struct detail::CheckWiring<Wired<WithoutPlan>, E>;
template struct detail::CheckWiring<Wired<WithoutModule>, E>;
template struct detail::CheckPrecision<Unweighted>;
template struct detail::CheckPrecision<Whole>;
