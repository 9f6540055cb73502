// Trainer: epochs of steps, selection on validation data, early stopping, checkpoints, and going on after an interruption.
//
// Files in the folder of a run, each replaced as a whole:
//   resume/state.safetensors   everything that going on needs, the selected model included
//   model.safetensors          the selected model
//   history.jsonl              one JSON object per epoch
// The state is written first, and the other two follow from it: a process that is killed at any moment leaves a state that
// `resume` goes on from, to the same bytes that an undisturbed run ends with.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ramer/core/padding.hpp"
#include "ramer/data/loader.hpp"
#include "ramer/train/callbacks.hpp"
#include "ramer/train/checkpoint.hpp"
#include "ramer/train/detail/progress_state.hpp"
#include "ramer/train/detail/run_folder.hpp"
#include "ramer/train/evaluate.hpp"
#include "ramer/train/trainer_config.hpp"

namespace ramer::train {

/// What a model is selected by; absent for `Last`. An AUC that is undefined counts 0.
inline std::optional<double> selection_value(const ValidationRecord& v, Selection selection) {
  switch (selection) {
    case Selection::MicroF1: return v.micro_f1;
    case Selection::MacroF1: return v.macro_f1;
    case Selection::WeightedF1: return v.weighted_f1;
    case Selection::Accuracy: return v.accuracy;
    case Selection::Auc: return v.auc.value_or(0.0);
    case Selection::Last: break;
  }
  return std::nullopt;
}

namespace detail {
/// Whether a backend records steps and replays those whose shapes it has seen.
template <class Backend>
bool replays([[maybe_unused]] const Backend& backend) {
  if constexpr (requires { backend.replays(); }) return backend.replays();
  return false;
}
}  // namespace detail

/// Trains one model. The model is the caller's and must outlive the trainer; after `run` or `resume` it holds the selected
/// parameters and state, or those at the last step if the run was interrupted.
template <class ModelType>
class Trainer {
 public:
  using Real = typename ModelType::Real;

  Callbacks callbacks;  ///< what the caller wants to be told
  /// Changes training batches, on another thread. A function of its arguments alone, or resuming is not exact. Batches then carry
  /// features even where the data set is kept on a GPU.
  std::function<void(Batch&, std::uint64_t epoch)> transform;
  Metadata metadata;  ///< goes into every checkpoint of the run

  /// @param split the samples that train and validate; without validation samples the last epoch's model is selected
  /// @throws ConfigError; DataError for data without labels or training samples, or that do not fit the model
  Trainer(ModelType& model, data::Dataset dataset, data::SplitSamples split, const TrainerConfig& config);

  /// As given.
  const TrainerConfig& config() const { return config_; }
  /// Steps of an epoch.
  Index batches() const { return batches_; }
  /// Whether `folder` holds a run that `resume` can go on with.
  static bool can_resume(const std::filesystem::path& folder) {
    std::error_code none;  // a folder that may not be looked into holds none
    return std::filesystem::exists(detail::RunFolder(folder).state(), none);
  }

  /// Trains from the model's present parameters and state. An earlier run in `folder` is replaced. Without a folder nothing
  /// is written.
  /// @throws NumericError when a loss, a gradient or a score is not finite: the files of the last checkpoint then stay
  /// @throws IoError
  TrainResult run(const std::filesystem::path& folder = {});
  /// Goes on with the run in `folder`, or ends at once if it is complete. `epochs`, `patience` and what is written when may
  /// have changed since; of a different number of epochs the learning rate's schedule takes notice.
  /// @throws IoError, ConfigError for a run that is not there, or that is of another model, configuration or data
  TrainResult resume(const std::filesystem::path& folder);

  /// What runs the steps, for whoever inspects or times them.
  Stepper<ModelType>& stepper() { return stepper_; }

 private:
  using Snapshot = detail::Snapshot<Real>;
  struct Sum {
    std::string name;
    double value = 0;
  };

  TrainResult loop() {
    kept_ = DeviceData<typename ModelType::Memory>::keep(model_, dataset_, config_.device_data);
    struct Release {
      decltype(kept_)& kept;
      ~Release() { kept.reset(); }
    } const release{kept_};  // after the loader
    const bool by_row = kept_ && !transform;
    data::BatchOptions shown = batch_options(model_.schema(), config_.view);
    if (by_row) shown.features = data::Features::kByRow;
    data::LoaderOptions options;
    options.batch_size = config_.batch;
    options.drop_last = drop_last_;
    options.ahead = config_.ahead;
    const bool pads = detail::replays(model_.backend()) && model_.takes_padding();
    options.transform = [this, by_row, pads](Batch& batch, std::uint64_t epoch) {
      if (by_row) kept_->attach(batch);
      if (transform) transform(batch, epoch);
      if (config_.missing.rate > 0) data::drop_modalities(batch, config_.missing, config_.seed, epoch + 1);
      if (pads) pad_rows(batch);  // few shapes, each of which is recorded once
    };
    data::Loader loader(data::BatchBuilder(dataset_, std::move(shown)), std::move(options));
    while (progress_.epoch < config_.epochs && !out_of_patience()) {
      const auto start = std::chrono::steady_clock::now();
      if (!train_epoch(loader)) return interrupted();
      end_epoch();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (callbacks.on_epoch) callbacks.on_epoch({config_.epochs, progress_.history.back(), took.count()});
    }
    if (!selected_.empty()) detail::restore(selected_, model_);
    return result(progress_.epoch < config_.epochs ? Ending::EarlyStopped : Ending::Finished);
  }

