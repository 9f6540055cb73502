// Checkpoints: safetensors files of a model's parameters and state by name, with everything about it as metadata.
//
// Metadata, all strings: format "ramer.checkpoint", version "1", kind ("model": the selected model; "resume": besides, what
// a run needs to go on), recipe, precision, library, and as JSON config (of the model), schema and run. A "resume" has also
// trainer and progress (train/trainer.hpp). Entries of the caller's own stand beside them.
// Tensors: a parameter has its own name ("encoder.text.input.weight"); the wiring's state is "state.…"; optimizer moments
// are "optimizer.first.…" and "optimizer.second.…"; the model selected so far is "selected.…".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ramer/io/json.hpp"
#include "ramer/io/safetensors.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/detail/blueprint.hpp"
#include "ramer/train/detail/snapshot.hpp"
#include "ramer/train/schema.hpp"

namespace ramer::train {

inline constexpr std::string_view kLibraryVersion = "0.1.0";  ///< files say which version wrote them

/// Entries that a program adds to the metadata of its files, such as what the model was trained on.
using Metadata = std::map<std::string, std::string>;

/// Where a model comes from, and how it is to be used.
struct RunRecord {
  std::uint64_t seed = 0;
  Index epoch = 0;               ///< epochs that it was trained for
  std::uint64_t step = 0;        ///< steps
  std::string selection;         ///< what selected it, such as "micro_f1"; empty: nothing did
  std::optional<double> metric;  ///< its value on the validation data
  double threshold = 0.5;        ///< a label is predicted where its score is above
  data::PersonView view = data::PersonView::kPersons;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("seed", self.seed, "seed of the run");
    field("epoch", self.epoch, "epochs trained");
    field("step", self.step, "steps trained");
    field("selection", self.selection, "validation metric that selected the model");
    field("metric", self.metric, "its value");
    field("threshold", self.threshold, "a label is predicted where its score is above this");
    field("view", self.view, "what the model is shown of several persons");
  }
};

/// An open checkpoint whose header was read and checked; tensors are not.
struct Checkpoint {
  io::SafetensorsFile file;                      ///< mapped: tensors are read when asked for
  std::string kind, recipe, precision, library;  ///< kind: "model" or "resume"
  io::Json config;                               ///< of the model
  Schema schema;                                 ///< that the model was made for
  RunRecord run;                                 ///< where it comes from

  /// Whether it also holds what going on with training needs.
  bool resumable() const { return kind == "resume"; }
  /// Of the file, for messages.
  std::string path() const { return file.path().string(); }
  /// A metadata entry as JSON. @throws IoError if it is not there
  io::Json json(const std::string& key) const {
    const auto at = file.metadata().find(key);
    require<IoError>(at != file.metadata().end(), path(), ": no metadata '", key, "'; it is no checkpoint of this kind");
    return io::parse_json(at->second, path() + ": metadata '" + key + "'");
  }
};

