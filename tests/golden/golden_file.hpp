// Golden files: finding them, reading them, comparing with them. Nothing about a file's shapes, seed or name is assumed.
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ramer/io/json.hpp"
#include "ramer/io/safetensors.hpp"

namespace ramer::test {

using io::Json;

/// A golden file together with the one that it takes its start state from.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path) : file_(io::SafetensorsFile::open(path)) {
    config = io::parse_json(file_.metadata("config", "{}"), path.string());
    kind = file_.metadata("kind", "");
    name = path.filename().string();
    for (const char* key : {"state_from", "sibling"}) {
      if (config.contains(key))
        parent_ = std::make_shared<GoldenFile>(path.parent_path() / (config[key].get<std::string>() + ".safetensors"));
    }
    difference_ = metadata_json("f32_maxdiff");
    // A curve may keep its settings in the metadata, and leave those of the model to the file that it starts from.
    for (const char* key : {"columns", "lr", "t_total", "warmup", "steps", "identity_permutations"}) {
      if (const Json value = metadata_json(key); !value.is_null() && !config.contains(key)) config[key] = value;
    }
    if (parent_ && !config.contains("dims") && !config.contains("task")) {
      for (const auto& [key, value] : parent_->config.items())
        if (!config.contains(key)) config[key] = value;
    }
  }

  Json config;
  std::string kind, name;

  bool own(const std::string& tensor) const { return file_.find(tensor) != nullptr; }
  bool has(const std::string& tensor) const { return own(tensor) || (parent_ && inherits(tensor) && parent_->has(tensor)); }
  std::vector<double> values(const std::string& tensor) const { return holder(tensor).file_.read<double>(tensor); }
  std::vector<Index> shape(const std::string& tensor) const { return holder(tensor).file_.at(tensor).shape; }
  /// Names of this file's own tensors that start with `prefix`, the prefix cut off.
  std::vector<std::string> own_names(const std::string& prefix) const {
    std::vector<std::string> names;
    for (const io::TensorInfo& t : file_.tensors())
      if (t.name.starts_with(prefix)) names.push_back(t.name.substr(prefix.size()));
    return names;
  }
  Json metadata_json(const std::string& key) const {
    const std::string text = file_.metadata(key, "");
    return text.empty() ? Json() : io::parse_json(text, name + " " + key);
  }
  /// The largest difference between a float32 and a float64 run of the program that wrote the tensor; 0 if not known.
  double float_difference(const std::string& tensor) const {
    if (difference_.is_object() && difference_.contains(tensor) && difference_[tensor].is_number())
      return difference_[tensor].get<double>();
    return parent_ ? parent_->float_difference(tensor) : 0.0;
  }

 private:
  static bool inherits(const std::string& tensor) { return tensor.starts_with("before/") || tensor.starts_with("in/"); }
  const GoldenFile& holder(const std::string& tensor) const {
    if (own(tensor) || !parent_ || !inherits(tensor)) return *this;
    return parent_->holder(tensor);
  }
  io::SafetensorsFile file_;
  std::shared_ptr<GoldenFile> parent_;
  Json difference_;
};

/// Files of format ramer.golden: the project's own, and those of the folder that RAMER_GOLDEN_DIR names.
inline std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> folders{std::filesystem::path(RAMER_TESTS_DIR) / "golden" / "data"}, files;
  if (const char* extra = std::getenv("RAMER_GOLDEN_DIR"); extra && *extra) folders.emplace_back(extra);
  for (const auto& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".safetensors") continue;
      if (io::SafetensorsFile::open(entry.path()).metadata("format", "") == "ramer.golden") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// A place's dropout. Files drop nothing there, or everything; our rates are below 1.
inline double dropout_rate(const Json& options, const char* place) {
  return options.value("dropout", Json::object()).value(place, 0) == 1 ? 1 - 0x1p-24 : 0.0;
}

/// Empty if the numbers agree (docs/design.md: double 1e-9 of the largest; float 1e-4 of it or four times the yardstick), else a sentence.
inline std::string compare(const std::string& what, const std::vector<double>& ours, const std::vector<double>& theirs,
                           bool is_float, double yardstick, double absolute = 0, double relative = 0) {
  if (ours.size() != theirs.size())
    return what + ": " + std::to_string(ours.size()) + " numbers, the file has " + std::to_string(theirs.size());
  double largest = 0;
  for (double x : theirs) largest = std::max(largest, std::abs(x));
  double allowed = (relative > 0 ? relative : is_float ? 1e-4 : 1e-9) * largest;
  if (is_float) allowed = std::max(allowed, 4 * yardstick);
  allowed = std::max(allowed, absolute > 0 ? absolute : is_float ? 1e-9 : 1e-15);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (!(std::abs(ours[i] - theirs[i]) <= allowed)) {
      std::ostringstream text;
      text.precision(12);
      text << what << "[" << i << "]: " << ours[i] << ", the file has " << theirs[i] << " (largest " << largest
           << ", allowed " << allowed << ")";
      return text.str();
    }
  }
  return {};
}

}  // namespace ramer::test
