// The recipes of the programs beside this folder. Each is compiled on its own, in parallel; a program of one's own may as
// well name its recipes in `ramer::app::run<...>` and be one file.
#pragma once

#include "ramer/app/model_system.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/tailor.hpp"

extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::Ramer>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::RamerReleased>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::Carat>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::CaratUnaligned>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::Tailor>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::TailorUnaligned>();
extern template ramer::app::Kind ramer::app::make_kind<ramer::recipe::EarlyFusion>();
