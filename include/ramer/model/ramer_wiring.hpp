// wiring::Ramer: the slots of RAMer, its ablations and its relatives, connected as Figure 2 of the paper draws them.
//
//   raw [-> Alignment] -> Encoder [-> Auxiliary] -> label attention -> X_alpha -> Reconstruction (Z, X~, D~, X_beta, X_gamma)
//   X_gamma -> G -> C,  X_alpha -> f_m -> S,  C and S -> Adversary, Orthogonality, CommonSemantic
//   X_sigma -> class scores (max over modalities);  Z -> Prototypes, Contrast;  C + S -> Shuffle -> aggregation
#pragma once

#include <optional>

#include "ramer/autodiff/ops/scores.hpp"
#include "ramer/contrast/supervised.hpp"
#include "ramer/encoder/auxiliary.hpp"
#include "ramer/encoder/label_attention.hpp"
#include "ramer/encoder/transformer.hpp"
#include "ramer/loss/common_semantic.hpp"
#include "ramer/loss/orthogonality.hpp"
#include "ramer/loss/reconstruction.hpp"
#include "ramer/model/detail/module_of.hpp"
#include "ramer/model/outputs.hpp"
#include "ramer/model/ramer_config.hpp"
#include "ramer/model/ramer_plan.hpp"
#include "ramer/projection/adversary.hpp"
#include "ramer/projection/subspaces.hpp"
#include "ramer/reconstruction/two_level.hpp"
#include "ramer/shuffle/input.hpp"

namespace ramer::wiring {

namespace detail {

/// score = (sigmoid(max logit of the last level) + mean_k sigmoid(aggregation of slot k)) / 2.
template <class T>
struct FinalScore {
  const T *top, *aggregated;  // (B, C), (K, B, C)
  Index slots, cells;
  T* score;
  RAMER_HD void operator()(Index i) const {
    T mean = 0;
    for (Index k = 0; k < slots; ++k) mean += backend::activate(backend::Activation::Sigmoid, aggregated[k * cells + i]);
    score[i] = (backend::activate(backend::Activation::Sigmoid, top[i]) + mean / static_cast<T>(slots)) / T(2);
  }
};

}  // namespace detail

/// The paper's model, section 4, from encoders to aggregated labels.
struct Ramer {
  template <class Recipe>
  using Config = RamerConfig<Recipe>;
  using Plan = RamerPlan;

  /// Everything that changes in training without a gradient.
  template <class Recipe, class E>
  struct State {
    using Real = typename E::Real;
    std::vector<Tensor<Real, 3, typename E::Memory>> prototypes;  ///< per modality (2, C, D): positive, negative
    contrast::Queue<E> queue;                                     ///< empty where the recipe has none

    /// Calls visit(name, tensor) for real tensors and visit(name, integers, lower, upper) for integers in [lower, upper).
    template <class Self, class Visitor>
    static void tensors(Self& self, const Schema& schema, Visitor&& visit) {
      for (std::size_t m = 0; m < self.prototypes.size(); ++m) {
        auto& mu = self.prototypes[m];
        const Index c = mu.extent(1), d = mu.extent(2);
        using Half = View<std::remove_pointer_t<decltype(mu.data())>, 2, typename E::Memory>;
        visit("prototypes." + schema.modalities[m].name + ".positive", Half(mu.data(), Shape{c, d}));
        visit("prototypes." + schema.modalities[m].name + ".negative", Half(mu.data() + c * d, Shape{c, d}));
      }
      if constexpr (Recipe::Contrast::queue)
        contrast::Queue<E>::tensors(self.queue, 2 * schema.modality_count() * schema.label_count(), visit);
    }
  };

  template <class Recipe, class E>
  class Module {
    static_assert(detail::CheckRecipe<Recipe>::value && detail::CheckPolicies<Recipe, E>::value);

