// Somebody else's program: loads a model that `ramer train` wrote and classifies one utterance, of which a modality may be missing.
//
//   embed run/model.safetensors audio
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <ramer/backend/cpu.hpp>
#include <ramer/data/dataset_arrays.hpp>
#include <ramer/model/recipes.hpp>
#include <ramer/train/checkpoint.hpp>
#include <ramer/train/evaluate.hpp>

/// What the host's own feature extractors would give.
std::vector<float> extract(const std::string& modality, ramer::Index width) {
  return std::vector<float>(static_cast<std::size_t>(width), modality == "text" ? 0.5f : -0.25f);
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: embed MODEL [MISSING_MODALITY]\n";
    return 2;
  }
  const std::string missing = argc > 2 ? argv[2] : "";
  const auto checkpoint = ramer::train::open_checkpoint(argv[1]);
  const auto model = ramer::train::load_model<ramer::recipe::Ramer>(checkpoint, ramer::backend::Cpu());

  // One person at one moment. An index of -1 says that nothing is there.
  const ramer::Schema& schema = model.schema();
  ramer::data::DatasetArrays utterance;
  utterance.name = "utterance";
  utterance.samples = 1;
  utterance.label_names = schema.labels;
  for (const auto& m : schema.modalities) {
    const bool there = m.name != missing;
    utterance.modalities.push_back(
        {m.name, m.width, 1, there ? extract(m.name, m.width) : std::vector<float>(), {there ? 0 : -1}});
  }
  utterance.exists = {1};
  if (schema.has_target) utterance.target = {0, 0};
  if (schema.personality_width > 0) {
    utterance.personality_width = schema.personality_width;
    utterance.personality_index = {-1};
  }

  // `predict` is const: any number of threads may call it on one model.
  const auto dataset = ramer::data::make_dataset(std::move(utterance));
  const std::vector<std::int32_t> samples{0};
  ramer::train::PredictOptions options;
  options.view = checkpoint.run.view;
  const auto scores = ramer::train::predict(model, dataset, samples, options);
  for (std::size_t j = 0; j < scores.labels.size(); ++j) {
    std::cout << scores.labels[j] << ' ' << scores.scores[j] << (scores.scores[j] > checkpoint.run.threshold ? " *" : "")
              << '\n';
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
