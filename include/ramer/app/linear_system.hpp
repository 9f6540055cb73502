// The linear baseline behind the harness's interface: one logistic regression per label on pooled features.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/system.hpp"
#include "ramer/baseline/linear.hpp"
#include "ramer/core/config.hpp"
#include "ramer/model/pooled_features.hpp"

namespace ramer::app {

inline constexpr const char* kLinearName = "linear";

/// Settings "model.…" of the linear baseline.
struct LinearSettings {
  std::optional<double> c;
  std::vector<double> candidates{0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0};
  double tolerance = 1e-3;
  Index max_iterations = 1000;
  double threshold = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("c", self.c, "weight of the data against the L2 penalty; null: chosen on the validation data", more_than(0));
    field("candidates", self.candidates, "what c is chosen among", more_than(0));
    field("tolerance", self.tolerance, "stop when no entry of the gradient is larger than this", more_than(0));
    field("max_iterations", self.max_iterations, "at most so many iterations", at_least(0));
    field("threshold", self.threshold, "a label is predicted when its score is above", between(0, 1));
  }
};

/// What a linear model is fed, by the view: `target` and `moment` are the target at the target time alone, `persons` that and the mean
/// over everybody's window, `all` the mean alone.
inline Pooling pooling_of(data::PersonView view) {
  return data::shows_target_alone(view)   ? Pooling::Target
         : view == data::PersonView::kAll ? Pooling::Window
                                          : Pooling::TargetAndWindow;
}

/// Pooled rows (N, W) of samples, after what `options` drops. @throws DataError
inline Tensor<float, 2> pooled_rows(const Schema& schema, const data::Dataset& dataset,
                                    std::span<const std::int32_t> samples, const train::PredictOptions& options,
                                    std::vector<std::int64_t>* ids = nullptr) {
  require<ConfigError>(options.batch >= 1, "batch = ", options.batch, "; expected at least 1");
  const Pooling pooling = pooling_of(options.view);
  data::BatchOptions shown = train::batch_options(schema, data::PersonView::kPersons);  // pooling itself finds the target
  shown.labels.clear();
  data::BatchBuilder builder(dataset, std::move(shown));
  Tensor<float, 2> x(Shape{static_cast<Index>(samples.size()), pooled_width(schema, pooling)});
  Batch batch;
  std::vector<float> rows;
  float* to = x.data();
  for (std::size_t at = 0; at < samples.size(); at += static_cast<std::size_t>(options.batch)) {
    builder.build(samples.subspan(at, std::min(static_cast<std::size_t>(options.batch), samples.size() - at)), batch);
    if (options.transform) options.transform(batch);
    if (options.missing.rate > 0) data::drop_modalities(batch, options.missing, options.missing_seed);
    pool_features(schema, batch, pooling, rows);
    to = std::copy(rows.begin(), rows.end(), to);
    if (ids) ids->insert(ids->end(), batch.id.begin(), batch.id.end());
  }
  return x;
}

class LinearSystem : public System {
 public:
  LinearSystem(Schema schema, data::PersonView view, baseline::LinearClassifier classifier)
      : schema_(std::move(schema)), view_(view), classifier_(std::move(classifier)) {}

  const Schema& schema() const override { return schema_; }
  const baseline::LinearClassifier& classifier() const { return classifier_; }
  void set(baseline::LinearClassifier classifier) { classifier_ = std::move(classifier); }
  Index parameter_count() const override { return schema_.label_count() * (pooled_width(schema_, pooling_of(view_)) + 1); }

  train::Predictions<float> predict(const data::Dataset& dataset, std::span<const std::int32_t> samples,
                                    const train::PredictOptions& options) const override {
    train::Predictions<float> out;
    train::PredictOptions as_trained = options;
    as_trained.view = view_;
    const Tensor<float, 2> x = pooled_rows(schema_, dataset, samples, as_trained, &out.ids);
    const Tensor<double, 2> scores = classifier_.predict(x.view());
    out.labels = schema_.labels;
    out.samples.assign(samples.begin(), samples.end());
    out.scores.assign(scores.data(), scores.data() + scores.size());
    return out;
  }

 private:
  Schema schema_;
  data::PersonView view_;
  baseline::LinearClassifier classifier_;
};

