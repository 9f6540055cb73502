#include "ramer/data/loader.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"

using namespace ramer;
using namespace ramer::data;

namespace {

using Ints = std::vector<std::int32_t>;

Dataset conversations() {
  SyntheticConfig c;
  c.samples = 50;
  c.widths = {9, 9, 9};
  return make_synthetic(c);
}

LoaderOptions of_size(Index size, bool drop_last = false, Index ahead = 2) {
  LoaderOptions options;
  options.batch_size = size;
  options.drop_last = drop_last;
  options.ahead = ahead;
  return options;
}

/// The samples of every batch until the end of the epoch.
std::vector<Ints> drain(Loader& loader) {
  std::vector<Ints> out;
  while (const Batch* batch = loader.next()) out.push_back(batch->sample);
  return out;
}

}  // namespace

TEST_CASE("batches come in order and are what the builder builds") {
  const Dataset d = conversations();
  Ints order = all_samples(d);
  std::reverse(order.begin(), order.end());
  for (const Index ahead : {1, 2, 7}) {
    Loader loader(BatchBuilder(d), of_size(7, false, ahead));
    CHECK(loader.next() == nullptr);  // no epoch yet
    for (int epoch = 0; epoch < 3; ++epoch) {
      loader.start(order);
      std::size_t at = 0;
      while (const Batch* batch = loader.next()) {
        Batch expected;
        make_batch(d, std::span(order).subspan(at, std::min<std::size_t>(7, order.size() - at)), {}, expected);
        CHECK(batch->sample == expected.sample);
        CHECK(batch->labels == expected.labels);
        for (std::size_t m = 0; m < 3; ++m) CHECK(batch->modalities[m].features == expected.modalities[m].features);
        at += batch->sample.size();
      }
      CHECK(at == 50);
      CHECK(loader.next() == nullptr);
    }
  }
}

TEST_CASE("a small last batch may be left out") {
  const Dataset d = conversations();
  Loader whole(BatchBuilder(d), of_size(15)), dropped(BatchBuilder(d), of_size(15, true));
  CHECK(whole.batches(50) == 4);
  CHECK(dropped.batches(50) == 3);
  whole.start(all_samples(d));
  dropped.start(all_samples(d));
  const auto all = drain(whole), fewer = drain(dropped);
  CHECK(all.size() == 4);
  CHECK(all.back().size() == 5);
  CHECK(fewer.size() == 3);
  CHECK(fewer.back().size() == 15);
  dropped.start(Ints{1, 2});
  CHECK(drain(dropped).empty());
  whole.start(Ints{});
  CHECK(drain(whole).empty());
}

TEST_CASE("an epoch may be given up for another one at any point") {
  const Dataset d = conversations();
  Loader loader(BatchBuilder(d), of_size(2));
  Ints order = all_samples(d);
  for (int taken = 0; taken < 25; ++taken) {
    loader.start(order);
    for (int k = 0; k < taken; ++k) CHECK(loader.next()->sample == Ints{2 * k, 2 * k + 1});
    const Ints other{40, 41, 42};
    loader.start(other);
    CHECK(drain(loader) == std::vector<Ints>{{40, 41}, {42}});
  }
}

TEST_CASE("what building throws comes out in its turn, and the loader lives on") {
  const Dataset d = conversations();
  Loader loader(BatchBuilder(d), of_size(2));
  loader.start(Ints{0, 1, 2, 3, 4, 50, 6, 7});
  CHECK(loader.next()->sample == Ints{0, 1});
  CHECK(loader.next()->sample == Ints{2, 3});
  CHECK_THROWS_WITH_AS(loader.next(), "synthetic data: sample 50 asked for; there are 50", DataError);
  CHECK(loader.next() == nullptr);
  loader.start(Ints{5});
  CHECK(drain(loader) == std::vector<Ints>{{5}});
}

TEST_CASE("the transform sees each batch once, with its epoch, and its errors come out as well") {
  const Dataset d = conversations();
  LoaderOptions options = of_size(10);
  options.transform = [](Batch& batch, std::uint64_t epoch) {
    for (auto& id : batch.id) id = static_cast<std::int64_t>(epoch) * 1000 + id;
    require<NumericError>(epoch != 9, "nine");
  };
  Loader loader(BatchBuilder(d), options);
  loader.start(all_samples(d), 4);
  std::int64_t expected = 4000;
  while (const Batch* batch = loader.next())
    for (std::int64_t id : batch->id) CHECK(id == expected++);
  CHECK(expected == 4050);
  loader.start(all_samples(d), 9);
  CHECK_THROWS_AS(loader.next(), NumericError);
}

TEST_CASE("buffers are reused from epoch to epoch") {
  const Dataset d = conversations();
  Loader loader(BatchBuilder(d), of_size(5, false, 2));
  std::set<const Batch*> buffers;
  std::set<const float*> memory;
  for (int epoch = 0; epoch < 4; ++epoch) {
    loader.start(all_samples(d));
    while (const Batch* batch = loader.next()) {
      buffers.insert(batch);
      if (epoch > 2) memory.insert(batch->modalities[0].features.data());
    }
  }
  CHECK(buffers.size() == 3);
  CHECK(memory.size() == 3);
}

TEST_CASE("a loader may go at any time") {
  const Dataset d = conversations();
  { const Loader never(BatchBuilder(d), of_size(3)); }
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(BatchBuilder(d), of_size(3));
    loader.start(all_samples(d));
    for (int k = 0; k < taken; ++k) CHECK(loader.next() != nullptr);
  }
}

TEST_CASE("the report counts what was settled in the epoch") {
  DatasetArrays a;
  a.samples = 3;
  a.persons = 1;
  a.modalities = {{"x", 1, 2, {1}, {0, -1, -1, 0, 0, 0}}};
  a.target = {0, 1, 0, 1, 0, 1};
  Loader loader(BatchBuilder(make_dataset(std::move(a))), of_size(1));
  for (int epoch = 0; epoch < 2; ++epoch) {
    loader.start(Ints{0, 1, 2, 0});
    drain(loader);
    CHECK(loader.report().targets_moved == 2);
  }
}

TEST_CASE("sizes below one are refused") {
  CHECK_THROWS_WITH_AS(Loader(BatchBuilder(conversations()), of_size(0)), "batch size = 0; expected at least 1",
                       ConfigError);
  CHECK_THROWS_AS(Loader(BatchBuilder(conversations()), of_size(1, false, 0)), ConfigError);
}
