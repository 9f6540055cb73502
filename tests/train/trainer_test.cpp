#include "ramer/train/trainer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "ramer/train/progress.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;
using train::Ending;
using train::TrainerConfig;
using train::TrainResult;
using SmallTrainer = train::Trainer<Small>;

namespace {

/// Trains in `folder` until `stop_at` steps were made (0: to the end), on a fresh model.
TrainResult train_in(const std::filesystem::path& folder, const data::Dataset& data, const TrainerConfig& config,
                     bool resume, std::uint64_t stop_at = 0, int threads = 1) {
  Small model = small_model(data, threads, resume ? 99 : 3);  // what resumes must not depend on how the model started
  SmallTrainer trainer(model, data, data::split_samples(data), config);
  std::uint64_t steps = 0;
  trainer.callbacks.on_step = [&](const train::StepEvent& e) { steps = e.step; };
  trainer.callbacks.stop_requested = [&] { return stop_at > 0 && steps >= stop_at; };
  return resume ? trainer.resume(folder) : trainer.run(folder);
}

double initial_loss(const data::Dataset& data) {
  Small model = small_model(data);
  SmallTrainer trainer(model, data, data::split_samples(data), small_training());
  double loss = 0;
  bool stop = false;
  trainer.callbacks.on_step = [&](const train::StepEvent& e) { loss = e.report.total, stop = true; };
  trainer.callbacks.stop_requested = [&] { return stop; };
  trainer.run();
  return loss;
}

}  // namespace

TEST_CASE("Training lowers the loss and beats chance") {
  const auto data = small_data(400);
  const auto split = data::split_samples(data);
  Small model = small_model(data);
  TrainerConfig config = small_training(12);
  config.selection = train::Selection::Auc;
  SmallTrainer trainer(model, data, split, config);
  Index epochs = 0, steps = 0, ends = 0;
  trainer.callbacks.on_epoch = [&](const train::EpochEvent& e) { CHECK(e.record.epoch == ++epochs); };
  trainer.callbacks.on_step = [&](const train::StepEvent& e) {
    CHECK(e.batches == trainer.batches());
    CHECK(e.step == static_cast<std::uint64_t>(++steps));
  };
  trainer.callbacks.on_end = [&](const TrainResult&) { ++ends; };
  const TrainResult result = trainer.run();
  CHECK(result.ending == Ending::Finished);
  CHECK(epochs == 12);
  CHECK(steps == 12 * trainer.batches());
  CHECK(trainer.batches() == static_cast<Index>(split.train.size()) / 16);
  CHECK(ends == 1);
  CHECK(result.model.empty());
  REQUIRE(result.history.size() == 12);
  CHECK(*result.history.back().loss < 0.6 * initial_loss(data));
  CHECK(*result.history.back().loss < *result.history.front().loss);
  CHECK(result.history.back().terms.size() == 13);

  // The model is the selected one, and samples that it never saw are told apart.
  const auto validation = train::evaluate(model, data, std::span<const std::int32_t>(split.validation));
  CHECK(*validation.auc.mean == *result.selected_metric);
  CHECK(*train::evaluate(model, data, std::span<const std::int32_t>(split.test)).auc.mean > 0.65);
}

TEST_CASE("The same bits with 1, 2 and 4 threads over a whole run") {
  const auto data = small_data();
  TrainerConfig config = small_training(3);
  config.missing.rate = 0.2;
  config.order = data::SampleOrder::kClassWeighted;
  Folder one("threads1"), two("threads2"), four("threads4");
  train_in(one, data, config, false, 0, 1);
  train_in(two, data, config, false, 0, 2);
  train_in(four, data, config, false, 0, 4);
  const RunBytes reference(one);
  CHECK(reference.whole());
  CHECK(RunBytes(two) == reference);
  CHECK(RunBytes(four) == reference);
}

TEST_CASE("What an encoder computes again instead of keeping it changes no bit") {
  const auto data = small_data();
  const auto values = [&](Index recompute) {
    auto config = small_config();
    config.encoder.recompute = recompute;
    Small model(train::make_schema(data), config, backend::Cpu(1), 3);
    SmallTrainer(model, data, data::split_samples(data), small_training(2)).run();
    std::vector<float> all;
    for (const auto* p : model.parameters()) all.insert(all.end(), p->value.data(), p->value.data() + p->size());
    return all;
  };
  const auto kept = values(0);
  for (Index recompute = 1; recompute <= 4; ++recompute) CHECK(values(recompute) == kept);
}

