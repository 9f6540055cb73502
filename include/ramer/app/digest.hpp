// A name for contents: the same bytes give the same 32 hexadecimal digits, whatever file or path they came from. No
// protection against anybody who means harm.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "ramer/core/random.hpp"
#include "ramer/data/dataset.hpp"

namespace ramer::app {

class Digest {
 public:
  void add(std::uint64_t word) {
    a_ = mix64(a_ ^ word);
    b_ = mix64(b_ + mix64(word));
  }
  void add(std::span<const std::byte> bytes) {
    add(static_cast<std::uint64_t>(bytes.size()));
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
      add(word);
    }
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }
  template <class T, int Rank>
  void add(View<const T, Rank> view) {
    for (int axis = 0; axis < Rank; ++axis) add(static_cast<std::uint64_t>(view.extent(axis)));
    add(std::as_bytes(std::span(view.data(), static_cast<std::size_t>(view.size()))));
  }

  std::string text() const {
    char digits[33];
    std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(a_),
                  static_cast<unsigned long long>(b_));
    return digits;
  }

 private:
  std::uint64_t a_ = 0, b_ = name_hash("ramer.digest");
};

/// Of everything in a data set that a result can depend on; neither its path nor its notes.
inline std::string identity_of(const data::Dataset& dataset) {
  const data::DatasetTensors& t = dataset.tensors();
  Digest digest;
  digest.add(t.name);
  for (const data::Modality& m : t.modalities) {
    digest.add(m.name);
    digest.add(m.features);
    digest.add(m.index);
  }
  for (const std::string& label : t.label_names) digest.add(label);
  const auto add = [&](const auto& view) {
    digest.add(static_cast<std::uint64_t>(view.has_value()));
    if (view) digest.add(*view);
  };
  add(t.exists);
  add(t.labels);
  add(t.label_mask);
  add(t.personality);
  add(t.personality_index);
  add(t.target);
  add(t.split);
  add(t.id);
  add(t.group);
  return digest.text();
}

}  // namespace ramer::app
