// Commands as a user types them.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace ramer::test {

/// The exit code of a command of the shell; -1 where it did not come to its end.
inline int shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace ramer::test
