// Safetensors files: 8 bytes of header length (little-endian), a JSON header, raw little-endian tensors.
// Reading maps the file and hands out views of it; everything is checked once, on opening.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/io/detail/safetensors_header.hpp"
#include "ramer/io/dtype.hpp"
#include "ramer/io/file.hpp"

namespace ramer::io {

static_assert(std::endian::native == std::endian::little, "tensors are stored and mapped little-endian");

/// What the header says of one tensor.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;  ///< element type as stored
  std::vector<Index> shape;   ///< from the slowest axis to the fastest
  Index offset = 0;           ///< of its first byte, from the start of the file
  Index bytes = 0;            ///< of all elements

  /// Number of elements; whether the first one lies at a multiple of its size.
  Index size() const { return bytes / dtype_size(dtype); }
  bool aligned() const { return offset % dtype_size(dtype) == 0; }
};

/// "(2, 3)"
inline std::string shape_text(std::span<const Index> shape) {
  std::string text = "(";
  for (std::size_t k = 0; k < shape.size(); ++k) text += (k ? ", " : "") + std::to_string(shape[k]);
  return text + ")";
}

/// What is tolerated in files of other origin.
struct SafetensorsOptions {
  /// Files of other origin may have tensors that do not start at a multiple of their element size. With this they open, and
  /// `read` copies them; `view` still refuses.
  bool allow_unaligned = false;
};

/// A safetensors file, open for reading. Copies share the mapping; views stay valid while one copy lives.
class SafetensorsFile {
 public:
  /// Maps and checks the file. Refused: a header longer than the file or than 100 MB, that is not JSON, has a key twice,
  /// or has an entry of another form; an unknown dtype; a shape that overflows; offsets that do not fit the shape, lie
  /// outside the data or overlap; a tensor that does not start at a multiple of its element size. Bytes that belong to no
  /// tensor are ignored.
  /// @throws IoError naming file, tensor, what was found and expected
  static SafetensorsFile open(const std::filesystem::path& path, const SafetensorsOptions& options = {}) {
    return SafetensorsFile(path, options);
  }

  /// As opened.
  const std::filesystem::path& path() const { return state_->file.path(); }
  /// Every tensor, by name.
  const std::vector<TensorInfo>& tensors() const { return state_->tensors; }
  /// All metadata entries.
  const std::map<std::string, std::string>& metadata() const { return state_->metadata; }

  /// The metadata entry, or `otherwise`.
  std::string metadata(const std::string& key, const std::string& otherwise) const {
    const auto at = state_->metadata.find(key);
    return at == state_->metadata.end() ? otherwise : at->second;
  }

  /// The tensor of that name, or null.
  const TensorInfo* find(std::string_view name) const {
    const auto at = std::lower_bound(state_->tensors.begin(), state_->tensors.end(), name,
                                     [](const TensorInfo& t, std::string_view n) { return t.name < n; });
    return at != state_->tensors.end() && at->name == name ? &*at : nullptr;
  }

  /// The tensor of that name. @throws IoError
  const TensorInfo& at(std::string_view name) const {
    const TensorInfo* tensor = find(name);
    require<IoError>(tensor != nullptr, path().string(), ": no tensor '", name, "'");
    return *tensor;
  }

  /// The tensor's bytes, in the mapping. @throws IoError
  std::span<const std::byte> bytes(std::string_view name) const { return bytes(at(name)); }

  /// The tensor as it lies in the mapping. @throws IoError for another type, another rank or an unaligned tensor
  template <class T, int Rank>
  View<const T, Rank> view(std::string_view name) const {
    const TensorInfo& tensor = at(name);
    require<IoError>(tensor.dtype == dtype_of<T>(), path().string(), ": tensor '", name, "' is ", dtype_name(tensor.dtype),
                     "; expected ", dtype_name(dtype_of<T>()));
    require<IoError>(tensor.shape.size() == static_cast<std::size_t>(Rank), path().string(), ": tensor '", name,
                     "' has shape ", shape_text(tensor.shape), "; expected rank ", Rank);
    require<IoError>(tensor.aligned(), path().string(), ": tensor '", name, "' starts at byte ", tensor.offset,
                     ", no multiple of its element size ", dtype_size(tensor.dtype));
    Shape<Rank> shape;
    for (int axis = 0; axis < Rank; ++axis) shape[axis] = tensor.shape[static_cast<std::size_t>(axis)];
    return {reinterpret_cast<const T*>(bytes(tensor).data()), shape};
  }

