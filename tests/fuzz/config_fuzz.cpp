// Any text as a configuration file or as `--set key=value`: an error, or settings that are read back as they were written.
#include <string_view>

#include "fuzz/input.hpp"
#include "ramer/io/json.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/recipes.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/model/tailor_config.hpp"
#include "ramer/train/trainer_config.hpp"

using namespace ramer;

namespace {

template <class Config>
void check(const Config& config) {
  const std::string written = io::dump_json(io::to_json(config));
  Config again;
  io::from_json(io::parse_json(written), again);
  if (io::dump_json(io::to_json(again)) != written) fuzz::found("settings are not read back as they were written");
  fuzz::only_own_errors([&] { checked(config); });
}

template <class Config>
void read(std::string_view text) {
  fuzz::only_own_errors([&] {
    Config config;
    io::from_json(io::parse_json(text), config);
    check(config);
  });
  fuzz::only_own_errors([&] {
    Config config;
    for (std::size_t begin = 0; begin < text.size();) {  // one assignment a line
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      io::set_option(config, text.substr(begin, end - begin));
      begin = end + 1;
    }
    check(config);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: read<wiring::RamerConfig<recipe::Ramer>>(text); break;
    case 1: read<wiring::TailorConfig<recipe::Tailor>>(text); break;
    case 2: read<wiring::EarlyFusionConfig>(text); break;
    default: read<train::TrainerConfig>(text);
  }
  return 0;
}
