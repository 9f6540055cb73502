// The harness of the program `ramer`, for any list of recipes: see app/run.hpp. CLI11 comes with it.
#pragma once

#include "ramer/app/run.hpp"
