// The CTC module alone against every golden file that has one: logits, aligned rows, and, where the file has the gradient of
// the aligned rows, the gradients that follow from it.
#include <doctest/doctest.h>

#include "golden/golden_file.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/encoder/ctc_alignment.hpp"
#include "skip.hpp"

using namespace ramer;
using namespace ramer::test;

namespace {

/// in/<modality> behind its input normalisation.
std::vector<double> normalized(const GoldenFile& file, const std::string& modality) {
  std::vector<double> x = file.values("in/" + modality);
  const auto gain = file.values("before/param/" + modality + "_norm.norm2d.weight"),
             bias = file.values("before/param/" + modality + "_norm.norm2d.bias");
  const std::size_t width = gain.size();
  const auto count = static_cast<double>(width);
  for (std::size_t row = 0; row < x.size(); row += width) {
    double mean = 0, variance = 0;
    for (std::size_t d = 0; d < width; ++d) mean += x[row + d] / count;
    for (std::size_t d = 0; d < width; ++d) variance += (x[row + d] - mean) * (x[row + d] - mean) / count;
    for (std::size_t d = 0; d < width; ++d)
      x[row + d] = gain[d] * (x[row + d] - mean) / std::sqrt(variance + 1e-12) + bias[d];
  }
  return x;
}

template <class E>
void compare_module(const GoldenFile& file, const std::string& modality, const std::string& prefix) {
  using Real = typename E::Real;
  constexpr bool is_float = std::is_same_v<Real, float>;
  CAPTURE(file.name);
  CAPTURE(modality);
  const auto raw = file.shape("in/" + modality);  // (B, T, D): every token of it is real
  const auto position = file.shape("mid/" + prefix + "_position");
  const Index samples = raw[0], steps = raw[1], width = raw[2], length = position[2] - 1;

  ModalityBatch m;
  m.width = width;
  m.available.assign(static_cast<std::size_t>(samples * steps), 1);
  for (Index b = 1; b <= samples; ++b) m.offsets.push_back(static_cast<std::int32_t>(b * steps));
  encoder::CtcAlignmentConfig config;
  config.length = length;
  for (config.layers = 0; file.has("before/param/" + prefix + "_ctc.pred_output_position_inclu_blank.weight_ih_l" +
                                   std::to_string(config.layers));)
    ++config.layers;
  encoder::AlignmentPlan plan;
  encoder::TokenPlan tokens;
  plan.build(m, length, length, tokens);

  typename E::Backend backend;
  typename encoder::CtcAlignment::template Module<E> module(config, width);
  const auto parameters = nn::register_parameters<E>(module, backend, 1);
  std::vector<std::string> names;
  std::vector<Index> sizes;
  for (auto* p : parameters) {  // position.layer.<l>.<name> is <name>_l<l>
    const std::size_t begin = std::string("position.layer.").size(), dot = p->name.find('.', begin);
    names.push_back(prefix + "_ctc.pred_output_position_inclu_blank." + p->name.substr(dot + 1) + "_l" +
                    p->name.substr(begin, dot - begin));
    const auto values = file.values("before/param/" + names.back());
    REQUIRE(static_cast<Index>(values.size()) == p->size());
    std::transform(values.begin(), values.end(), p->value.data(), [](double v) { return static_cast<Real>(v); });
    sizes.push_back(p->size());
  }

  const auto check = [&](const std::string& what, const Real* data, Index size, const std::string& tensor) {
    CHECK(compare(what, std::vector<double>(data, data + size), file.values(tensor), is_float,
                  file.float_difference(tensor)) == "");
  };
  const auto input = normalized(file, modality);
  const std::vector<Real> x(input.begin(), input.end());
  std::vector<Real> dx(x.size());
  autodiff::Slot<Real> slot{dx.data(), static_cast<Index>(dx.size()), false, true};
  nn::Gradients<E> gradients(sizes);
  autodiff::Workspace<HostMemory> workspace;
  typename E::Tape tape(backend, workspace, true);
  nn::Context<E> ctx{tape, &gradients, true};
  const auto y = module(ctx, nn::Var<E, 2>(x.data(), Shape{samples * steps, width}, &slot), plan, 0);
  check("position", y.logits.data(), y.logits.size(), "mid/" + prefix + "_position");
  check("aligned", y.rows.data(), y.rows.size(), "mid/" + modality + "_encoder_in");
  if (!file.own("grad_mid/" + modality + "_encoder_in")) return;
  const auto cotangent = file.values("grad_mid/" + modality + "_encoder_in");
  REQUIRE(static_cast<Index>(cotangent.size()) == y.rows.size());
  const Real* dlogits = tape.pin(y.logits);
  const auto target = tape.target(y.rows);
  for (Index i = 0; i < y.rows.size(); ++i) target.put(i, static_cast<Real>(cotangent[static_cast<std::size_t>(i)]));
  tape.sweep();
  check("gradient of position", dlogits, y.logits.size(), "grad_mid/" + prefix + "_position");
  check("gradient of normed", dx.data(), slot.size, "grad_mid/" + modality + "_normed");
  for (std::size_t i = 0; i < parameters.size(); ++i)
    check("gradient of " + names[i], gradients.slot(parameters[i]->number).adjoint, sizes[i], "grad/" + names[i]);
}

}  // namespace

TEST_CASE("the CTC module") {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    for (const auto& [modality, prefix] : {std::pair{"visual", "v2t"}, std::pair{"audio", "a2t"}}) {
      if (file.kind != "carat" || !file.own(std::string("mid/") + prefix + "_position")) continue;
      compare_module<nn::Engine<backend::Reference, Double>>(file, modality, prefix);
      compare_module<nn::Engine<backend::Cpu, Double>>(file, modality, prefix);
      compare_module<nn::Engine<backend::Cpu, Float>>(file, modality, prefix);
      ++ran;
    }
  }
  if (ran == 0) skip("no golden file has a CTC module");
}
