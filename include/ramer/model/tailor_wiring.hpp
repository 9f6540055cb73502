// wiring::Tailor: the slots of TAILOR (Zhang et al., AAAI 2022), connected.
//
//   raw [-> Alignment] -> Encoder -> H_m;  S_m = tanh(dropout(f_m H_m)),  C_m = tanh(dropout(G H_m)),  C = sum_m C_m, for every token
//   S_m and C -> Fusion -> memory -> label decoder -> one logit per label
//   S_m and C_m -> Adversary, Orthogonality;  first C of a sample -> common-semantic head
//
// It knows no persons: a conversation is one sequence of tokens (data view `target` or `all`). What RAMer calls specificity and
// commonality is called so here as well.
#pragma once

#include "ramer/encoder/transformer.hpp"
#include "ramer/loss/common_semantic.hpp"
#include "ramer/loss/token_orthogonality.hpp"
#include "ramer/model/detail/module_of.hpp"
#include "ramer/model/outputs.hpp"
#include "ramer/model/tailor_config.hpp"
#include "ramer/model/tailor_plan.hpp"
#include "ramer/projection/adversary.hpp"
#include "ramer/projection/subspaces.hpp"

namespace ramer::wiring {

/// TAILOR: extractors per token, a chain of cross transformers, a label decoder.
struct Tailor {
  template <class Recipe>
  using Config = TailorConfig<Recipe>;
  using Plan = TailorPlan;

  /// Nothing but parameters changes in training.
  struct State {
    template <class Self, class Visitor>
    static void tensors(Self&, const Schema&, Visitor&&) {}
  };

  template <class Recipe, class E>
  class Module {
    static_assert(detail::CheckTailor<Recipe>::value && detail::CheckTailorPolicies<Recipe, E>::value);

   public:
    using Real = typename E::Real;
    using Config = TailorConfig<Recipe>;
    using State = Tailor::State;
    using Var2 = nn::Var<E, 2>;
    using Alignment = typename detail::ModuleOf<typename Recipe::Alignment, E>::type;
    using Fusion = typename Recipe::Fusion::template Module<E>;
    static constexpr bool aligns = Recipe::Alignment::enabled;         ///< rows go through slot Alignment
    static constexpr bool has_adversary = Recipe::Adversary::enabled;  ///< there is a discriminator
    static constexpr int phases = Recipe::Adversary::phases;
    static constexpr bool takes_rows = true;  ///< reads no features on the host, see train::DeviceData

    Module(const Schema& schema, const Config& config)
        : schema_(schema), config_(config), order_(config.fusion.order_of(schema.modality_count())) {
      const Index m_count = schema.modality_count(), c = schema.label_count(), hidden = config.encoder.hidden;
      require<ConfigError>(m_count > 0 && c > 0, "a model needs modalities and labels; the schema has ", m_count, " and ",
                           c);
      require<ConfigError>(!schema.has_target,
                           "this model knows no persons and cannot be asked about one of them: show it one ",
                           "sequence, with the view target (that person's) or all (everybody's)");
      places_ = count_places();
      const Index all = (m_count + 1) * places_;
      positions_ = config.fusion.positions > 0 ? config.fusion.positions : all;
      require<ConfigError>(places_ > 0 && all < (Index{1} << 20),
                           "fusion.places: expected at least 1, and fewer than 2^20 for ", m_count,
                           " modalities and what they have in common; found ", places_);
      require<ConfigError>(positions_ >= all, "fusion.positions: expected at least ", all, " for ", m_count,
                           " modalities and what they have in common, found ", positions_);
      for (Index m = 0; m < m_count; ++m) {
        const ModalitySchema& s = schema_.modalities[static_cast<std::size_t>(m)];
        encoders_.emplace_back(config.encoder, config.encoder.layers_of(m, m_count), s.width, s.positions, false);
        specificity_.emplace_back(hidden, config.projection.private_dropout);
      }
      commonality_ = projection::SubspaceMap<E>(hidden, config.projection.common_dropout);
      fusion_ = Fusion(config.fusion, m_count, positions_, hidden, config.encoder.heads, config.encoder.inner);
      decoder_ = encoder::LabelDecoder<E>(config.decoder, c, hidden, config.encoder.heads, config.encoder.inner);
      head_ = nn::Linear<E>(hidden, 1);
      head_dropout_.rate = config.head_dropout;
      common_semantic_ = loss::CommonSemanticHead<E>(hidden, c, config.common_semantic_dropout);
      if constexpr (has_adversary) discriminator_.emplace_back(hidden, m_count, config.adversary.dropout);
      nn::start_from_normal(*this, 0.02);
      if constexpr (aligns) {  // recurrent weights start as they do everywhere
        for (Index m = 0; m < m_count; ++m) {
          const ModalitySchema& s = schema_.modalities[static_cast<std::size_t>(m)];
          alignment_.push_back(m == reference_ ? Alignment() : Alignment(config.alignment, s.width));
        }
      }
    }

    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      const auto each = [&](const char* prefix, auto& list) {
        for (std::size_t m = 0; m < list.size(); ++m)
          visit(std::string(prefix) + "." + self.schema_.modalities[m].name, list[m]);
      };
      if constexpr (aligns) each("alignment", self.alignment_);
      each("encoder", self.encoders_);
      each("specificity", self.specificity_);
      visit("commonality", self.commonality_);
      visit("fusion", self.fusion_);
      visit("decoder", self.decoder_);
      visit("head", self.head_);
      visit("head.dropout", self.head_dropout_);
      visit("common_semantic", self.common_semantic_);
      if constexpr (has_adversary) visit("discriminator", self.discriminator_[0]);
    }
    /// Whether a phase of the procedure updates the parameter called `name`.
    static bool in_phase(std::string_view name, int phase) {
      return phases == 1 || name.starts_with("discriminator.") == (phase == 0);
    }

