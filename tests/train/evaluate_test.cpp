#include "ramer/train/evaluate.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;
using train::PredictOptions;

TEST_CASE("Scores come in the order asked for, with the data set's numbers, whatever the batches") {
  const auto data = small_data(60);
  const Small model = small_model(data);
  std::vector<std::int32_t> samples{5, 3, 40, 0, 11, 12, 13};
  PredictOptions options;
  options.batch = 3;
  const auto p = train::predict(model, data, std::span<const std::int32_t>(samples), options);
  CHECK(p.samples == samples);
  CHECK(p.labels == data.label_names());
  REQUIRE(p.scores.size() == samples.size() * 4);
  for (std::size_t k = 0; k < samples.size(); ++k) CHECK(p.ids[k] == data.id(samples[k]));
  options.batch = 100;
  const auto q = train::predict(model, data, std::span<const std::int32_t>(samples), options);
  for (std::size_t k = 0; k < p.scores.size(); ++k) {
    CHECK(p.scores[k] == doctest::Approx(q.scores[k]).epsilon(1e-5));
    CHECK(p.scores[k] >= 0);
    CHECK(p.scores[k] <= 1);
  }
  CHECK(train::predict(model, data, std::span<const std::int32_t>()).size() == 0);
  samples = {60};
  CHECK(has(message_of([&] { train::predict(model, data, std::span<const std::int32_t>(samples)); }), "sample 60"));
}

TEST_CASE("Modalities and labels are matched by name") {
  const auto data = small_data(40);
  data::BatchOptions order;
  order.modalities = {"visual", "text", "audio"};
  order.labels = {data.label_names()[2], data.label_names()[0]};
  const Small model(train::make_schema(data, order), small_config(), backend::Cpu(1), 4);
  const auto all = data::all_samples(data);
  const std::span<const std::int32_t> samples(all);
  const eval::Report report = train::evaluate(model, data, samples);
  CHECK(report.labels == order.labels);
  Index positives = 0;
  for (const auto n : all) positives += (*data.tensors().labels)(n, 2) != 0;
  CHECK(report.support.at(order.labels[0]) == positives);
  const auto truth = train::truth_of(data, samples, order.labels);
  for (Index i = 0; i < data.size(); ++i) CHECK(truth.labels_view()(i, 1) == (*data.tensors().labels)(i, 0));

  // The report is that of the scores.
  const auto p = train::predict(model, data, samples);
  CHECK(eval::evaluate(p.view(), truth.labels_view(), truth.mask_view(), std::span<const std::string>(p.labels)).auc.mean ==
        report.auc.mean);
}

TEST_CASE("Labels that were not annotated count nowhere; a data set without labels can only be predicted") {
  data::DatasetArrays arrays;
  arrays.name = "three";
  arrays.samples = 3;
  arrays.label_names = {"joy", "fear"};
  arrays.modalities = {{"text", 2, 2, {1, 2, 3, 4, 5, 6}, {0, 1, 1, 2, 2, 0}},
                       {"audio", 1, 2, {1, 2}, {0, -1, -1, -1, 1, 1}}};
  arrays.labels = {1, 0, 1, 1, 0, 1};
  arrays.label_mask = {1, 1, 0, 1, 1, 0};
  const auto labelled = data::make_dataset(arrays);
  Small::Config config = small_config();
  const Small model(train::make_schema(labelled), config, backend::Cpu(1));
  CHECK_FALSE(model.schema().has_target);
  CHECK(model.schema().modalities[0].positions == 2);
  const std::vector<std::int32_t> all{0, 1, 2};
  const auto report = train::evaluate(model, labelled, std::span<const std::int32_t>(all));
  CHECK(report.support.at("joy") == 1);
  CHECK(report.support.at("fear") == 1);
  arrays.labels.clear();
  arrays.label_mask.clear();
  const auto bare = data::make_dataset(arrays);
  CHECK(train::predict(model, bare, std::span<const std::int32_t>(all)).scores ==
        train::predict(model, labelled, std::span<const std::int32_t>(all)).scores);
  CHECK(has(message_of([&] { train::evaluate(model, bare, std::span<const std::int32_t>(all)); }), "no 'labels'"));
  arrays.label_names = {"joy", "anger"};
  arrays.labels = {1, 0, 1, 1, 0, 1};
  const auto other = data::make_dataset(arrays);
  CHECK(has(message_of([&] { train::evaluate(model, other, std::span<const std::int32_t>(all)); }), "no label 'fear'"));
  arrays.modalities.pop_back();
  const auto less = data::make_dataset(arrays);
  CHECK(has(message_of([&] { train::predict(model, less, std::span<const std::int32_t>(all)); }), "no modality 'audio'"));
}

