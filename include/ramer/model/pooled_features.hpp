// One row of numbers per sample, for systems that know neither time nor persons: linear models, an early-fusion perceptron.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/schema.hpp"

namespace ramer {

/// What of a sample becomes its row. Without a target it is always the window.
enum class Pooling {
  Target,          ///< the target person at the target time
  Window,          ///< the mean over every person and time
  TargetAndWindow  ///< both, side by side
};

/// Width of a row: per modality and pooled part D features and one number that says how much of the part is there.
inline Index pooled_width(const Schema& schema, Pooling pooling) {
  Index width = 0;
  for (const ModalitySchema& m : schema.modalities) width += m.width + 1;
  return schema.has_target && pooling == Pooling::TargetAndWindow ? 2 * width : width;
}

/// rows (B, W): per modality, in the schema's order, [target's features | 1 if available] [mean of available | share that is
/// available], as `pooling` asks. What is not available is 0.
/// @throws DataError for a modality that the batch lacks or has in another width, or a missing target
inline void pool_features(const Schema& schema, const Batch& batch, Pooling pooling, std::vector<float>& rows) {
  if (!schema.has_target) pooling = Pooling::Window;
  require<DataError>(!schema.has_target || batch.has_target(), "the model asks about a target, the batch names none");
  const auto width = static_cast<std::size_t>(pooled_width(schema, pooling));
  const auto samples = static_cast<std::size_t>(batch.size);
  rows.assign(samples * width, 0.0f);
  std::size_t column = 0;
  for (const ModalitySchema& want : schema.modalities) {
    const auto found = std::find_if(batch.modalities.begin(), batch.modalities.end(),
                                    [&](const ModalityBatch& x) { return x.name == want.name; });
    require<DataError>(found != batch.modalities.end(), "the model needs modality ", want.name,
                       "; the batch has none of that name");
    require<DataError>(found->width == want.width, "modality ", want.name, ": the model needs width ", want.width,
                       ", the batch has ", found->width);
    const auto d = static_cast<std::size_t>(want.width);
    require<DataError>(found->features.size() == found->available.size() * d, "modality ", want.name, ": ",
                       found->features.size(), " feature values for ", found->rows(), " rows of ", want.width);
    const std::size_t window = column + (pooling == Pooling::TargetAndWindow ? d + 1 : 0);
    for (std::size_t b = 0; b < samples; ++b) {
      float* row = rows.data() + b * width;
      const auto begin = static_cast<std::size_t>(found->offsets[b]), end = static_cast<std::size_t>(found->offsets[b + 1]);
      std::size_t available = 0;
      for (std::size_t r = begin; r < end; ++r) {
        if (!found->available[r]) continue;
        const float* x = found->features.data() + r * d;
        ++available;
        if (pooling != Pooling::Target)
          for (std::size_t j = 0; j < d; ++j) row[window + j] += x[j];
        if (pooling != Pooling::Window && found->person[r] == batch.target_person[b] &&
            found->segment[r] == batch.target_segment[b]) {
          std::copy_n(x, d, row + column);
          row[column + d] = 1.0f;
        }
      }
      if (pooling == Pooling::Target || available == 0) continue;
      for (std::size_t j = 0; j < d; ++j) row[window + j] /= static_cast<float>(available);
      row[window + d] = static_cast<float>(available) / static_cast<float>(end - begin);
    }
    column = (pooling == Pooling::Target ? column : window) + d + 1;
  }
}

}  // namespace ramer

template <>
struct ramer::EnumNames<ramer::Pooling> {
  static constexpr std::pair<std::string_view, ramer::Pooling> values[] = {
      {"target", ramer::Pooling::Target},
      {"window", ramer::Pooling::Window},
      {"target_and_window", ramer::Pooling::TargetAndWindow}};
};
