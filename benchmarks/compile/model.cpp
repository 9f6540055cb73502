// RAMer and its training step, compiled once for all sources of a program.
#include "ramer/ramer.hpp"

template class ramer::Model<ramer::recipe::Ramer>;
template class ramer::train::Stepper<ramer::Model<ramer::recipe::Ramer>>;
