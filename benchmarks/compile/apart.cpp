// The smallest program with its model compiled elsewhere, in model.cpp: what is declared here is not instantiated again.
#include "ramer/ramer.hpp"

extern template class ramer::Model<ramer::recipe::Ramer>;
extern template class ramer::train::Stepper<ramer::Model<ramer::recipe::Ramer>>;

#include "train.cpp"
