// Golden files of kind shuffle_vectors: who feeds which slot, and the labels that travel.
#include <doctest/doctest.h>

#include "golden/golden_file.hpp"
#include "ramer/shuffle/stack.hpp"
#include "skip.hpp"

namespace {

using namespace ramer;
using namespace ramer::test;

template <class Policy>
void check_variant(const GoldenFile& file, const std::string& variant, shuffle::Gather gather) {
  const auto integers = [&](const std::string& tensor) {
    std::vector<std::int32_t> result;
    for (double x : file.values(variant + "." + tensor)) result.push_back(static_cast<std::int32_t>(x));
    return result;
  };
  const auto size = [&](const char* key) { return file.config.at(key).get<Index>(); };
  shuffle::Config config;
  config.sample_stacks = size("k_s");
  config.modality_stacks = size("k_m");
  config.rounds = size("rounds");
  config.gather = gather;
  std::vector<std::uint8_t> y;
  for (double v : file.values("Y")) y.push_back(v != 0);
  const std::vector<std::uint8_t> mask(y.size(), 1);
  shuffle::ShufflePlan plan;
  plan.build<Policy>(config, size("B"), size("M"), size("z"), y.data(), mask.data(), RandomStream());
  INFO(file.name << " " << variant);
  CHECK(plan.permutations.pi == integers("pi"));
  CHECK(plan.permutations.rho == integers("rho"));
  CHECK(plan.sample == integers("source_sample"));
  CHECK(plan.modality == integers("source_modality"));
  CHECK(std::vector<std::int32_t>(plan.labels.begin(), plan.labels.end()) == integers("labels"));
}

/// CARAT's permutations are random; given the file's, the gather must lead to the same slots and labels.
struct Given : shuffle::Stack {
  static inline std::vector<std::int32_t> pi, rho;
  static void permute(const shuffle::Config&, const RandomStream&, shuffle::Permutations& p) {
    p.pi = pi;
    p.rho = rho;
  }
};

}  // namespace

TEST_CASE("the stack shuffle and its variants agree with the golden files") {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind != "shuffle_vectors") continue;
    ++ran;
    for (const auto& [variant, about] : file.config.at("variants").items()) {
      const auto gather = about.at("gather") == "joint" ? shuffle::Gather::Joint : shuffle::Gather::Sequential;
      if (variant.starts_with("default")) {
        check_variant<shuffle::Stack>(file, variant, gather);
      } else if (variant == "plain") {
        check_variant<shuffle::PlainStack>(file, variant, gather);
      } else if (variant == "released") {
        check_variant<shuffle::Reversal>(file, variant, gather);
      } else if (variant.starts_with("carat")) {
        Given::pi.clear();
        Given::rho.clear();
        for (double x : file.values(variant + ".pi")) Given::pi.push_back(static_cast<std::int32_t>(x));
        for (double x : file.values(variant + ".rho")) Given::rho.push_back(static_cast<std::int32_t>(x));
        check_variant<Given>(file, variant, gather);
      } else {
        FAIL_CHECK(file.name << ": unknown variant " << variant);
      }
    }
  }
  CHECK(ran > 0);
  MESSAGE("compared " << ran << " files");
}
