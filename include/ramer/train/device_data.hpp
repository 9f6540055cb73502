// A data set's features where the backend computes, put there once: batches then carry numbers of rows, and a kernel takes the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/core/tensor.hpp"
#include "ramer/data/dataset.hpp"

namespace ramer::train {

/// The features of the modalities that a model looks at, float as in the data set.
template <class Memory>
class DeviceData {
 public:
  /// None where there is nothing to win or no room: a backend that computes in the host's memory, a wiring that reads features on the
  /// host (it does not say `takes_rows`), more than `most` MiB or half of what the memory says is `available()`, an allocation that
  /// fails. Batches with their own features then give the same bits.
  /// @throws DataError for a modality that the data set does not have
  template <class ModelType>
  static std::optional<DeviceData> keep([[maybe_unused]] ModelType& model, [[maybe_unused]] const data::Dataset& dataset,
                                        [[maybe_unused]] Index most) {
    if constexpr (!Memory::host && requires { requires ModelType::Module::takes_rows; }) {
      constexpr std::size_t mib = std::size_t{1} << 20;
      std::size_t room = static_cast<std::size_t>(std::min(most, Index{1} << 40)) * mib;
      if constexpr (requires { Memory::available(); }) room = std::min<std::size_t>(room, Memory::available() / 2);
      std::vector<const data::Modality*> from;
      std::size_t bytes = 0;
      for (const ModalitySchema& m : model.schema().modalities) {
        from.push_back(&dataset.modalities()[dataset.modality(m.name)]);
        bytes += static_cast<std::size_t>(from.back()->features.size()) * sizeof(float);
      }
      if (bytes == 0 || bytes > room) return std::nullopt;
      DeviceData kept;
      try {
        for (const data::Modality* m : from) {
          const Shape<2> shape{{std::max<Index>(1, m->features.extent(0)), m->features.extent(1)}};  // an address, at least
          kept.modalities_.push_back({m->name, m->features.extent(0), Tensor<float, 2, Memory>(shape)});
        }
      } catch (const std::bad_alloc&) {
        return std::nullopt;
      } catch (const DeviceError&) {
        return std::nullopt;
      }
      for (std::size_t i = 0; i < from.size(); ++i)
        model.backend().from_host(from[i]->features.data(), from[i]->features.size(), kept.modalities_[i].features.data());
      return kept;
    } else {
      return std::nullopt;
    }
  }

  /// Says where the rows are that a batch of the same data set names (data::Features::kByRow).
  void attach(Batch& batch) const {
    for (const Kept& k : modalities_)
      for (ModalityBatch& m : batch.modalities)
        if (m.name == k.name) m.kept = {k.features.data(), k.rows};
  }

 private:
  struct Kept {
    std::string name;
    Index rows;
    Tensor<float, 2, Memory> features;  // (max(rows, 1), D)
  };
  DeviceData() = default;
  std::vector<Kept> modalities_;
};

}  // namespace ramer::train
