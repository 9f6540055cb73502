// Runs the harness inside the test program, on small recipes. The harness is compiled once, in support.cpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "app/folder.hpp"
#include "app/shell.hpp"

namespace ramer::app {
struct Kind;
}  // namespace ramer::app

namespace ramer::test {

/// Step of training at which the recipe `raising` sends this process SIGINT, as Ctrl-C does; -1: never.
inline std::int64_t raise_at = -1;

/// What a call of the program left behind.
struct Call {
  int code = 0;
  std::string out, err;

  /// One line, that begins with the program's name.
  bool one_line() const { return err.starts_with("ramer: ") && err.ends_with('\n') && err.find('\n') + 1 == err.size(); }
};

/// `raising` and `linear`.
const std::vector<app::Kind>& kinds();

/// A program of these kinds; its `ablate` has `raising` and the same without its hidden layer.
Call call(const std::vector<std::string>& arguments);

/// A program of `raising` and `linear` that has no `ablate`.
Call call_without_ablations(const std::vector<std::string>& arguments);

/// A call ends with exit code 2 and one line on stderr that has these words.
void refused(const std::vector<std::string>& arguments, std::initializer_list<const char*> words);

/// Arguments of a short training run.
std::vector<std::string> training(const std::string& data, const std::string& out, std::vector<std::string> more = {});

std::string bytes_of(const std::string& path);

/// A small data set file with a split and groups.
std::string small_data(const Folder& folder, const std::string& name = "data.safetensors");

}  // namespace ramer::test
