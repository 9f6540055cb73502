// Every setting of RAMer changes what it should, and nothing else, to the bit.
#include "model/variation.hpp"

using namespace ramer;
using namespace ramer::test;

namespace {

const Seen& usual() {
  static const Seen seen = see<recipe::Ramer>();
  return seen;
}
Names changed_by(const std::string& assignment) { return changed(usual(), see<recipe::Ramer>({assignment})); }

struct Case {
  const char* assignment;
  Names changes;
};

TEST_CASE("each setting changes exactly what follows from it") {
  const Names from_c{
      "C", "eval C", "disc_C", "cml_logit", "loss adv_commonality", "loss common_semantic", "loss orth_common_specific"};
  const Names from_s{"S", "eval S", "disc_S", "loss adv_specificity", "loss orth_common_specific"};
  const Case cases[] = {
      {"threshold=0.5", {}},
      {"adversary.reversal=0.5", {"gradients"}},
      {"projection.generator_input=alpha", together({from_c, slots})},
      {"projection.generator_input=beta", together({from_c, slots})},
      {"projection.generator_input=gamma", {}},
      {"projection.specificity_input=beta", together({from_s, slots})},
      {"projection.specificity_input=gamma", together({from_s, slots})},
      {"prototypes.momentum=0.5", {"prototypes"}},
      {"prototypes.evaluation=soft",
       {"eval delta", "eval D_tilde", "eval X_beta", "eval X_gamma", "eval C", "eval F", "eval agg_out", "eval logits_beta",
        "eval logits_gamma", "eval max_logit_beta", "eval max_logit_gamma", "eval score"}},
      {"contrast.temperature=0.5", together({{"scl_loss_per_anchor", "loss contrast"}, step})},
      {"contrast.queue=24", together({{"scl_loss_per_anchor", "loss contrast", "queue"}, step})},
      {"shuffle.sample_stacks=2", shuffled},
      {"shuffle.modality_stacks=2", {}},  // three modalities in stacks of one either way
      {"shuffle.modality_stacks=1", shuffled},
      {"shuffle.rounds=2", shuffled},
      {"shuffle.gather=joint", shuffled},
      {"shuffle.labels_follow=false", together({{"loss shuffled"}, step})},
      {"weights.cls_alpha=0.5", step},
      {"weights.cls_beta=0.5", step},
      {"weights.cls_gamma=0.5", step},
      {"weights.rec_tilde=0.5", step},
      {"weights.rec_beta=0.5", step},
      {"weights.rec_gamma=0.5", step},
      {"weights.contrast=0.5", step},
      {"weights.shuffled=0.5", step},
      {"weights.unshuffled=0.5", step},
      {"weights.adversarial=0.5", step},
      {"weights.orthogonality=0.5", step},
      {"weights.common_semantic=0.25", step},
  };
  for (const Case& c : cases) {
    CAPTURE(std::string(c.assignment));
    CHECK(text(changed_by(c.assignment)) == text(c.changes));
  }
}

TEST_CASE("settings that reach far leave alone what comes before") {
  const auto untouched = [](const Names& changes, const Names& names) {
    for (const std::string& name : names) {
      CAPTURE(name);
      CHECK_FALSE(changes.contains(name));
      CHECK((usual().contains(name)));
    }
  };
  const Names missing = changed_by("missing=all");
  untouched(missing, together({label_vectors, codes, {"X_beta", "X_gamma", "C", "logits_alpha", "eval C"}}));
  for (const char* name : {"S", "eval S", "max_logit_alpha", "loss cls_alpha", "loss rec_tilde", "loss contrast",
                           "prototypes", "queue", "loss adv_specificity", "loss orth_common_specific", "total"}) {
    CAPTURE(std::string(name));
    CHECK(missing.contains(name));
  }
  const Names order = changed_by("fusion_order=2");
  untouched(order,
            together({label_vectors, codes, {"S", "logits_alpha", "loss cls_alpha", "loss rec_tilde", "prototypes"}}));
  CHECK(order.contains("X_beta"));
  CHECK(order.contains("X_gamma"));
  const Names scale = changed_by("auxiliary.scale=0.25");
  untouched(scale, {"normed", "layer0", "encoder_out", "aux_inter", "aux_intra"});
  CHECK(scale.contains("aux_reduced_target"));
  const Names start = changed_by("start=normal");
  untouched(start, {"normed", "layer0", "encoder_out"});
  for (const char* name : {"X_alpha", "Z_alpha", "X_beta", "C", "S", "logits_alpha", "agg_out", "score"})
    CHECK(start.contains(name));
  const Names personality = changed_by("personality=false");
  CHECK(personality.contains("aux_inter"));
  CHECK(personality.contains("X_alpha"));
  CHECK(personality.contains("label_attention"));
  const Names segment = changed_by("target_time=segment"), all = changed_by("target_time=all");
  CHECK(segment.contains("X_alpha"));
  CHECK(text(all) == "gradients");  // the mark starts at zero, and then learns
}

/// What a recipe's settings do: of each weight that it lists, and of those that it does not.
template <class R>
void weights_of(const Names& absent) {
  const Seen as_is = see<R>();
  Names listed;
  for (const io::Option& option : io::describe(typename wiring::Ramer::Config<R>())) {
    if (!option.key.starts_with("weights.")) continue;
    CAPTURE(option.key);
    listed.insert(option.key);
    CHECK(changed(as_is, see<R>({option.key + "=0.37"})).contains("gradients"));
  }
  for (const io::Option& option : io::describe(wiring::Ramer::Config<recipe::Ramer>())) {
    if (!option.key.starts_with("weights.")) continue;
    CAPTURE(option.key);
    CHECK(listed.contains(option.key) != absent.contains(option.key));
  }
}

TEST_CASE("a recipe lists the weights of the terms that it has, and each has an effect") {
  weights_of<recipe::Carat>({"weights.adversarial", "weights.orthogonality", "weights.common_semantic"});
  weights_of<recipe::WithoutCommonality>({"weights.orthogonality", "weights.common_semantic"});
  weights_of<recipe::WithoutLevels>({"weights.cls_beta", "weights.cls_gamma", "weights.rec_beta", "weights.rec_gamma"});
  weights_of<recipe::WithoutCodec>({"weights.rec_tilde"});
  weights_of<recipe::WithoutContrast>({"weights.contrast"});
}

TEST_CASE("settings of what a recipe does not have are refused") {
  const auto refused = [](auto config, const std::string& assignment) {
    CAPTURE(assignment);
    CHECK_THROWS_AS(io::set_option(config, assignment), ConfigError);
  };
  for (const char* key : {"weights.adversarial=1", "personality=false", "common_semantic_dropout=0", "shuffle.rounds=2",
                          "adversary.reversal=1"})
    refused(wiring::Ramer::Config<recipe::Carat>(), key);
  refused(wiring::Ramer::Config<recipe::RamerConfusion>(), "adversary.reversal=0.5");
  refused(wiring::Ramer::Config<recipe::RamerReleased>(), "shuffle.sample_stacks=2");
  refused(wiring::Ramer::Config<recipe::WithoutCodec>(), "reconstruction.latent=3");
  refused(wiring::Ramer::Config<recipe::WithoutLevels>(), "fusion_order=1");
}

TEST_CASE("a level that the recipe does not have is refused as input") {
  CHECK_THROWS_WITH_AS(see<recipe::WithoutLevels>({"projection.generator_input=beta"}),
                       doctest::Contains("generator_input: the recipe has no level beta; its last one is called top"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(see<recipe::WithoutLevels>({"projection.specificity_input=gamma"}),
                       doctest::Contains("no level gamma"), ConfigError);
}

TEST_CASE("an order of fusion that is none is refused") {
  CHECK_THROWS_WITH_AS(see<recipe::Ramer>({"fusion_order=3"}), doctest::Contains("there is no modality 3; they are 0 to 2"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(see<recipe::Ramer>({"fusion_order=1,1"}), doctest::Contains("modality 1 is named twice"),
                       ConfigError);
}

TEST_CASE("the order of fusion permutes columns: with them permuted back nothing changes") {
  using ModelType = Model<recipe::Ramer, backend::Reference, Double>;
  BatchSpec spec;
  const Batch batch = make_batch(spec);
  ModelType::Config config;
  config.encoder.hidden = 4, config.encoder.heads = 2, config.encoder.inner = 3, config.encoder.layers = {1};
  config.reconstruction.latent = 3, config.contrast.queue = 16;
  ModelType given(schema_of(spec), config, backend::Reference{});
  config.fusion_order = {2, 0};  // 2, 0, 1
  ModelType ordered(schema_of(spec), config, backend::Reference{});
  Workspace<ModelType> workspace;
  std::vector<double> a, b;
  given.predict(batch, workspace, a);
  ordered.predict(batch, workspace, b);
  CHECK(a != b);
  for (std::size_t p = 0; p < given.parameters().size(); ++p) {
    const auto* from = given.parameters()[p];
    auto* to = ordered.parameters()[p];
    if (!from->name.ends_with(".cross.weight")) continue;
    for (Index row = 0; row < 4; ++row)
      for (Index slot = 0; slot < 3; ++slot)
        for (Index d = 0; d < 4; ++d)
          to->value.data()[row * 12 + slot * 4 + d] = from->value.data()[row * 12 + (slot + 2) % 3 * 4 + d];
  }
  ordered.predict(batch, workspace, b);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == doctest::Approx(a[i]).epsilon(1e-12));
}

}  // namespace