namespace detail {

/// Runs f; an error that it throws is an IoError that names the file.
template <class F>
auto naming(const std::string& path, F&& f) {
  try {
    return f();
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    fail<IoError>(path, ": ", error.what());
  }
}

inline void check_schema(const std::string& path, const Schema& s) {
  std::set<std::string> names;
  require<IoError>(!s.modalities.empty() && !s.labels.empty(), path, ": schema without modalities or without labels");
  for (const ModalitySchema& m : s.modalities)
    require<IoError>(!m.name.empty() && names.insert(m.name).second, path, ": schema: modality '", m.name,
                     "' is unnamed or there twice");
  names.clear();
  for (const std::string& label : s.labels)
    require<IoError>(!label.empty() && names.insert(label).second, path, ": schema: label '", label,
                     "' is unnamed or there twice");
}

/// "text (300), audio (74)"
inline std::string modality_list(const Schema& s) {
  std::string list;
  for (const ModalitySchema& m : s.modalities)
    list += (list.empty() ? "" : ", ") + m.name + " (" + std::to_string(m.width) + ")";
  return list;
}
inline std::string label_list(const Schema& s) {
  std::string list;
  for (const std::string& label : s.labels) list += (list.empty() ? "" : ", ") + label;
  return list;
}

/// Refuses a checkpoint of another recipe or schema than the model's. @throws IoError
template <class ModelType>
void check_same_build(const Checkpoint& c, const ModelType& model) {
  const Schema& want = model.schema();
  require<IoError>(c.recipe == ModelType::RecipeType::name, c.path(), ": recipe '", c.recipe, "'; expected '",
                   ModelType::RecipeType::name, "'");
  require<IoError>(modality_list(c.schema) == modality_list(want), c.path(), ": modalities ", modality_list(c.schema),
                   "; expected ", modality_list(want));
  require<IoError>(c.schema.labels == want.labels, c.path(), ": labels ", label_list(c.schema), "; expected ",
                   label_list(want));
  require<IoError>(c.schema.personality_width == want.personality_width, c.path(), ": personality of width ",
                   c.schema.personality_width, "; expected ", want.personality_width);
  require<IoError>(c.schema.has_target == want.has_target, c.path(), ": the model ",
                   c.schema.has_target ? "asks" : "does not ask", " about a target; expected that it ",
                   want.has_target ? "does" : "does not");
}

/// Refuses tensors that nobody asked for; those of a run that goes on are nobody's in a model.
inline void check_no_more(const Checkpoint& c, const std::set<std::string>& known, bool whole) {
  for (const io::TensorInfo& t : c.file.tensors()) {
    const bool of_run = c.resumable() && (t.name.starts_with("optimizer.") || t.name.starts_with("selected.") ||
                                          t.name.starts_with("progress."));
    require<IoError>(known.count(t.name) || (of_run && !whole), c.path(), ": tensor '", t.name, "' of shape ",
                     io::shape_text(t.shape), " is no part of recipe '", c.recipe,
                     "' with this configuration; expected none of that name");
  }
}

/// @throws ConfigError for an entry of the program's own that has one of the library's names
inline void add_own(io::SafetensorsWriter& writer, const Metadata& own) {
  for (const auto& [key, value] : own) {
    for (const char* taken :
         {"format", "version", "kind", "recipe", "precision", "library", "config", "schema", "run", "trainer", "progress"})
      require<ConfigError>(key != taken, "metadata '", key, "' of a checkpoint is the library's; choose another name");
    writer.set_metadata(key, value);
  }
}

template <class ModelType>
void add_header(io::SafetensorsWriter& writer, const ModelType& model, const RunRecord& run, std::string kind,
                const Metadata& own) {
  add_own(writer, own);
  writer.set_metadata("format", "ramer.checkpoint");
  writer.set_metadata("version", "1");
  writer.set_metadata("kind", std::move(kind));
  writer.set_metadata("recipe", ModelType::RecipeType::name);
  writer.set_metadata("precision", ModelType::Precision::name);
  writer.set_metadata("library", std::string(kLibraryVersion));
  writer.set_metadata("config", io::dump_json(io::to_json(model.config()), -1));
  writer.set_metadata("schema", io::dump_json(io::to_json(SchemaRecord(model.schema())), -1));
  writer.set_metadata("run", io::dump_json(io::to_json(run), -1));
}

template <class ModelType>
void write_model(const std::filesystem::path& path, const ModelType& model,
                 const Snapshot<typename ModelType::Real>& tensors, const RunRecord& run, const Metadata& own) {
  io::SafetensorsWriter writer;
  add_header(writer, model, run, "model", own);
  add_tensors(writer, tensors);
  writer.write(path);
}

}  // namespace detail

/// Opens a checkpoint and reads its header, whatever its recipe.
/// @throws IoError for a file that is none, or whose header cannot be right
inline Checkpoint open_checkpoint(const std::filesystem::path& path) {
  Checkpoint c{io::SafetensorsFile::open(path), {}, {}, {}, {}, {}, {}, {}};
  const std::string format = c.file.metadata("format", ""), version = c.file.metadata("version", "");
  require<IoError>(format == "ramer.checkpoint", c.path(), ": format is '", format, "'; expected 'ramer.checkpoint'");
  require<IoError>(version == "1", c.path(), ": version is '", version, "'; this library reads version '1'");
  c.kind = c.file.metadata("kind", "");
  require<IoError>(c.kind == "model" || c.kind == "resume", c.path(), ": kind is '", c.kind,
                   "'; expected 'model' or 'resume'");
  c.recipe = c.file.metadata("recipe", "");
  c.precision = c.file.metadata("precision", "");
  c.library = c.file.metadata("library", "");
  c.config = c.json("config");
  require<IoError>(c.config.is_object(), c.path(), ": metadata 'config' is no JSON object");
  detail::naming(c.path(), [&] {
    SchemaRecord schema;
    io::from_json(c.json("schema"), schema, "schema");
    c.schema = schema.schema();
    io::from_json(c.json("run"), c.run, "run");
  });
  detail::check_schema(c.path(), c.schema);
  return c;
}