    const Config& config() const { return config_; }
    State blank_state() const { return {}; }
    State make_state(std::uint64_t, typename E::Backend&) const { return {}; }

    /// @param supervised whether losses are wanted where the batch has labels; otherwise its labels are not looked at
    void build_plan(Plan& plan, const Batch& batch, bool, const RandomStream&, bool supervised = true) const {
      plan.build_inputs(schema_, batch, config_.missing, order_, places_, positions_,
                        [&](std::size_t m, const ModalityBatch& rows) {
                          if constexpr (aligns) {
                            if (static_cast<Index>(m) != reference_) {
                              Recipe::Alignment::build(plan.alignment[m], config_.alignment, rows,
                                                       schema_.modalities[m].positions, plan.tokens[m]);
                              return true;
                            }
                          }
                          return false;
                        });
      plan.supervised = supervised && batch.has_labels();
      if (plan.supervised) plan.build_targets(batch, static_cast<std::size_t>(reference_), aligned_places());
    }
    /// One forward pass; losses where the plan has labels. Phase: see the adversary.
    Outputs<E> forward(nn::Context<E>& ctx, const Batch&, const Plan& plan, const State&, int phase) const {
      return Pass(*this, ctx, plan, phase).run();
    }
    void commit(nn::Context<E>&, const Plan&, const Outputs<E>&, State&) const {}

   private:
    class Pass;
    friend class Pass;

    Index aligned_places() const {
      if constexpr (aligns) return config_.alignment.length;
      return 0;
    }
    /// Places of a modality's sequence. Aligned modalities have as many as they are aligned to, whatever comes in.
    Index count_places() {
      Index most = 0;
      if constexpr (aligns) reference_ = static_cast<Index>(config_.alignment.reference_of(schema_));
      for (Index m = 0; m < schema_.modality_count(); ++m) {
        Index& positions = schema_.modalities[static_cast<std::size_t>(m)].positions;
        Index places = positions;
        if constexpr (aligns) {
          if (m != reference_) positions = config_.alignment.positions(positions), places = config_.alignment.length;
        }
        most = std::max(most, places);
      }
      if (config_.fusion.places == 0) return most;
      require<ConfigError>(config_.fusion.places >= aligned_places(), "fusion.places: expected at least the ",
                           aligned_places(), " that modalities are aligned to, found ", config_.fusion.places);
      return config_.fusion.places;
    }

    Schema schema_;
    Config config_;
    std::vector<Index> order_;  ///< of fusion, (M)
    Index places_ = 0;          ///< of a modality's sequence
    Index positions_ = 0;       ///< rows of the fusion's position tables
    Index reference_ = 0;       ///< the modality that is not aligned, where others are
    std::vector<Alignment> alignment_;
    std::vector<typename Recipe::Encoder::template Module<E>> encoders_;
    std::vector<projection::SubspaceMap<E>> specificity_;
    projection::SubspaceMap<E> commonality_;
    Fusion fusion_;
    encoder::LabelDecoder<E> decoder_;
    nn::Linear<E> head_;
    nn::Dropout head_dropout_;
    loss::CommonSemanticHead<E> common_semantic_;
    std::vector<projection::Discriminator<E>> discriminator_;
  };
};

}  // namespace ramer::wiring

#include "ramer/model/detail/tailor_pass.hpp"
