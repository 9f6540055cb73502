#include "ramer/data/batch_builder.hpp"

#include <doctest/doctest.h>

#include "heap_counter.hpp"
#include "ramer/core/padding.hpp"
#include "ramer/data/dataset_arrays.hpp"
#include "sample_data.hpp"

using namespace ramer;
using namespace ramer::data;
using ramer::testing::small_arrays;

namespace {

using Ints = std::vector<std::int32_t>;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

Batch batch_of(const Dataset& dataset, const Ints& samples, const BatchOptions& options = {},
               BatchReport* report = nullptr) {
  Batch batch;
  const BatchReport r = make_batch(dataset, samples, options, batch);
  if (report) *report = r;
  return batch;
}

/// One sample, one modality `x` of width 1 with row k = k + 1; `index` and `exists` are (P, T).
DatasetArrays one_sample(Index persons, Index times, Ints index, Bytes exists = {}, Ints target = {}) {
  DatasetArrays a;
  a.samples = 1;
  a.persons = persons;
  a.modalities = {{"x", 1, times, {1, 2, 3, 4, 5, 6, 7, 8, 9}, std::move(index)}};
  a.exists = std::move(exists);
  a.target = std::move(target);
  return a;
}

}  // namespace

TEST_CASE("a batch that was padded and is built again has no dead rows") {
  const Dataset dataset = make_dataset(small_arrays());
  Batch batch = batch_of(dataset, {0, 1});
  pad_rows(batch);
  CHECK(batch.modalities[0].rows() == 32);
  make_batch(dataset, Ints{1}, {}, batch);
  const Batch fresh = batch_of(dataset, {1});
  for (std::size_t m = 0; m < fresh.modalities.size(); ++m) {
    CHECK(batch.modalities[m].offsets == fresh.modalities[m].offsets);
    CHECK(batch.modalities[m].features == fresh.modalities[m].features);
    CHECK(batch.modalities[m].available == fresh.modalities[m].available);
    CHECK(batch.modalities[m].position == fresh.modalities[m].position);
  }
}

TEST_CASE("tokens of several persons: segments and persons renumbered, holes keep their position, person-major") {
  BatchReport report;
  const Batch b = batch_of(make_dataset(small_arrays()), {0, 1}, {}, &report);
  CHECK(b.size == 2);
  // Sample 0: all times exist, both persons. Sample 1 exists at (0, 0) and (1, 2): two segments.
  CHECK(b.persons == Ints{2, 2});
  CHECK(b.segments == Ints{3, 2});
  const ModalityBatch& text = b.modalities[0];
  CHECK(text.name == "text");
  CHECK(text.width == 2);
  CHECK(text.offsets == Ints{0, 4, 6});
  CHECK(text.person == Ints{0, 0, 1, 1, 0, 1});
  CHECK(text.segment == Ints{0, 1, 1, 2, 0, 1});
  CHECK(text.position == Ints{0, 1, 4, 5, 0, 3});  // 2 and 3 of sample 0 are holes, 1 and 2 of sample 1
  CHECK(text.available == Bytes{1, 1, 1, 0, 1, 1});
  CHECK(text.features == Floats{1, 2, 3, 4, 5, 6, 0, 0, 5, 6, 1, 2});
  const ModalityBatch& audio = b.modalities[1];
  CHECK(audio.offsets == text.offsets);
  CHECK(audio.position == text.position);
  CHECK(audio.available == Bytes{0, 1, 0, 0, 1, 0});
  CHECK(audio.features == Floats{0, 10, 0, 0, 20, 0});
  CHECK(b.target_person == Ints{0, 1});
  CHECK(b.target_segment == Ints{1, 1});
  CHECK(b.person_offsets == Ints{0, 2, 4});
  CHECK(b.personality_width == 2);
  CHECK(b.personality == Floats{0.5f, -0.5f, 0, 0, 0, 0, 0.5f, -0.5f});
  CHECK(b.personality_known == Bytes{1, 0, 0, 1});
  CHECK(b.label_count == 3);
  CHECK(b.labels == Bytes{1, 0, 1, 0, 1, 0});
  CHECK(b.label_mask == Bytes{1, 1, 0, 1, 1, 1});
  CHECK(b.id == std::vector<std::int64_t>{100, 1ll << 40});
  CHECK(b.sample == Ints{0, 1});
  CHECK(report.targets_moved + report.targets_without_place + report.empty_samples == 0);
}

