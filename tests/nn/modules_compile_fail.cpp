// expect: a module lists its parameters, and this one lacks .template <class Self, class Visitor> static void parameters => Silent
// What is no module: a parameter that nobody would find.
#include "ramer/backend/reference.hpp"
#include "ramer/nn/module.hpp"

using namespace ramer;
using E = nn::Engine<backend::Reference, Double>;

struct Silent {
  nn::Parameter<E> weight;
};
std::vector<nn::Parameter<E>*> list(Silent& module) { return nn::register_parameters<E>(module); }
