// Where a run's files lie.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "ramer/core/error.hpp"

namespace ramer::train::detail {

/// The folder of a run, or none.
class RunFolder {
 public:
  RunFolder() = default;
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  explicit operator bool() const { return !path_.empty(); }

  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path history() const { return path_ / "history.jsonl"; }
  std::filesystem::path state() const { return path_ / "resume" / "state.safetensors"; }

  /// Makes the folders, and removes what a killed process left half written. @throws IoError
  void create() const {
    std::error_code error;
    std::filesystem::create_directories(path_ / "resume", error);
    require<IoError>(!error, path_.string(), ": cannot create the folder: ", error.message());
    for (const std::filesystem::path& file : {model(), history(), state()}) {
      const std::string start = "." + file.filename().string() + ".";
      for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), error)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(start) && name.ends_with(".tmp")) std::filesystem::remove(entry.path(), error);
      }
    }
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ramer::train::detail
