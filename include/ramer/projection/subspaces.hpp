// Specificity and commonality subspaces (section 4.2, Eq 1, 2).
#pragma once

#include <string>

#include "ramer/autodiff/ops/elementwise.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/core/config.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::projection {

/// Which reconstruction level feeds a map.
enum class Level { Alpha, Beta, Gamma, Top };

struct SubspacesConfig {
  Level generator_input = Level::Top;
  Level specificity_input = Level::Alpha;
  double generator_dropout = 0.3;
  double specificity_dropout = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("generator_input", self.generator_input, "level that G sees: top is the last level that the recipe has");
    field("specificity_input", self.specificity_input, "level that f_m sees");
    field("generator_dropout", self.generator_dropout, "dropout of the generator G", from_to_below(0, 1));
    field("specificity_dropout", self.specificity_dropout, "dropout of the specificity networks f_m", from_to_below(0, 1));
  }
};

/// C^m = tanh(dropout(G x)), G shared by the modalities; S^m = tanh(dropout(f_m x)), one f_m each. Both Linear H -> H, applied
/// to every label slot.
struct Subspaces {
  using Config = SubspacesConfig;
  static constexpr bool commonality = true;
  static constexpr bool specificity = true;
};
/// Table 4 (2): no G, no commonality; what needs C is gone.
struct SpecificityOnly : Subspaces {
  static constexpr bool commonality = false;
};
/// Table 4 (3): no f_m, no specificity; what needs S is gone.
struct CommonalityOnly : Subspaces {
  static constexpr bool specificity = false;
};
/// Neither: all that needs C or S is gone, and with it the adversary.
struct None {
  struct Config {
    template <class Self, class Visitor>
    static void fields(Self&, Visitor&&) {}
  };
  static constexpr bool commonality = false;
  static constexpr bool specificity = false;
};

/// One map into a subspace.
template <class E>
struct SubspaceMap {
  nn::Linear<E> linear;  ///< (H, H)
  nn::Dropout dropout;   ///< before the tanh

  SubspaceMap() = default;
  SubspaceMap(Index width, double rate) : linear(width, width), dropout{rate} {}

  /// (B C, H) -> (B C, H). `use`: which of its runs in this step, see Context::dropout.
  nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, Index use = 0) const {
    const auto plan = ctx.dropout(dropout, nullptr, use);
    if (!plan.active()) return linear(ctx, x, backend::Activation::Tanh);
    return autodiff::activation(ctx.tape, autodiff::dropout(ctx.tape, linear(ctx, x), plan), backend::Activation::Tanh);
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("", self.linear);
    visit("dropout", self.dropout);
  }
};

}  // namespace ramer::projection

namespace ramer {
template <>
struct EnumNames<projection::Level> {
  static constexpr std::pair<std::string_view, projection::Level> values[] = {{"alpha", projection::Level::Alpha},
                                                                              {"beta", projection::Level::Beta},
                                                                              {"gamma", projection::Level::Gamma},
                                                                              {"top", projection::Level::Top}};
};
}  // namespace ramer