TEST_CASE("A resumed run ends with the same bytes, wherever it was interrupted") {
  const auto data = small_data();
  TrainerConfig config = small_training(3);
  config.missing.rate = 0.1;
  Folder whole("whole");
  const TrainResult undisturbed = train_in(whole, data, config, false);
  const RunBytes reference(whole);
  REQUIRE(reference.whole());
  Small model = small_model(data);
  const auto batches = static_cast<std::uint64_t>(SmallTrainer(model, data, data::split_samples(data), config).batches());
  REQUIRE(batches >= 4);

  // The first step, the middle of an epoch, its last step, the first of the next, and the end.
  for (const std::uint64_t stop : {std::uint64_t{1}, batches / 2, batches, batches + 1, 2 * batches - 1, 3 * batches - 1}) {
    CAPTURE(stop);
    Folder folder("stopped");
    const TrainResult stopped = train_in(folder, data, config, false, stop);
    CHECK(stopped.ending == Ending::Interrupted);
    CHECK(SmallTrainer::can_resume(folder));
    CHECK(train::open_checkpoint(folder.path() / "model.safetensors").kind == "model");
    const TrainResult resumed = train_in(folder, data, config, true);
    CHECK(resumed.ending == Ending::Finished);
    CHECK(resumed.selected_epoch == undisturbed.selected_epoch);
    CHECK((RunBytes(folder) == reference));
  }

  // Again and again, every few steps; and once more when it is complete.
  Folder folder("often");
  train_in(folder, data, config, false, 1);
  for (std::uint64_t stop = 3; stop < 3 * batches; stop += 2) train_in(folder, data, config, true, stop);
  CHECK(train_in(folder, data, config, true).ending == Ending::Finished);
  CHECK((RunBytes(folder) == reference));
  CHECK(train_in(folder, data, config, true).ending == Ending::Finished);
  CHECK((RunBytes(folder) == reference));
}

TEST_CASE("A run goes on from the last checkpoint inside an epoch") {
  const auto data = small_data();
  TrainerConfig config = small_training(2);
  config.checkpoint_every = 2;
  Folder whole("every"), folder("every_stopped");
  train_in(whole, data, config, false);
  Small model = small_model(data);
  SmallTrainer trainer(model, data, data::split_samples(data), config);
  struct Crash {};
  trainer.callbacks.on_step = [](const train::StepEvent& e) {
    if (e.step == 5) throw Crash();  // the end of the process, as far as the files can tell
  };
  CHECK_THROWS_AS(trainer.run(folder), Crash);
  CHECK(train::open_checkpoint(folder.path() / "resume" / "state.safetensors").run.step == 4);
  train_in(folder, data, config, true);
  CHECK((RunBytes(folder) == RunBytes(whole)));
}

TEST_CASE("More epochs than at first") {
  const auto data = small_data();
  Folder folder("more");
  TrainerConfig config = small_training(1);
  config.optimizer.schedule = train::Schedule::Constant;
  train_in(folder, data, config, false);
  config.epochs = 3;
  const TrainResult result = train_in(folder, data, config, true);
  CHECK(result.history.size() == 3);
  Folder whole("more_whole");
  train_in(whole, data, config, false);
  CHECK((RunBytes(folder) == RunBytes(whole)));
}

TEST_CASE("The model alone stands in the folder, and its history") {
  const auto data = small_data();
  Folder folder("files");
  const TrainResult result = train_in(folder, data, small_training(2), false);
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path().filename().string());
  CHECK(found == std::vector<std::string>{"model.safetensors"});
  CHECK(result.model == folder.path() / "model.safetensors");

  const auto history = train::read_history(folder.path() / "history.jsonl");
  REQUIRE(history.size() == 2);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(history[k].epoch == static_cast<Index>(k) + 1);
    CHECK(io::to_json(history[k]) == io::to_json(result.history[k]));
    CHECK(history[k].terms.at("shuffled").has_value());
    REQUIRE(history[k].validation);
    CHECK(history[k].validation->terms.at("cls_gamma").has_value());
    CHECK_FALSE(history[k].validation->terms.contains("shuffled"));
    CHECK(history[k].validation->label_f1.size() == 4);
    CHECK(history[k].validation->label_auc.contains(data.label_names()[3]));
  }
  const auto checkpoint = train::open_checkpoint(result.model);
  CHECK(checkpoint.run.epoch == result.selected_epoch);
  CHECK(checkpoint.run.metric == result.selected_metric);
  CHECK(checkpoint.run.selection == "micro_f1");
  CHECK(checkpoint.run.threshold == result.threshold);

  // A second run in the folder starts anew.
  TrainerConfig other = small_training(1);
  other.seed = 7;
  CHECK(train_in(folder, data, other, false).history.size() == 1);
  CHECK(train::read_history(folder.path() / "history.jsonl").size() == 1);
}

