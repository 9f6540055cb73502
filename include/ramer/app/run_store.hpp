// Finished runs, one small file each, so that a comparison can be killed at any moment and go on.
//
//   DIR/runs/RECIPE-VIEW-FOLD-SEED-HASH.safetensors   test scores, truth and what the run was like
//   DIR/models/(the same name)                        the trained model, where it is kept
//
// HASH is of the run's key: everything that decides its result (contents of the data, recipe, every setting, fold, seed,
// modalities, version of the library; not the number of threads). Files of other keys are left alone and not looked into, so
// that other settings in the same folder neither disturb nor are disturbed.
//
// Tensors of a run: id (N) I64, group (N) I64, truth and mask (N, C) U8, and scores (N, C) F32; metadata "format" =
// "ramer.run", "key" and "run" (JSON).
#pragma once

#include <sys/file.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ramer/app/experiment.hpp"
#include "ramer/eval/significance.hpp"

namespace ramer::app {

/// What is known of a finished run but for its scores.
struct RunInfo {
  std::string recipe, view, fold;
  std::uint64_t seed = 0;
  double threshold = 0.5;
  Index epochs = 0, selected_epoch = 0;
  std::optional<double> selected_metric;
  Index parameters = 0;
  double seconds = 0;  ///< that training took
  std::vector<std::string> labels;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("recipe", self.recipe, "recipe");
    field("view", self.view, "what the system was shown of several persons");
    field("fold", self.fold, "fold K/N; empty: the file's own split");
    field("seed", self.seed, "seed");
    field("threshold", self.threshold, "a label is predicted where its score is above this");
    field("epochs", self.epochs, "epochs trained");
    field("selected_epoch", self.selected_epoch, "epoch whose model was tested");
    field("selected_metric", self.selected_metric, "its validation metric");
    field("parameters", self.parameters, "numbers that were trained");
    field("seconds", self.seconds, "seconds that training took");
    field("labels", self.labels, "labels, in the order of the scores");
  }
};

/// A finished run. N test samples, C labels.
struct StoredRun {
  RunInfo info;
  std::vector<std::int64_t> id, group;               ///< (N)
  std::vector<std::uint8_t> truth, mask;             ///< (N, C)
  std::map<std::string, std::vector<float>> scores;  ///< (N, C) each, by name; "scores" is the test as it is

  Index size() const { return static_cast<Index>(id.size()); }
  Shape<2> shape() const { return {size(), static_cast<Index>(info.labels.size())}; }
  eval::Run<float> view(const std::string& name = "scores") const {
    return {{scores.at(name).data(), shape()}, {truth.data(), shape()}, {mask.data(), shape()}, group, info.threshold};
  }
  eval::Report report(eval::MetricOrder order, const std::string& name = "scores") const {
    eval::MetricOptions options;
    options.threshold = info.threshold;
    options.order = order;
    const eval::Run<float> run = view(name);
    return eval::evaluate(run.scores, run.truth, run.mask, std::span<const std::string>(info.labels), options);
  }
};

/// Everything that decides a run's result, and the name that follows from it.
struct RunKey {
  io::Json json;
  std::string name;  ///< of the file, without extension

  RunKey(const Experiment& e, const Row& row, const std::string& fold, std::uint64_t seed) {
    train::TrainerConfig config = row.settings.train;
    config.seed = row.kind->seeded ? seed : 0;
    config.ahead = {};  // these three change when and where, not what
    config.checkpoint_every = {};
    config.device_data = {};
    json = {{"data", e.identity},
            {"fold", fold},
            {"fold_seed", fold.empty() ? 0 : data::kFoldSeed},
            {"library", std::string(train::kLibraryVersion)},
            {"modalities", e.modalities},
            {"model", row.settings.model},
            {"recipe", row.settings.recipe},
            {"train", io::to_json(config)}};
    std::string part = fold.empty() ? "split" : "fold" + fold;
    std::replace(part.begin(), part.end(), '/', 'o');
    name = row.settings.recipe + "-" + std::string(enum_name(config.view)) + "-" + part +
           (row.kind->seeded ? "-seed" + std::to_string(seed) : "") + "-" + hash();
    for (char& c : name)
      if (c == '/' || static_cast<unsigned char>(c) <= ' ') c = '_';
  }
  /// The same, asked something more.
  RunKey with(const std::string& what, io::Json more, const std::string& suffix) const {
    RunKey key = *this;
    key.json[what] = std::move(more);
    key.name = name.substr(0, name.rfind('-')) + "-" + suffix + "-" + key.hash();
    return key;
  }

 private:
  std::string hash() const {
    Digest digest;
    digest.add(std::string_view(io::dump_json(json, -1)));
    return digest.text().substr(0, 16);
  }
};

