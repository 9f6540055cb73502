// expect: the backend of the model lacks .attention_reverse\( => Forgetful
// A user's own backend in a model: the sentence is the first error that is seen.
// first
#include "ramer/backend/reference.hpp"
#include "ramer/model/model.hpp"

class Forgetful : public ramer::backend::Reference {
  void attention_reverse() const {}
};

ramer::Model<ramer::recipe::Ramer, Forgetful, ramer::Double>::State state;
