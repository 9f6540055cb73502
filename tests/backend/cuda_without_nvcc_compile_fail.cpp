// expect: backend::Cuda needs nvcc
// The backend named in a source that g++ compiles.
#include "ramer/backend/cuda.hpp"
#include "ramer/model/model.hpp"

ramer::Model<ramer::recipe::Ramer, ramer::backend::Cuda>* model = nullptr;
std::size_t bytes = sizeof *model;