  bool out_of_patience() const { return config_.patience > 0 && progress_.waited >= config_.patience; }
  bool stop_requested() const { return callbacks.stop_requested && callbacks.stop_requested(); }

  /// What is left of the epoch at hand; false when it was interrupted.
  bool train_epoch(data::Loader& loader) {
    sampler_.order(static_cast<std::uint64_t>(progress_.epoch), order_);
    const auto done = std::min(static_cast<std::size_t>(progress_.batch * config_.batch), order_.size());
    loader.start(std::span<const std::int32_t>(order_).subspan(done), static_cast<std::uint64_t>(progress_.epoch));
    const double total = static_cast<double>(batches_) * static_cast<double>(config_.epochs);
    while (true) {
      const bool stops = stop_requested();
      const Batch* batch = !stops && progress_.batch < batches_ ? loader.next() : nullptr;
      if (!batch) {
        finish_steps();
        return !stops;
      }
      const auto report = stepper_.submit(*batch, progress_.step, total);
      ++progress_.step;
      ++progress_.batch;
      if (report) note(*report);
      if (folder_ && config_.checkpoint_every > 0 && progress_.batch < batches_ &&
          progress_.step % static_cast<std::uint64_t>(config_.checkpoint_every) == 0) {
        finish_steps();
        save_state();
      }
    }
  }
  /// Waits for the reports of steps that are under way.
  void finish_steps() {
    while (const auto report = stepper_.finish()) note(*report);
  }
  /// The report of the earliest step that had none.
  void note(const StepReport& report) {
    add(report);
    const Index behind = stepper_.under_way();
    if (callbacks.on_step)
      callbacks.on_step({progress_.epoch + 1, config_.epochs, progress_.batch - behind, batches_,
                         progress_.step - static_cast<std::uint64_t>(behind), report});
  }

  /// Sums of this epoch: the total, the gradient norm, then each term. The wiring reports the same terms at every step.
  void add(const StepReport& report) {
    if (sums_.empty()) {
      sums_.push_back({"total", 0});
      sums_.push_back({"gradient_norm", 0});
      for (const auto& term : report.list()) sums_.push_back({std::string(term.name), 0});
    }
    sums_[0].value += report.total;
    sums_[1].value += report.gradient_norm;
    for (std::size_t k = 0; k < report.term_count && k + 2 < sums_.size(); ++k) sums_[k + 2].value += report.terms[k].value;
  }

  double fixed_threshold() const {
    if (config_.threshold) return *config_.threshold;
    if constexpr (requires { model_.config().threshold; }) return model_.config().threshold;
    return 0.5;
  }

  /// Validates, selects, notes and saves.
  void end_epoch() {
    EpochRecord record;
    record.epoch = ++progress_.epoch;
    record.step = progress_.step;
    const auto mean = [&](double sum) -> std::optional<double> {
      const double value = sum / static_cast<double>(std::max<Index>(1, progress_.batch));
      return std::isfinite(value) ? std::optional(value) : std::nullopt;
    };
    for (std::size_t k = 0; k < sums_.size(); ++k) {
      if (k == 0) record.loss = mean(sums_[k].value);
      if (k == 1) record.gradient_norm = mean(sums_[k].value);
      if (k > 1) record.terms[sums_[k].name] = mean(sums_[k].value);
    }
    double threshold = fixed_threshold();
    const std::optional<double> metric = validate(record, threshold);
    // Without a metric (no validation data, or the last is wanted) every epoch is the best.
    const bool better = !metric || !progress_.selected_metric || *metric > *progress_.selected_metric;
    if (better || metric == progress_.selected_metric) {
      detail::capture(std::as_const(model_), selected_);
      progress_.selected_epoch = progress_.epoch;
      progress_.selected_step = progress_.step;
      progress_.selected_metric = metric;
      progress_.selected_threshold = threshold;
      record.selected = true;
    }
    progress_.waited = better ? 0 : progress_.waited + 1;
    progress_.history.push_back(record);
    progress_.batch = 0;
    sums_.clear();
    if (folder_) {
      save_state();
      save_outcome(record.selected);
    }
  }