TEST_CASE("a sample's tokens do not depend on its batch mates") {
  const Dataset d = make_dataset(small_arrays());
  const Batch alone = batch_of(d, {1}), both = batch_of(d, {0, 1, 1});
  for (std::size_t m = 0; m < 2; ++m) {
    const auto part = [&](const auto& v) { return std::vector(v.begin() + 4, v.begin() + 6); };
    CHECK(part(both.modalities[m].position) == alone.modalities[m].position);
    CHECK(part(both.modalities[m].available) == alone.modalities[m].available);
  }
  CHECK(both.sample == Ints{0, 1, 1});
}

TEST_CASE("padding in front, and persons who are nowhere, leave no trace") {
  // Person 0 is nowhere; persons 1 and 2 exist from time 2 on.
  const Batch b = batch_of(make_dataset(one_sample(3, 4, {-1, -1, -1, -1, -1, -1, 0, 1, -1, -1, -1, 2}, {}, {2, 3})), {0});
  CHECK(b.persons == Ints{2});
  CHECK(b.segments == Ints{2});
  CHECK(b.modalities[0].person == Ints{0, 0, 1});
  CHECK(b.modalities[0].position == Ints{0, 1, 3});
  CHECK(b.target_person == Ints{1});
  CHECK(b.target_segment == Ints{1});
}

TEST_CASE("a target whose place does not exist goes to that person's nearest segment, the earlier of two") {
  // Person 0 at times 0 and 4, person 1 at 1; 2 and 3 are a gap; target (0, 2).
  const Dataset d = make_dataset(one_sample(2, 5, {0, -1, -1, -1, 1, -1, 2, -1, -1, -1}, {}, {0, 2}));
  BatchReport report;
  const Batch b = batch_of(d, {0}, {}, &report);
  CHECK(b.segments == Ints{3});
  CHECK(b.target_segment == Ints{0});
  CHECK(report.targets_moved == 1);
  // One time later, time 4 (segment 2) is nearer.
  const Batch c = batch_of(make_dataset(one_sample(2, 5, {0, -1, -1, -1, 1, -1, 2, -1, -1, -1}, {}, {0, 3})), {0});
  CHECK(c.target_segment == Ints{2});
}

TEST_CASE("a target person who exists nowhere is one unavailable token") {
  BatchReport report;
  const Batch b =
      batch_of(make_dataset(one_sample(3, 4, {-1, 0, 1, -1, -1, -1, -1, -1, -1, 2, -1, -1}, {}, {1, 3})), {0}, {}, &report);
  CHECK(b.persons == Ints{3});
  CHECK(b.segments == Ints{2});
  CHECK(b.modalities[0].person == Ints{0, 0, 1, 2});
  CHECK(b.modalities[0].segment == Ints{0, 1, 1, 0});
  CHECK(b.modalities[0].available == Bytes{1, 1, 0, 1});
  CHECK(b.target_person == Ints{1});
  CHECK(b.target_segment == Ints{1});
  CHECK(report.targets_without_place == 1);
  CHECK(report.targets_moved == 0);
}

TEST_CASE("a sample in which nobody exists still has a token") {
  BatchReport report;
  const Batch b = batch_of(make_dataset(one_sample(2, 2, {-1, -1, -1, -1}, {}, {1, 1})), {0}, {}, &report);
  CHECK(b.persons == Ints{1});
  CHECK(b.segments == Ints{1});
  CHECK(b.target_person == Ints{0});
  CHECK(b.target_segment == Ints{0});
  CHECK(b.modalities[0].available == Bytes{0});
  CHECK(report.empty_samples == 1);
  const Batch c = batch_of(make_dataset(one_sample(2, 2, {-1, -1, -1, -1})), {0});
  CHECK(c.persons == Ints{1});
  CHECK(c.modalities[0].rows() == 1);
  CHECK_FALSE(c.has_target());
}