TEST_CASE("A program's own metadata is in the files whenever they are there") {
  const auto data = small_data(60);
  Folder folder("metadata");
  Small model = small_model(data);
  SmallTrainer trainer(model, data, data::split_samples(data), small_training(2));
  trainer.metadata = {{"fold", "1/4"}};
  const auto files = {folder.path() / "model.safetensors", folder.path() / "resume" / "state.safetensors"};
  Index seen = 0;
  const auto look = [&] {
    for (const auto& file : files) {
      if (!std::filesystem::exists(file)) continue;
      ++seen;
      CHECK(train::open_checkpoint(file).file.metadata("fold", "") == "1/4");
    }
  };
  trainer.callbacks.on_step = [&](const train::StepEvent&) { look(); };
  trainer.callbacks.on_epoch = [&](const train::EpochEvent&) { look(); };
  bool stop = true;  // stopped before anything was selected: the model as it stands
  trainer.callbacks.stop_requested = [&] { return stop; };
  trainer.run(folder);
  look();
  CHECK(seen == 2);
  stop = false;
  trainer.resume(folder);
  CHECK(seen > 2 + 2 * 2);

  for (const char* taken : {"format", "run", "progress"}) {
    trainer.metadata = {{taken, "mine"}};
    const RunBytes before(folder);
    CHECK(has(message_of([&] { trainer.run(folder); }), "metadata '" + std::string(taken) + "'"));
    CHECK((RunBytes(folder) == before));
  }
}

TEST_CASE("Selection and early stopping") {
  const auto data = small_data();
  TrainerConfig config = small_training(6);
  config.optimizer.rate = 0;  // every epoch is as good as the one before
  config.patience = 2;
  config.threshold_rule = train::ThresholdRule::Fixed;
  Small model = small_model(data);
  SUBCASE("equal metrics: the later epoch, but no progress") {
    // A learning rate of 0 still moves the prototypes, so look at what the history says.
    const TrainResult r = SmallTrainer(model, data, data::split_samples(data), config).run();
    double best = -1;
    Index selected = 0, waited = 0, epochs = 0;
    for (const auto& record : r.history) {
      const double metric = record.validation->micro_f1;
      ++epochs;
      CHECK(waited < config.patience);
      CHECK(record.selected == (metric >= best));
      waited = metric > best ? 0 : waited + 1;
      if (metric >= best) selected = record.epoch;
      best = std::max(best, metric);
    }
    CHECK(r.selected_epoch == selected);
    CHECK(*r.selected_metric == best);
    CHECK((r.ending == Ending::EarlyStopped) == (epochs < config.epochs));
    CHECK(r.ending == Ending::EarlyStopped);
  }
  SUBCASE("no validation data: the last epoch") {
    auto split = data::split_samples(data);
    split.validation.clear();
    const TrainResult r = SmallTrainer(model, data, split, config).run();
    CHECK(r.ending == Ending::Finished);
    CHECK(r.selected_epoch == 6);
    CHECK_FALSE(r.selected_metric.has_value());
    CHECK_FALSE(r.history.back().validation.has_value());
  }
}

TEST_CASE("A batch larger than the training data is one batch of all") {
  const auto data = small_data(40);
  Small model = small_model(data);
  TrainerConfig config = small_training(1);
  config.batch = 1000;
  SmallTrainer trainer(model, data, data::split_samples(data), config);
  CHECK(trainer.batches() == 1);
  CHECK(trainer.run().history.size() == 1);
  config.batch = 16;
  config.drop_last = false;
  CHECK(SmallTrainer(model, data, data::split_samples(data), config).batches() == 2);
}

