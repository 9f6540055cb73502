#include "step/recipe_bench.hpp"

template std::unique_ptr<ramer::bench::Bench> ramer::bench::make_bench<ramer::recipe::RamerReleased>(const Sizes&, int,
                                                                                                     bool);
