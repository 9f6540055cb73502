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
  Index device_data = 16384;
  OptimizerConfig optimizer;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("epochs", self.epochs, "passes over the training data", at_least(1));
    field("batch", self.batch, "samples of a batch", extent());
    field("seed", self.seed, "seed of sample order, dropout and shuffles");
    field("patience", self.patience, "stop after so many epochs without a better model; 0: never", at_least(0));
    field("selection", self.selection, "validation metric that selects the model; of equal ones the later epoch");
    field("threshold_rule", self.threshold_rule, "fixed, or tuned on the validation data for the highest micro-F1");
    field("threshold", self.threshold, "fixed threshold; null: the model's own", between(0, 1));
    field("drop_last", self.drop_last, "leave out a last training batch that is smaller than the others");
    field("order", self.order, "order of the training samples");
    field("view", self.view, "what is shown of several persons: persons, target or all");
    field("missing", self.missing, "modalities dropped in training, drawn anew in each epoch");
    field("checkpoint_every", self.checkpoint_every, "steps between checkpoints inside an epoch; 0: only after each epoch",
          at_least(0));
    field("ahead", self.ahead, "batches prepared ahead", between(1, 1000));
    field("device_data", self.device_data,
          "MiB of features that may be kept on a GPU; a data set that needs more is sent batch by batch", at_least(0));
    field("optimizer", self.optimizer, "optimizer and schedule");
  }
};

}  // namespace ramer::train
