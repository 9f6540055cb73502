// What every wiring asks of a batch before it looks at it: the modalities of its schema, arrays that fit together, its labels.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/schema.hpp"

namespace ramer::wiring::detail {

inline std::string modality_names(const Batch& b) {
  std::string list;
  for (const auto& m : b.modalities) list += (list.empty() ? "" : ", ") + m.name;
  return list.empty() ? "none" : list;
}

/// Features must be there as numbers, or as rows of what is kept.
inline void check_features(const ModalityBatch& m) {
  if (!m.kept.data) {
    require<DataError>(static_cast<Index>(m.features.size()) == m.rows() * m.width, "modality ", m.name, ": ",
                       m.features.size(), " feature values for ", m.rows(), " rows of ", m.width);
    return;
  }
  require<DataError>(m.features.empty() && m.row.size() == m.available.size(), "modality ", m.name, ": ", m.row.size(),
                     " numbers of kept rows and ", m.features.size(), " feature values for ", m.rows(), " rows");
  for (std::size_t r = 0; r < m.row.size(); ++r) {
    require<DataError>(m.row[r] >= -1 && m.row[r] < m.kept.rows, "modality ", m.name, ": row ", m.row[r], " of ",
                       m.kept.rows, " kept rows");
    require<DataError>((m.row[r] >= 0) == (m.available[r] != 0), "modality ", m.name, ": token ", r, " has row ", m.row[r],
                       " and availability ", static_cast<int>(m.available[r]));
  }
}

/// The batch's modality of that name. @param takes_padding whether there may be dead rows
/// @throws DataError where it is not there, has another width, its arrays do not fit together, or there are dead rows and may not be
inline const ModalityBatch& find_modality(const Batch& b, const ModalitySchema& want, bool takes_padding = false) {
  const auto found =
      std::find_if(b.modalities.begin(), b.modalities.end(), [&](const auto& x) { return x.name == want.name; });
  // Not `require`: its message would be put together, on the heap, at every step.
  if (found == b.modalities.end())
    fail<DataError>("the model needs modality ", want.name, ", the batch has ", modality_names(b));
  require<DataError>(found->width == want.width, "modality ", want.name, ": the model needs width ", want.width,
                     ", the batch has ", found->width);
  check_features(*found);
  const std::size_t r = found->available.size(), rows = static_cast<std::size_t>(b.size);
  require<DataError>(found->offsets.size() == rows + 1 && found->offsets.front() == 0 &&
                         found->offsets.back() <= static_cast<std::int32_t>(r) &&
                         std::is_sorted(found->offsets.begin(), found->offsets.end()),
                     "modality ", want.name, ": offsets must rise from 0 to ", r, " in ", rows + 1, " numbers");
  require<DataError>(found->person.size() == r && found->segment.size() == r && found->position.size() == r, "modality ",
                     want.name, ": ", r, " rows, but ", found->person.size(), " persons, ", found->segment.size(),
                     " segments and ", found->position.size(), " positions");
  require<DataError>(takes_padding || found->rows() == found->tokens(), "modality ", want.name, ": ", r,
                     " rows, of which the samples have ", found->tokens(), "; this model takes no dead rows (pad_rows)");
  require<DataError>(
      std::none_of(found->available.begin() + found->tokens(), found->available.end(), [](auto a) { return a != 0; }),
      "modality ", want.name, ": a row behind the ", found->tokens(),
      " that the samples have is available; dead rows are not");
  return *found;
}

/// @throws DataError for labels that are not `labels` in number
inline void check_labels(const Batch& b, Index labels) {
  require<DataError>(b.label_count == labels, "the model has ", labels, " labels, the batch ", b.label_count);
  const auto cells = static_cast<std::size_t>(b.size * labels);
  require<DataError>(b.labels.size() == cells && b.label_mask.size() == cells, "the batch has ", b.labels.size(),
                     " labels and ", b.label_mask.size(), " label mask values for ", b.size, " samples of ", labels,
                     " labels");
}

/// The caller's number of sample `b`.
inline std::int64_t sample_id(const Batch& batch, std::size_t b) {
  return b < batch.id.size() ? batch.id[b] : static_cast<std::int64_t>(b);
}

/// w[i] = 1 / n where in(i), n = how many are in; 0 elsewhere.
template <class In>
void weigh(std::vector<double>& w, std::size_t size, In in) {
  double n = 0;
  w.resize(size);
  for (std::size_t i = 0; i < size; ++i) n += w[i] = in(i) ? 1.0 : 0.0;
  for (double& x : w) x = n > 0 ? x / n : 0.0;
}

}  // namespace ramer::wiring::detail