TEST_CASE(
    "a monologue: equal T gives every modality the same tokens, one that is not there at all gets all of the file's T") {
  DatasetArrays a;
  a.samples = 2;
  a.modalities = {{"text", 1, 4, {1, 2}, {-1, 0, -1, 1, -1, -1, -1, -1}},
                  {"audio", 1, 4, {5}, {-1, 0, 0, -1, -1, -1, -1, -1}},
                  {"visual", 2, 4, {7, 8}, {-1, -1, -1, -1, 0, -1, -1, -1}}};
  BatchReport report;
  const Batch b = batch_of(make_dataset(a), {0, 1}, {}, &report);
  CHECK(b.persons == Ints{1, 1});
  CHECK(b.segments == Ints{3, 1});
  CHECK(b.modalities[0].offsets == Ints{0, 3, 7});
  CHECK(b.modalities[0].position == Ints{0, 1, 2, 0, 1, 2, 3});
  CHECK(b.modalities[0].available == Bytes{1, 0, 1, 0, 0, 0, 0});
  CHECK(b.modalities[0].features == Floats{1, 0, 2, 0, 0, 0, 0});
  CHECK(b.modalities[1].available == Bytes{1, 1, 0, 0, 0, 0, 0});
  CHECK(b.modalities[2].offsets == Ints{0, 4, 5});
  CHECK(b.modalities[2].position == Ints{0, 1, 2, 3, 0});
  CHECK(b.modalities[2].available == Bytes{0, 0, 0, 0, 1});
  CHECK(report.empty_samples == 0);
  // Existing places without any modality are tokens as well.
  a.exists = {0, 1, 1, 1, 1, 1, 0, 0};
  const Batch c = batch_of(make_dataset(a), {1});
  CHECK(c.modalities[2].position == Ints{0, 1});
  CHECK(c.modalities[2].available == Bytes{1, 0});
  CHECK(c.segments == Ints{2});
}

TEST_CASE("a monologue in which nothing is there has all positions of every modality") {
  BatchReport report;
  const Batch b = batch_of(make_dataset(one_sample(1, 3, {-1, -1, -1})), {0}, {}, &report);
  CHECK(b.segments == Ints{3});
  CHECK(b.modalities[0].position == Ints{0, 1, 2});
  CHECK(report.empty_samples == 1);
}

TEST_CASE("unaligned modalities have tokens of their own") {
  DatasetArrays a;
  a.samples = 2;
  a.modalities = {{"text", 1, 2, {1, 2}, {-1, 0, 1, 0}}, {"audio", 1, 4, {5, 6}, {-1, 0, -1, 1, -1, -1, -1, -1}}};
  const Batch b = batch_of(make_dataset(std::move(a)), {0, 1});
  CHECK(b.segments == Ints{0, 0});
  CHECK(b.modalities[0].offsets == Ints{0, 1, 3});
  CHECK(b.modalities[0].position == Ints{0, 0, 1});
  CHECK(b.modalities[0].features == Floats{1, 2, 1});
  CHECK(b.modalities[1].offsets == Ints{0, 2, 6});
  CHECK(b.modalities[1].position == Ints{0, 1, 0, 1, 2, 3});
  CHECK(b.modalities[1].available == Bytes{1, 1, 0, 0, 0, 0});
}

TEST_CASE("one person with a target is still a target") {
  const Batch b = batch_of(make_dataset(one_sample(1, 3, {-1, 0, -1}, {0, 1, 1}, {0, 2})), {0});
  CHECK(b.target_person == Ints{0});
  CHECK(b.target_segment == Ints{1});
  CHECK(b.modalities[0].available == Bytes{1, 0});
}

