// A data set out of the caller's own arrays.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ramer/data/dataset.hpp"

namespace ramer::data {

/// One modality, row-major.
struct ModalityArrays {
  std::string name;
  Index width = 0;                  ///< D
  Index times = 0;                  ///< T
  std::vector<float> features;      ///< (R, D)
  std::vector<std::int32_t> index;  ///< (N, P, T) row of `features`; -1: absent there
};

/// A data set as plain arrays. An empty optional array is a tensor that is not there.
struct DatasetArrays {
  std::string name;                              ///< what reports call it
  Index samples = 0;                             ///< N
  Index persons = 1;                             ///< P
  std::vector<ModalityArrays> modalities;        ///< (M)
  std::vector<std::string> label_names;          ///< C
  std::vector<std::string> person_names;         ///< P, or empty
  std::map<std::string, std::string> notes;      ///< license, source, note, ...
  std::vector<std::uint8_t> exists;              ///< (N, P, T), optional
  std::vector<std::uint8_t> labels, label_mask;  ///< (N, C), optional
  Index personality_width = 0;                   ///< D_p
  std::vector<float> personality;                ///< (R, D_p), optional
  std::vector<std::int32_t> personality_index;   ///< (N, P), optional
  std::vector<std::int32_t> target;              ///< (N, 2) person and time, optional
  std::vector<std::uint8_t> split;               ///< (N), optional
  std::vector<std::int64_t> id;                  ///< (N), optional
  std::vector<std::int32_t> group;               ///< (N), optional
};

namespace detail {

/// A view of a vector, or an error that names what it should have held.
template <class T, int Rank>
View<const T, Rank> shaped(const std::string& origin, std::string_view what, const std::vector<T>& values,
                           Shape<Rank> shape) {
  require<DataError>(checked_size(shape.extents) == static_cast<Index>(values.size()), origin, ": '", what, "' holds ",
                     values.size(), " numbers; shape ", shape, " needs ", shape.size());
  return {values.data(), shape};
}

template <class T, int Rank>
std::optional<View<const T, Rank>> shaped_if_any(const std::string& origin, std::string_view what,
                                                 const std::vector<T>& values, Shape<Rank> shape) {
  if (values.empty()) return std::nullopt;
  return shaped(origin, what, values, shape);
}

}  // namespace detail

/// A data set that owns `arrays`. Checked like a file.
/// @throws DataError
inline Dataset make_dataset(DatasetArrays arrays, const std::string& origin = "data set",
                            const DatasetOptions& options = {}) {
  auto owned = std::make_shared<const DatasetArrays>(std::move(arrays));
  const DatasetArrays& a = *owned;
  const Index N = a.samples, P = a.persons, C = static_cast<Index>(a.label_names.size());
  DatasetTensors t;
  t.name = a.name;
  t.label_names = a.label_names;
  t.person_names = a.person_names;
  t.notes = a.notes;
  for (const ModalityArrays& m : a.modalities) {
    require<DataError>(m.width > 0, origin, ": modality '", m.name, "' has width ", m.width);
    const Index rows = static_cast<Index>(m.features.size()) / m.width;
    t.modalities.push_back({m.name, detail::shaped(origin, m.name + ".features", m.features, Shape{rows, m.width}),
                            detail::shaped(origin, m.name + ".index", m.index, Shape{N, P, m.times})});
  }
  const Index T = a.modalities.empty() ? 0 : a.modalities.front().times;
  t.exists = detail::shaped_if_any(origin, "exists", a.exists, Shape{N, P, T});
  t.labels = detail::shaped_if_any(origin, "labels", a.labels, Shape{N, C});
  t.label_mask = detail::shaped_if_any(origin, "label_mask", a.label_mask, Shape{N, C});
  if (a.personality_width > 0) {
    const Index rows = static_cast<Index>(a.personality.size()) / a.personality_width;
    t.personality = detail::shaped(origin, "personality.features", a.personality, Shape{rows, a.personality_width});
    t.personality_index = detail::shaped(origin, "personality.index", a.personality_index, Shape{N, P});
  }
  t.target = detail::shaped_if_any(origin, "target", a.target, Shape{N, Index{2}});
  t.split = detail::shaped_if_any(origin, "split", a.split, Shape{N});
  t.id = detail::shaped_if_any(origin, "id", a.id, Shape{N});
  t.group = detail::shaped_if_any(origin, "group", a.group, Shape{N});
  t.storage = owned;
  return Dataset(std::move(t), origin, options);
}

}  // namespace ramer::data
