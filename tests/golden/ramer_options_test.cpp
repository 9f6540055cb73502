// Golden files with another choice in one slot.
#include "golden/ramer_runner.hpp"
#include "ramer/backend/cpu.hpp"

namespace {

using namespace ramer;
using namespace ramer::test;

struct ReleasedContrast : recipe::Ramer {
  using Contrast = contrast::SupervisedReleased;
};
struct BatchContrast : recipe::Ramer {
  using Contrast = contrast::SupervisedBatchOnly;
};
struct SixPairs : recipe::Ramer {
  using Orthogonality = loss::SlotGramSixPairs;
};
struct PooledSum : recipe::Ramer {
  using CommonSemantic = loss::PooledSum;
};
struct FirstSlotOfSum : recipe::Ramer {
  using CommonSemantic = loss::FirstSlotOfSum;
};
struct ChannelGram : recipe::Ramer {
  using Orthogonality = loss::ChannelGram;
};
struct FrobeniusNorms : recipe::Ramer {
  using ReconstructionLoss = loss::FrobeniusNorms;
};
struct TimeConcat : recipe::Ramer {
  using Auxiliary = encoder::PersonalityTimeConcat;
};
struct ConcatenatedLinear : recipe::Ramer {
  using ShuffleInput = shuffle::ConcatenatedLinear;
};
struct PlainStack : recipe::Ramer {
  using Shuffle = shuffle::PlainStack;
};
struct Reversal : recipe::Ramer {
  using Shuffle = shuffle::Reversal;
};
struct LastLevel : recipe::Ramer {
  using ShuffleInput = shuffle::LastLevel;
};
struct FourSlots : recipe::Ramer {
  using ShuffleInput = shuffle::SpecificAndCommonSum;
};

template <class R>
constexpr Runner in_double = &compare_ramer<R, backend::Cpu, Double>;

}  // namespace

TEST_CASE("variants of RAMer agree with the golden files") {
  run_files({{"contrast=released", in_double<ReleasedContrast>},
             {"contrast=batch", in_double<BatchContrast>},
             {"orth=released", in_double<SixPairs>},
             {"orth=cs", in_double<ChannelGram>},
             {"rec=frobenius", in_double<FrobeniusNorms>},
             {"aux=time_concat", in_double<TimeConcat>},
             {"shuffle_input=concat", in_double<ConcatenatedLinear>},
             {"cml=released", in_double<FirstSlotOfSum>},
             {"cml=pooled_sum", in_double<PooledSum>},
             {"shuffle=plain", in_double<PlainStack>},
             {"shuffle=released", in_double<Reversal>},
             {"shuffle=none", in_double<recipe::WithoutShuffle>},
             {"shuffle_input=gamma", in_double<LastLevel>},
             {"shuffle_input=four_slots", in_double<FourSlots>}});
}
