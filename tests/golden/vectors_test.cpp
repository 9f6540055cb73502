// The CTC loss and the LSTM against golden files of kinds ctc_loss and lstm: several cases in one file.
#include <doctest/doctest.h>

#include "golden/golden_file.hpp"
#include "ramer/backend/cpu.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/loss/ctc.hpp"
#include "ramer/nn/lstm.hpp"
#include "skip.hpp"

using namespace ramer;
using namespace ramer::test;

namespace {

std::vector<std::int32_t> offsets_of(const std::vector<double>& lengths) {
  std::vector<std::int32_t> offsets{0};
  for (double n : lengths) offsets.push_back(offsets.back() + static_cast<std::int32_t>(n));
  return offsets;
}

/// What lies in front of each sample's padding, `width` numbers a row.
template <class T>
std::vector<T> packed(const std::vector<double>& padded, const std::vector<std::int32_t>& offsets, std::size_t width) {
  const std::size_t samples = offsets.size() - 1, slots = padded.size() / samples / width;
  std::vector<T> result;
  for (std::size_t b = 0; b < samples; ++b) {
    const auto n = static_cast<std::size_t>(offsets[b + 1] - offsets[b]);
    for (std::size_t i = 0; i < n * width; ++i) result.push_back(static_cast<T>(padded[b * slots * width + i]));
  }
  return result;
}

template <class T>
std::vector<double> as_double(const T* x, Index size) {
  return {x, x + size};
}

template <class E>
void compare_loss(const GoldenFile& file, const std::string& name, const Json& settings) {
  using Real = typename E::Real;
  constexpr bool is_float = std::is_same_v<Real, float>;
  CAPTURE(file.name);
  CAPTURE(name);
  const Index classes = file.shape(name + "/logits")[2];
  const auto width = static_cast<std::size_t>(classes);
  const auto rows = offsets_of(file.values(name + "/lengths")), targets = offsets_of(file.values(name + "/target_lengths"));
  const auto logits = packed<Real>(file.values(name + "/logits"), rows, width);
  const auto labels = packed<std::int32_t>(file.values(name + "/targets"), targets, 1);
  const auto possible = file.values(name + "/possible"), per_sample = file.values(name + "/loss");
  double sum = 0;
  for (double one : per_sample) sum += one;

  loss::CtcPlan plan;
  plan.blank = settings.at("blank").get<std::int32_t>();
  plan.build(rows, targets, labels, loss::CtcReduction::Sum);
  typename E::Backend backend;
  autodiff::Workspace<HostMemory> workspace;
  typename E::Tape tape(backend, workspace, true);
  nn::Context<E> ctx{tape};
  std::vector<Real> gradient(logits.size());
  autodiff::Slot<Real> slot{gradient.data(), static_cast<Index>(gradient.size()), false, true};
  const nn::Var<E, 2> x(logits.data(), Shape{static_cast<Index>(rows.back()), classes}, &slot);
  const double* each = nullptr;
  const auto value = autodiff::ctc_loss(tape, x, plan.view(ctx), &each);
  std::vector<double> ours(each, each + per_sample.size());
  for (std::size_t b = 0; b < ours.size(); ++b) {
    CHECK(std::isfinite(ours[b]) == (possible[b] != 0));
    if (possible[b] == 0) ours[b] = 0;
  }
  const double loss_yardstick = settings.at("f32_loss").get<double>(),
               gradient_yardstick = settings.at("f32_gradient").get<double>();
  CHECK(compare("loss", ours, per_sample, is_float, loss_yardstick) == "");
  CHECK(compare("sum", as_double(value.data(), 1), {sum}, is_float, loss_yardstick) == "");
  const typename E::Tape::Seed seed{value, Real(1)};
  tape.reverse(std::span(&seed, 1));
  CHECK(compare("gradient", as_double(gradient.data(), slot.size),
                packed<double>(file.values(name + "/gradient"), rows, width), is_float, gradient_yardstick) == "");
}

template <class E>
void compare_lstm(const GoldenFile& file, const std::string& name, const Json& settings) {
  using Real = typename E::Real;
  constexpr bool is_float = std::is_same_v<Real, float>;
  CAPTURE(file.name);
  CAPTURE(name);
  const auto shape = file.shape(name + "/x");
  const Index rows = shape[0] * shape[1], width = file.shape(name + "/output")[2];
  const auto check = [&](const std::string& what, const Real* data, Index size) {
    CHECK(compare(what, as_double(data, size), file.values(name + "/" + what), is_float, 0) == "");
  };

  typename E::Backend backend;
  nn::Lstm<E> module(shape[2], width, settings.at("layers").get<Index>());
  const auto parameters = nn::register_parameters<E>(module, backend, 1);
  std::vector<std::string> names;
  std::vector<Index> sizes;
  for (auto* p : parameters) {  // layer.<l>.<name> is <name>_l<l>
    const std::size_t begin = std::string("layer.").size(), dot = p->name.find('.', begin);
    names.push_back(p->name.substr(dot + 1) + "_l" + p->name.substr(begin, dot - begin));
    const auto start = file.values(name + "/" + names.back());
    REQUIRE(static_cast<Index>(start.size()) == p->size());
    std::transform(start.begin(), start.end(), p->value.data(), [](double v) { return static_cast<Real>(v); });
    sizes.push_back(p->size());
  }
  const std::vector<double> lengths(static_cast<std::size_t>(shape[0]), static_cast<double>(shape[1]));
  nn::SequencePlan plan;
  plan.build(offsets_of(lengths));
  const auto input = file.values(name + "/x"), cotangent = file.values(name + "/output_gradient");
  const std::vector<Real> x(input.begin(), input.end());
  std::vector<Real> dx(x.size());
  autodiff::Slot<Real> slot{dx.data(), static_cast<Index>(dx.size()), false, true};
  nn::Gradients<E> gradients(sizes);
  autodiff::Workspace<HostMemory> workspace;
  typename E::Tape tape(backend, workspace, true);
  nn::Context<E> ctx{tape, &gradients, true};
  const auto y = module(ctx, nn::Var<E, 2>(x.data(), Shape{rows, shape[2]}, &slot), plan);
  check("output", y.data(), y.size());
  const auto target = tape.target(y);
  for (Index i = 0; i < y.size(); ++i) target.put(i, static_cast<Real>(cotangent[static_cast<std::size_t>(i)]));
  tape.sweep();
  check("gradient/x", dx.data(), slot.size);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    check("gradient/" + names[i], gradients.slot(parameters[i]->number).adjoint, sizes[i]);
}

using ReferenceDouble = nn::Engine<backend::Reference, Double>;
using CpuDouble = nn::Engine<backend::Cpu, Double>;
using CpuFloat = nn::Engine<backend::Cpu, Float>;

/// Calls f(file, case, its settings) for every case of the files of a kind.
template <class F>
void each_case(const std::string& kind, F f) {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind != kind) continue;
    for (const auto& [name, settings] : file.config.at("cases").items()) {
      f(file, name, settings);
      ++ran;
    }
  }
  if (ran == 0) skip("no golden file of kind " + kind);
}

}  // namespace

TEST_CASE("the CTC loss") {
  each_case("ctc_loss", [](const GoldenFile& file, const std::string& name, const Json& settings) {
    compare_loss<ReferenceDouble>(file, name, settings);
    compare_loss<CpuDouble>(file, name, settings);
    compare_loss<CpuFloat>(file, name, settings);
  });
}

TEST_CASE("the LSTM") {
  each_case("lstm", [](const GoldenFile& file, const std::string& name, const Json& settings) {
    compare_lstm<ReferenceDouble>(file, name, settings);
    compare_lstm<CpuDouble>(file, name, settings);
    compare_lstm<CpuFloat>(file, name, settings);
  });
}
