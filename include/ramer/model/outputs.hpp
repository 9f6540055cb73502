// What a forward pass hands back.
#pragma once

#include <span>

#include "ramer/loss/objective.hpp"

namespace ramer {

/// Values live in the workspace until it is rewound.
template <class E>
struct Outputs {
  nn::Var<E, 2> score;                        ///< (B, C) in [0, 1]
  loss::Terms<E> terms;                       ///< empty without labels
  nn::Var<E, 2> contrast_rows;                ///< (N, D) unit rows for the queue, in training
  std::span<const nn::Var<E, 2>> unit_alpha;  ///< per modality (B C, D) for the prototypes, in training
  bool defined = false;                       ///< a phase that only trains a part of the model may leave the score out
};

}  // namespace ramer