/// Writes the selected model alone: parameters and state. Whole or not at all.
/// @throws IoError; NumericError for a model with a number that is not finite
template <class ModelType>
void save_model(const std::filesystem::path& path, const ModelType& model, const RunRecord& run, const Metadata& own = {}) {
  detail::Snapshot<typename ModelType::Real> tensors;
  detail::capture(model, tensors);
  const std::string bad = detail::first_non_finite(tensors);
  require<NumericError>(bad.empty(), path.string(), ": not written: ", bad);
  detail::write_model(path, model, tensors, run, own);
}

/// Puts a checkpoint's parameters and state into a model of the same recipe, schema and configuration. Precisions may
/// differ: numbers are converted. Tensors are matched by name; either all of them are taken over or none.
/// @throws IoError naming the tensor, what was found and what was expected
template <class ModelType>
void load_into(const Checkpoint& checkpoint, ModelType& model) {
  detail::check_same_build(checkpoint, model);
  detail::Snapshot<typename ModelType::Real> like;
  detail::capture(model, like);
  std::set<std::string> known;
  const auto tensors = detail::read_snapshot(checkpoint.file, like, "", known);
  detail::check_no_more(checkpoint, known, false);
  detail::restore(tensors, model);
}

namespace detail {

/// As load_into for a model that nobody has seen yet: straight from the mapping, so that what fails leaves it half filled.
template <class ModelType>
void fill(const Checkpoint& checkpoint, ModelType& model) {
  using Real = typename ModelType::Real;
  check_same_build(checkpoint, model);
  const io::SafetensorsFile& file = checkpoint.file;
  auto& backend = model.backend();
  std::set<std::string> known;
  walk_tensors(
      model,
      [&](const std::string& name, const std::vector<Index>& shape, Real* data) {
        known.insert(name);
        const io::TensorInfo& found = expect_tensor(file, name, shape);
        if (found.dtype == io::dtype_of<Real>() && found.aligned()) {
          const auto* from = reinterpret_cast<const Real*>(file.bytes(name).data());
          if (std::all_of(from, from + found.size(), [](Real x) { return std::isfinite(x); }))
            return backend.from_host(from, found.size(), data);
        }
        const std::vector<Real> values = read_reals<Real>(file, name, shape);  // converts, or says what is wrong
        backend.from_host(values.data(), static_cast<Index>(values.size()), data);
      },
      [&](const std::string& name, const std::vector<Index>& shape, std::int32_t* data, Index lower, Index upper) {
        known.insert(name);
        const std::vector<std::int64_t> values = read_integers(file, name, shape, lower, upper);
        const std::vector<std::int32_t> host(values.begin(), values.end());
        backend.from_host(host.data(), static_cast<Index>(host.size()), data);
      });
  check_no_more(checkpoint, known, false);
}

}  // namespace detail

/// Builds the model that a checkpoint describes.
/// @throws IoError; nothing large is allocated for a file that does not hold it
template <Recipe R, class Backend, class Precision = Float>
Model<R, Backend, Precision> load_model(const Checkpoint& checkpoint, Backend backend) {
  using ModelType = Model<R, Backend, Precision>;
  const std::string path = checkpoint.path();
  require<IoError>(checkpoint.recipe == R::name, path, ": recipe '", checkpoint.recipe, "'; expected '", R::name, "'");
  try {
    return detail::naming(path, [&] {
      typename ModelType::Config config;
      io::from_json(checkpoint.config, config, "config");
      checked(config, "config");
      // A model's tensors are the file's, and so the file bounds what is allocated, whatever its header says. A module may
      // hold some tensors that are not parameters.
      const std::size_t most = 2 * checkpoint.file.tensors().size() + 64;
      for (const auto& [name, shape] : detail::tensor_shapes<R, Precision>(checkpoint.schema, config, most))
        detail::expect_tensor(checkpoint.file, name, shape);
      ModelType model(checkpoint.schema, config, std::move(backend), typename ModelType::Blank{});
      detail::fill(checkpoint, model);
      return model;
    });
  } catch (const std::bad_alloc&) {
    fail<IoError>(path, ": the model that it describes does not fit into memory");
  } catch (const std::length_error&) {
    fail<IoError>(path, ": the model that it describes does not fit into memory");
  }
}
/// Of a file. @throws IoError
template <Recipe R, class Backend, class Precision = Float>
Model<R, Backend, Precision> load_model(const std::filesystem::path& path, Backend backend) {
  return load_model<R, Backend, Precision>(open_checkpoint(path), std::move(backend));
}

}  // namespace ramer::train
