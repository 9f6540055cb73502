// A variant of RAMer with a shuffle, a loss and a fusion of one's own: three plain types, named in a struct that inherits the recipe.
#include <iostream>

#include "ramer/ramer.hpp"
#include "ramer/train/evaluate.hpp"

using namespace ramer;

//! [Shuffle]
/// Slot Shuffle. Each slot takes the feature of a sample some places further on; modalities stay where they are.
struct Rotation {
  struct Config : shuffle::SlotConfig {
    Index distance = 1;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& field) {  // `shuffle.distance` in JSON and in --set
      field("distance", self.distance, "how many samples further on", extent(0));
      shuffle::SlotConfig::fields(self, field);
    }
  };
  static void permute(const Config& c, const RandomStream&, shuffle::Permutations& p) {
    for (Index b = 0; b < p.batch; ++b) {
      for (Index m = 0; m < p.modalities; ++m) {
        for (Index j = 0; j < p.labels; ++j) {
          p.pi[p.at(b, m, j)] = static_cast<std::int32_t>((b + c.distance * (j + 1)) % p.batch);
          p.rho[p.at(b, m, j)] = static_cast<std::int32_t>(m);
        }
      }
    }
  }
};
//! [Shuffle]

//! [ReconstructionLoss]
/// Slot ReconstructionLoss. Reconstructions approach X_alpha, and X_alpha does not approach them: the target is detached.
struct OneWaySquares {
  template <class E>
  static nn::Var<E, 0> term(nn::Context<E>& ctx, std::span<const nn::Var<E, 3>> x, std::span<const nn::Var<E, 3>> target,
                            std::span<const double* const> present) {
    nn::Var<E, 0> total;
    for (std::size_t m = 0; m < x.size(); ++m) {
      total = autodiff::add_to(ctx.tape, total, autodiff::squared_error(ctx.tape, x[m], target[m].detached(), present[m]));
    }
    return total;
  }
};
//! [ReconstructionLoss]

//! [ShuffleInput]
/// Slot ShuffleInput. F^m = C^m + tanh(W S^m + b), with one W for all modalities.
struct SquashedSum {
  static constexpr shuffle::Needs needs = shuffle::Needs::Both;
  static constexpr Index slots(Index modalities) { return modalities; }

  template <class E>
  struct Module {
    nn::Linear<E> squash;

    explicit Module(Index hidden) : squash(hidden, hidden) {}

    void fill(nn::Context<E>& ctx, std::span<const nn::Var<E, 2>> c, std::span<const nn::Var<E, 2>> s,
              std::span<const nn::Var<E, 2>>, std::span<nn::Var<E, 2>> f) const {
      for (std::size_t m = 0; m < f.size(); ++m) {
        f[m] = autodiff::add(ctx.tape, c[m], squash(ctx, s[m], backend::Activation::Tanh));  // (B C, H)
      }
    }
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("squash", self.squash);
    }
  };
};
//! [ShuffleInput]

struct Mine : recipe::Ramer {
  static constexpr const char* name = "mine";
  using Shuffle = Rotation;
  using ReconstructionLoss = OneWaySquares;
  using ShuffleInput = SquashedSum;
};

int main() {
  const auto dataset = data::make_synthetic({.samples = 300});
  const auto split = data::split_samples(dataset);

  using MyModel = Model<Mine>;
  MyModel::Config config;
  config.encoder = {.hidden = 32, .heads = 4, .inner = 32, .layers = {1}};
  config.weights.rec_tilde = config.weights.rec_beta = 0.01;
  config.shuffle.distance = 2;
  MyModel model(train::make_schema(dataset), config);

  const Index epochs = 4;
  train::Stepper stepper(model, {.rate = 3e-3}, 1);
  data::LoaderOptions batches;
  batches.batch_size = 32;
  data::Loader loader(data::BatchBuilder(dataset), batches);
  const auto steps = static_cast<double>(epochs * loader.batches(static_cast<Index>(split.train.size())));
  for (std::uint64_t epoch = 0, step = 0; epoch < static_cast<std::uint64_t>(epochs); ++epoch) {
    train::StepReport report;
    loader.start(split.train, epoch);
    while (const Batch* batch = loader.next()) report = stepper.run(*batch, step++, steps);
    std::cout << "epoch " << epoch + 1 << ", loss of its last batch " << report.total << '\n';
  }
  eval::MetricOptions metrics;
  metrics.threshold = config.threshold;
  std::cout << "test micro-F1 " << train::evaluate(model, dataset, split.test, {}, metrics).micro_f1 << '\n';
}
