// What a model must know of its data before it sees any: names and widths.
#pragma once

#include <string>
#include <vector>

#include "ramer/core/types.hpp"

namespace ramer {

/// One modality.
struct ModalitySchema {
  std::string name;     ///< what files call it
  Index width = 0;      ///< D_m of a raw feature
  Index positions = 0;  ///< positions a token can have: places for a position table
};

/// Modalities in the order in which a model sees them, which need not be a file's: they are matched by name.
struct Schema {
  std::vector<ModalitySchema> modalities;  ///< (M)
  std::vector<std::string> labels;         ///< (C) names
  Index personality_width = 0;             ///< D_p; 0: no personality
  Index personality_positions =
      0;                    ///< places of the personality encoder's position table; 0: as many as the first modality has
  bool has_target = false;  ///< a (person, time) is asked for, and not the sample as a whole

  /// M and C.
  Index modality_count() const { return static_cast<Index>(modalities.size()); }
  Index label_count() const { return static_cast<Index>(labels.size()); }
};

}  // namespace ramer
