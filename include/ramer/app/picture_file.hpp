// A drawing as a file: SVG as it is, PNG by the tool rsvg-convert.
#pragma once

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "ramer/core/error.hpp"
#include "ramer/io/file.hpp"

extern char** environ;  // POSIX leaves this declaration to its users

namespace ramer::app {

namespace detail {

inline bool program_exists(std::string_view name) {
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path ? path : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, end)) + "/" + std::string(name);
    if (::access(file.c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace detail

/// Refuses a name that `write_picture` could not write, before any work is done. @throws ConfigError
inline void check_picture(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  require<ConfigError>(ending == ".svg" || ending == ".png", "--out ", path, ": expected a name ending in .svg or .png");
  require<ConfigError>(ending == ".svg" || detail::program_exists("rsvg-convert"), "--out ", path,
                       ": a PNG needs the program rsvg-convert (Debian: librsvg2-bin), which is not there; a name ending in "
                       ".svg needs nothing");
}

/// Writes it, whole or not at all. @throws ConfigError, IoError
inline void write_picture(const std::string& path, const std::string& svg) {
  check_picture(path);
  if (std::filesystem::path(path).extension() == ".svg") return io::write_file_atomically(path, svg);
  const std::string drawing = path + ".svg.tmp", picture = path + ".png.tmp";
  io::write_file_atomically(drawing, svg);
  const char* const arguments[] = {"rsvg-convert", "--zoom", "2", "--output", picture.c_str(), drawing.c_str(), nullptr};
  pid_t child = 0;
  int status = -1;
  const bool started =
      ::posix_spawnp(&child, arguments[0], nullptr, nullptr, const_cast<char* const*>(arguments), environ) == 0;
  while (started && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::error_code error;
  std::filesystem::remove(drawing, error);
  const bool made = started && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (made)
    std::filesystem::rename(picture, path, error);
  else
    std::filesystem::remove(picture, error);
  require<IoError>(made && !error, path, ": rsvg-convert could not make it");
}

}  // namespace ramer::app
