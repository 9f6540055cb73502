// Errors of the library. Each message names the place, what was found and what was expected.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace ramer {

/// Base of every exception that the library throws on purpose.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Extents that do not fit together.
class ShapeError : public Error {
  using Error::Error;
};
/// Contents of a data set or of a batch that cannot be right.
class DataError : public Error {
  using Error::Error;
};
/// A setting that is unknown, of the wrong type or out of range.
class ConfigError : public Error {
  using Error::Error;
};
/// A file that cannot be read or written, or that is malformed.
class IoError : public Error {
  using Error::Error;
};
/// A loss or gradient that is no longer finite.
class NumericError : public Error {
  using Error::Error;
};
/// A GPU that is absent, has too little memory, or failed.
class DeviceError : public Error {
  using Error::Error;
};

/// Throws `E` with the parts of its message joined.
template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw E(message.str());
}

/// Throws `E` unless `ok`. For checks at the library's edge, not for inner loops.
template <class E = Error, class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    fail<E>(parts...);
  }
}

}  // namespace ramer
