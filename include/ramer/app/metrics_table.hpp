// Measures a system and shows the result.
#pragma once

#include <ostream>
#include <span>
#include <string>

#include "ramer/app/system.hpp"
#include "ramer/app/table.hpp"
#include "ramer/eval/report.hpp"

namespace ramer::app {

/// Metrics of a system on these samples. @throws DataError, NumericError
inline eval::Report measure(const System& system, const data::Dataset& dataset, std::span<const std::int32_t> samples,
                            const train::PredictOptions& options, const eval::MetricOptions& metrics) {
  const train::Truth truth = train::truth_of(dataset, samples, system.schema().labels);
  return train::evaluate(system.predict(dataset, samples, options), truth, metrics);
}

/// Two small tables: over all labels, and for each.
inline void print_metrics(std::ostream& out, const eval::Report& r) {
  Table all({"accuracy", "precision", "recall", "micro-F1", "macro-F1", "weighted-F1", "mean AUC"}, 0);
  all.add({fixed(r.accuracy), fixed(r.precision), fixed(r.recall), fixed(r.micro_f1), fixed(r.macro_f1),
           fixed(r.weighted_f1), fixed(r.auc.mean)});
  all.print(out);
  out << '\n';
  Table each({"label", "positive", "F1", "AUC"});
  for (const std::string& label : r.labels)
    each.add(
        {label, std::to_string(r.support.at(label)), fixed(r.f1.per_label.at(label)), fixed(r.auc.per_label.at(label))});
  each.print(out);
}

}  // namespace ramer::app
