#include "ramer/eval/report.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cases.hpp"
#include "ramer/io/json.hpp"

using namespace ramer;
using namespace ramer::eval;
using cases::Cells;

TEST_CASE("a report names the labels and survives JSON") {
  Cells x(30, 3, 2);
  for (Index i = 0; i < x.n; ++i) x.truth[static_cast<std::size_t>(i * 3 + 2)] = 1;  // one class only
  const std::vector<std::string> names{"sad", "angry", "calm"};
  const MetricOptions options{.threshold = 0.4, .order = MetricOrder::Released};
  const Report report = evaluate(x.scores(), x.labels(), x.masks(), names, options);
  const Metrics m = multi_label_metrics(x.scores(), x.labels(), x.masks(), options);

  const io::Json json = io::parse_json(io::dump_json(io::to_json(report)));
  CHECK(json["samples"] == 30);
  CHECK(json["threshold"] == 0.4);
  CHECK(json["metric_order"] == "released");
  CHECK(json["accuracy"] == m.accuracy);
  CHECK(json["precision"] == m.precision);
  CHECK(json["recall"] == m.recall);
  CHECK(json["micro_f1"] == m.micro_f1);
  CHECK(json["macro_f1"] == m.macro_f1);
  CHECK(json["weighted_f1"] == m.weighted_f1);
  CHECK(json["auc"]["mean"] == *m.mean_auc);
  CHECK(json["auc"]["per_label"]["sad"] == *m.auc[0]);
  CHECK(json["auc"]["per_label"]["angry"] == *m.auc[1]);
  CHECK(json["auc"]["per_label"]["calm"].is_null());
  CHECK(json["f1"]["per_label"]["angry"] == *m.f1[1]);
  CHECK(json["labels"] == names);
  CHECK(json["support"]["sad"] == m.counts[0].support());

  Report read;
  io::from_json(json, read);
  CHECK(io::to_json(read) == json);
}

TEST_CASE("label names must fit and differ") {
  const Cells x(4, 2, 1);
  const std::vector<std::string> one{"a"}, twice{"a", "a"};
  CHECK_THROWS_AS(evaluate(x.scores(), x.labels(), x.masks(), one), ShapeError);
  CHECK_THROWS_AS(evaluate(x.scores(), x.labels(), x.masks(), twice), DataError);
}
