// The demonstration: four systems on synthetic conversations, measured with every modality and with each one missing.
//
//   ramer_demo                    the generator's usual setting: other people, personality and time matter
//   ramer_demo --setting linear   a setting in which a linear model of the target's features is the right model
//   ramer_demo --seed 2 --epochs 30 --threads 2
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/app/best_score.hpp"
#include "ramer/app/linear_system.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/app/model_system.hpp"
#include "ramer/app/settings.hpp"
#include "ramer/app/source.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/train/progress.hpp"
#include "recipes/recipes.hpp"

namespace {

using namespace ramer;

struct Arguments {
  bool linear = false;
  std::uint64_t seed = 42;
  Index epochs = 0;  // 0: each system's own
  int threads = 0;
};

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments a;
  for (int k = 1; k < argc; k += 2) {
    const std::string_view key = argv[k], value = k + 1 < argc ? argv[k + 1] : "";
    const auto number = [&](auto& out) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
      return !value.empty() && error == std::errc{} && end == value.data() + value.size();
    };
    const bool known = (key == "--setting" && (value == "linear" || value == "usual")) ||
                       (key == "--seed" && number(a.seed)) || (key == "--epochs" && number(a.epochs) && a.epochs > 0) ||
                       (key == "--threads" && number(a.threads) && a.threads >= 0);
    if (!known) return std::nullopt;
    if (key == "--setting") a.linear = value == "linear";
  }
  return a;
}

// A test condition: the modality that is dropped, or none.
using Condition = std::optional<std::string>;

app::Drop drop_of(const Condition& condition) { return {condition.value_or(""), 1.0}; }

train::PredictOptions shown(const Condition& condition, data::PersonView view) {
  train::PredictOptions options;
  options.view = view;
  if (condition) app::add_drops(options, {drop_of(condition)}, "everyone");
  return options;
}

struct Row {
  std::string name;
  std::vector<eval::Report> reports;  // one for each condition
};

class Demo {
 public:
  explicit Demo(const Arguments& arguments)
      : arguments_(arguments),
        generator_(config_of(arguments)),
        dataset_(generator_.generate()),
        split_(data::split_samples(dataset_)) {
    conditions_.emplace_back();
    for (const data::Modality& m : dataset_.modalities()) conditions_.emplace_back(m.name);
  }

  void introduce() const {
    std::cout << "Synthetic conversations of up to " << dataset_.persons() << " people over up to " << dataset_.times()
              << " segments;\n"
              << dataset_.labels() << " emotions of one person at one moment are asked for.\n"
              << split_.train.size() << " samples to train on, " << split_.validation.size() << " to choose by, "
              << split_.test.size() << " to test on.\n"
              << (arguments_.linear ? "In this setting a linear model of the target's features is the right model.\n"
                                    : "Silent people are seen but not heard; personality changes how emotions show.\n");
  }

  void best() {
    const app::BestScore best(generator_, dataset_, split_);
    Row row{"best possible", {}};
    for (const Condition& c : conditions_)
      row.reports.push_back(best.report(split_.test, shown(c, data::PersonView::kPersons).transform));
    rows_.push_back(std::move(row));
  }

  /// Trains a system of the harness with the preset `small` and measures it.
  void train(const std::string& title, const app::Kind& kind, const std::vector<std::string>& changes) {
    const auto start = std::chrono::steady_clock::now();
    app::Options options;
    options.set = changes;
    options.seed = arguments_.seed;
    if (arguments_.epochs > 0) options.epochs = arguments_.epochs;
    const app::Settings settings = app::resolve_settings(options, {kind}, {});
    app::TrainJob job;
    job.dataset = dataset_;
    job.split = split_;
    job.model = settings.model;
    job.config = settings.train;
    job.threads = arguments_.threads;
    train::ProgressOptions progress;
    progress.terminal = isatty(STDOUT_FILENO) != 0;
    job.callbacks = train::show_progress(std::cout, progress);
    job.callbacks.on_epoch = [&, every = job.callbacks.on_epoch](const train::EpochEvent& e) {
      if (progress.terminal || e.record.epoch % 5 == 0 || e.record.epoch == e.epochs) every(e);
    };
    job.ready = [&](const app::System& system) {
      std::cout << '\n' << title << ", " << system.parameter_count() << " parameters\n" << std::flush;
    };
    const app::TrainOutcome outcome = kind.train(job);
    Row row{title, {}};
    for (const Condition& c : conditions_) {
      eval::MetricOptions metrics;
      metrics.threshold = outcome.result.threshold;
      row.reports.push_back(app::measure(*outcome.system, dataset_, split_.test, shown(c, settings.train.view), metrics));
    }
    rows_.push_back(std::move(row));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cout << "  " << app::fixed(took.count(), 1) << " s\n";
  }

  void print() const {
    std::vector<std::string> header{"test data", "all modalities"};
    for (std::size_t k = 1; k < conditions_.size(); ++k) header.push_back("without " + *conditions_[k]);
    std::cout << "\nmicro-F1 / mean AUC on " << split_.test.size()
              << " test samples, one training run each. Thresholds were chosen on\nvalidation data. The two networks were "
                 "trained with a tenth of their input dropped.\n\n";
    app::Table table(header);
    for (const Row& row : rows_) {
      std::vector<std::string> cells{row.name};
      for (const eval::Report& r : row.reports)
        cells.push_back(app::fixed(r.micro_f1, 3) + " / " + app::fixed(r.auc.mean, 3));
      table.add(std::move(cells));
    }
    table.print(std::cout);
    std::cout << "\nThe best possible score comes from the generator itself: its exact probabilities of the labels, given\n"
                 "everything that is observed. No system can expect to do better. --seed shows how the networks vary.\n";
  }

 private:
  static data::SyntheticConfig config_of(const Arguments& a) {
    data::SyntheticConfig config;
    config.samples = 4000;
    config.linear = a.linear;
    return config;
  }

  Arguments arguments_;
  data::SyntheticModel generator_;
  data::Dataset dataset_;
  data::SplitSamples split_;
  std::vector<Condition> conditions_;
  std::vector<Row> rows_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Arguments> arguments = parse(argc, argv);
  if (!arguments) {
    std::cerr << "usage: ramer_demo [--setting usual|linear] [--seed N] [--epochs N] [--threads N]\n";
    return 2;
  }
  try {
    Demo demo(*arguments);
    demo.introduce();
    demo.best();
    demo.train("linear baseline", app::linear_kind(), {});
    demo.train("early-fusion MLP", app::make_kind<recipe::EarlyFusion>(), {"train.epochs=20", "train.missing.rate=0.1"});
    demo.train("RAMer", app::make_kind<recipe::Ramer>(),
               {"train.epochs=20", "train.missing.rate=0.1", "model.encoder.dropout=0.1", "model.contrast.queue=512"});
    demo.print();
  } catch (const std::exception& error) {
    std::cerr << "ramer_demo: " << error.what() << '\n';
    return 1;
  }
}
