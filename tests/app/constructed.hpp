// Runs whose scores a test makes up: 40 groups of 5 samples in each fold, three labels.
#pragma once

#include <string>
#include <vector>

#include "app/folder.hpp"
#include "ramer/app/comparison_files.hpp"
#include "ramer/app/linear_system.hpp"
#include "ramer/app/run_progress.hpp"

namespace ramer::test {

struct Constructed {
  app::Kind kind = app::linear_kind();
  app::Experiment experiment;
  std::vector<std::vector<app::StoredRun>> runs;  // (rows, folds x seeds)
  app::ComparisonOptions options;

  Constructed(const std::vector<std::string>& names, std::size_t folds, std::size_t seeds) {
    kind.seeded = true;
    data::SyntheticConfig config;
    config.samples = 20;
    experiment.dataset = data::make_synthetic(config);
    experiment.identity = "made up";
    for (std::size_t k = 0; k < folds; ++k) experiment.folds.push_back(std::to_string(k) + "/" + std::to_string(folds));
    for (std::size_t k = 0; k < seeds; ++k) experiment.seeds.push_back(k + 1);
    for (const std::string& name : names) {
      app::Row row{name, &kind, app::preset_settings(kind, "small")};
      row.settings.recipe = name;
      experiment.rows.push_back(row);
    }
    options.bootstrap.resamples = 1000;
  }

  /// score(row, group, sample of the group, truth) is the score of every label.
  template <class Score>
  void fill(Score score) {
    runs.clear();
    for (std::size_t row = 0; row < experiment.rows.size(); ++row) {
      std::vector<app::StoredRun>& own = runs.emplace_back();
      for (const std::uint64_t seed : experiment.seeds)
        for (std::size_t fold = 0; fold < experiment.folds.size(); ++fold) {
          app::StoredRun run;
          run.info = {experiment.rows[row].name, "persons", experiment.folds[fold], seed, 0.5, 3, 2, 0.5, 12345, 1.5,
                      {"one", "two", "three"}};
          for (Index g = 0; g < 40; ++g)
            for (Index s = 0; s < 5; ++s) {
              const Index group = static_cast<Index>(fold) * 40 + g;
              run.id.push_back(group * 5 + s);
              run.group.push_back(group);
              for (Index c = 0; c < 3; ++c) {
                const bool is = (g + s * 2 + c) % 3 == 0;
                run.truth.push_back(is);
                run.mask.push_back(1);
                run.scores["scores"].push_back(score(row, group, s, is));
              }
            }
          own.push_back(std::move(run));
        }
    }
  }

  app::ComparisonResult result() const { return app::compare_rows(experiment.rows, runs, options); }
  app::ComparisonText text() const { return {"compare", app::columns_of("paper"), {true, 0.5}, options}; }
};

}  // namespace ramer::test