  std::optional<double> validate(EpochRecord& record, double& threshold) {
    if (split_.validation.empty()) return std::nullopt;
    PredictOptions options;
    options.view = config_.view;
    TermMeans terms;
    const auto scores = predict(std::as_const(model_), dataset_, std::span<const std::int32_t>(split_.validation), options,
                                &terms, kept_ ? &*kept_ : nullptr);
    if (config_.threshold_rule == ThresholdRule::Tuned)
      threshold = eval::tune_threshold(scores.view(), truth_.labels_view(), truth_.mask_view()).threshold;
    eval::MetricOptions metrics;
    metrics.threshold = threshold;
    ValidationRecord v(evaluate(scores, truth_, metrics));
    v.terms = std::move(terms);
    record.validation = v;
    return selection_value(v, config_.selection);
  }

  TrainResult interrupted() {
    if (folder_) {
      save_state();
      if (progress_.selected_epoch == 0) {
        RunRecord run = describe_selected();
        run.epoch = progress_.epoch;
        run.step = progress_.step;
        run.threshold = fixed_threshold();
        save_model(folder_.model(), std::as_const(model_), run, metadata);
      }
    }
    return result(Ending::Interrupted);
  }
  TrainResult result(Ending ending) {
    TrainResult r{ending,
                  progress_.history,
                  progress_.selected_epoch,
                  progress_.selected_metric,
                  progress_.selected_threshold,
                  folder_ ? folder_.model() : std::filesystem::path()};
    if (callbacks.on_end) callbacks.on_end(r);
    return r;
  }

  RunRecord describe_selected() const {
    RunRecord run;
    run.seed = config_.seed;
    run.epoch = progress_.selected_epoch;
    run.step = progress_.selected_step;
    if (progress_.selected_metric) run.selection = enum_name(config_.selection);
    run.metric = progress_.selected_metric;
    run.threshold = progress_.selected_threshold;
    run.view = config_.view;
    return run;
  }

  void save_state();
  void load_state();

  /// The selected model, where there is one (and it is new), and the history.
  void save_outcome(bool model_changed = true) {
    if (selected_.empty()) {
      std::error_code error;
      std::filesystem::remove(folder_.model(), error);
      require<IoError>(!error, folder_.model().string(), ": cannot be removed: ", error.message());
    } else if (model_changed) {
      detail::write_model(folder_.model(), std::as_const(model_), selected_, describe_selected(), metadata);
    }
    write_history(folder_.history(), progress_.history);
  }

  ModelType& model_;
  data::Dataset dataset_;
  data::SplitSamples split_;
  TrainerConfig config_;
  data::Sampler sampler_;
  Stepper<ModelType> stepper_;
  std::optional<DeviceData<typename ModelType::Memory>> kept_;  // while a run lasts
  Truth truth_;
  bool drop_last_ = false;
  Index batches_ = 0;

  detail::RunFolder folder_;
  detail::Progress progress_;
  std::vector<Sum> sums_;
  Snapshot selected_, current_;  // `current_`: only to reuse its memory
  std::vector<std::int32_t> order_;
};

// Outside the class: what `extern template class` says is compiled elsewhere, g++ then leaves alone.

template <class ModelType>
Trainer<ModelType>::Trainer(ModelType& model, data::Dataset dataset, data::SplitSamples split, const TrainerConfig& config)
    : model_(model),
      dataset_(std::move(dataset)),
      split_(std::move(split)),
      config_(checked(config, "train")),
      sampler_(dataset_, split_.train, config_.order, config_.seed),
      stepper_(model, config_.optimizer, config_.seed) {
  require<DataError>(dataset_.has_labels(), dataset_.origin(), ": no 'labels'; training needs them");
  require<DataError>(!split_.train.empty(), dataset_.origin(), ": no training samples");
  for (const std::int32_t sample : split_.train)
    require<DataError>(sample >= 0 && sample < dataset_.size(), dataset_.origin(), ": sample ", sample,
                       " asked for; there are ", dataset_.size());
  const auto n = static_cast<Index>(split_.train.size());
  drop_last_ = config_.drop_last && n >= config_.batch;
  batches_ = drop_last_ ? n / config_.batch : (n + config_.batch - 1) / config_.batch;
  if (!split_.validation.empty()) truth_ = truth_of(dataset_, split_.validation, model.schema().labels);
  progress_.data = detail::DataRecord(dataset_, split_);
}

template <class ModelType>
TrainResult Trainer<ModelType>::run(const std::filesystem::path& folder) {
  stepper_.abandon();  // of a run that ended with an exception
  const detail::DataRecord data = progress_.data;
  progress_ = {};
  progress_.data = data;
  sums_.clear();
  selected_ = {};
  stepper_.optimizer().reset(model_.backend());
  folder_ = detail::RunFolder(folder);
  if (folder_) {
    folder_.create();
    save_state();
    save_outcome();
  }
  return loop();
}

template <class ModelType>
TrainResult Trainer<ModelType>::resume(const std::filesystem::path& folder) {
  stepper_.abandon();
  folder_ = detail::RunFolder(folder);
  load_state();
  folder_.create();
  save_outcome();
  return loop();
}

}  // namespace ramer::train

#include "ramer/train/detail/trainer_state.hpp"