TEST_CASE("the view `target` shows the target person alone") {
  const Dataset d = make_dataset(small_arrays());
  const Batch b = batch_of(d, {0, 1}, {.view = PersonView::kTarget, .modalities = {}, .labels = {}});
  CHECK_FALSE(b.has_target());
  CHECK(b.persons == Ints{1, 1});
  CHECK(b.segments == Ints{2, 1});
  CHECK(b.modalities[0].offsets == Ints{0, 2, 3});
  CHECK(b.modalities[0].features == Floats{1, 2, 3, 4, 1, 2});
  CHECK(b.modalities[0].position == Ints{0, 1, 0});
  // Audio of sample 1's target: nothing, so all three times of the file.
  CHECK(b.modalities[1].offsets == Ints{0, 2, 5});
  CHECK(b.modalities[1].available == Bytes{0, 1, 0, 0, 0});
  CHECK(b.modalities[1].position == Ints{0, 1, 0, 1, 2});
  CHECK(b.person_offsets == Ints{0, 1, 2});
  CHECK(b.personality == Floats{0.5f, -0.5f, 0.5f, -0.5f});
  DatasetArrays a = small_arrays();
  a.target.clear();
  CHECK_THROWS_WITH_AS(batch_of(make_dataset(a), {0}, {.view = PersonView::kTarget, .modalities = {}, .labels = {}}),
                       doctest::Contains("the view 'target' needs 'target' in a data set of 2 persons"), DataError);
}

TEST_CASE("the view `moment` shows the target person at the target time alone") {
  const auto seen = [](Ints target) {
    const Dataset d = make_dataset(one_sample(2, 3, {0, 1, -1, 2, -1, 3}, {1, 1, 1, 1, 1, 1}, std::move(target)));
    return batch_of(d, {0}, {.view = PersonView::kMoment, .modalities = {}, .labels = {}});
  };
  const Batch there = seen({1, 2}), gone = seen({1, 1});
  for (const Batch* b : {&there, &gone}) {
    CHECK_FALSE(b->has_target());
    CHECK(b->persons == Ints{1});
    CHECK(b->segments == Ints{1});
    CHECK(b->modalities[0].offsets == Ints{0, 1});
    CHECK(b->modalities[0].position == Ints{0});
  }
  CHECK(there.modalities[0].available == Bytes{1});
  CHECK(gone.modalities[0].available == Bytes{0});
  CHECK(there.modalities[0].features != gone.modalities[0].features);
  CHECK(std::all_of(gone.modalities[0].features.begin(), gone.modalities[0].features.end(), [](float x) { return x == 0; }));
  DatasetArrays a = small_arrays();
  a.target.clear();
  CHECK_THROWS_WITH_AS(batch_of(make_dataset(a), {0}, {.view = PersonView::kMoment, .modalities = {}, .labels = {}}),
                       doctest::Contains("the view 'moment' needs 'target'"), DataError);
}

TEST_CASE("the view `all` shows everybody as one long sequence") {
  const Batch b = batch_of(make_dataset(small_arrays()), {0, 1}, {.view = PersonView::kAll, .modalities = {}, .labels = {}});
  CHECK_FALSE(b.has_target());
  CHECK(b.persons == Ints{1, 1});
  CHECK(b.segments == Ints{6, 4});
  CHECK(b.modalities[0].person == Ints{0, 0, 0, 0, 0, 0});
  CHECK(b.modalities[0].position == Ints{0, 1, 4, 5, 0, 3});
  CHECK(b.modalities[0].segment == b.modalities[0].position);
  CHECK(b.modalities[1].available == Bytes{0, 1, 0, 0, 1, 0});
  CHECK(b.personality == Floats{0.5f, -0.5f, 0.5f, -0.5f});
  const Batch none = batch_of(make_dataset(one_sample(2, 2, {-1, -1, -1, -1}, {1, 0, 0, 0})), {0},
                              {.view = PersonView::kAll, .modalities = {}, .labels = {}});
  CHECK(none.modalities[0].position == Ints{0, 1, 2, 3});
}

TEST_CASE("modalities and labels are chosen by name") {
  const Dataset d = make_dataset(small_arrays());
  const Batch b =
      batch_of(d, {0}, {.view = PersonView::kPersons, .modalities = {"audio", "text"}, .labels = {"fear", "joy"}});
  CHECK(b.modalities[0].name == "audio");
  CHECK(b.modalities[1].name == "text");
  CHECK(b.label_count == 2);
  CHECK(b.labels == Bytes{1, 1});
  CHECK(b.label_mask == Bytes{0, 1});
  // Which places exist does not depend on which modalities are looked at.
  const Batch only = batch_of(d, {0}, {.view = PersonView::kPersons, .modalities = {"audio"}, .labels = {}});
  CHECK(only.modalities[0].position == b.modalities[0].position);
  const auto refused = [&](std::vector<std::string> modalities, std::vector<std::string> labels) -> std::string {
    try {
      BatchBuilder(d, {.view = PersonView::kPersons, .modalities = modalities, .labels = labels});
    } catch (const DataError& error) {
      return error.what();
    }
    return {};
  };
  CHECK(refused({"smell"}, {}) == "data set: no modality 'smell'; there are text, audio");
  CHECK(refused({}, {"x"}) == "data set: no label 'x'; there are joy, anger, fear");
  CHECK(refused({"text", "text"}, {}) == "data set: modality 'text' asked for twice");
}

