// Any bytes as a checkpoint: an IoError, or a model with finite numbers.
#include "fuzz/input.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/model.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/train/checkpoint.hpp"

using namespace ramer;

namespace {

template <class Recipe>
void load(const train::Checkpoint& checkpoint) {
  const auto model = train::load_model<Recipe>(checkpoint, backend::Reference());
  for (const auto* p : model.parameters())
    for (Index k = 0; k < p->size(); ++k)
      if (!std::isfinite(p->value.data()[k])) fuzz::found("a number that is not finite was loaded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file({data, size});
  fuzz::only_own_errors([&] {
    const train::Checkpoint checkpoint = train::open_checkpoint(file.path());
    if (checkpoint.recipe == recipe::Ramer::name)
      load<recipe::Ramer>(checkpoint);
    else
      load<recipe::EarlyFusion>(checkpoint);
  });
  return 0;
}
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  return fuzz::mutate_safetensors(data, size, max_size, seed);
}
