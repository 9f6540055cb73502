// What a comparison is made of: rows, folds and seeds on one data set.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/digest.hpp"
#include "ramer/app/rows.hpp"
#include "ramer/app/source.hpp"

namespace ramer::app {

struct Experiment {
  data::Dataset dataset;
  std::string identity;
  std::vector<Row> rows;
  std::vector<std::string> folds;  ///< K/N each; or one that is empty: the file's own split
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> modalities;  ///< empty: all

  /// Seeds that a row is run with: one, where chance plays no part.
  std::size_t seeds_of(const Row& row) const { return row.kind->seeded ? seeds.size() : 1; }
};

/// Opens the data and deals folds and seeds. @throws ConfigError, DataError, IoError
inline Experiment make_experiment(const Options& options, std::vector<Row> rows) {
  Experiment e;
  e.rows = std::move(rows);
  const ThresholdOfAll threshold = threshold_of(e.rows);
  require<ConfigError>(options.seeds >= 1 && options.seeds <= 1000, "--seeds ", options.seeds, ": expected 1 to 1000");
  for (Index k = 0; k < options.seeds; ++k) e.seeds.push_back(options.seed.value_or(1) + static_cast<std::uint64_t>(k));
  e.dataset = open_data(options.data);
  require<DataError>(e.dataset.has_labels(), e.dataset.origin(), ": no 'labels'; a comparison needs them");
  e.identity = identity_of(e.dataset);
  e.modalities = options.modalities;
  if (options.folds == "none") {
    e.folds.emplace_back();
  } else {
    Index count = 0;
    require<ConfigError>(io::detail::parse_whole(std::string_view(options.folds), count) && count >= 3 && count <= 1000,
                         "--folds ", options.folds, ": expected a number of at least 3, or 'none' for the file's own split");
    for (Index k = 0; k < count; ++k) e.folds.push_back(std::to_string(k) + "/" + std::to_string(count));
  }
  for (const std::string& fold : e.folds) {
    const Parts parts = choose_parts(e.dataset, fold.empty() ? "none" : fold);
    require<DataError>(!parts.samples.test.empty(), e.dataset.origin(), ": no test samples in ", parts.text);
    require<DataError>(!parts.samples.validation.empty() || !threshold.tuned, e.dataset.origin(),
                       ": no validation samples in ", parts.text, " to tune a threshold on; give --threshold X");
  }
  return e;
}

}  // namespace ramer::app