class RunStore {
 public:
  /// Makes the folder. @throws IoError
  explicit RunStore(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::error_code error;
    std::filesystem::create_directories(folder_ / "runs", error);
    require<IoError>(!error && std::filesystem::is_directory(folder_ / "runs"), folder_.string(),
                     ": cannot create the folder: ", error ? error.message() : "something is in the way");
  }

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path run_file(const RunKey& key) const { return folder_ / "runs" / (key.name + ".safetensors"); }
  std::filesystem::path model_file(const RunKey& key) const { return folder_ / "models" / (key.name + ".safetensors"); }
  std::filesystem::path claim_file(const RunKey& key) const { return folder_ / "runs" / ("." + key.name + ".lock"); }
  bool has(const RunKey& key) const { return std::filesystem::exists(run_file(key)); }
  bool has_model(const RunKey& key) const { return std::filesystem::exists(model_file(key)); }

  /// @throws IoError for a file that is no run, or not this one
  StoredRun read(const RunKey& key) const;
  /// Whole or not at all. @throws IoError
  void write(const RunKey& key, const StoredRun& run) const;

  /// Runs in the folder that are none of these; what `robust` made of runs does not count.
  Index others(const std::set<std::string>& names) const {
    Index count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "runs")) {
      const std::filesystem::path& path = entry.path();
      const std::string name = path.filename().string();
      const bool run = !name.starts_with(".") && name.find("-drop-") == std::string::npos;
      count += run && path.extension() == ".safetensors" && !names.contains(path.stem().string());
    }
    return count;
  }

 private:
  std::filesystem::path folder_;
};

inline StoredRun RunStore::read(const RunKey& key) const {
  const std::filesystem::path path = run_file(key);
  const auto file = io::SafetensorsFile::open(path);
  require<IoError>(file.metadata("format", "") == "ramer.run" && file.metadata("version", "") == "1", path.string(),
                   ": not a run of this version; remove it to have it made again");
  require<IoError>(io::parse_json(file.metadata("key", "{}"), path.string()) == key.json, path.string(),
                   ": holds another run than its name says; remove it to have it made again");
  StoredRun run;
  train::detail::naming(path.string(),
                        [&] { io::from_json(io::parse_json(file.metadata("run", "{}"), path.string()), run.info, "run"); });
  run.id = file.read<std::int64_t>("id");
  const Index n = run.size(), c = static_cast<Index>(run.info.labels.size());
  run.group = file.read<std::int64_t>("group", {n});
  run.truth = file.read<std::uint8_t>("truth", {n, c});
  run.mask = file.read<std::uint8_t>("mask", {n, c});
  for (const io::TensorInfo& t : file.tensors())
    if (t.name.starts_with("scores")) run.scores[t.name] = file.read<float>(t.name, {n, c});
  require<IoError>(!run.scores.empty(), path.string(), ": no scores; remove it to have it made again");
  return run;
}

inline void RunStore::write(const RunKey& key, const StoredRun& run) const {
  const Index n = run.size(), c = static_cast<Index>(run.info.labels.size());
  io::SafetensorsWriter writer;
  writer.set_metadata("format", "ramer.run");
  writer.set_metadata("version", "1");
  writer.set_metadata("key", io::dump_json(key.json, -1));
  writer.set_metadata("run", io::dump_json(io::to_json(run.info), -1));
  writer.add<std::int64_t>("id", {n}, std::span(run.id));
  writer.add<std::int64_t>("group", {n}, std::span(run.group));
  writer.add<std::uint8_t>("truth", {n, c}, std::span(run.truth));
  writer.add<std::uint8_t>("mask", {n, c}, std::span(run.mask));
  for (const auto& [name, scores] : run.scores) writer.add<float>(name, {n, c}, std::span(scores));
  writer.write(run_file(key));
}

/// A claim on a run, so that several processes can share the work in one folder. A process that dies lets go of it.
class RunClaim {
 public:
  /// @throws IoError
  RunClaim(const RunStore& store, const RunKey& key) : path_(store.claim_file(key)) {
    file_ = io::detail::Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    require<IoError>(file_.get() >= 0, path_.string(), ": cannot open: ", io::detail::system_message(errno));
    held_ = ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
    if (!held_) return;
    // What a process that was killed here has left half written.
    const std::string start = "." + key.name + ".safetensors.";
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path_.parent_path(), error))
      if (entry.path().filename().string().starts_with(start)) std::filesystem::remove(entry.path(), error);
  }
  ~RunClaim() {
    if (held_) ::unlink(path_.c_str());
  }
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;
  bool held() const { return held_; }

 private:
  std::filesystem::path path_;
  io::detail::Descriptor file_;
  bool held_ = false;
};

}  // namespace ramer::app
