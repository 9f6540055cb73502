// A copy on the host of everything in a model that training changes, by name: parameters, and the state of its wiring.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/core/error.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/io/safetensors.hpp"

namespace ramer::train::detail {

/// One tensor: real numbers, or integers in [lower, upper).
template <class Real>
struct SnapshotTensor {
  std::string name;
  std::vector<Index> shape;
  bool integral = false;
  std::vector<Real> reals;
  std::vector<std::int64_t> integers;
  std::int64_t lower = 0, upper = 0;
};

template <class Real>
struct Snapshot {
  std::vector<SnapshotTensor<Real>> tensors;

  bool empty() const { return tensors.empty(); }
};

/// Sorts what a wiring's state shows into reals and integers.
template <class OnReal, class OnIntegers>
struct StateVisitor {
  OnReal& real;
  OnIntegers& integers;

  template <class T, int Rank, class Memory>
  void operator()(const std::string& name, View<T, Rank, Memory> x) const {
    real("state." + name, shape_of(x), x.data());
  }
  template <class T, int Rank, class Memory>
  void operator()(const std::string& name, View<T, Rank, Memory> x, Index lower, Index upper) const {
    integers("state." + name, shape_of(x), x.data(), lower, upper);
  }

 private:
  static std::vector<Index> shape_of(const auto& x) { return {x.shape().extents.begin(), x.shape().extents.end()}; }
};

/// Walks a model's tensors in a fixed order: on_real(name, shape, data), on_integers(name, shape, data, lower, upper). Data lies
/// where the backend computes.
template <class ModelType, class OnReal, class OnIntegers>
void walk_tensors(ModelType& model, OnReal on_real, OnIntegers on_integers) {
  for (auto* p : model.parameters()) on_real(p->name, p->extents, p->value.data());
  using State = typename std::remove_const_t<ModelType>::State;
  State::tensors(model.state(), model.schema(), StateVisitor<OnReal, OnIntegers>{on_real, on_integers});
}

/// Copies a model's tensors; reuses the memory of an earlier copy of the same model.
template <class ModelType>
void capture(const ModelType& model, Snapshot<typename ModelType::Real>& out) {
  std::size_t at = 0;
  const auto next = [&](const std::string& name, const std::vector<Index>& shape, bool integral) -> auto& {
    if (at == out.tensors.size()) out.tensors.emplace_back();
    auto& t = out.tensors[at++];
    t.name = name;
    t.shape = shape;
    t.integral = integral;
    return t;
  };
  const auto& backend = model.backend();
  walk_tensors(
      model,
      [&](const std::string& name, const std::vector<Index>& shape, const auto* data) {
        auto& t = next(name, shape, false);
        t.reals.resize(static_cast<std::size_t>(checked_size(shape)));
        backend.to_host(data, static_cast<Index>(t.reals.size()), t.reals.data());
      },
      [&](const std::string& name, const std::vector<Index>& shape, const std::int32_t* data, Index lower, Index upper) {
        auto& t = next(name, shape, true);
        std::vector<std::int32_t> host(static_cast<std::size_t>(checked_size(shape)));
        backend.to_host(data, static_cast<Index>(host.size()), host.data());
        t.integers.assign(host.begin(), host.end());
        t.lower = lower;
        t.upper = upper;
      });
  out.tensors.resize(at);
}

/// Puts a copy back into the model that it was taken from, or into one of the same build.
template <class ModelType>
void restore(const Snapshot<typename ModelType::Real>& from, ModelType& model) {
  std::size_t at = 0;
  auto& backend = model.backend();
  walk_tensors(
      model,
      [&](const std::string&, const std::vector<Index>&, auto* data) {
        const auto& t = from.tensors[at++];
        backend.from_host(t.reals.data(), static_cast<Index>(t.reals.size()), data);
      },
      [&](const std::string&, const std::vector<Index>&, std::int32_t* data, Index, Index) {
        const auto& t = from.tensors[at++];
        const std::vector<std::int32_t> host(t.integers.begin(), t.integers.end());
        backend.from_host(host.data(), static_cast<Index>(host.size()), data);
      });
}

/// The first number that is not finite, as "tensor 'x', element 3 = nan"; empty if there is none.
template <class Real>
std::string first_non_finite(const Snapshot<Real>& snapshot) {
  for (const auto& t : snapshot.tensors)
    for (std::size_t k = 0; k < t.reals.size(); ++k)
      if (!std::isfinite(t.reals[k])) {
        std::ostringstream text;
        text << "tensor '" << t.name << "', element " << k << " = " << t.reals[k];
        return text.str();
      }
  return {};
}

/// Notes the tensors of `snapshot` under `prefix`. Their memory must stay until the writer writes.
template <class Real>
void add_tensors(io::SafetensorsWriter& writer, const Snapshot<Real>& snapshot, const std::string& prefix = "") {
  for (const auto& t : snapshot.tensors) {
    if (t.integral)
      writer.add<std::int64_t>(prefix + t.name, t.shape, std::span<const std::int64_t>(t.integers));
    else
      writer.add<Real>(prefix + t.name, t.shape, std::span<const Real>(t.reals));
  }
}

/// A tensor of the file that must be there with this shape. @throws IoError
inline const io::TensorInfo& expect_tensor(const io::SafetensorsFile& file, const std::string& name,
                                           const std::vector<Index>& shape) {
  const io::TensorInfo* found = file.find(name);
  require<IoError>(found != nullptr, file.path().string(), ": no tensor '", name, "'; expected one of shape ",
                   io::shape_text(shape));
  require<IoError>(found->shape == shape, file.path().string(), ": tensor '", name, "' has shape ",
                   io::shape_text(found->shape), "; expected ", io::shape_text(shape));
  return *found;
}

/// Reads finite reals of any floating-point type. @throws IoError
template <class Real>
std::vector<Real> read_reals(const io::SafetensorsFile& file, const std::string& name, const std::vector<Index>& shape) {
  const io::TensorInfo& found = expect_tensor(file, name, shape);
  require<IoError>(found.dtype == io::DType::kF32 || found.dtype == io::DType::kF64, file.path().string(), ": tensor '",
                   name, "' is ", io::dtype_name(found.dtype), "; expected F32 or F64");
  std::vector<Real> values = file.read<Real>(name);
  for (std::size_t k = 0; k < values.size(); ++k)
    if (!std::isfinite(values[k])) [[unlikely]]
      fail<IoError>(file.path().string(), ": tensor '", name, "': element ", k, " = ", values[k],
                    "; expected a finite number");
  return values;
}

/// Reads integers in [lower, upper). @throws IoError
inline std::vector<std::int64_t> read_integers(const io::SafetensorsFile& file, const std::string& name,
                                               const std::vector<Index>& shape, std::int64_t lower, std::int64_t upper) {
  const io::TensorInfo& found = expect_tensor(file, name, shape);
  require<IoError>(found.dtype == io::DType::kI64 || found.dtype == io::DType::kI32, file.path().string(), ": tensor '",
                   name, "' is ", io::dtype_name(found.dtype), "; expected I64");
  std::vector<std::int64_t> values = file.read<std::int64_t>(name);
  for (std::size_t k = 0; k < values.size(); ++k)
    if (values[k] < lower || values[k] >= upper) [[unlikely]]
      fail<IoError>(file.path().string(), ": tensor '", name, "': element ", k, " = ", values[k], "; expected ", lower,
                    " to ", upper - 1);
  return values;
}

/// Reads what `like` lists, under `prefix`; notes the names in `known`. @throws IoError
template <class Real>
Snapshot<Real> read_snapshot(const io::SafetensorsFile& file, const Snapshot<Real>& like, const std::string& prefix,
                             std::set<std::string>& known) {
  Snapshot<Real> out;
  for (const auto& want : like.tensors) {
    SnapshotTensor<Real> t{want.name, want.shape, want.integral, {}, {}, want.lower, want.upper};
    if (want.integral)
      t.integers = read_integers(file, prefix + want.name, want.shape, want.lower, want.upper);
    else
      t.reals = read_reals<Real>(file, prefix + want.name, want.shape);
    known.insert(prefix + want.name);
    out.tensors.push_back(std::move(t));
  }
  return out;
}

}  // namespace ramer::train::detail
