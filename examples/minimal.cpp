#include <iostream>

#include "ramer/files.hpp"
#include "ramer/ramer.hpp"

int main(int argc, char** argv) {
  const auto dataset = argc > 1 ? ramer::data::read_dataset(argv[1]) : ramer::data::make_synthetic();
  const auto split = ramer::data::split_samples(dataset);

  using Model = ramer::Model<ramer::recipe::Ramer, ramer::backend::Cpu>;
  Model::Config config;  // the published widths, unless changed
  config.encoder = {.hidden = 64, .heads = 4, .inner = 64, .layers = {1}, .dropout = 0.2};
  config.weights.rec_tilde = config.weights.rec_beta = 0.01;
  Model model(ramer::train::make_schema(dataset), config, ramer::backend::Cpu());

  ramer::train::TrainerConfig training;
  training.epochs = 5;
  training.optimizer.rate = 1e-3;
  ramer::train::Trainer trainer(model, dataset, split, training);
  trainer.callbacks = ramer::train::show_progress(std::cout);
  trainer.run("minimal_run");  // writes minimal_run/model.safetensors; the model keeps its best epoch on validation data
  std::cout << "test micro-F1 " << ramer::train::evaluate(model, dataset, split.test).micro_f1 << '\n';
}