TEST_CASE("samples outside the data set, and no sample at all") {
  const Dataset d = make_dataset(small_arrays());
  CHECK_THROWS_WITH_AS(batch_of(d, {0, 2}), "data set: sample 2 asked for; there are 2", DataError);
  CHECK_THROWS_AS(batch_of(d, {-1}), DataError);
  const Batch b = batch_of(d, {});
  CHECK(b.size == 0);
  CHECK(b.modalities[0].offsets == Ints{0});
}

TEST_CASE("without labels a batch has none") {
  DatasetArrays a = small_arrays();
  a.labels.clear();
  a.label_mask.clear();
  const Batch b = batch_of(make_dataset(std::move(a)), {0});
  CHECK_FALSE(b.has_labels());
  CHECK(b.label_mask.empty());
  CHECK(b.label_count == 3);
}

TEST_CASE("by row: the same tokens, and rows of the data set in place of features") {
  DatasetArrays arrays = small_arrays();
  const Dataset several = make_dataset(arrays), one = make_dataset(one_sample(1, 3, {-1, -1, -1}, {1, 0, 1}));
  for (const Dataset& d : {several, one}) {
    for (const PersonView view : {PersonView::kPersons, PersonView::kAll}) {
      const Ints samples = d.size() > 1 ? Ints{1, 0, 1} : Ints{0};
      BatchOptions options;
      options.view = view;
      Batch copied = batch_of(d, samples, options);
      options.features = Features::kByRow;
      Batch by_row = copied;  // a used buffer
      by_row.modalities[0].kept.rows = 7;
      BatchBuilder(d, options).build(samples, by_row);
      for (std::size_t k = 0; k < copied.modalities.size(); ++k) {
        const ModalityBatch &x = by_row.modalities[k], &y = copied.modalities[k];
        CHECK(x.features.empty());
        CHECK(y.row.empty());
        CHECK(x.kept.rows == 0);
        CHECK(x.position == y.position);
        CHECK(x.available == y.available);
        REQUIRE(static_cast<Index>(x.row.size()) == y.rows());
        const auto& features = d.modalities()[k].features;
        for (Index r = 0; r < y.rows(); ++r)
          for (Index c = 0; c < y.width; ++c) {
            const std::int32_t row = x.row[static_cast<std::size_t>(r)];
            CHECK(y.features[static_cast<std::size_t>(r * y.width + c)] == (row < 0 ? 0 : features(row, c)));
          }
      }
      options.features = Features::kCopied;
      BatchBuilder(d, options).build(samples, by_row);
      CHECK(by_row.modalities[0].row.empty());
      CHECK(by_row.modalities[0].features == copied.modalities[0].features);
    }
  }
}

TEST_CASE("once warm, building allocates nothing") {
  const Dataset d = make_dataset(small_arrays());
  for (const PersonView view : {PersonView::kPersons, PersonView::kTarget, PersonView::kMoment, PersonView::kAll}) {
    for (const Features features : {Features::kCopied, Features::kByRow}) {
      BatchBuilder builder(d, {.view = view, .modalities = {}, .labels = {}, .features = features});
      Batch batch;
      const Ints large{0, 1, 0, 1, 0, 1}, small{1, 0};
      const test::HeapCounter first;
      builder.build(large, batch);
      CHECK(first.requests() > 0);  // the counter counts
      const test::HeapCounter warm;
      builder.build(small, batch);
      builder.build(large, batch);
      const long made = warm.requests();
      CHECK(made == 0);
    }
  }
}
