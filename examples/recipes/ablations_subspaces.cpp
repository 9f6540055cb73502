#include "ablations.hpp"

template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutCommonality>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutSpecificity>();