   public:
    using Real = typename E::Real;
    using Config = RamerConfig<Recipe>;
    using State = Ramer::State<Recipe, E>;
    using Var2 = nn::Var<E, 2>;
    using Var3 = nn::Var<E, 3>;
    using Alignment = typename detail::ModuleOf<typename Recipe::Alignment, E>::type;
    using Reconstruction = typename Recipe::Reconstruction;
    using Parts = RamerParts<Recipe>;
    /// What the recipe has.
    static constexpr bool has_c = Parts::commonality, has_s = Parts::specificity;
    static constexpr bool has_beta = Parts::beta, has_gamma = Parts::gamma;        ///< levels of reconstruction
    static constexpr Index levels = 1 + (has_beta ? 1 : 0) + (has_gamma ? 1 : 0);  ///< alpha, and what is reconstructed
    static constexpr bool has_adversary = Parts::adversary, has_common_semantic = Parts::common_semantic;  ///< terms
    static constexpr int phases = Recipe::Adversary::phases;
    static constexpr bool takes_rows = true;  ///< reads no features on the host, see train::DeviceData

    Module(const Schema& given, const Config& config)
        : schema_(without_personality(given, !config.personality)),
          config_(config),
          hidden_(config.encoder.hidden),
          slots_(Recipe::ShuffleInput::slots(given.modality_count())),
          order_(config.order_of(given.modality_count())),
          shuffle_input_(config.encoder.hidden) {
      if constexpr (Recipe::Alignment::enabled) place_aligned();
      const Schema& schema = schema_;
      const Index m_count = schema.modality_count(), c = schema.label_count();
      require<ConfigError>(m_count > 0 && c > 0, "a model needs modalities and labels; the schema has ", m_count, " and ",
                           c);
      const bool marked = schema.has_target && config.target_time == encoder::TargetTime::Marked;
      auxiliary_ = Recipe::Auxiliary::enabled && schema.has_target;
      for (Index m = 0; m < m_count; ++m) {
        const ModalitySchema& s = schema.modalities[static_cast<std::size_t>(m)];
        encoders_.emplace_back(config.encoder, config.encoder.layers_of(m, m_count), s.width, s.positions, marked);
        label_attention_.emplace_back(c, hidden_);
        branches_.emplace_back(hidden_, m_count, config.reconstruction);
        score_.push_back(nn::Parameter<E>({c, hidden_}, nn::Init::fan_in(hidden_), true));
        if constexpr (has_s) specificity_.emplace_back(hidden_, config.projection.specificity_dropout);
        if constexpr (Recipe::Alignment::enabled) {
          alignment_.push_back(m == reference_ ? Alignment() : Alignment(config.alignment, s.width));
        }
        if constexpr (Recipe::Auxiliary::enabled) {
          if (auxiliary_) auxiliary_modules_.emplace_back(hidden_, schema.personality_width > 0, config.auxiliary);
        }
      }
      if (auxiliary_ && schema.personality_width > 0) {
        const Index layers =
            config.encoder.personality_layers > 0 ? config.encoder.personality_layers : config.encoder.layers_of(0, m_count);
        personality_.emplace_back(config.encoder, layers, schema.personality_width, Plan::positions_of_personality(schema),
                                  false);
        unknown_person_.push_back(nn::Parameter<E>({1, hidden_}, nn::Init::normal(0.02), true));
      }
      if constexpr (has_c) {
        generator_.emplace_back(hidden_, config.projection.generator_dropout);
      }
      if constexpr (has_common_semantic) common_semantic_.emplace_back(hidden_, c, config.common_semantic_dropout);
      if constexpr (has_adversary) discriminator_.emplace_back(hidden_, m_count, config.adversary.dropout);
      aggregation_ = nn::Perceptron<E>({c * hidden_, hidden_, c});
      if (config.start == StartValues::Normal) nn::start_from_normal(*this, 0.02);
    }

    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      const auto each = [&](const char* prefix, auto& list) {
        for (std::size_t m = 0; m < list.size(); ++m)
          visit(std::string(prefix) + "." + self.schema_.modalities[m].name, list[m]);
      };
      if constexpr (Recipe::Alignment::enabled) each("alignment", self.alignment_);
      each("encoder", self.encoders_);
      if (!self.personality_.empty()) {
        visit("personality", self.personality_[0]);
        visit("personality.unknown", self.unknown_person_[0]);
      }
      if constexpr (Recipe::Auxiliary::enabled) each("auxiliary", self.auxiliary_modules_);
      each("label_attention", self.label_attention_);
      each("reconstruction", self.branches_);
      each("score", self.score_);
      each("specificity", self.specificity_);
      if constexpr (has_c) visit("commonality", self.generator_[0]);
      if constexpr (has_common_semantic) visit("common_semantic", self.common_semantic_[0]);
      if constexpr (has_adversary) visit("discriminator", self.discriminator_[0]);
      visit("shuffle_input", self.shuffle_input_);
      visit("aggregation", self.aggregation_);
    }
    /// Whether a phase of the procedure updates the parameter called `name`.
    static bool in_phase(std::string_view name, int phase) {
      return phases == 1 || name.starts_with("discriminator.") == (phase == 0);
    }

