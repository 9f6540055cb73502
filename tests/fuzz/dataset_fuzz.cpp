// Any bytes as a data set: an error, or a data set that batches can be made of.
#include <algorithm>
#include <numeric>

#include "fuzz/input.hpp"
#include "ramer/data/batch_builder.hpp"
#include "ramer/data/dataset_file.hpp"
#include "ramer/data/sampler.hpp"
#include "ramer/data/split.hpp"
#include "ramer/train/schema.hpp"

using namespace ramer;

namespace {

void use(const data::Dataset& dataset) {
  fuzz::only_own_errors([&] { data::split_samples(dataset); });
  for (const auto view :
       {data::PersonView::kPersons, data::PersonView::kTarget, data::PersonView::kAll, data::PersonView::kMoment}) {
    fuzz::only_own_errors([&] {
      const Schema schema = train::make_schema(dataset, {.view = view});
      data::BatchBuilder builder(dataset, train::batch_options(schema, view));
      std::vector<std::int32_t> samples(static_cast<std::size_t>(std::min<Index>(dataset.size(), 8)));
      std::iota(samples.begin(), samples.end(), 0);
      Batch batch;
      builder.build(samples, batch);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file({data, size});
  for (const bool replace : {false, true}) {
    fuzz::only_own_errors([&] {
      data::DatasetOptions options;
      options.replace_non_finite = replace;
      use(data::read_dataset(file.path(), options));
    });
  }
  return 0;
}
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  return fuzz::mutate_safetensors(data, size, max_size, seed);
}
