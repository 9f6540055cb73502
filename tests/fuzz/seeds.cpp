// Writes what the fuzzers start from, a folder for each: small files that the library itself wrote.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "ramer/backend/reference.hpp"
#include "ramer/data/dataset_file.hpp"
#include "ramer/data/synthetic.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/train/checkpoint.hpp"
#include "ramer/train/schema.hpp"
#include "ramer/train/trainer_config.hpp"

using namespace ramer;
namespace fs = std::filesystem;

namespace {

data::Dataset small_data() {
  data::SyntheticConfig config;
  config.samples = 6;
  config.modalities = {"text", "visual"};
  config.widths = {3, 3};
  config.persons = config.segments = config.labels = 2;
  config.moods = 1;
  config.personality_width = 2;
  return data::make_synthetic(config);
}

template <class Recipe, class Config>
void write_checkpoint(const fs::path& path, const data::Dataset& dataset, const Config& config) {
  const Model<Recipe, backend::Reference> model(train::make_schema(dataset), config, backend::Reference());
  train::save_model(path, model, {});
}

template <class Config>
void write_settings(const fs::path& folder, char which, const Config& config) {
  std::ofstream(folder / (std::string(1, which) + ".json")) << which << io::dump_json(io::to_json(config));
  std::ofstream lines(folder / (std::string(1, which) + ".set"));
  lines << which;
  for (const io::Option& row : io::describe(config)) lines << row.key << '=' << row.default_value << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ramer_fuzz_seeds FOLDER\n";
    return 2;
  }
  const fs::path folder = argv[1];
  for (const char* part : {"safetensors", "dataset", "checkpoint", "config"}) fs::create_directories(folder / part);

  io::SafetensorsWriter writer;
  const std::vector<double> wide{1, -2.5, 3e300};
  const std::vector<std::uint8_t> narrow{0, 1, 255, 7};
  const std::vector<std::int64_t> none;
  writer.add<double>("wide", {3}, std::span<const double>(wide));
  writer.add<std::uint8_t>("narrow", {2, 2}, std::span<const std::uint8_t>(narrow));
  writer.add<std::int64_t>("none", {4, 0}, std::span<const std::int64_t>(none));
  writer.set_metadata("note", "a \"quoted\" line\n");
  writer.write(folder / "safetensors" / "small.safetensors");

  const data::Dataset dataset = small_data();
  data::write_dataset(folder / "dataset" / "conversations.safetensors", dataset);

  wiring::RamerConfig<recipe::Ramer> ramer;
  ramer.encoder.hidden = 4;
  ramer.encoder.heads = 2;
  ramer.encoder.inner = 4;
  ramer.encoder.layers = {1};
  ramer.contrast.queue = 4;
  write_checkpoint<recipe::Ramer>(folder / "checkpoint" / "ramer.safetensors", dataset, ramer);
  wiring::EarlyFusionConfig fusion;
  fusion.hidden = 3;
  write_checkpoint<recipe::EarlyFusion>(folder / "checkpoint" / "early_fusion.safetensors", dataset, fusion);

  // The first byte picks the configuration, modulo 4.
  write_settings(folder / "config", '0', ramer);
  write_settings(folder / "config", '1', wiring::TailorConfig<recipe::Tailor>());
  write_settings(folder / "config", '2', fusion);
  write_settings(folder / "config", '3', train::TrainerConfig());
}