  /// A copy of the elements, converted: any float to any float, integers to wider or narrower integers if every value fits,
  /// integers to floats. @throws IoError
  template <class T>
  std::vector<T> read(std::string_view name) const {
    const TensorInfo& tensor = at(name);
    std::vector<T> values(static_cast<std::size_t>(tensor.size()));
    const std::byte* from = bytes(tensor).data();
    const auto step = static_cast<std::size_t>(dtype_size(tensor.dtype));
    // Has a name because nvcc 13.0 cannot read a generic lambda in the initializer of a constant.
    const auto convert_all = [&](auto load) {
      for (std::size_t k = 0; k < values.size(); ++k) {
        const auto value = load(from + k * step);
        if (!detail::converts<T>(value)) [[unlikely]]
          fail<IoError>(path().string(), ": tensor '", name, "' (", dtype_name(tensor.dtype), "): element ", k, " = ",
                        +value, " cannot be read as ", dtype_name(dtype_of<T>()));
        values[k] = static_cast<T>(value);
      }
    };
    const bool known = detail::with_loader(tensor.dtype, convert_all);
    require<IoError>(known, path().string(), ": tensor '", name, "': cannot convert ", dtype_name(tensor.dtype));
    return values;
  }

  /// The elements of a tensor that must have this shape. @throws IoError
  template <class T>
  std::vector<T> read(std::string_view name, const std::vector<Index>& shape) const {
    const TensorInfo& tensor = at(name);
    require<IoError>(tensor.shape == shape, path().string(), ": tensor '", name, "' has shape ", shape_text(tensor.shape),
                     "; expected ", shape_text(shape));
    return read<T>(name);
  }

 private:
  struct State {
    MappedFile file;
    std::vector<TensorInfo> tensors;
    std::map<std::string, std::string> metadata;
  };

  SafetensorsFile(const std::filesystem::path& path, const SafetensorsOptions& options);

  std::span<const std::byte> bytes(const TensorInfo& tensor) const {
    return state_->file.bytes().subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.bytes));
  }

  std::shared_ptr<const State> state_;
};

