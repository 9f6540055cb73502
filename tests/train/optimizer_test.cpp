#include "ramer/train/optimizer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ramer/backend/reference.hpp"

using namespace ramer;
using train::OptimizerConfig;
using train::OptimizerKind;
using train::Schedule;

namespace {

/// The update rules written out once more, for one parameter of doubles.
struct PlainTensor {
  std::vector<double> p, m, v;
  bool decays = true;
  double s = 0;

  explicit PlainTensor(std::vector<double> start, bool decay)
      : p(std::move(start)), m(p.size()), v(p.size()), decays(decay) {}

  /// As released: no bias correction, decay beside the moments' ratio.
  void bert_adam(const std::vector<double>& g, double rate, const OptimizerConfig& c) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * g[i];
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * g[i] * g[i];
      double u = m[i] / (std::sqrt(v[i]) + c.epsilon);
      if (decays) u += c.decay * p[i];
      p[i] -= rate * u;
    }
    s += 1;
  }
  /// Kingma & Ba, with L2 decay in the gradient.
  void adam(std::vector<double> g, double rate, const OptimizerConfig& c) {
    s += 1;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (decays) g[i] += c.decay * p[i];
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * g[i];
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * g[i] * g[i];
      const double mh = m[i] / (1 - std::pow(c.beta1, s)), vh = v[i] / (1 - std::pow(c.beta2, s));
      p[i] -= rate * mh / (std::sqrt(vh) + c.epsilon);
    }
  }
  /// Loshchilov & Hutter: the decay is a shrinking of its own.
  void adamw(const std::vector<double>& g, double rate, const OptimizerConfig& c) {
    s += 1;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double shrunk = decays ? p[i] * (1 - rate * c.decay) : p[i];
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * g[i];
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * g[i] * g[i];
      const double mh = m[i] / (1 - std::pow(c.beta1, s)), vh = v[i] / (1 - std::pow(c.beta2, s));
      p[i] = shrunk - rate * mh / (std::sqrt(vh) + c.epsilon);
    }
  }
};

double norm(const std::vector<double>& g) {
  double sum = 0;
  for (const double x : g) sum += x * x;
  return std::sqrt(sum);
}
void scale(std::vector<double>& g, double limit, double by_norm) {
  const double f = limit / (by_norm + 1e-6);
  if (f < 1)
    for (double& x : g) x *= f;
}

/// Three parameters: one that decays, one that does not, one that no adjoint reaches.
template <class Precision>
struct Fixture {
  using E = nn::Engine<backend::Reference, Precision>;
  using T = typename Precision::Parameter;

  backend::Reference backend;
  std::vector<nn::Parameter<E>> parameters;
  std::vector<nn::Parameter<E>*> list;
  nn::Gradients<E> gradients;
  std::vector<PlainTensor> plain;

  Fixture() {
    parameters.emplace_back(std::vector<Index>{2, 3}, nn::Init::constant(0), true);
    parameters.emplace_back(std::vector<Index>{4}, nn::Init::constant(0), false);
    parameters.emplace_back(std::vector<Index>{5}, nn::Init::constant(0), true);
    const RandomStream stream(1, 2);
    std::vector<Index> sizes;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      auto& p = parameters[k];
      p.name = "p" + std::to_string(k);
      p.number = static_cast<Index>(k);
      std::vector<double> start;
      for (Index i = 0; i < p.size(); ++i) {
        p.value(i) = static_cast<T>(stream.normal(k, static_cast<std::uint32_t>(i)));
        start.push_back(static_cast<double>(p.value(i)));
      }
      plain.emplace_back(start, p.decay);
      sizes.push_back(p.size());
      list.push_back(&p);
    }
    gradients = nn::Gradients<E>(sizes);
  }
  /// Gradients of step t for parameters 0 and 1; 2 is not reached, though its memory is not zero.
  std::vector<std::vector<double>> draw(std::uint64_t t, double size) {
    std::vector<std::vector<double>> g(3);
    const RandomStream stream(7, 8, t);
    gradients.begin_step();
    for (std::size_t k = 0; k < 3; ++k) {
      auto& slot = gradients.slot(static_cast<Index>(k));
      for (Index i = 0; i < slot.size; ++i) {
        slot.adjoint[i] = static_cast<T>(size * stream.normal(k, static_cast<std::uint32_t>(i)));
        g[k].push_back(static_cast<double>(slot.adjoint[i]));
      }
      slot.written = k < 2;
    }
    return g;
  }
  double difference() const {
    double largest = 0;
    for (std::size_t k = 0; k < parameters.size(); ++k)
      for (Index i = 0; i < parameters[k].size(); ++i)
        largest = std::max(largest,
                           std::abs(static_cast<double>(parameters[k].value(i)) - plain[k].p[static_cast<std::size_t>(i)]));
    return largest;
  }
};

constexpr auto kAll = [](const auto&) { return true; };

}  // namespace

