// What a data set must satisfy. Included at the end of data/dataset.hpp.
#pragma once

#include <algorithm>
#include <set>

#include "ramer/data/dataset.hpp"

namespace ramer::data {

namespace detail {

inline void check_names(const std::string& origin, std::string_view what, const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    require<DataError>(!name.empty(), origin, ": an empty name among the ", what);
    require<DataError>(seen.insert(name).second, origin, ": ", what, " has the name '", name, "' twice");
  }
}

/// "[4, 1]": the multi-index of an element.
template <class T, int Rank>
std::string place(const View<const T, Rank>& view, Index k) {
  std::array<Index, static_cast<std::size_t>(Rank)> at{};
  for (int axis = Rank - 1; axis >= 0; --axis) {
    at[static_cast<std::size_t>(axis)] = k % view.extent(axis);
    k /= view.extent(axis);
  }
  std::string text = "[";
  for (int axis = 0; axis < Rank; ++axis) text += (axis ? ", " : "") + std::to_string(at[static_cast<std::size_t>(axis)]);
  return text + "]";
}

/// Every element in [low, high], or an error that names the first that is not.
template <class T, int Rank>
void check_range(const std::string& tensor, const View<const T, Rank>& view, Index low, Index high) {
  const Index n = view.size();
  for (Index k = 0; k < n; ++k) {
    const Index value = view.data()[k];
    if (value < low || value > high) [[unlikely]]
      fail<DataError>(tensor, " at ", place(view, k), " is ", value, "; expected ", low, " to ", high);
  }
}

/// A row needs a width; one that no row has is not backed by data, and yet would be allocated for every token.
inline void check_width(const std::string& tensor, const View<const float, 2>& rows) {
  constexpr Index kWidestOfNone = Index{1} << 20;
  require<DataError>(rows.extent(1) >= 1, tensor, " has shape ", rows.shape(), "; a row needs a width");
  require<DataError>(rows.extent(0) > 0 || rows.extent(1) <= kWidestOfNone, tensor, " has shape ", rows.shape(),
                     "; without a row, at most ", kWidestOfNone, " wide");
}

template <class T, int Rank>
void check_shape(const std::string& tensor, const View<const T, Rank>& view, const Shape<Rank>& expected,
                 std::string_view axes) {
  require<DataError>(view.shape() == expected, tensor, " has shape ", view.shape(), "; expected ", expected, " = ", axes);
}

}  // namespace detail

inline void Dataset::State::repair(View<const float, 2>& features, std::string_view name, const DatasetOptions& options) {
  Index bad = 0, first = 0;
  const Index n = features.size();
  for (Index k = 0; k < n; ++k)
    if (!std::isfinite(features.data()[k]) && bad++ == 0) first = k;
  replaced.push_back(bad);
  if (bad == 0) return;
  require<DataError>(options.replace_non_finite, at(name), " at ", detail::place(features, first), " is ",
                     features.data()[first], " (", bad, " such values); expected finite numbers");
  std::vector<float>& copy = repaired.emplace_back(features.data(), features.data() + n);
  for (float& x : copy)
    if (!std::isfinite(x)) x = 0;
  features = {copy.data(), features.shape()};
}