inline SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, const SafetensorsOptions& options) {
  constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the format's reference implementation has it
  auto state = std::make_shared<State>();
  state->file = MappedFile(path);
  const std::string file = path.string();
  const std::span<const std::byte> all = state->file.bytes();
  require<IoError>(all.size() >= 8, file, ": ", all.size(), " bytes are too few for a safetensors file");
  const auto length = detail::load<std::uint64_t>(all.data());
  require<IoError>(length <= kLongestHeader, file, ": header of ", length, " bytes; at most ", kLongestHeader, " are read");
  require<IoError>(length <= all.size() - 8, file, ": header of ", length, " bytes in a file of ", all.size());

  std::vector<detail::HeaderEntry> entries;
  detail::HeaderReader reader(file, entries, state->metadata);
  const char* text = reinterpret_cast<const char*>(all.data()) + 8;
  require<IoError>(length > 0 && *text == '{', file, ": the header does not begin with '{'");
  Json::sax_parse(text, text + length, &reader);

  const std::uint64_t data_start = 8 + length, data_size = all.size() - data_start;
  for (detail::HeaderEntry& entry : entries) {
    const auto dtype = dtype_from_name(entry.dtype);
    require<IoError>(dtype.has_value(), file, ": tensor '", entry.name, "' has the unknown dtype '", entry.dtype, "'");
    const auto element = static_cast<std::uint64_t>(dtype_size(*dtype));
    TensorInfo tensor{entry.name, *dtype, {}, 0, 0};
    // A zero anywhere makes the tensor empty, whatever the other extents are; those must still fit an Index.
    std::uint64_t size = element;
    const bool empty = std::find(entry.shape.begin(), entry.shape.end(), 0u) != entry.shape.end();
    for (std::uint64_t extent : entry.shape) {
      const auto most = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
      require<IoError>(extent <= most && (empty || size <= most / extent), file, ": tensor '", entry.name,
                       "': the product of its extents overflows");
      if (!empty) size *= extent;
      tensor.shape.push_back(static_cast<Index>(extent));
    }
    if (empty) size = 0;
    require<IoError>(entry.offsets.size() == 2, file, ": tensor '", entry.name, "': data_offsets has ", entry.offsets.size(),
                     " numbers; expected 2");
    const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    require<IoError>(begin <= end && end <= data_size, file, ": tensor '", entry.name, "': data_offsets [", begin, ", ", end,
                     "] lie outside the data of ", data_size, " bytes");
    require<IoError>(end - begin == size, file, ": tensor '", entry.name, "': ", end - begin, " bytes stored; ", entry.dtype,
                     " ", shape_text(tensor.shape), " needs ", size);
    tensor.offset = static_cast<Index>(data_start + begin);
    tensor.bytes = static_cast<Index>(size);
    require<IoError>(options.allow_unaligned || tensor.aligned(), file, ": tensor '", entry.name, "' starts at byte ",
                     tensor.offset, ", no multiple of its element size ", element);
    state->tensors.push_back(std::move(tensor));
  }

  std::vector<const TensorInfo*> by_place;
  for (const TensorInfo& tensor : state->tensors)
    if (tensor.bytes > 0) by_place.push_back(&tensor);
  std::sort(by_place.begin(), by_place.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (std::size_t k = 1; k < by_place.size(); ++k)
    require<IoError>(by_place[k - 1]->offset + by_place[k - 1]->bytes <= by_place[k]->offset, file, ": tensors '",
                     by_place[k - 1]->name, "' and '", by_place[k]->name, "' overlap");
  std::sort(state->tensors.begin(), state->tensors.end(), [](auto& a, auto& b) { return a.name < b.name; });
  state_ = std::move(state);
}

/// Collects tensors and writes them as one file. Same content, same bytes: tensors lie by descending element size (which
/// keeps each aligned without holes), then by name; the data begins at a multiple of 64.
class SafetensorsWriter {
 public:
  /// Notes a tensor. Its data is not copied and must stay until `write`. @throws IoError for a name used twice or reserved
  void add(std::string name, DType dtype, std::vector<Index> shape, const void* data) {
    require<IoError>(name != "__metadata__", "tensor name '__metadata__' is reserved");
    const Index bytes = checked_size(shape) * dtype_size(dtype);
    const auto [at, fresh] = tensors_.try_emplace(std::move(name), Entry{dtype, std::move(shape), data, bytes});
    require<IoError>(fresh, "tensor '", at->first, "' added twice");
  }
  /// The same, with the type's own dtype. @throws IoError for a span of another size
  template <class T>
  void add(std::string name, std::vector<Index> shape, std::span<const T> data) {
    const Index size = checked_size(shape);
    require<IoError>(size == static_cast<Index>(data.size()), "tensor '", name, "' of shape ", shape_text(shape), " got ",
                     data.size(), " elements");
    add(std::move(name), dtype_of<T>(), std::move(shape), data.data());
  }
  /// The same for a view.
  template <class T, int Rank>
  void add(std::string name, View<T, Rank> view) {
    add(std::move(name), dtype_of<T>(), {view.shape().extents.begin(), view.shape().extents.end()}, view.data());
  }
  /// An entry of the metadata; a later one of the same key replaces it.
  void set_metadata(std::string key, std::string value) { metadata_[std::move(key)] = std::move(value); }

  /// Writes the file, or leaves an older one as it was. @throws IoError
  void write(const std::filesystem::path& path) const {
    std::vector<const std::pair<const std::string, Entry>*> order;
    for (const auto& tensor : tensors_) order.push_back(&tensor);
    std::stable_sort(order.begin(), order.end(),
                     [](auto* a, auto* b) { return dtype_size(a->second.dtype) > dtype_size(b->second.dtype); });
    std::string header = "{";
    try {
      if (!metadata_.empty()) header += "\"__metadata__\":" + Json(metadata_).dump();
      Index at = 0;
      for (const auto* tensor : order) {
        const auto& [name, entry] = *tensor;
        header += std::string(header.size() > 1 ? "," : "") + Json(name).dump() + ":{\"dtype\":\"" +
                  std::string(dtype_name(entry.dtype)) + "\",\"shape\":" + Json(entry.shape).dump() + ",\"data_offsets\":[" +
                  std::to_string(at) + "," + std::to_string(at + entry.bytes) + "]}";
        at += entry.bytes;
      }
    } catch (const Json::exception& error) {
      fail<IoError>(path.string(), ": a name or metadata cannot be written: ", error.what());  // not UTF-8
    }
    header += "}";
    header.append((64 - (8 + header.size()) % 64) % 64, ' ');

    write_file_atomically(path, [&](FileSink& sink) {
      const std::uint64_t length = header.size();
      sink.write(std::as_bytes(std::span(&length, 1)));
      sink.write(header);
      for (const auto* tensor : order)
        sink.write(
            std::span(static_cast<const std::byte*>(tensor->second.data), static_cast<std::size_t>(tensor->second.bytes)));
    });
  }

 private:
  struct Entry {
    DType dtype;
    std::vector<Index> shape;
    const void* data;
    Index bytes;
  };
  std::map<std::string, Entry> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace ramer::io