    /// Whether batches may have dead rows: where the encoder says so, and tokens are encoded and looked at and nothing else.
    bool takes_padding() const {
      using Encoder = typename Recipe::Encoder::template Module<E>;
      if constexpr (requires { Encoder::takes_padding; })
        return Encoder::takes_padding && !Recipe::Alignment::enabled && !schema_.has_target;
      return false;
    }
    /// Width of Z, of prototypes and of the queue's rows.
    Index code_width() const { return Reconstruction::Codec::width(hidden_, config_.reconstruction); }

    /// The state's tensors, not yet filled.
    State blank_state() const {
      State s;
      for (Index m = 0; m < schema_.modality_count(); ++m)
        s.prototypes.emplace_back(Shape{Index{2}, schema_.label_count(), code_width()});
      if constexpr (Recipe::Contrast::queue) s.queue = contrast::Queue<E>(config_.contrast.queue, code_width());
      return s;
    }
    /// Prototypes of zeros, a queue of random rows.
    State make_state(std::uint64_t seed, typename E::Backend& backend) const {
      State s = blank_state();
      for (auto& mu : s.prototypes) backend.fill(mu.data(), mu.size(), Real(0));
      if constexpr (Recipe::Contrast::queue) s.queue.draw(seed, backend);
      return s;
    }

    /// @param stream the draws of a random shuffle
    /// @param supervised whether losses are wanted where the batch has labels; otherwise its labels are not looked at
    void build_plan(Plan& plan, const Batch& batch, bool training, const RandomStream& stream,
                    bool supervised = true) const {
      plan.build_inputs(
          schema_, batch, config_.missing, auxiliary_, takes_padding(), [&](std::size_t m, const ModalityBatch& rows) {
            const Index positions = schema_.modalities[m].positions;
            if constexpr (Recipe::Alignment::enabled) {
              if (static_cast<Index>(m) != reference_)
                return Recipe::Alignment::build(plan.alignment[m], config_.alignment, rows, positions, plan.tokens[m]);
            }
            plan.tokens[m].build(batch, rows, config_.target_time, positions, schema_.has_target);
          });
      if constexpr (Recipe::Auxiliary::enabled) {
        if (auxiliary_) Recipe::Auxiliary::build(plan.auxiliary, batch, plan.modality, plan.tokens, plan.known);
      }
      plan.supervised = supervised && batch.has_labels();
      if (plan.supervised) plan.build_targets(batch, slots_);
      if (!training || !plan.supervised) return;
      if constexpr (Recipe::Contrast::enabled) {
        plan.contrast.build(batch.size, levels, schema_.modality_count(), schema_.label_count(), plan.y.data(),
                            plan.mask.data(), plan.present.data());
      }
      plan.shuffle.template build<typename Recipe::Shuffle>(config_.shuffle, batch.size, slots_, schema_.label_count(),
                                                            plan.y.data(), plan.mask.data(), stream);
    }

