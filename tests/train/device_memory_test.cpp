// A backend whose memory the host must not touch: the library trains, predicts, saves and resumes on it, and a GPU is no different.
#include <doctest/doctest.h>

#include <atomic>

#include "backend/guarded.hpp"
#include "ramer/backend/reference.hpp"
#include "train/kept_run.hpp"
#include "train/resumed.hpp"
#include "train/trace.hpp"

using namespace ramer;
using namespace ramer::testing;
using Device = test::Guarded<backend::Reference>;

namespace {

template <class R, class Precision>
void check_same(const test::BatchSpec& spec) {
  const auto host = test::trace<R, backend::Reference, Precision>(spec), device = test::trace<R, Device, Precision>(spec);
  REQUIRE(host.size() == device.size());
  const double tolerance = std::is_same_v<Precision, Double> ? 1e-9 : 1e-3;
  for (std::size_t i = 0; i < host.size(); ++i) {
    CAPTURE(i);
    CHECK(device[i] == doctest::Approx(host[i]).epsilon(tolerance));
  }
}

constexpr Index kPlenty = 1000;  // MiB

/// A run, the bytes that it sent, and that it gave all memory back.
template <class R>
std::pair<KeptRun, std::size_t> sent_by(const data::Dataset& data, Index device_data, const KeptOptions& asked = {}) {
  const std::size_t before = test::GuardedMemory::sent, blocks = test::GuardedMemory::blocks();
  KeptRun run = run_kept<R, Device>(data, device_data, asked);
  CHECK(test::GuardedMemory::blocks() == blocks);
  return {std::move(run), test::GuardedMemory::sent - before};
}
/// Of modality m.
std::size_t bytes_of_features(const data::Dataset& data, std::size_t m) {
  return static_cast<std::size_t>(data.modalities()[m].features.size()) * sizeof(float);
}
/// More than a MiB.
data::Dataset wide_data() {
  data::SyntheticConfig config;
  config.samples = 40;
  config.widths = {800, 600, 400};
  config.labels = 3;
  return data::make_synthetic(config);
}

}  // namespace

TEST_CASE("Models of every wiring train and predict in memory that the host must not touch") {
  check_same<recipe::Ramer, Double>({});
  check_same<recipe::Ramer, Float>({});
  check_same<recipe::EarlyFusion, Float>({});
  check_same<test::Unaligned, Double>(test::without_target());
  check_same<recipe::TailorUnaligned, Double>(test::without_target());
}

TEST_CASE("A run in such memory is saved, resumed and evaluated") { check_resumes<Device>("device"); }

TEST_CASE("A data set that fits is kept on the device: fewer bytes are sent, and the run has the same bits") {
  const auto data = small_data(32);
  const auto [by_batch, all_sent] = sent_by<recipe::Ramer>(data, 0);
  const auto [kept, less_sent] = sent_by<recipe::Ramer>(data, kPlenty);
  CHECK((kept == by_batch));
  CHECK(less_sent < all_sent);

  // A transform sees features.
  std::atomic<Index> whole = 0, batches = 0;
  KeptOptions asked;
  asked.transform = [&](Batch& batch, std::uint64_t) {
    ++batches;
    bool is_whole = true;
    for (const ModalityBatch& m : batch.modalities)
      is_whole = is_whole && m.row.empty() && static_cast<Index>(m.features.size()) == m.rows() * m.width;
    whole += is_whole;
  };
  const auto [looked_at, sent] = sent_by<recipe::Ramer>(data, kPlenty, asked);
  CHECK((looked_at == by_batch));
  CHECK(whole.load() == batches.load());
  CHECK(batches.load() > 0);
  CHECK(sent > less_sent);
}

TEST_CASE("TAILOR takes rows too, and leaves some out; a wiring that reads features on the host is given them") {
  const auto data = small_data(60);
  KeptOptions asked;
  asked.epochs = 4;
  asked.view = data::PersonView::kAll;
  const auto [by_batch, all_sent] = sent_by<recipe::Tailor>(data, 0, asked);
  const auto [kept, less_sent] = sent_by<recipe::Tailor>(data, kPlenty, asked);
  CHECK((kept == by_batch));
  CHECK(less_sent < all_sent);
  CHECK((sent_by<recipe::EarlyFusion>(data, kPlenty) == sent_by<recipe::EarlyFusion>(data, 0)));
  data::BatchOptions shown;
  shown.features = data::Features::kByRow;
  Batch by_row;
  data::make_batch(data, data::all_samples(data), shown, by_row);
  std::vector<float> pooled;
  CHECK_THROWS_AS(pool_features(train::make_schema(data), by_row, Pooling::Window, pooled), DataError);
}