TEST_CASE("Resuming something else is refused") {
  const auto data = small_data();
  Folder folder("refused");
  const TrainerConfig config = small_training(1);
  train_in(folder, data, config, false);
  const RunBytes before(folder);

  TrainerConfig other = config;
  other.batch = 8;
  std::string message = message_of([&] { train_in(folder, data, other, true); });
  CHECK(has(message, "batch = 16"));
  CHECK(has(message, "cannot go on with 8"));
  other = config;
  other.optimizer.rate = 1;
  CHECK(has(message_of([&] { train_in(folder, data, other, true); }), "optimizer.rate = 0.005"));
  CHECK(has(message_of([&] { train_in(folder, small_data(80), config, true); }), "other data: training samples"));

  Small::Config wider = small_config();
  wider.weights.contrast = 0.5;
  Small model(train::make_schema(data), wider, backend::Cpu(1));
  SmallTrainer trainer(model, data, data::split_samples(data), config);
  CHECK(has(message_of([&] { trainer.resume(folder); }), "weights.contrast = 1.0; it cannot go on with 0.5"));
  CHECK(has(message_of([&] { trainer.resume(folder.path() / "none"); }), "nothing to go on with"));
  CHECK((RunBytes(folder) == before));

  // The selected model says nothing about how to go on.
  std::filesystem::copy_file(folder.path() / "model.safetensors", folder.path() / "resume" / "state.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(has(message_of([&] { train_in(folder, data, config, true); }), "kind is 'model'; expected 'resume'"));
}

TEST_CASE("A loss that is not a number stops the run and leaves the last checkpoint") {
  const auto data = small_data();
  Folder folder("nan");
  const TrainerConfig config = small_training(2);
  Small model = small_model(data);
  SmallTrainer trainer(model, data, data::split_samples(data), config);
  const auto at = static_cast<std::uint64_t>(trainer.batches()) + 2;  // in the second epoch
  std::string after_first;
  trainer.callbacks.on_epoch = [&](const train::EpochEvent&) {
    after_first = bytes_of(folder.path() / "resume" / "state.safetensors");
  };
  trainer.callbacks.on_step = [&](const train::StepEvent& e) {
    if (e.step == at) model.parameters()[0]->value(0) = std::numeric_limits<float>::quiet_NaN();
  };
  std::string message;
  try {
    trainer.run(folder);
  } catch (const NumericError& error) {
    message = error.what();
  }
  CHECK(has(message, "loss term "));
  CHECK(has(message, "at step " + std::to_string(at)));
  CHECK(has(message, "samples "));
  CHECK(bytes_of(folder.path() / "resume" / "state.safetensors") == after_first);
  Folder whole("nan_whole");
  train_in(whole, data, config, false);
  train_in(folder, data, config, true);
  CHECK((RunBytes(folder) == RunBytes(whole)));
}

TEST_CASE("Settings and data that cannot be trained with") {
  const auto data = small_data(40);
  const auto split = data::split_samples(data);
  Small model = small_model(data);
  const auto refusal = [&](auto change) {
    TrainerConfig config = small_training();
    change(config);
    return message_of([&] { SmallTrainer(model, data, split, config); });
  };
  CHECK(refusal([](auto& c) { c.batch = 0; }) == "train.batch: expected 1 to 2147483647, found 0");
  CHECK(refusal([](auto& c) { c.epochs = 0; }) == "train.epochs: expected at least 1, found 0");
  CHECK(refusal([](auto& c) { c.threshold = 1.5; }) == "train.threshold: expected 0 to 1, found 1.5");
  CHECK(refusal([](auto& c) { c.missing.rate = 2; }) == "train.missing.rate: expected 0 to 1, found 2");
  CHECK(refusal([](auto& c) { c.optimizer.beta1 = 1; }) ==
        "train.optimizer.beta1: expected at least 0 and below 1, found 1");
  CHECK(refusal([](auto& c) { c.optimizer.rate = std::nan(""); }) == "train.optimizer.rate: expected at least 0, found nan");
  CHECK(refusal([](auto& c) { c.optimizer.epsilon = 0; }) == "train.optimizer.epsilon: expected more than 0, found 0");
  auto none = split;
  none.train.clear();
  CHECK(has(message_of([&] { SmallTrainer(model, data, none, small_training()); }), "no training samples"));
  none.train = {0, 40};
  CHECK(has(message_of([&] { SmallTrainer(model, data, none, small_training()); }), "sample 40"));
}

TEST_CASE("Progress: plain lines, or a bar on a terminal") {
  const auto data = small_data(60);
  Small model = small_model(data);
  const auto shown = [&](bool terminal) {
    std::ostringstream out;
    SmallTrainer trainer(model, data, data::split_samples(data), small_training(2));
    trainer.callbacks = train::show_progress(out, {terminal, 10, 0.0});
    trainer.run();
    return out.str();
  };
  const std::string plain = shown(false), bar = shown(true);
  CHECK(std::count(plain.begin(), plain.end(), '\n') == 2);
  CHECK_FALSE(has(plain, "\r"));
  CHECK(has(plain, "epoch 2/2  loss "));
  CHECK(has(plain, "validation micro-F1 "));
  CHECK(std::count(bar.begin(), bar.end(), '\n') == 2);
  CHECK(has(bar, "\repoch 1/2 ["));
  CHECK(has(bar, "[##########]"));
}
