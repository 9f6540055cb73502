#include "recipes.hpp"

template ramer::app::Kind ramer::app::make_kind<ramer::recipe::TailorUnaligned>();
