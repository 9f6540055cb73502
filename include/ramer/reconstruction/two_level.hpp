// Latent codes and the two-level reconstruction (Eq 6).
#pragma once

#include <span>

#include "ramer/core/config.hpp"
#include "ramer/nn/linear.hpp"

namespace ramer::reconstruction {

struct Config {
  Index latent = 64;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("latent", self.latent, "width of the latent code Z; prototypes and queue are as wide", extent());
  }
};

/// epsilon^m: Linear H -> H / 2, ReLU, Linear H / 2 -> latent;  d^m: Linear latent -> H / 2, ReLU, Linear H / 2 -> H.
struct LatentCodec {
  static constexpr bool identity = false;
  static Index width(Index, const Config& c) { return c.latent; }

  template <class E>
  struct Module {
    nn::Perceptron<E> encoder, decoder;  ///< epsilon^m and d^m

    Module() = default;
    Module(Index hidden, const Config& c)
        : encoder({hidden, hidden / 2, c.latent}), decoder({c.latent, hidden / 2, hidden}) {}

    nn::Var<E, 2> encode(nn::Context<E>& ctx, nn::Var<E, 2> x) const { return encoder(ctx, x); }  // (R, H) -> (R, latent)
    nn::Var<E, 2> decode(nn::Context<E>& ctx, nn::Var<E, 2> z) const { return decoder(ctx, z); }  // (R, latent) -> (R, H)
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("encoder", self.encoder);
      visit("decoder", self.decoder);
    }
  };
};

/// Table 4 (5): epsilon^m and d^m are the identity, Z = X~ = X_alpha, and prototypes are as wide as H.
struct IdentityCodec {
  static constexpr bool identity = true;
  static Index width(Index hidden, const Config&) { return hidden; }

  template <class E>
  struct Module {
    Module() = default;
    Module(Index, const Config&) {}
    nn::Var<E, 2> encode(nn::Context<E>&, nn::Var<E, 2> x) const { return x; }
    nn::Var<E, 2> decode(nn::Context<E>&, nn::Var<E, 2> z) const { return z; }
    template <class Self, class Visitor>
    static void parameters(Self&, Visitor&&) {}
  };
};

/// Which levels exist. X_beta^m = g^m([s_0 | ... ]), s_j = X~^j for j != m and D~^m for j = m;  X_gamma^m = g^m([X_beta^0 | ...]).
/// g^m is one Linear M H -> H, shared by the two levels.
struct TwoLevel {
  using Config = reconstruction::Config;
  using Codec = LatentCodec;
  static constexpr bool beta = true, gamma = true;
};
/// Table 4 (6): X_gamma^m = g^m([X~ of the others | D~^m]); no first level.
struct WithoutBeta : TwoLevel {
  static constexpr bool beta = false;
};
/// Table 4 (7): X_beta is the last level.
struct WithoutGamma : TwoLevel {
  static constexpr bool gamma = false;
};
/// Table 4 (8): no g; X_alpha is the last level. Codes and prototypes stay.
struct WithoutLevels : TwoLevel {
  static constexpr bool beta = false, gamma = false;
};
/// Table 4 (5).
struct WithoutCodec : TwoLevel {
  using Codec = IdentityCodec;
};

/// What belongs to one modality.
template <class Policy, class E>
struct Branch {
  typename Policy::Codec::template Module<E> codec;  ///< of the latent code
  nn::Linear<E> cross;                               ///< g^m (H, M H)

  Branch() = default;
  Branch(Index hidden, Index modalities, const Config& c) : codec(hidden, c) {
    if constexpr (Policy::beta || Policy::gamma)
      cross = nn::Linear<E>(modalities * hidden, hidden, nn::Init::xavier(modalities * hidden, hidden),
                            nn::Init::fan_in(modalities * hidden));
  }
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("", self.codec);
    if constexpr (Policy::beta || Policy::gamma) visit("cross", self.cross);
  }
};

}  // namespace ramer::reconstruction