    /// One forward pass; losses where the plan has labels. Phase: see the adversary.
    Outputs<E> forward(nn::Context<E>& ctx, const Batch& batch, const Plan& plan, const State& state, int phase) const {
      return Pass(*this, ctx, batch, plan, state, phase).run();
    }
    /// After a training step: moves the prototypes and fills the queue with what the forward pass saw (Eq 9).
    void commit(nn::Context<E>& ctx, const Plan& plan, const Outputs<E>& out, State& state) const {
      if (!plan.supervised) return;
      auto& backend = ctx.backend();
      if constexpr (Recipe::Prototypes::enabled) {
        for (std::size_t m = 0; m < state.prototypes.size() && m < out.unit_alpha.size(); ++m) {
          if (!out.unit_alpha[m].valid()) continue;
          auto& mu = state.prototypes[m];
          const Index c = mu.extent(1), d = mu.extent(2);
          backend.map_2d(c, d,
                         contrast::detail::MoveAverage<Real>{out.unit_alpha[m].data(), ctx.device(plan.y),
                                                             ctx.device(plan.mask), plan.present_of(m, ctx), plan.batch, c,
                                                             d, static_cast<Real>(config_.prototypes.momentum), ctx.given_up,
                                                             mu.data(), mu.data() + c * d});
        }
      }
      if constexpr (Recipe::Contrast::queue) {
        state.queue.push(backend, out.contrast_rows.data(), ctx.device(plan.contrast.ids), out.contrast_rows.extent(0),
                         ctx.given_up);
      }
    }
    const Config& config() const { return config_; }

   private:
    static Schema without_personality(Schema schema, bool really) {
      if (really) schema.personality_width = 0;
      return schema;
    }
    /// Aligned modalities have as many tokens as places, whatever comes in.
    void place_aligned() {
      require<ConfigError>(!schema_.has_target,
                           "aligned rows have neither person nor moment: a model that aligns its input cannot be ",
                           "asked about a target");
      reference_ = static_cast<Index>(config_.alignment.reference_of(schema_));
      for (Index m = 0; m < schema_.modality_count(); ++m) {
        Index& positions = schema_.modalities[static_cast<std::size_t>(m)].positions;
        if (m != reference_) positions = config_.alignment.positions(positions);
      }
    }

    class Pass;
    friend class Pass;

    Schema schema_;
    Config config_;
    Index hidden_, slots_;
    std::vector<Index> order_;  ///< of fusion, (M)
    bool auxiliary_ = false;
    Index reference_ = 0;  ///< the modality that is not aligned, where others are
    std::vector<Alignment> alignment_;
    std::vector<typename Recipe::Encoder::template Module<E>> encoders_, personality_;
    std::vector<nn::Parameter<E>> unknown_person_;
    std::vector<typename detail::ModuleOf<typename Recipe::Auxiliary, E>::type> auxiliary_modules_;
    std::vector<encoder::LabelAttention<E>> label_attention_;
    std::vector<reconstruction::Branch<Reconstruction, E>> branches_;
    std::vector<nn::Parameter<E>> score_;
    std::vector<projection::SubspaceMap<E>> specificity_, generator_;
    std::vector<loss::CommonSemanticHead<E>> common_semantic_;
    std::vector<projection::Discriminator<E>> discriminator_;
    shuffle::InputModule<typename Recipe::ShuffleInput, E> shuffle_input_;
    nn::Perceptron<E> aggregation_;
  };
};

}  // namespace ramer::wiring

#include "ramer/model/detail/ramer_pass.hpp"
