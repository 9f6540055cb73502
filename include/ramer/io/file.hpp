// Files as the library needs them: mapped for reading, replaced as a whole for writing. POSIX.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "ramer/core/error.hpp"

namespace ramer::io {

namespace detail {

/// What `errno` says, in words. std::generic_category gives the same text in every locale and thread.
inline std::string system_message(int error) { return std::generic_category().message(error); }

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  /// Closes and tells whether that worked: some file systems report a failed write only here.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

}  // namespace detail

/// A file mapped read-only into memory. The file must not shrink while it is mapped: the library itself replaces files by
/// renaming, which leaves a mapping of the old one intact.
class MappedFile {
 public:
  MappedFile() = default;
  /// @throws IoError when the file cannot be opened, is no regular file or cannot be mapped
  explicit MappedFile(const std::filesystem::path& path) : path_(path) {
    const detail::Descriptor file(
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe without a writer would wait
    require<IoError>(file.get() >= 0, path.string(), ": cannot open: ", detail::system_message(errno));
    struct stat status {};
    require<IoError>(::fstat(file.get(), &status) == 0, path.string(), ": cannot stat: ", detail::system_message(errno));
    require<IoError>(S_ISREG(status.st_mode), path.string(), ": not a regular file");
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;  // an empty mapping is not allowed
    void* at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    require<IoError>(at != MAP_FAILED, path.string(), ": cannot map ", size_, " bytes: ", detail::system_message(errno));
    data_ = static_cast<const std::byte*>(at);
  }
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// The two change places.
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  /// Starts at a page, so that an offset's alignment in the file is its alignment in memory.
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Where `write_file_atomically` lets its caller put bytes, one after the other.
class FileSink {
 public:
  FileSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  /// @throws IoError, for example on a full disk
  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      require<IoError>(n >= 0, name_, ": cannot write: ", detail::system_message(errno));
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  /// The same for text.
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

 private:
  int fd_;
  std::string name_;
};

/// Replaces the file `path` by what `fill(FileSink&)` writes, or leaves it as it was: the bytes go to a temporary file in
/// the same folder, which is synchronised and then renamed. An interruption at any point leaves the old or the new file,
/// whole. Whatever `fill` throws passes through, with the temporary removed. A symbolic link is followed; the mode of a file
/// that is replaced is kept.
/// @throws IoError
template <class Fill>
requires requires(Fill fill, FileSink& sink) { fill(sink); }
void write_file_atomically(const std::filesystem::path& path, Fill&& fill) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(path, ignored))) {
    if (fs::path real = fs::weakly_canonical(path, ignored); !ignored) target = real;
  }
  const fs::file_status status = fs::status(target, ignored);
  require<IoError>(!fs::exists(status) || fs::is_regular_file(status), path.string(), ": exists and is not a regular file");
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");

  const auto mode = fs::exists(status) ? static_cast<mode_t>(status.permissions()) & 07777u : mode_t{0666};
  detail::Descriptor file;
  fs::path temporary;
  for (int attempt = 0; file.get() < 0; ++attempt) {
    temporary = folder / ("." + target.filename().string() + "." + std::to_string(::getpid()) + "." +
                          std::to_string(attempt) + ".tmp");
    file = detail::Descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    require<IoError>(file.get() >= 0 || (errno == EEXIST && attempt < 1000), path.string(),
                     ": cannot create a temporary file in ", folder.string(), ": ", detail::system_message(errno));
  }
  struct Remove {
    const fs::path& path;
    bool armed = true;
    ~Remove() {
      if (armed) ::unlink(path.c_str());
    }
  } remove{temporary};

  FileSink sink(file.get(), path.string());
  fill(sink);
  if (fs::exists(status)) ::fchmod(file.get(), mode);  // without what the umask took
  require<IoError>(::fsync(file.get()) == 0, path.string(), ": cannot synchronise: ", detail::system_message(errno));
  require<IoError>(file.close(), path.string(), ": cannot close: ", detail::system_message(errno));
  require<IoError>(::rename(temporary.c_str(), target.c_str()) == 0, path.string(),
                   ": cannot rename the temporary file: ", detail::system_message(errno));
  remove.armed = false;
  // The name itself is on disk only once the folder is. Some file systems cannot synchronise folders; the file is whole
  // either way, so that is no error.
  if (const detail::Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); at.get() >= 0)
    ::fsync(at.get());
}

/// Replaces the file `path` by `text`, or leaves it as it was. @throws IoError
inline void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path, [&](FileSink& sink) { sink.write(text); });
}

}  // namespace ramer::io