namespace detail {

inline void save_linear(const std::filesystem::path& path, const LinearSystem& system, const train::RunRecord& run,
                        const io::Json& settings, const train::Metadata& own) {
  const baseline::LinearClassifier& k = system.classifier();
  const Index c = k.labels(), d = k.features;
  io::SafetensorsWriter writer;
  train::detail::add_own(writer, own);
  writer.set_metadata("format", "ramer.checkpoint");
  writer.set_metadata("version", "1");
  writer.set_metadata("kind", "model");
  writer.set_metadata("recipe", kLinearName);
  writer.set_metadata("precision", "double");
  writer.set_metadata("library", std::string(train::kLibraryVersion));
  writer.set_metadata("config", "{}");  // nothing that shapes the model
  writer.set_metadata("fit", io::dump_json(settings, -1));
  writer.set_metadata("schema", io::dump_json(io::to_json(train::SchemaRecord(system.schema())), -1));
  writer.set_metadata("run", io::dump_json(io::to_json(run), -1));
  writer.add<double>("linear.mean", {d}, std::span(k.mean));
  writer.add<double>("linear.inverse", {d}, std::span(k.inverse));
  writer.add<double>("linear.weight", {c, d}, std::span(k.weight));
  writer.add<double>("linear.bias", {c}, std::span(k.bias));
  writer.write(path);
}

inline std::unique_ptr<System> load_linear(const train::Checkpoint& checkpoint, int) {
  const Index c = checkpoint.schema.label_count(), d = pooled_width(checkpoint.schema, pooling_of(checkpoint.run.view));
  const auto read = [&](const char* name, const std::vector<Index>& shape) {
    return train::detail::read_reals<double>(checkpoint.file, name, shape);
  };
  baseline::LinearClassifier k;
  k.features = d;
  k.mean = read("linear.mean", {d});
  k.inverse = read("linear.inverse", {d});
  k.weight = read("linear.weight", {c, d});
  k.bias = read("linear.bias", {c});
  k.iterations.assign(static_cast<std::size_t>(c), 0);
  k.converged.assign(static_cast<std::size_t>(c), 1);
  return std::make_unique<LinearSystem>(checkpoint.schema, checkpoint.run.view, std::move(k));
}

/// Fits each candidate of c and keeps the best on the validation data; one line of history for each.
inline TrainOutcome train_linear(const TrainJob& job) {
  LinearSettings settings;
  io::from_json(job.model, settings, "model");
  checked(job.config, "train");
  require<DataError>(job.dataset.has_labels(), job.dataset.origin(), ": no 'labels'; training needs them");
  require<DataError>(!job.split.train.empty(), job.dataset.origin(), ": no training samples");
  data::BatchOptions shown;  // everybody: pooling itself looks for the target
  shown.modalities = job.modalities;
  Schema schema = train::make_schema(job.dataset, shown);
  if (job.config.view == data::PersonView::kAll) schema.has_target = false;
  schema.personality_width = 0;
  const bool validates = !job.split.validation.empty();
  std::vector<double> candidates = settings.candidates;
  if (settings.c) candidates = {*settings.c};
  require<ConfigError>(!candidates.empty() && (settings.c || validates || candidates.size() == 1),
                       "model.c is chosen on validation data, and there is none; give it, such as --set model.c=0.01");

  train::PredictOptions options;
  options.view = job.config.view;
  const train::Truth truth = train::truth_of(job.dataset, job.split.train, schema.labels);
  train::Truth held;
  if (validates) held = train::truth_of(job.dataset, job.split.validation, schema.labels);
  const Tensor<float, 2> x = pooled_rows(schema, job.dataset, job.split.train, options);
  Tensor<float, 2> x_held;
  if (validates) x_held = pooled_rows(schema, job.dataset, job.split.validation, options);

  auto system = std::make_unique<LinearSystem>(schema, job.config.view, baseline::LinearClassifier{});
  job.ready(*system);
  TrainOutcome outcome;
  if (!job.folder.empty()) outcome.result.model = job.folder / "model.safetensors";
  const auto& stop = job.callbacks.stop_requested;
  train::RunRecord run;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    if (stop && stop()) {
      outcome.result.ending = train::Ending::Interrupted;
      break;
    }
    const auto start = std::chrono::steady_clock::now();
    baseline::LinearConfig config;
    config.c = candidates[k];
    config.tolerance = settings.tolerance;
    config.max_iterations = settings.max_iterations;
    auto classifier = baseline::LinearClassifier::fit(x.view(), truth.labels_view(), truth.mask_view(), config);
    train::EpochRecord record;
    record.epoch = static_cast<Index>(k) + 1;
    record.terms["c"] = candidates[k];
    double threshold = job.config.threshold.value_or(settings.threshold);
    std::optional<double> metric;
    if (validates) {
      const Tensor<double, 2> scores = classifier.predict(x_held.view());
      if (job.config.threshold_rule == train::ThresholdRule::Tuned)
        threshold = eval::tune_threshold(scores.view(), held.labels_view(), held.mask_view()).threshold;
      eval::MetricOptions metrics;
      metrics.threshold = threshold;
      record.validation = train::ValidationRecord(eval::evaluate(scores.view(), held.labels_view(), held.mask_view(),
                                                                 std::span<const std::string>(schema.labels), metrics));
      // Of one fit each there is no last: by AUC.
      metric =
          train::selection_value(*record.validation, job.config.selection).value_or(record.validation->auc.value_or(0.0));
    }
    if (!outcome.result.selected_metric || !metric || *metric > *outcome.result.selected_metric) {
      record.selected = true;
      outcome.result.selected_epoch = record.epoch;
      outcome.result.selected_metric = metric;
      outcome.result.threshold = threshold;
      system->set(std::move(classifier));
      run = {job.config.seed, record.epoch, 0, "", metric, threshold, job.config.view};
      if (metric) run.selection = enum_name(job.config.selection);
    }
    outcome.result.history.push_back(record);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (job.callbacks.on_epoch)
      job.callbacks.on_epoch({static_cast<Index>(candidates.size()), outcome.result.history.back(), took.count()});
  }
  if (outcome.result.ending == train::Ending::Finished && !job.folder.empty()) {
    std::filesystem::remove(train::detail::RunFolder(job.folder).state());  // of another recipe's run in this folder
    save_linear(outcome.result.model, *system, run, job.model, job.metadata);
    train::write_history(job.folder / "history.jsonl", outcome.result.history);
  }
  outcome.system = std::move(system);
  return outcome;
}

}  // namespace detail

/// The harness's entry for the linear baseline.
inline Kind linear_kind() {
  return {kLinearName,
          false,
          detail::describe_model<LinearSettings>,
          detail::resolve_model<LinearSettings>,
          detail::train_linear,
          detail::load_linear,
          false};
}

}  // namespace ramer::app
