#include "train/support.hpp"

template class ramer::Model<ramer::recipe::Ramer, ramer::backend::Cpu, ramer::Float>;
template class ramer::train::Stepper<ramer::testing::Small>;
template class ramer::train::Trainer<ramer::testing::Small>;
template ramer::testing::Small ramer::train::load_model<ramer::recipe::Ramer, ramer::backend::Cpu, ramer::Float>(
    const Checkpoint&, backend::Cpu);

namespace ramer::testing {

std::map<std::string, double> recorded_terms(const Small& model, const Batch& batch) {
  Workspace<Small> workspace;
  backend::Cpu backend(1);
  model.module().build_plan(workspace.plan, batch, false, RandomStream());
  Small::E::Tape tape(backend, workspace.memory, true);
  nn::Context<Small::E> ctx{tape};
  const auto out = model.module().forward(ctx, batch, workspace.plan, model.state(), 0);
  std::map<std::string, double> values;
  for (const auto& term : out.terms.list()) values[std::string(term.name)] = static_cast<double>(*term.value.data());
  return values;
}

}  // namespace ramer::testing
