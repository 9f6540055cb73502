// A policy of one's own in every slot: what docs/recipes.md quotes, trained for a step, with finite numbers in the right places.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "model/sample_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

//! [Alignment]
/// Ten places, one layer, unless settings say otherwise. Settings are inherited, and so are their keys.
struct TenPlaces : encoder::CtcAlignment {
  struct Config : encoder::CtcAlignmentConfig {
    Config() { length = 10, layers = 1; }
  };
};
//! [Alignment]

//! [Encoder]
/// h = W_2 GELU(W_1 LN(x)), token by token: no attention, no position.
struct TokenWise {
  using Config = encoder::TransformerConfig;

  template <class E>
  struct Module {
    nn::LayerNorm<E> norm;
    nn::Linear<E> inner, outer;

    Module(const Config& c, Index, Index width, Index, bool)
        : norm(width, true), inner(width, c.inner), outer(c.inner, c.hidden) {}

    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, const encoder::TokenPlan&, Index) const {
      return outer(ctx, inner(ctx, norm(ctx, x), backend::Activation::Gelu));  // (R, D_m) -> (R, H)
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("norm", self.norm);
      visit("inner", self.inner);
      visit("outer", self.outer);
    }
  };
};
//! [Encoder]

//! [Auxiliary]
/// Personality is added to every token of its person; nobody attends to anybody.
struct AddedPersonality {
  using Config = encoder::NoAuxiliaryConfig;
  static constexpr bool enabled = true;

  static void build(encoder::AuxiliaryPlan&, const Batch&, const std::vector<const ModalityBatch*>&,
                    const std::vector<encoder::TokenPlan>&, const std::vector<std::uint8_t>&) {}
  static const encoder::LabelRows& label_rows(const encoder::TokenPlan& tokens, const encoder::AuxiliaryPlan&, Index) {
    return tokens;
  }

  template <class E>
  struct Module {
    nn::Linear<E> map;

    Module(Index hidden, bool, const Config&) : map(hidden, hidden) {}

    nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> h, nn::Var<E, 2> personality,
                             const encoder::TokenPlan& tokens, const encoder::AuxiliaryPlan&, Index) const {
      if (personality.valid()) h = autodiff::add(ctx.tape, h, map(ctx, personality));  // (R, H)
      return autodiff::gather_rows(ctx.tape, h, ctx.device(tokens.target));            // (R_t, H)
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("map", self.map);
    }
  };
};
//! [Auxiliary]

//! [Projection]
/// Both subspaces of X_alpha, as TAILOR has them, unless settings say otherwise.
struct EarlySubspaces : projection::Subspaces {
  struct Config : projection::SubspacesConfig {
    Config() { generator_input = projection::Level::Alpha; }
  };
};
//! [Projection]

//! [Adversary]
/// G alone plays against the discriminator, which is taught by nothing but C.
struct CommonalityGame : projection::GradientReversal {
  template <class E>
  static projection::AdversarialTerms<E> terms(nn::Context<E>& ctx, const Config& config,
                                               const projection::Discriminator<E>& d, int phase,
                                               std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>>,
                                               const projection::AdversaryRows& rows) {
    return projection::GradientReversal::terms<E>(ctx, config, d, phase, c, {}, rows);
  }
};
//! [Adversary]

//! [Orthogonality]
/// Commonality keeps away from specificity, and not the other way round.
struct OneSided : loss::SlotGram {
  template <class E>
  static nn::Var<E, 0> common_specific(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> c,
                                       std::span<const nn::Var<E, 3>> s, const loss::OrthogonalityRows& rows) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < c.size(); ++m) {
      total = autodiff::add_to(ctx.tape, total, autodiff::gram_squared(ctx.tape, c[m], s[m].detached(), rows.present[m]));
    }
    return total;
  }
};
//! [Orthogonality]

//! [CommonSemantic]
/// The first modality's commonality alone must tell the labels.
struct FirstModality {
  static constexpr bool enabled = true;

  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, const loss::CommonSemanticHead<E>& head, std::span<const nn::Var<E, 3>> c,
                            const std::uint8_t* y, const double* cell) {
    return autodiff::bce_with_logits(ctx.tape, head(ctx, autodiff::slot_mean(ctx.tape, c[0])), y, cell);
  }
};
//! [CommonSemantic]

//! [Reconstruction]
/// One level, X_gamma, from codes that are made by one linear map each way.
struct Shallow {
  using Config = reconstruction::Config;
  static constexpr bool beta = false, gamma = true;