TEST_CASE("A data set over the budget, or one that memory has no room for, is sent batch by batch") {
  const auto data = wide_data();
  const std::size_t total = bytes_of_features(data, 0) + bytes_of_features(data, 1) + bytes_of_features(data, 2);
  REQUIRE(total > std::size_t{1} << 20);
  REQUIRE(total < std::size_t{kPlenty} << 20);
  KeptOptions asked;
  asked.epochs = 4;
  asked.view = data::PersonView::kAll;
  const auto by_batch = sent_by<recipe::Tailor>(data, 0, asked);
  CHECK((sent_by<recipe::Tailor>(data, 1, asked) == by_batch));
  const auto kept = sent_by<recipe::Tailor>(data, kPlenty, asked);
  CHECK((kept.first == by_batch.first));
  CHECK(kept.second < by_batch.second);

  for (const bool of_the_device : {false, true}) {
    CAPTURE(of_the_device);
    int refusals = 0;
    test::GuardedMemory::before_allocating = [&](std::size_t bytes) {
      if (bytes != bytes_of_features(data, 1)) return;
      ++refusals;
      if (of_the_device) throw DeviceError("no room");
      throw std::bad_alloc();
    };
    CHECK((sent_by<recipe::Tailor>(data, kPlenty, asked) == by_batch));
    test::GuardedMemory::before_allocating = nullptr;
    CHECK(refusals == 1);
  }
}

TEST_CASE_TEMPLATE("Kept rows predict as the numbers do, converted where the model computes in double", Precision, Float,
                   Double) {
  using M = Model<recipe::Ramer, Device, Precision>;
  const auto data = small_data(40);
  M model(train::make_schema(data), kept_config<M>(), Device(), 3);
  const auto kept = train::DeviceData<Device::Memory>::keep(model, data, kPlenty);
  REQUIRE(kept.has_value());
  train::PredictOptions options;
  options.batch = 16;
  options.missing.rate = 0.3;
  const auto all = data::all_samples(data);
  train::TermMeans terms, terms_of_kept;
  const auto scores = train::predict(model, data, all, options, &terms).scores;
  CHECK(train::predict(model, data, all, options, &terms_of_kept, &*kept).scores == scores);
  CHECK(terms_of_kept == terms);
  CHECK_FALSE(train::DeviceData<Device::Memory>::keep(model, data, 0).has_value());

  using OnHost = Model<recipe::Ramer, backend::Reference, Precision>;
  OnHost on_host(train::make_schema(data), kept_config<OnHost>());
  CHECK_FALSE(train::DeviceData<HostMemory>::keep(on_host, data, kPlenty).has_value());
}

TEST_CASE("A run that a callback ended with an exception leaves nothing to the next one") {
  using M = Model<recipe::Ramer, Device, Float>;
  const auto data = small_data(60);
  const auto run = [&](bool after_another) {
    M model(train::make_schema(data), kept_config<M>(), Device(), 3);
    train::TrainerConfig config = small_training(2);
    train::Trainer<M> trainer(model, data, data::split_samples(data), config);
    if (after_another) {
      trainer.callbacks.on_step = [](const train::StepEvent& e) {
        if (e.step == 1) throw DataError("enough");
      };
      CHECK_THROWS_AS(trainer.run(), DataError);
      CHECK(trainer.stepper().under_way() > 0);
    }
    std::vector<std::uint64_t> steps;
    trainer.callbacks.on_step = [&](const train::StepEvent& e) { steps.push_back(e.step); };
    CHECK(trainer.run().history.size() == 2);
    return steps;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("The guard guards: a kernel that is given a host pointer is refused") {
  const Device device;
  std::vector<double> host(4);
  CHECK_THROWS_AS(device.fill(host.data(), Index{4}, 0.0), std::logic_error);
  Tensor<double, 1, Device::Memory> there(Shape{Index{4}});
  device.fill(there.data(), Index{4}, 2.0);
  device.to_host(there.data(), Index{4}, host.data());
  CHECK(host == std::vector<double>(4, 2.0));
}
