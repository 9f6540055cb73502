#include "ablations.hpp"

template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutSubspaceLosses>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::WithoutContrast>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::SecondModalityFirst>();
template ramer::app::Kind ramer::app::make_kind<ramer::recipe::ThirdModalityFirst>();
