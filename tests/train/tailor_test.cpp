// TAILOR on a data set with persons: one sequence per sample. Trainer, checkpoints and prediction do not know it.
#include <doctest/doctest.h>

#include "ramer/model/tailor.hpp"
#include "ramer/train/checkpoint.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;

namespace {

template <class M>
typename M::Config tailor_config() {
  typename M::Config c;
  c.encoder.hidden = c.encoder.inner = 16, c.encoder.heads = 2, c.encoder.layers = {1};
  c.fusion.layers = 1;
  if constexpr (requires { c.alignment.length; }) c.alignment.length = 4;
  return c;
}
template <class M>
M make_model(const data::Dataset& data, data::PersonView view, int threads = 1) {
  data::BatchOptions shown;
  shown.view = view;
  return M(train::make_schema(data, shown), tailor_config<M>(), backend::Cpu(threads), 3);
}

}  // namespace

TEST_CASE_TEMPLATE("TAILOR trains, is saved and comes back", R, recipe::Tailor, recipe::TailorUnaligned) {
  using M = Model<R, backend::Cpu, Float>;
  const auto data = small_data();
  const Folder folder("tailor");
  for (const auto view : {data::PersonView::kAll, data::PersonView::kTarget}) {
    CAPTURE(static_cast<int>(view));
    M model = make_model<M>(data, view);
    auto training = small_training(2);
    training.view = view;
    training.missing.rate = 0.3;  // some samples then lack a modality altogether
    train::Trainer<M> trainer(model, data, data::split_samples(data), training);
    const auto result = trainer.run(folder.path());
    CHECK(result.history.size() == 2);
    const auto restored = train::load_model<R>(folder.path() / "model.safetensors", backend::Cpu(1));
    train::PredictOptions options;
    options.view = view;
    const auto samples = data::all_samples(data);
    const auto here = train::predict(model, data, samples, options),
               there = train::predict(restored, data, samples, options);
    CHECK(here.scores == there.scores);
    CHECK(std::all_of(here.scores.begin(), here.scores.end(), [](float s) { return s >= 0 && s <= 1; }));
    options.batch = 7;
    const auto otherwise = train::predict(model, data, samples, options);
    for (std::size_t i = 0; i < here.scores.size(); ++i)
      CHECK(otherwise.scores[i] == doctest::Approx(here.scores[i]).epsilon(1e-4));
  }
  CHECK_THROWS_AS(make_model<M>(data, data::PersonView::kPersons), ConfigError);
}

TEST_CASE("steps of TAILOR: the same bits with any number of threads") {
  using M = Model<recipe::TailorUnaligned, backend::Cpu, Float>;
  const auto data = small_data(80);
  const auto split = data::split_samples(data);
  std::vector<float> bits[3];
  for (int t = 0; t < 3; ++t) {
    M model = make_model<M>(data, data::PersonView::kAll, t + 1);
    train::Stepper<M> stepper(model, {}, 1);
    data::BatchOptions shown;
    shown.view = data::PersonView::kAll;
    data::BatchBuilder builder(data, shown);
    Batch batch;
    for (std::uint64_t step = 0; step < 3; ++step) {
      builder.build(std::span<const std::int32_t>(split.train).subspan(step * 16, 16), batch);
      stepper.run(batch, step, 10);
    }
    for (const auto* p : model.parameters()) bits[t].insert(bits[t].end(), p->value.data(), p->value.data() + p->size());
  }
  CHECK(bits[0] == bits[1]);
  CHECK(bits[0] == bits[2]);
}