TEST_CASE_TEMPLATE("BertAdam, Adam and AdamW against plain loops, with both clips", Precision, Float, Double) {
  for (const OptimizerKind kind : {OptimizerKind::BertAdam, OptimizerKind::Adam, OptimizerKind::AdamW}) {
    for (const double size : {0.05, 3.0}) {  // below both limits, and above
      CAPTURE(enum_name(kind));
      CAPTURE(size);
      Fixture<Precision> f;
      OptimizerConfig c;
      c.kind = kind;
      c.rate = 0.02;
      c.decay = 0.1;
      c.clip_global = 2.0;
      c.clip_tensor = 0.5;
      train::Optimizer<typename Fixture<Precision>::E> optimizer(c, f.list, f.backend);
      const double total = 30;
      const auto untouched = f.plain[2].p;
      for (std::uint64_t t = 0; t < 20; ++t) {
        auto g = f.draw(t, size);
        optimizer.step(f.gradients, total, f.backend, kAll);
        const double all = std::hypot(norm(g[0]), norm(g[1]));
        CHECK(*optimizer.norm() == doctest::Approx(all).epsilon(1e-6));
        const double x = static_cast<double>(t) / total;
        const double factor = x < 0.1 ? x / 0.1 : std::max((x - 1) / (0.1 - 1), 0.0);
        for (std::size_t k = 0; k < 2; ++k) {
          scale(g[k], c.clip_global, all);
          scale(g[k], c.clip_tensor, norm(g[k]));
          const double rate = c.rate * factor;
          if (kind == OptimizerKind::BertAdam) f.plain[k].bert_adam(g[k], rate, c);
          if (kind == OptimizerKind::Adam) f.plain[k].adam(g[k], rate, c);
          if (kind == OptimizerKind::AdamW) f.plain[k].adamw(g[k], rate, c);
        }
        CHECK(f.difference() < (std::is_same_v<Precision, Double> ? 1e-13 : 2e-6));
        if (t == 0) CHECK(f.plain[0].p[0] == doctest::Approx(static_cast<double>(f.parameters[0].value(0))));
      }
      // No adjoint: no moments, no decay, no step.
      CHECK(f.plain[2].p == untouched);
      for (Index i = 0; i < 5; ++i)
        CHECK(static_cast<double>(f.parameters[2].value(i)) == untouched[static_cast<std::size_t>(i)]);
      CHECK(optimizer.steps() == std::vector<std::int64_t>{20, 20, 0});
      CHECK(*std::max_element(optimizer.first()[2].span().begin(), optimizer.first()[2].span().end()) == 0);
    }
  }
}

TEST_CASE("The first step of a warm-up changes nothing but the moments") {
  Fixture<Double> f;
  train::Optimizer<Fixture<Double>::E> optimizer({}, f.list, f.backend);
  f.draw(0, 1.0);
  optimizer.step(f.gradients, 100, f.backend, kAll);
  CHECK(f.difference() == 0);
  CHECK(optimizer.first()[0](0) != 0);
}

TEST_CASE("Only what a phase wants is updated, and its clip sees only that") {
  Fixture<Double> f;
  OptimizerConfig c;
  c.schedule = Schedule::Constant;
  c.rate = 0.1;
  c.clip_tensor = 0;
  c.clip_global = 1;
  train::Optimizer<Fixture<Double>::E> optimizer(c, f.list, f.backend);
  auto g = f.draw(0, 4.0);
  optimizer.step(f.gradients, 0, f.backend, [](const auto& p) { return p.name == "p1"; });
  CHECK(*optimizer.norm() == doctest::Approx(norm(g[1])).epsilon(1e-14));
  scale(g[1], 1, norm(g[1]));
  f.plain[1].bert_adam(g[1], 0.1, c);
  CHECK(f.difference() < 1e-14);
  CHECK(optimizer.steps() == std::vector<std::int64_t>{0, 1, 0});
}

TEST_CASE_TEMPLATE("Gradients that are not finite change neither parameters nor moments", Precision, Float, Double) {
  using T = typename Precision::Parameter;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    for (const double clip : {0.0, 1.0}) {
      CAPTURE(clip);
      Fixture<Precision> f;
      OptimizerConfig c;
      c.schedule = Schedule::Constant;
      c.clip_global = c.clip_tensor = clip;
      train::Optimizer<typename Fixture<Precision>::E> optimizer(c, f.list, f.backend);
      f.draw(0, 1.0);
      f.gradients.slot(0).adjoint[2] = bad;
      optimizer.step(f.gradients, 0, f.backend, kAll);
      CHECK_FALSE(std::isfinite(*optimizer.norm()));
      CHECK(f.difference() == 0);  // also of parameter 1, whose own gradient was finite
      for (std::size_t k = 0; k < 3; ++k) {
        for (Index i = 0; i < f.parameters[k].size(); ++i) CHECK(optimizer.second()[k](i) == 0);
      }
    }
  }
}

TEST_CASE("Schedules") {
  using train::schedule_factor;
  CHECK(schedule_factor(Schedule::Constant, 0.0, 0.1) == 1.0);
  for (const Schedule s : {Schedule::WarmupLinear, Schedule::WarmupCosine}) {
    CHECK(schedule_factor(s, 0.0, 0.1) == 0.0);
    CHECK(schedule_factor(s, 0.05, 0.1) == doctest::Approx(0.5));
    CHECK(schedule_factor(s, 0.1, 0.1) == doctest::Approx(1.0));
    CHECK(schedule_factor(s, 0.55, 0.1) == doctest::Approx(0.5));
    CHECK(schedule_factor(s, 1.0, 0.1) == doctest::Approx(0.0));
    CHECK(schedule_factor(s, 1.5, 0.1) == doctest::Approx(0.0));  // more steps than planned: no rate, never a negative one
    CHECK(schedule_factor(s, 0.0, 0.0) == 1.0);                   // no warm-up
    CHECK(schedule_factor(s, 0.5, 1.0) == 0.5);                   // nothing but warm-up
  }
  CHECK(schedule_factor(Schedule::WarmupLinear, 0.325, 0.1) == doctest::Approx(0.75));
  CHECK(schedule_factor(Schedule::WarmupCosine, 0.325, 0.1) == doctest::Approx(0.5 * (1 + std::sqrt(0.5))));
}
