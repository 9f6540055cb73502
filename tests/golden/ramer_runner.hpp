// Which recipe runs which golden file of kind ramer_paper.
#pragma once

#include "golden/ramer_compare.hpp"
#include "skip.hpp"

namespace ramer::test {

/// The choices of a file that are types here, those that differ from the default alone.
inline std::string choices(const GoldenFile& file) {
  const std::map<std::string, Json> defaults{{"rec_levels", "both"},
                                             {"autoencoder", true},
                                             {"use_C", true},
                                             {"use_S", true},
                                             {"orth", "cs_slots"},
                                             {"cml", "per_modality"},
                                             {"rec", "mse"},
                                             {"contrast", "queue"},
                                             {"shuffle", "default"},
                                             {"shuffle_input", "C+S"},
                                             {"adversary", "gradient_reversal"}};
  std::string text;
  if (file.config.at("options").value("aux", "") == "time_concat") text = "aux=time_concat";  // else with persons or without
  for (const auto& [key, usual] : defaults) {
    const Json value = file.config.at("options").value(key, usual);
    if (value != usual)
      text += (text.empty() ? "" : " ") + key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

using Runner = void (*)(const GoldenFile&);

/// Runs every file of a kind and its curves, unaligned ones only where asked for.
inline void run_kind(const std::string& kind, bool curves, bool aligned, Runner runner) {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind != kind && !(curves && file.kind == kind + "_curve")) continue;
    if (file.config.at("task").value("aligned", true) != aligned) continue;
    runner(file);
    ++ran;
  }
  if (ran == 0) {
    skip("all golden files: none is of kind " + kind);
  } else {
    MESSAGE("compared " << ran << " files");
  }
}

/// Runs the files whose choices are a key of `table`.
inline void run_files(const std::map<std::string, Runner>& table) {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind != "ramer_paper" && file.kind != "ramer_paper_curve") continue;
    const auto found = table.find(choices(file));
    if (found == table.end()) continue;
    found->second(file);
    ++ran;
  }
  if (ran == 0) {
    skip("all golden files: none has the choices that this test runs");
  } else {
    MESSAGE("compared " << ran << " files");
  }
}

}  // namespace ramer::test
