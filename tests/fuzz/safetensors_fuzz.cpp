// Any bytes as a safetensors file: an IoError, or tensors that lie inside the file.
#include "fuzz/input.hpp"
#include "ramer/io/safetensors.hpp"

using namespace ramer;

namespace {

void read_all(const io::SafetensorsFile& file) {
  unsigned sum = 0;
  for (const io::TensorInfo& tensor : file.tensors()) {
    if (file.find(tensor.name) == nullptr) fuzz::found("a tensor that is listed is not found");
    for (const std::byte b : file.bytes(tensor.name)) sum += static_cast<unsigned>(b);
    fuzz::only_own_errors([&] { sum += static_cast<unsigned>(file.read<double>(tensor.name).size()); });
    fuzz::only_own_errors([&] { sum += static_cast<unsigned>(file.read<std::int32_t>(tensor.name).size()); });
    fuzz::only_own_errors([&] { sum += static_cast<unsigned>(file.view<float, 2>(tensor.name).size()); });
  }
  [[maybe_unused]] static volatile unsigned seen;
  seen = sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file({data, size});
  fuzz::only_own_errors([&] { read_all(io::SafetensorsFile::open(file.path())); });
  io::SafetensorsOptions lenient;
  lenient.allow_unaligned = true;
  fuzz::only_own_errors([&] { read_all(io::SafetensorsFile::open(file.path(), lenient)); });
  return 0;
}
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  return fuzz::mutate_safetensors(data, size, max_size, seed);
}
