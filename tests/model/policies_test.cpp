// Every policy that a slot of RAMer may hold instead of its default changes what it should, and nothing else, to the bit.
#include "model/variation.hpp"

using namespace ramer;
using namespace ramer::test;

namespace {

struct ChannelGram : recipe::Ramer {
  using Orthogonality = loss::ChannelGram;
};
struct SixPairs : recipe::Ramer {
  using Orthogonality = loss::SlotGramSixPairs;
};
struct NoOrthogonality : recipe::Ramer {
  using Orthogonality = loss::NoOrthogonality;
};
struct PooledSum : recipe::Ramer {
  using CommonSemantic = loss::PooledSum;
};
struct FirstSlotOfSum : recipe::Ramer {
  using CommonSemantic = loss::FirstSlotOfSum;
};
struct FrobeniusNorms : recipe::Ramer {
  using ReconstructionLoss = loss::FrobeniusNorms;
};
struct QueueAnchors : recipe::Ramer {
  using Contrast = contrast::SupervisedReleased;
};
struct BatchOnly : recipe::Ramer {
  using Contrast = contrast::SupervisedBatchOnly;
};
struct LastLevel : recipe::Ramer {
  using ShuffleInput = shuffle::LastLevel;
};
struct FourSlots : recipe::Ramer {
  using ShuffleInput = shuffle::SpecificAndCommonSum;
};
struct Concatenated : recipe::Ramer {
  using ShuffleInput = shuffle::ConcatenatedLinear;
};
template <class Policy>
struct Shuffled : recipe::Ramer {
  using Shuffle = Policy;
};

template <class R>
std::string changes() {
  static const Seen usual = see<recipe::Ramer>();
  return text(changed(usual, see<R>()));
}

TEST_CASE("each policy changes exactly what follows from it") {
  CHECK(changes<recipe::Ramer>() == "");
  CHECK(changes<ChannelGram>() == text(together({{"loss orth_common_specific"}, step})));
  CHECK(changes<SixPairs>() == text(together({{"loss orth_specific_specific"}, step})));
  CHECK(changes<NoOrthogonality>() == text(together({{"loss orth_common_specific"}, step})));
  CHECK(changes<PooledSum>() == text(together({{"cml_logit", "C_sum", "loss common_semantic"}, step})));
  CHECK(changes<FirstSlotOfSum>() == text(together({{"cml_logit", "C_sum", "loss common_semantic"}, step})));
  CHECK(changes<FrobeniusNorms>() == text(together({{"loss rec_tilde", "loss rec_beta", "loss rec_gamma"}, step})));
  CHECK(changes<QueueAnchors>() == text(together({{"scl_loss_per_anchor", "loss contrast"}, step})));
  CHECK(changes<BatchOnly>() == text(together({{"scl_loss_per_anchor", "loss contrast", "queue"}, step})));
  CHECK(changes<recipe::RamerConfusion>() == text(together({{"loss adv_confusion"}, step})));
  CHECK(changes<recipe::RamerAlternating>() ==
        text(together({{"disc_C", "disc_S", "loss adv_commonality", "loss adv_specificity"}, step})));
}

TEST_CASE("each choice of what is shuffled, and how, changes exactly what follows from it") {
  CHECK(changes<LastLevel>() == text(slots));
  CHECK(changes<FourSlots>() == text(slots));
  CHECK(changes<Concatenated>() == text(slots));
  CHECK(changes<Shuffled<shuffle::PlainStack>>() == text(shuffled));
  CHECK(changes<Shuffled<shuffle::Reversal>>() == text(shuffled));
  CHECK(changes<Shuffled<shuffle::Random>>() == text(shuffled));
  CHECK(changes<recipe::WithoutShuffle>() == text(shuffled));
}

TEST_CASE("rows of Table 4 that are settings") {
  CHECK(changes<recipe::WithoutSubspaceLosses>() == text(step));
  Names order = changed(see<recipe::Ramer>(), see<recipe::ThirdModalityFirst>());
  CHECK(order == changed(see<recipe::Ramer>(), see<recipe::Ramer>({"fusion_order=2"})));
  CHECK(see<recipe::SecondModalityFirst>() == see<recipe::Ramer>({"fusion_order=1"}));
}

TEST_CASE("the released shuffle is a reversal: its loss is the unshuffled one's") {
  const Seen seen = see<recipe::RamerReleased>();
  CHECK(seen.at("loss shuffled")[0] == doctest::Approx(seen.at("loss unshuffled")[0]).epsilon(1e-14));
  CHECK(seen.at("shuffle_V") != seen.at("F"));
}

}  // namespace
