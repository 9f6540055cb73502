// Rows of the paper's Table 4 for `ramer ablate`, the whole model first. They are compiled a few at a time: variants share
// most of their code.
#pragma once

#include <vector>

#include "ramer/app/model_system.hpp"
#include "ramer/model/ablations.hpp"
#include "recipes.hpp"

extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutSubspaceLosses>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutCommonality>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutSpecificity>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutContrast>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutCodec>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutBeta>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutGamma>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutLevels>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::SecondModalityFirst>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::ThirdModalityFirst>();

/// Row (11), then (1) to (10).
inline std::vector<ramer::app::Kind> ablation_kinds() {
  using namespace ramer::recipe;
  return {ramer::app::make_kind<Ramer>(),
          ramer::app::make_kind<WithoutSubspaceLosses>(),
          ramer::app::make_kind<WithoutCommonality>(),
          ramer::app::make_kind<WithoutSpecificity>(),
          ramer::app::make_kind<WithoutContrast>(),
          ramer::app::make_kind<WithoutCodec>(),
          ramer::app::make_kind<WithoutBeta>(),
          ramer::app::make_kind<WithoutGamma>(),
          ramer::app::make_kind<WithoutLevels>(),
          ramer::app::make_kind<SecondModalityFirst>(),
          ramer::app::make_kind<ThirdModalityFirst>()};
}
