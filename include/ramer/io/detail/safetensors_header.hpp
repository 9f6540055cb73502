// The JSON header of a safetensors file, read event by event: no document is built, so a hostile header costs neither depth
// nor memory, and duplicate keys (which a document would merge) are seen.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/types.hpp"
#include "ramer/io/json.hpp"

namespace ramer::io::detail {

/// One entry as it stands in the header, unchecked.
struct HeaderEntry {
  std::string name, dtype;
  std::vector<std::uint64_t> shape, offsets;
};

/// Accepts exactly {"name": {"dtype": string, "shape": [n...], "data_offsets": [n, n]}..., "__metadata__": {string:
/// string...}}.
class HeaderReader : public Json::json_sax_t {
 public:
  HeaderReader(std::string file, std::vector<HeaderEntry>& entries, std::map<std::string, std::string>& metadata)
      : file_(std::move(file)), entries_(entries), metadata_(metadata) {}

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(Json::number_integer_t value) override { refuse("the number ", value); }
  bool number_float(Json::number_float_t, const std::string& text) override { refuse("the number ", text); }
  bool binary(Json::binary_t&) override { refuse("binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) override {
    if (!in_array_) refuse("the number ", value);
    auto& list = field_ == "shape" ? entries_.back().shape : entries_.back().offsets;
    // Longer lists are refused below by their meaning; this bound only keeps a hostile header from growing one without end.
    require<IoError>(list.size() < 64, file_, ": tensor '", name_, "': ", field_, " is a list of more than 64 numbers");
    list.push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    if (depth_ == 2 && in_metadata_) {
      require<IoError>(metadata_.emplace(field_, std::move(value)).second, file_, ": __metadata__ has the key '", field_,
                       "' twice");
    } else if (depth_ == 2 && field_ == "dtype") {
      entries_.back().dtype = std::move(value);
    } else {
      refuse("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (in_array_ || depth_ >= 2) refuse("an object");
    if (++depth_ == 2 && !in_metadata_) {
      entries_.push_back({name_, {}, {}, {}});
      seen_.clear();
    }
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == 1) {
      require<IoError>(names_.insert(name).second, file_, ": the header has the key '", name, "' twice");
      name_ = std::move(name);
      in_metadata_ = name_ == "__metadata__";
    } else {
      field_ = std::move(name);
      if (in_metadata_) return true;
      require<IoError>(field_ == "dtype" || field_ == "shape" || field_ == "data_offsets", file_, ": tensor '", name_,
                       "': unknown key '", field_, "'; expected dtype, shape, data_offsets");
      require<IoError>(seen_.insert(field_).second, file_, ": tensor '", name_, "' has the key '", field_, "' twice");
    }
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_)
      require<IoError>(seen_.size() == 3, file_, ": tensor '", name_, "' lacks ",
                       !seen_.contains("dtype")   ? "dtype"
                       : !seen_.contains("shape") ? "shape"
                                                  : "data_offsets");
    return true;
  }

  bool start_array(std::size_t) override {
    if (in_array_ || depth_ != 2 || in_metadata_ || field_ == "dtype") refuse("a list");
    return in_array_ = true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    fail<IoError>(file_, ": the header is not JSON (at byte ", position, "): ", error.what());
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... found) const {
    if (depth_ == 0) fail<IoError>(file_, ": the header is ", found..., "; expected an object");
    if (depth_ == 1) fail<IoError>(file_, ": entry '", name_, "' is ", found..., "; expected an object");
    if (in_metadata_) fail<IoError>(file_, ": __metadata__ '", field_, "' is ", found..., "; expected a string");
    fail<IoError>(file_, ": tensor '", name_, "': ", field_, in_array_ ? " holds " : " is ", found..., "; expected ",
                  field_ == "dtype" ? "a string" : "a list of non-negative whole numbers");
  }

  std::string file_;
  std::vector<HeaderEntry>& entries_;
  std::map<std::string, std::string>& metadata_;
  std::set<std::string> names_, seen_;
  std::string name_, field_;
  int depth_ = 0;
  bool in_metadata_ = false, in_array_ = false;
};

}  // namespace ramer::io::detail
