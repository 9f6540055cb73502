// Settings of a training run.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "ramer/core/config.hpp"
#include "ramer/data/batch_builder.hpp"
#include "ramer/data/missing.hpp"
#include "ramer/data/sampler.hpp"
#include "ramer/train/optimizer.hpp"

namespace ramer::train {

/// What the model of an epoch is judged by, on validation data.
enum class Selection { MicroF1, MacroF1, WeightedF1, Accuracy, Auc, Last };

/// Where the threshold of a prediction comes from.
enum class ThresholdRule {
  Fixed,  ///< given
  Tuned   ///< the one of 0.01 ... 0.99 with the highest micro-F1 on validation data
};

}  // namespace ramer::train

namespace ramer {
template <>
struct EnumNames<train::Selection> {
  static constexpr std::pair<std::string_view, train::Selection> values[] = {{"micro_f1", train::Selection::MicroF1},
                                                                             {"macro_f1", train::Selection::MacroF1},
                                                                             {"weighted_f1", train::Selection::WeightedF1},
                                                                             {"accuracy", train::Selection::Accuracy},
                                                                             {"auc", train::Selection::Auc},
                                                                             {"last", train::Selection::Last}};
};
template <>
struct EnumNames<train::ThresholdRule> {
  static constexpr std::pair<std::string_view, train::ThresholdRule> values[] = {{"fixed", train::ThresholdRule::Fixed},
                                                                                 {"tuned", train::ThresholdRule::Tuned}};
};
}  // namespace ramer

namespace ramer::train {

struct TrainerConfig {
  Index epochs = 20;
  Index batch = 64;
  std::uint64_t seed = 42;
  Index patience = 0;
  Selection selection = Selection::MicroF1;
  ThresholdRule threshold_rule = ThresholdRule::Fixed;
  std::optional<double> threshold;
  bool drop_last = true;
  data::SampleOrder order = data::SampleOrder::kShuffled;
  data::PersonView view = data::PersonView::kPersons;
  data::MissingConfig missing;
  Index checkpoint_every = 0;
  Index ahead = 2;
  OptimizerConfig optimizer;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("epochs", self.epochs, "passes over the training data");
    field("batch", self.batch, "samples of a batch");
    field("seed", self.seed, "seed of sample order, dropout and shuffles");
    field("patience", self.patience, "stop after so many epochs without a better model; 0: never");
    field("selection", self.selection, "validation metric that selects the model; of equal ones the later epoch");
    field("threshold_rule", self.threshold_rule, "fixed, or tuned on the validation data for the highest micro-F1");
    field("threshold", self.threshold, "fixed threshold; null: the model's own");
    field("drop_last", self.drop_last, "leave out a last training batch that is smaller than the others");
    field("order", self.order, "order of the training samples");
    field("view", self.view, "what is shown of several persons: persons, target or all");
    field("missing", self.missing, "modalities dropped in training, drawn anew in each epoch");
    field("checkpoint_every", self.checkpoint_every, "steps between checkpoints inside an epoch; 0: only after each epoch");
    field("ahead", self.ahead, "batches prepared ahead");
    field("optimizer", self.optimizer, "optimizer and schedule");
  }

  /// @throws ConfigError for a setting out of range
  void check() const {
    require<ConfigError>(epochs >= 0 && patience >= 0 && checkpoint_every >= 0, "epochs = ", epochs,
                         ", patience = ", patience, ", checkpoint_every = ", checkpoint_every, "; expected at least 0");
    require<ConfigError>(batch >= 1 && ahead >= 1, "batch = ", batch, ", ahead = ", ahead, "; expected at least 1");
    require<ConfigError>(missing.rate >= 0 && missing.rate <= 1, "missing.rate = ", missing.rate, "; expected 0 to 1");
    const OptimizerConfig& o = optimizer;
    require<ConfigError>(o.rate >= 0 && o.decay >= 0 && o.clip_global >= 0 && o.clip_tensor >= 0,
                         "optimizer: rate = ", o.rate, ", decay = ", o.decay, ", clip_global = ", o.clip_global,
                         ", clip_tensor = ", o.clip_tensor, "; expected at least 0");
    require<ConfigError>(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1, "optimizer: beta1 = ", o.beta1,
                         ", beta2 = ", o.beta2, "; expected at least 0 and below 1");
    require<ConfigError>(o.epsilon > 0 && o.warmup >= 0 && o.warmup <= 1, "optimizer: epsilon = ", o.epsilon,
                         ", warmup = ", o.warmup, "; expected epsilon above 0 and warmup between 0 and 1");
  }
};

}  // namespace ramer::train
