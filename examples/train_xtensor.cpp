// Trains on data of one's own: padded xtensor arrays, or .npy files that NumPy wrote.
//
//   ramer_train_xtensor text.npy text_mask.npy audio.npy audio_mask.npy labels.npy
//
// Features are (N, P, T, D), masks (N, P, T) of 0 and 1, labels (N, C). Without arguments it makes such arrays up.
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "ramer/data/xtensor_adapter.hpp"
#if __has_include(<xtensor/io/xnpy.hpp>)
#include <xtensor/io/xnpy.hpp>
#else
#include <xtensor/xnpy.hpp>
#endif

#include "ramer/backend/cpu.hpp"
#include "ramer/data/loader.hpp"
#include "ramer/data/split.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/evaluate.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

/// Label j is there where the modalities' j-th features add up to more than 0; every fifth sample has no audio.
data::Dataset made_up() {
  const std::size_t N = 400, T = 3, D = 4, C = 2;
  xt::xtensor<float, 4> text({N, 1, T, D}), audio({N, 1, T, D});
  xt::xtensor<int, 3> heard({N, 1, T}, 1);
  xt::xtensor<int, 2> labels({N, C});
  const RandomStream stream(7, name_hash("made up"));
  for (std::size_t n = 0; n < N; ++n) {
    for (std::size_t d = 0; d < D; ++d) {
      const auto t = static_cast<float>(stream.normal(2 * n, static_cast<std::uint32_t>(d)));
      const auto a = static_cast<float>(stream.normal(2 * n + 1, static_cast<std::uint32_t>(d)));
      for (std::size_t k = 0; k < T; ++k) {
        text(n, 0, k, d) = t;
        audio(n, 0, k, d) = a;
        if (n % 5 == 0) heard(n, 0, k) = 0;
      }
      if (d < C) labels(n, d) = t + (n % 5 == 0 ? 0 : a) > 0;
    }
  }
  return data::XtensorDataset("made up")
      .modality("text", text)
      .modality("audio", audio, heard)
      .labels({"joy", "anger"}, labels)
      .build();
}

//! [Arrays]
data::Dataset from_files(const std::vector<std::string>& files) {
  const auto labels = xt::load_npy<std::int64_t>(files[4]);
  std::vector<std::string> names;
  for (std::size_t j = 0; j < labels.shape(1); ++j) names.push_back("label " + std::to_string(j));
  return data::XtensorDataset(files[0])
      .modality("text", xt::load_npy<float>(files[0]), xt::load_npy<std::int64_t>(files[1]))
      .modality("audio", xt::load_npy<float>(files[2]), xt::load_npy<std::int64_t>(files[3]))
      .labels(names, labels)
      .build();
}
//! [Arrays]

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 1 && argc != 6) {
    std::cerr << "usage: ramer_train_xtensor [TEXT TEXT_MASK AUDIO AUDIO_MASK LABELS]\n";
    return 2;
  }
  const data::Dataset dataset = argc == 6 ? from_files({argv + 1, argv + argc}) : made_up();
  const data::SplitSamples split = data::fold_samples(dataset, {.index = 0, .count = 5});  // it has no split of its own

  using MyModel = Model<recipe::EarlyFusion, backend::Cpu>;  // compiles in seconds; recipe::Ramer takes its place
  MyModel model(train::make_schema(dataset), {.hidden = 32}, backend::Cpu());

  const Index epochs = 20;
  train::Stepper stepper(model, {.rate = 1e-2}, 1);
  data::LoaderOptions batches;
  batches.batch_size = 32;
  data::Loader loader(data::BatchBuilder(dataset), batches);
  const auto steps = static_cast<double>(epochs * loader.batches(static_cast<Index>(split.train.size())));
  for (std::uint64_t epoch = 0, step = 0; epoch < static_cast<std::uint64_t>(epochs); ++epoch) {
    loader.start(split.train, epoch);
    while (const Batch* batch = loader.next()) stepper.run(*batch, step++, steps);
  }
  std::cout << "test micro-F1 " << train::evaluate(model, dataset, split.test).micro_f1 << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
