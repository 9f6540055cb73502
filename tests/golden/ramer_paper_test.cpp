// Golden files of kinds ramer_paper and ramer_paper_curve: values, loss terms, gradients, one optimizer step, evaluation.
// The default recipe and the two other adversaries, in double.
#include "golden/ramer_runner.hpp"
#include "ramer/backend/cpu.hpp"

using namespace ramer;
using namespace ramer::test;

TEST_CASE("RAMer agrees with the golden files in double") {
  run_files({{"", &compare_ramer<recipe::Ramer, backend::Cpu, Double>},
             {"adversary=alternating", &compare_ramer<recipe::RamerAlternating, backend::Cpu, Double>},
             {"adversary=confusion", &compare_ramer<recipe::RamerConfusion, backend::Cpu, Double>}});
}

TEST_CASE("every golden file has a test, or a reason to have none") {
  // The choices that the sources of this folder run, besides the default.
  const std::set<std::string> known{"",
                                    "adversary=alternating",
                                    "adversary=confusion",
                                    "use_C=false",
                                    "use_S=false",
                                    "autoencoder=false",
                                    "rec_levels=gamma_only",
                                    "rec_levels=beta_only",
                                    "rec_levels=none",
                                    "contrast=released",
                                    "contrast=batch",
                                    "orth=released",
                                    "orth=cs",
                                    "cml=pooled_sum",
                                    "cml=released",
                                    "rec=frobenius",
                                    "aux=time_concat",
                                    "shuffle_input=concat",
                                    "shuffle=plain",
                                    "shuffle=released",
                                    "shuffle=none",
                                    "shuffle_input=gamma",
                                    "shuffle_input=four_slots"};
  const std::set<std::string> other_kinds{"shuffle_vectors", "metrics",     "ramer_released", "ramer_released_curve",
                                          "carat",           "carat_curve", "tailor",         "tailor_curve",
                                          "ctc_loss",        "lstm"};
  std::map<std::string, int> skipped;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind == "ramer_paper" || file.kind == "ramer_paper_curve") {
      if (const std::string key = choices(file); !known.contains(key)) ++skipped["no test runs the choice " + key];
    } else if (!other_kinds.contains(file.kind)) {
      ++skipped["kind " + file.kind + " is not supported"];
    }
  }
  CHECK_FALSE(golden_files().empty());
  for (const auto& [reason, count] : skipped) std::cout << "[skipped] " << count << " golden files: " << reason << std::endl;
}
