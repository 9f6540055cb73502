// The smallest program that trains: RAMer on the generator's conversations. compile_cost.py measures what it takes to compile.
#include <iostream>

#include "ramer/ramer.hpp"
#include "ramer/train/schema.hpp"

int main() {
  const auto dataset = ramer::data::make_synthetic({.samples = 200});
  const auto samples = ramer::data::split_samples(dataset).train;

  using Model = ramer::Model<ramer::recipe::Ramer>;
  Model::Config config;
  config.encoder = {.hidden = 32, .heads = 4, .inner = 32, .layers = {1}};
  Model model(ramer::train::make_schema(dataset), config);

  ramer::train::Stepper stepper(model, {.rate = 1e-3}, 1);
  ramer::data::Loader loader(ramer::data::BatchBuilder(dataset), {});
  const ramer::Index epochs = 3, steps = epochs * loader.batches(static_cast<ramer::Index>(samples.size()));
  for (std::uint64_t epoch = 0, step = 0; epoch < epochs; ++epoch) {
    double loss = 0;
    loader.start(samples, epoch);
    while (const ramer::Batch* batch = loader.next()) loss = stepper.run(*batch, step++, static_cast<double>(steps)).total;
    std::cout << "epoch " << epoch << ", loss of its last batch " << loss << '\n';
  }
}