inline void Dataset::State::check(const DatasetOptions& options) {
  require<DataError>(!t.modalities.empty(), origin, ": no modality");
  std::vector<std::string> names;
  for (const Modality& m : t.modalities) names.push_back(m.name);
  detail::check_names(origin, "modalities", names);
  detail::check_names(origin, "labels", t.label_names);
  detail::check_names(origin, "persons", t.person_names);

  const Modality& first = t.modalities.front();
  samples = first.index.extent(0);
  persons = first.index.extent(1);
  times = first.index.extent(2);
  constexpr Index kMost = std::numeric_limits<std::int32_t>::max();
  require<DataError>(samples <= kMost, at(first.name + ".index"), " has ", samples, " samples; at most ", kMost);
  require<DataError>(persons >= 1, at(first.name + ".index"), " has no persons; a monologue has P = 1");
  bool equal_times = true;
  for (Modality& m : t.modalities) {
    const std::string index = m.name + ".index", features = m.name + ".features";
    require<DataError>(m.index.extent(0) == samples && m.index.extent(1) == persons, at(index), " has shape ",
                       m.index.shape(), "; expected (", samples, ", ", persons, ", T) = (N, P, T) as '", first.name,
                       ".index' has");
    require<DataError>(m.index.extent(2) >= 1, at(index), " has no time steps");
    require<DataError>(persons <= kMost / m.index.extent(2), at(index), ": P x T is too large: ", m.index.shape());
    detail::check_width(at(features), m.features);
    detail::check_range(at(index), m.index, -1, m.features.extent(0) - 1);
    repair(m.features, features, options);
    if (m.index.extent(2) != times) equal_times = false;
  }
  if (!equal_times) {
    std::string found;
    for (const Modality& m : t.modalities)
      found += (found.empty() ? "" : ", ") + m.name + " " + std::to_string(m.index.extent(2));
    const auto need = [&](bool absent, std::string_view what) {
      require<DataError>(absent, origin, ": ", what, " needs equal T, but the modalities differ: ", found);
    };
    need(persons == 1, "more than one person");
    need(!t.exists, "'exists'");
    need(!t.target, "'target'");
    times = 0;
  }

  const auto C = static_cast<Index>(t.label_names.size());
  require<DataError>(t.person_names.empty() || static_cast<Index>(t.person_names.size()) == persons, origin, ": ",
                     t.person_names.size(), " names of persons for P = ", persons);
  if (t.exists) {
    detail::check_shape(at("exists"), *t.exists, {samples, persons, times}, "(N, P, T)");
    detail::check_range(at("exists"), *t.exists, 0, 1);
    for (const Modality& m : t.modalities)
      for (Index k = 0; k < m.index.size(); ++k)
        require<DataError>(m.index.data()[k] < 0 || t.exists->data()[k], at("exists"), " at ", detail::place(m.index, k),
                           " is 0, but '", m.name, ".index' has row ", m.index.data()[k], " there");
  }
  if (t.labels) {
    detail::check_shape(at("labels"), *t.labels, {samples, C}, "(N, C)");
    detail::check_range(at("labels"), *t.labels, 0, 1);
  }
  if (t.label_mask) {
    require<DataError>(t.labels.has_value(), at("label_mask"), " without 'labels'");
    detail::check_shape(at("label_mask"), *t.label_mask, {samples, C}, "(N, C)");
    detail::check_range(at("label_mask"), *t.label_mask, 0, 1);
  }
  require<DataError>(t.personality.has_value() == t.personality_index.has_value(), origin,
                     ": 'personality.features' and 'personality.index' go together; one is missing");
  if (t.personality) {
    detail::check_width(at("personality.features"), *t.personality);
    detail::check_shape(at("personality.index"), *t.personality_index, {samples, persons}, "(N, P)");
    detail::check_range(at("personality.index"), *t.personality_index, -1, t.personality->extent(0) - 1);
    repair(*t.personality, "personality.features", options);
  }
  if (t.target) {
    detail::check_shape(at("target"), *t.target, {samples, 2}, "(N, 2)");
    for (Index n = 0; n < samples; ++n) {
      const std::int32_t p = (*t.target)(n, 0), time = (*t.target)(n, 1);
      require<DataError>(p >= 0 && p < persons && time >= 0 && time < times, at("target"), " of sample ", n, " is (person ",
                         p, ", time ", time, "); there are ", persons, " persons and ", times, " times");
    }
  }
  if (t.split) {
    detail::check_shape(at("split"), *t.split, {samples}, "(N)");
    detail::check_range(at("split"), *t.split, 0, 2);
  }
  if (t.id) detail::check_shape(at("id"), *t.id, {samples}, "(N)");
  if (t.group) detail::check_shape(at("group"), *t.group, {samples}, "(N)");
}

}  // namespace ramer::data