  struct Codec {
    static constexpr bool identity = false;
    static Index width(Index, const Config& c) { return c.latent; }

    template <class E>
    struct Module {
      nn::Linear<E> down, up;

      Module(Index hidden, const Config& c) : down(hidden, c.latent), up(c.latent, hidden) {}

      nn::Var<E, 2> encode(nn::Context<E>& ctx, nn::Var<E, 2> x) const { return down(ctx, x); }  // (R, H) -> (R, latent)
      nn::Var<E, 2> decode(nn::Context<E>& ctx, nn::Var<E, 2> z) const { return up(ctx, z); }    // (R, latent) -> (R, H)
      template <class Self, class Visitor>
      static void parameters(Self& self, Visitor&& visit) {
        visit("down", self.down);
        visit("up", self.up);
      }
    };
  };
};
//! [Reconstruction]

//! [Prototypes]
/// Prototypes that move slowly, and are mixed at evaluation as in training.
struct Slow : contrast::MovingAverage {
  struct Config : contrast::PrototypesConfig {
    Config() { momentum = 0.999, evaluation = contrast::PrototypeChoice::Soft; }
  };
};
//! [Prototypes]

//! [Contrast]
/// The batch and a short memory; what is remembered is an anchor too.
struct ShortMemory : contrast::SupervisedWithQueue {
  static constexpr bool queue_anchors = true;
  struct Config : contrast::ContrastConfig {
    Config() { queue = 256; }
  };
};
//! [Contrast]

struct AllMine : recipe::Ramer {
  static constexpr const char* name = "all-mine";
  using Encoder = TokenWise;
  using Auxiliary = AddedPersonality;
  using Projection = EarlySubspaces;
  using Adversary = CommonalityGame;
  using Orthogonality = OneSided;
  using CommonSemantic = FirstModality;
  using Reconstruction = Shallow;
  using Prototypes = Slow;
  using Contrast = ShortMemory;
};
struct AlignedMine : recipe::CaratUnaligned {
  using Alignment = TenPlaces;
};

}  // namespace

TEST_CASE("a policy of one's own in every slot of RAMer") {
  using ModelType = Model<AllMine, backend::Reference, Double>;
  test::BatchSpec spec;
  spec.size = 6;
  const Batch batch = test::make_batch(spec);
  ModelType::Config config;
  config.encoder = {.hidden = 4, .heads = 2, .inner = 3, .layers = {1}};
  config.reconstruction.latent = 3;
  CHECK(config.projection.generator_input == projection::Level::Alpha);
  CHECK(config.prototypes.momentum == 0.999);
  CHECK(config.contrast.queue == 256);
  ModelType model(test::schema_of(spec), config, backend::Reference{});

  std::set<std::string> names;
  for (const auto* p : model.parameters()) names.insert(p->name);
  for (const char* name : {"encoder.text.inner.weight", "reconstruction.text.down.weight"}) {
    CAPTURE(name);
    CHECK(names.count(name) == 1);
  }
  CHECK(names.count("auxiliary.text.map.weight") == (spec.target ? 1 : 0));

  train::Stepper<ModelType> stepper(model, {}, 1);
  std::map<std::string, double> terms;
  const train::StepReport report = stepper.run(batch, 0, 0);
  for (const auto& term : report.list()) {
    CAPTURE(term.name);
    CHECK(std::isfinite(term.value));
    terms[std::string(term.name)] = term.value;
  }
  CHECK(terms.count("adv_commonality") == 1);
  CHECK(terms.count("adv_specificity") == 0);
  CHECK(terms.count("rec_beta") == 0);
  CHECK(terms.count("cls_gamma") == 1);
  // What each policy's parameters are for reaches them.
  for (const auto* p : model.parameters()) {
    CAPTURE(p->name);
    if (p->name.starts_with("encoder.") || p->name.starts_with("reconstruction.") || p->name.starts_with("discriminator.")) {
      CHECK(stepper.gradients().slot(p->number).written);
    }
  }
}

TEST_CASE("settings of one's own alignment are defaults that can still be set") {
  wiring::RamerConfig<AlignedMine> config;
  CHECK(config.alignment.length == 10);
  CHECK(config.alignment.layers == 1);
  CHECK(wiring::detail::CheckPolicies<AlignedMine, nn::Engine<backend::Reference, Double>>::value);
}
