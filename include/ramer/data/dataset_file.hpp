// Data sets as files: one safetensors file, version 1 of "ramer.dataset". Reading maps the file and copies nothing.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ramer/data/dataset.hpp"
#include "ramer/io/json.hpp"
#include "ramer/io/safetensors.hpp"

namespace ramer::data {

namespace detail {

inline std::vector<std::string> name_list(const io::SafetensorsFile& file, const std::string& key, bool needed) {
  const auto at = file.metadata().find(key);
  if (at == file.metadata().end()) {
    require<DataError>(!needed, file.path().string(), ": __metadata__ lacks '", key, "', a JSON list of names");
    return {};
  }
  const io::Json list = io::parse_json(at->second, file.path().string() + ": __metadata__ '" + key + "'");
  std::vector<std::string> names;
  require<DataError>(list.is_array(), file.path().string(), ": __metadata__ '", key, "' is ", list.type_name(),
                     "; expected a JSON list of names");
  for (const io::Json& item : list) {
    require<DataError>(item.is_string(), file.path().string(), ": __metadata__ '", key, "' holds ", item.dump(),
                       "; expected names");
    names.push_back(item.get<std::string>());
  }
  return names;
}

template <class T, int Rank>
std::optional<View<const T, Rank>> view_if_any(const io::SafetensorsFile& file, const std::string& name) {
  if (!file.find(name)) return std::nullopt;
  return file.view<T, Rank>(name);
}

}  // namespace detail

/// Opens a dataset file. Tensors that the format does not name are ignored.
/// @throws IoError for a malformed file, a missing tensor, a wrong type or rank
/// @throws DataError for another format or version, and for contents that `Dataset` refuses
inline Dataset read_dataset(const std::filesystem::path& path, const DatasetOptions& options = {}) {
  auto file = std::make_shared<const io::SafetensorsFile>(io::SafetensorsFile::open(path));
  const std::string format = file->metadata("format", ""), version = file->metadata("version", "");
  require<DataError>(format == "ramer.dataset", path.string(), ": format is '", format, "'; expected 'ramer.dataset'");
  require<DataError>(version == "1", path.string(), ": version is '", version, "'; this library reads version '1'");
  DatasetTensors t;
  t.name = file->metadata("name", path.stem().string());
  t.label_names = detail::name_list(*file, "labels", true);
  t.person_names = detail::name_list(*file, "persons", false);
  for (const auto& [key, value] : file->metadata())
    if (key != "format" && key != "version" && key != "name" && key != "modalities" && key != "labels" && key != "persons")
      t.notes[key] = value;
  for (const std::string& name : detail::name_list(*file, "modalities", true))
    t.modalities.push_back({name, file->view<float, 2>(name + ".features"), file->view<std::int32_t, 3>(name + ".index")});
  t.exists = detail::view_if_any<std::uint8_t, 3>(*file, "exists");
  t.labels = detail::view_if_any<std::uint8_t, 2>(*file, "labels");
  t.label_mask = detail::view_if_any<std::uint8_t, 2>(*file, "label_mask");
  t.personality = detail::view_if_any<float, 2>(*file, "personality.features");
  t.personality_index = detail::view_if_any<std::int32_t, 2>(*file, "personality.index");
  t.target = detail::view_if_any<std::int32_t, 2>(*file, "target");
  t.split = detail::view_if_any<std::uint8_t, 1>(*file, "split");
  t.id = detail::view_if_any<std::int64_t, 1>(*file, "id");
  t.group = detail::view_if_any<std::int32_t, 1>(*file, "group");
  t.storage = file;
  return Dataset(std::move(t), path.string(), options);
}

/// Writes a dataset file, or leaves an older one as it was. The same data set gives the same bytes.
/// @throws IoError
inline void write_dataset(const std::filesystem::path& path, const Dataset& dataset) {
  const DatasetTensors& t = dataset.tensors();
  io::SafetensorsWriter writer;
  for (const auto& [key, value] : t.notes) writer.set_metadata(key, value);
  std::vector<std::string> names;
  for (const Modality& m : t.modalities) {
    names.push_back(m.name);
    writer.add(m.name + ".features", m.features);
    writer.add(m.name + ".index", m.index);
  }
  try {
    writer.set_metadata("format", "ramer.dataset");
    writer.set_metadata("version", "1");
    writer.set_metadata("name", t.name);
    writer.set_metadata("modalities", io::Json(names).dump());
    writer.set_metadata("labels", io::Json(t.label_names).dump());
    if (!t.person_names.empty()) writer.set_metadata("persons", io::Json(t.person_names).dump());
  } catch (const io::Json::exception& error) {
    fail<IoError>(path.string(), ": a name cannot be written: ", error.what());  // not UTF-8
  }
  const auto add = [&](const char* name, const auto& view) {
    if (view) writer.add(name, *view);
  };
  add("exists", t.exists);
  add("labels", t.labels);
  add("label_mask", t.label_mask);
  add("personality.features", t.personality);
  add("personality.index", t.personality_index);
  add("target", t.target);
  add("split", t.split);
  add("id", t.id);
  add("group", t.group);
  writer.write(path);
}

}  // namespace ramer::data
