// Data sets from and to xtensor arrays, for people who bring their own. The only header that names xtensor: 0.24 and, with
// its moved headers, 0.26.
//
//   const auto dataset = data::XtensorDataset("mine")
//                            .modality("text", text, text_mask)   // (N, P, T, D), (N, P, T)
//                            .labels({"joy", "anger"}, labels)    // (N, C)
//                            .build();
#pragma once

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#elif __has_include(<xtensor/xarray.hpp>)
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#else
#error "ramer/data/xtensor_adapter.hpp needs xtensor 0.24 or later (Debian: libxtensor-dev)"
#endif

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/data/dataset.hpp"
#include "ramer/data/dataset_arrays.hpp"

namespace ramer::data {

/// Collects padded xtensor arrays (containers, views or expressions, of any layout) and makes a data set that owns a packed
/// copy. Every method checks its array's rank, the values are checked by `build`.
class XtensorDataset {
 public:
  explicit XtensorDataset(std::string name) { arrays_.name = std::move(name); }

  /// Features (N, P, T, D) and where they are available (N, P, T): non-zero. What stands at other places is ignored, NaN
  /// included. @throws DataError
  template <class Features, class Available>
  XtensorDataset& modality(std::string name, const Features& features, const Available& available) {
    const auto x = take<float, 4>(name + " features", features, "(N, P, T, D)");
    const auto here = take<bool, 3>(name + " availability", available, "(N, P, T)");
    const auto [N, P, T, D] = extents(x);
    require<DataError>(extents(here) == std::array{N, P, T}, what(name), ": availability is ", text(extents(here)),
                       ", features are ", text(extents(x)), "; expected equal (N, P, T)");
    require<DataError>(arrays_.modalities.empty() || (arrays_.samples == N && arrays_.persons == P), what(name),
                       ": features are ", text(extents(x)), "; the modalities before have N = ", arrays_.samples,
                       ", P = ", arrays_.persons);
    arrays_.samples = N;
    arrays_.persons = P;
    ModalityArrays m{std::move(name), D, T, {}, {}};
    std::int32_t row = 0;
    for (Index place = 0; place < N * P * T; ++place) {
      const bool there = here.data()[place];
      require<DataError>(row < std::numeric_limits<std::int32_t>::max(), what(m.name), ": too many rows");
      m.index.push_back(there ? row++ : -1);
      if (there) m.features.insert(m.features.end(), x.data() + place * D, x.data() + (place + 1) * D);
    }
    arrays_.modalities.push_back(std::move(m));
    return *this;
  }
  /// Features (N, P, T, D) that are available everywhere.
  template <class Features>
  XtensorDataset& modality(std::string name, const Features& features) {
    const auto x = take<float, 4>(name + " features", features, "(N, P, T, D)");
    const xt::xtensor<bool, 3> all(std::array{x.shape()[0], x.shape()[1], x.shape()[2]}, true);
    return modality(std::move(name), x, all);
  }
  /// Places that are part of a sample (N, P, T), also where every modality is missing.
  template <class E>
  XtensorDataset& exists(const E& values) {
    return put<3>(arrays_.exists, "exists", values, "(N, P, T)");
  }
  /// Multi-hot labels (N, C), C = names.size().
  template <class E>
  XtensorDataset& labels(std::vector<std::string> names, const E& values) {
    arrays_.label_names = std::move(names);
    return put<2>(arrays_.labels, "labels", values, "(N, C)");
  }
  /// 0 where a label was not annotated (N, C).
  template <class E>
  XtensorDataset& label_mask(const E& values) {
    return put<2>(arrays_.label_mask, "label_mask", values, "(N, C)");
  }
  /// Personality (N, P, D_p) and whose is known (N, P). @throws DataError
  template <class Features, class Known>
  XtensorDataset& personality(const Features& features, const Known& known) {
    const auto x = take<float, 3>("personality", features, "(N, P, D_p)");
    const auto here = take<bool, 2>("known personality", known, "(N, P)");
    const auto [N, P, D] = extents(x);
    require<DataError>(extents(here) == std::array{N, P}, what("personality"), ": known is ", text(extents(here)),
                       ", features are ", text(extents(x)), "; expected equal (N, P)");
    arrays_.personality_width = D;
    arrays_.personality.clear();
    arrays_.personality_index.clear();
    std::int32_t row = 0;
    for (Index place = 0; place < N * P; ++place) {
      arrays_.personality_index.push_back(here.data()[place] ? row++ : -1);
      if (here.data()[place])
        arrays_.personality.insert(arrays_.personality.end(), x.data() + place * D, x.data() + (place + 1) * D);
    }
    return *this;
  }
  /// (person, time) whose emotion is asked (N, 2).
  template <class E>
  XtensorDataset& target(const E& values) {
    return put<2>(arrays_.target, "target", values, "(N, 2)");
  }
  /// 0 train, 1 validation, 2 test (N).
  template <class E>
  XtensorDataset& split(const E& values) {
    return put<1>(arrays_.split, "split", values, "(N)");
  }
  /// The caller's own sample numbers (N).
  template <class E>
  XtensorDataset& id(const E& values) {
    return put<1>(arrays_.id, "id", values, "(N)");
  }
  /// Samples of one group stay together (N).
  template <class E>
  XtensorDataset& group(const E& values) {
    return put<1>(arrays_.group, "group", values, "(N)");
  }

