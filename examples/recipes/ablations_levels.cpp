#include "ablations.hpp"

template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutCodec>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutBeta>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutGamma>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutLevels>();