TEST_CASE("Modalities dropped on purpose, and a transform of the caller's") {
  const auto data = small_data(40);
  const Small model = small_model(data);
  const auto all = data::all_samples(data);
  const std::span<const std::int32_t> samples(all);
  const auto plain = train::predict(model, data, samples);
  PredictOptions options;
  options.missing.rate = 1;
  options.missing.modalities = {"text"};
  const auto dropped = train::predict(model, data, samples, options);
  CHECK(dropped.scores != plain.scores);
  // The same by hand.
  PredictOptions by_hand;
  Index batches = 0;
  by_hand.transform = [&](Batch& batch) {
    ++batches;
    CHECK_FALSE(batch.has_labels());
    for (ModalityBatch& m : batch.modalities) {
      if (m.name != "text") continue;
      std::fill(m.available.begin(), m.available.end(), std::uint8_t{0});
      std::fill(m.features.begin(), m.features.end(), 0.0f);
    }
  };
  by_hand.batch = 128;
  CHECK(train::predict(model, data, samples, by_hand).scores == dropped.scores);
  CHECK(batches == 1);
  // Half of the tokens: the same ones however the samples are batched.
  options.missing = {};
  options.missing.rate = 0.5;
  options.batch = 7;
  const auto a = train::predict(model, data, samples, options);
  options.batch = 100;
  const auto b = train::predict(model, data, samples, options);
  for (std::size_t k = 0; k < a.scores.size(); ++k) CHECK(a.scores[k] == doctest::Approx(b.scores[k]).epsilon(1e-5));
}

TEST_CASE("Schemas of the views of several persons") {
  const auto data = small_data(40);
  data::BatchOptions options;
  const Schema persons = train::make_schema(data, options);
  CHECK(persons.has_target);
  CHECK(persons.modalities[0].positions == 12);  // 3 persons, 4 segments
  options.view = data::PersonView::kTarget;
  const Schema target = train::make_schema(data, options);
  CHECK_FALSE(target.has_target);
  CHECK(target.modalities[0].positions == 4);
  options.view = data::PersonView::kAll;
  const Schema all = train::make_schema(data, options);
  CHECK_FALSE(all.has_target);
  CHECK(all.modalities[0].positions == 12);
  const auto samples = data::all_samples(data);
  for (const auto view : {data::PersonView::kTarget, data::PersonView::kAll}) {
    const Small model(view == data::PersonView::kAll ? all : target, small_config(), backend::Cpu(1));
    PredictOptions predict;
    predict.view = view;
    const auto p = train::predict(model, data, std::span<const std::int32_t>(samples), predict);
    CHECK(p.size() == data.size());
    for (const float score : p.scores) CHECK(std::isfinite(score));
  }
}

TEST_CASE("Loss terms outside training: means over samples, which change no score") {
  const auto data = small_data(40);
  const Small model = small_model(data);
  const auto all = data::all_samples(data);
  const std::span<const std::int32_t> samples(all);
  PredictOptions options;
  options.batch = 16;
  train::TermMeans terms{{"of before", 1.0}};
  const auto with = train::predict(model, data, samples, options, &terms);
  CHECK(with.scores == train::predict(model, data, samples, options).scores);
  CHECK_FALSE(terms.contains("of before"));
  CHECK_FALSE(terms.contains("shuffled"));  // of training alone
  CHECK_FALSE(terms.contains("contrast"));

  // By hand, on a tape that records: nothing that a term reads was overwritten before.
  std::map<std::string, double> sums;
  const data::BatchOptions shown = train::batch_options(model.schema(), options.view);
  for (std::size_t at = 0; at < all.size(); at += 16) {
    Batch batch;
    const auto part = samples.subspan(at, std::min<std::size_t>(16, all.size() - at));
    data::make_batch(data, part, shown, batch);
    for (const auto& [name, value] : recorded_terms(model, batch)) sums[name] += value * static_cast<double>(part.size());
  }
  REQUIRE(terms.size() == sums.size());
  CHECK(terms.size() >= 8);
  for (const auto& [name, sum] : sums) {
    CAPTURE(name);
    REQUIRE(terms.at(name).has_value());
    CHECK(*terms.at(name) == sum / 40);
    CHECK(*terms.at(name) > 0);
  }
  auto tensors = data.tensors();
  tensors.labels.reset();
  const data::Dataset bare(tensors);
  CHECK(has(message_of([&] { train::predict(model, bare, samples, options, &terms); }), "no 'labels'"));
}