  /// The data set. What was collected stays, so that more can be made. @throws DataError
  Dataset build(const DatasetOptions& options = {}) const { return make_dataset(arrays_, arrays_.name, options); }

 private:
  template <std::size_t Rank>
  static std::string text(const std::array<Index, Rank>& shape) {
    std::string out = "(";
    for (std::size_t k = 0; k < Rank; ++k) out += (k ? ", " : "") + std::to_string(shape[k]);
    return out + ")";
  }
  template <class T, std::size_t Rank>
  static std::array<Index, Rank> extents(const xt::xtensor<T, Rank>& x) {
    std::array<Index, Rank> out;
    for (std::size_t k = 0; k < Rank; ++k) out[k] = static_cast<Index>(x.shape()[k]);
    return out;
  }
  std::string what(const std::string& name) const { return arrays_.name + ": '" + name + "'"; }

  template <class T, class S>
  static bool fits(S value) {
    if constexpr (std::is_same_v<S, bool>) {
      return true;
    } else if constexpr (std::is_floating_point_v<S>) {
      const double v = value;  // within range before it is cast: beyond it, the cast would be undefined
      return v >= static_cast<double>(std::numeric_limits<T>::min()) &&
             v < static_cast<double>(std::numeric_limits<T>::max()) + 1 && static_cast<double>(static_cast<T>(v)) == v;
    } else {
      return std::in_range<T>(value);
    }
  }

  /// A row-major copy of that rank.
  template <class T, std::size_t Rank, class E>
  xt::xtensor<T, Rank> take(const std::string& name, const E& values, const char* axes) const {
    require<DataError>(values.dimension() == Rank, what(name), " has rank ", values.dimension(), "; expected ", axes);
    std::array<std::size_t, Rank> shape;
    for (std::size_t k = 0; k < Rank; ++k) shape[k] = static_cast<std::size_t>(values.shape(k));
    xt::xtensor<T, Rank> out(shape);
    auto to = out.data();
    for (auto from = values.template cbegin<xt::layout_type::row_major>();
         from != values.template cend<xt::layout_type::row_major>(); ++from, ++to) {
      if constexpr (std::is_same_v<T, bool>)
        *to = *from != 0;
      else if constexpr (std::is_integral_v<T>) {
        require<DataError>(fits<T>(*from), what(name), " holds ", +*from, "; expected whole numbers that fit");
        *to = static_cast<T>(*from);
      } else
        *to = static_cast<T>(*from);
    }
    return out;
  }
  template <std::size_t Rank, class T, class E>
  XtensorDataset& put(std::vector<T>& to, const char* name, const E& values, const char* axes) {
    const auto x = take<T, Rank>(name, values, axes);
    to.assign(x.data(), x.data() + x.size());
    return *this;
  }

  DatasetArrays arrays_;
};

/// A tensor of a data set as an xtensor expression, without a copy. It is valid as long as the data set.
template <class T, int Rank>
auto as_xtensor(const View<const T, Rank>& view) {
  std::array<std::size_t, static_cast<std::size_t>(Rank)> shape;
  for (int axis = 0; axis < Rank; ++axis)
    shape[static_cast<std::size_t>(axis)] = static_cast<std::size_t>(view.extent(axis));
  return xt::adapt(view.data(), static_cast<std::size_t>(view.size()), xt::no_ownership(), shape);
}

/// A modality of a data set, padded.
struct PaddedModality {
  xt::xtensor<float, 4> features;          ///< (N, P, T, D), zero where it is not available
  xt::xtensor<std::uint8_t, 3> available;  ///< (N, P, T)
};

/// Unpacks a modality. @throws DataError for an unknown name
inline PaddedModality padded(const Dataset& dataset, std::string_view modality) {
  const Modality& m = dataset.modalities()[dataset.modality(modality)];
  const auto extent = [&](int axis) { return static_cast<std::size_t>(m.index.extent(axis)); };
  const auto D = static_cast<std::size_t>(m.features.extent(1));
  PaddedModality out{xt::xtensor<float, 4>(std::array{extent(0), extent(1), extent(2), D}, 0.0f),
                     xt::xtensor<std::uint8_t, 3>(std::array{extent(0), extent(1), extent(2)}, std::uint8_t{0})};
  for (Index place = 0; place < m.index.size(); ++place) {
    const std::int32_t row = m.index.data()[place];
    if (row < 0) continue;
    out.available.data()[place] = 1;
    std::copy_n(m.features.data() + static_cast<std::size_t>(row) * D, D,
                out.features.data() + static_cast<std::size_t>(place) * D);
  }
  return out;
}

}  // namespace ramer::data
