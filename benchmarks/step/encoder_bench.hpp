// The uni-modal encoders alone, forward and reverse.
#pragma once

#include <memory>
#include <vector>

#include "ramer/backend/cpu.hpp"
#include "ramer/encoder/transformer.hpp"
#include "step/sizes.hpp"

namespace ramer::bench {

class EncoderBench {
  using E = nn::Engine<backend::Cpu, Float>;
  struct Encoders {
    std::vector<encoder::Transformer::Module<E>> encoder;
    template <class Self, class Visitor>
    static void parameters(Self& self, Visitor&& visit) {
      visit("encoder", self.encoder);
    }
  };

 public:
  EncoderBench(const Sizes& sizes, int threads) : backend_(threads), batch_(random_batch(sizes, 0)) {
    encoder::TransformerConfig config;
    config.hidden = sizes.hidden, config.heads = sizes.heads, config.inner = sizes.inner;
    const auto count = static_cast<Index>(sizes.widths.size());
    config.layers = sizes.layers;
    for (Index m = 0; m < count; ++m)
      encoders_.encoder.emplace_back(config, config.layers_of(m, count), sizes.widths[static_cast<std::size_t>(m)],
                                     sizes.time, false);
    std::vector<Index> elements;
    for (const auto* p : nn::register_parameters<E>(encoders_, backend_, 1)) elements.push_back(p->size());
    gradients_ = nn::Gradients<E>(elements);
    plans_.resize(encoders_.encoder.size());
    for (std::size_t m = 0; m < plans_.size(); ++m)
      plans_[m].build(batch_, batch_.modalities[m], encoder::TargetTime::All, sizes.time, false);
  }
  /// Forward; with `reverse`, from an adjoint of ones.
  void run(bool reverse) {
    gradients_.begin_step();
    for (std::size_t m = 0; m < plans_.size(); ++m) {
      typename E::Tape tape(backend_, workspace_, reverse);
      nn::Context<E> ctx{tape, reverse ? &gradients_ : nullptr, reverse, 1, step_};
      const ModalityBatch& rows = batch_.modalities[m];
      const nn::Var<E, 2> x(rows.features.data(), Shape{rows.rows(), rows.width});
      const auto h = encoders_.encoder[m](ctx, x, plans_[m], static_cast<Index>(m));
      if (!reverse) continue;
      backend_.fill(tape.target(h).data, h.size(), 1.0f);
      tape.sweep();
    }
    ++step_;
  }
  Index tokens() const {
    Index n = 0;
    for (const ModalityBatch& m : batch_.modalities) n += m.rows();
    return n;
  }

 private:
  backend::Cpu backend_;
  Batch batch_;
  Encoders encoders_;
  nn::Gradients<E> gradients_;
  std::vector<encoder::TokenPlan> plans_;
  autodiff::Workspace<HostMemory> workspace_;
  std::uint64_t step_ = 0;
};

}  // namespace ramer::bench
