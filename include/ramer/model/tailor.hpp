// TAILOR as a list of parts. A variant is a struct that changes a line.
#pragma once

#include "ramer/model/tailor_wiring.hpp"

namespace ramer::recipe {

/// Zhang, Chen, Shen and Wang, "Tailor Versatile Multi-modal Learning for Multi-label Emotion Recognition", AAAI 2022, as released.
struct Tailor {
  static constexpr const char* name = "tailor";
  using Wiring = wiring::Tailor;
  using Alignment = encoder::AsGiven;  // between input normalisation and encoder
  using Encoder = encoder::Transformer;
  using Fusion = encoder::CrossChain;
  using Adversary = projection::GradientReversal;
  using Orthogonality = loss::TokenGramSixPairs;
};

/// TAILOR for unaligned input: all modalities but the text are aligned to 50 places, and a CTC loss teaches the alignment order.
struct TailorUnaligned : Tailor {
  static constexpr const char* name = "tailor-unaligned";
  using Alignment = encoder::CtcAlignment;
};

}  // namespace ramer::recipe
