// What the fuzzers share: a file in memory, and mutations that keep a safetensors file's framing, so that most inputs get past
// the first eight bytes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <typeinfo>
#include <vector>

#include "ramer/core/error.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace ramer::fuzz {

/// What a fuzzer was looking for.
[[noreturn]] inline void found(const char* what) {
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

/// A regular file without a name, open until it is destroyed.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    std::size_t written = 0;
    while (fd_ >= 0 && written < bytes.size()) {
      const ssize_t n = ::write(fd_, bytes.data() + written, bytes.size() - written);
      if (n <= 0) break;
      written += static_cast<std::size_t>(n);
    }
    if (fd_ < 0 || written < bytes.size()) {
      std::perror("memfd");
      std::_Exit(1);
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Runs `f`. The library's own errors are what hostile input deserves; any other exception is a finding.
template <class F>
void only_own_errors(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.what()[0] == '\0') found("an error without a message");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", typeid(error).name(), error.what());
    found("an exception that is not the library's");
  }
}

/// Changes one thing of a safetensors file that its author could change: a metadata entry, or a field of a tensor.
inline void mutate_header(nlohmann::json& header, std::minstd_rand& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % std::max<std::size_t>(n, 1); };
  const auto mutated = [&](std::string text) {
    const std::size_t size = text.size();
    text.resize(size + 64);
    text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
    return text;
  };
  if (!header.is_object() || header.empty()) return;
  auto& metadata = header["__metadata__"];
  const bool in_metadata = metadata.is_object() && !metadata.empty() && below(2) == 0;
  auto& object = in_metadata ? metadata : header;
  auto at = std::next(object.begin(), static_cast<std::ptrdiff_t>(below(object.size())));
  if (in_metadata) {
    if (at->is_string()) *at = mutated(at->get<std::string>());
    return;
  }
  if (!at->is_object()) return;
  auto shape = at->find("shape"), offsets = at->find("data_offsets"), dtype = at->find("dtype");
  static constexpr const char* kTypes[] = {"F32", "F64", "I32", "I64", "U8", "F16", "BF16", "BOOL", "F8_E4M3"};
  static constexpr std::uint64_t kNumbers[] = {0,          1,          2,          3,          1ull << 20,
                                               1ull << 31, 1ull << 40, 1ull << 62, ~0ull >> 1, ~0ull};
  switch (below(7)) {
    case 0:
      if (shape != at->end() && shape->is_array() && !shape->empty()) (*shape)[below(shape->size())] = kNumbers[below(10)];
      break;
    case 1:
      if (shape != at->end() && shape->is_array()) shape->push_back(kNumbers[below(4)]);
      break;
    case 2:
      if (offsets != at->end() && offsets->is_array() && offsets->size() == 2) (*offsets)[below(2)] = random() % 4096;
      break;
    case 3:
      if (dtype != at->end()) *dtype = kTypes[below(9)];
      break;
    case 4: object.erase(at); break;
    case 5: object[mutated(at.key())] = *at; break;
    default:  // an empty tensor: every extent but one may be anything
      if (shape != at->end() && shape->is_array() && !shape->empty() && offsets != at->end()) {
        (*shape)[below(shape->size())] = 0;
        (*shape)[below(shape->size())] = kNumbers[below(10)];
        *offsets = {0, 0};
      }
  }
}

/// LLVMFuzzerCustomMutator of files in this format.
inline std::size_t mutate_safetensors(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, 8);
  if (size < 8 || length > size - 8 || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string header(reinterpret_cast<const char*>(data) + 8, length);
  std::vector<std::uint8_t> body(data + 8 + length, data + size);
  const auto kind = random() % 4;
  auto json = kind < 2 ? nlohmann::json::parse(header, nullptr, false) : nlohmann::json();
  if (json.is_object()) {
    mutate_header(json, random);
    header = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    header.append((8 - header.size() % 8) % 8, ' ');  // tensors stay aligned
  } else if (kind < 3) {
    header.resize(length + 64);
    header.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(header.data()), length, header.size()));
  } else {
    const std::size_t old = body.size();
    body.resize(old + 64);
    body.resize(LLVMFuzzerMutate(body.data(), old, body.size()));
  }
  if (8 + header.size() + body.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  length = header.size();
  std::memcpy(data, &length, 8);
  std::memcpy(data + 8, header.data(), header.size());
  if (!body.empty()) std::memcpy(data + 8 + header.size(), body.data(), body.size());
  return 8 + header.size() + body.size();
}

}  // namespace ramer::fuzz
