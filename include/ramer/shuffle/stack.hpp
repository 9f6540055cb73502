// The stack shuffle (Eq 12) and its alternatives: who feeds which slot of the shuffled batch.
//
// A shuffle fills pi (B, M, C), the sample that slot (b, m, j) takes in the sample-wise pass, and rho (B, M, C), the modality that
// it takes in the modality-wise pass. Evaluation never shuffles.
#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/error.hpp"
#include "ramer/core/gather.hpp"
#include "ramer/core/random.hpp"

namespace ramer::shuffle {

/// How the two passes combine.
enum class Gather {
  Sequential,  ///< the modality-wise pass acts on the result of the sample-wise one: V[b,m,j] = F[pi[b,m',j], m', j], m' = rho[b,m,j]
  Joint  ///< as released and in CARAT: V[b,m,j] = F[pi[b,m,j], rho[b,m,j], j]
};

/// Of every shuffle.
struct SlotConfig {
  Gather gather = Gather::Sequential;
  bool labels_follow = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("gather", self.gather, "modality-wise after sample-wise (sequential), or both at the destination (joint)");
    field("labels_follow", self.labels_follow, "whether a slot's label follows its feature");
  }
};
/// Of those that riffle.
struct Config : SlotConfig {
  Index sample_stacks = 4;
  Index modality_stacks = 3;
  Index rounds = 1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("sample_stacks", self.sample_stacks, "stacks that the samples are cut into", extent());
    field("modality_stacks", self.modality_stacks, "stacks that the modalities are cut into", extent());
    field("rounds", self.rounds, "rounds of the riffle", between(0, 1000));
    SlotConfig::fields(self, field);
  }
};

/// Stacks that n elements are cut into: floor(n / min(k, n)) each, the last may be short, so there may be more than k.
inline Index stack_count(Index n, Index k) {
  if (n == 0) return 0;
  const Index width = n / std::min(std::max<Index>(k, 1), n);
  return (n + width - 1) / width;
}

/// Applies `rounds` rounds of the riffle to x: cut into consecutive stacks; sweep them cyclically from stack `start`, popping the
/// first element of each that still has one. `scratch` is as long as x.
inline void riffle(std::span<std::int32_t> x, Index k, Index rounds, Index start, std::span<std::int32_t> scratch) {
  const auto n = static_cast<Index>(x.size());
  if (n <= 1) return;
  const Index width = n / std::min(std::max<Index>(k, 1), n), stacks = stack_count(n, k);
  for (Index round = 0; round < rounds; ++round) {
    std::size_t out = 0;
    for (Index depth = 0; depth < width; ++depth) {
      for (Index s = 0; s < stacks; ++s) {
        const Index from = (start + s) % stacks * width + depth;
        if (from < n) scratch[out++] = x[static_cast<std::size_t>(from)];
      }
    }
    std::copy(scratch.begin(), scratch.begin() + n, x.begin());
  }
}

/// The permutations of one batch.
struct Permutations {
  Index batch = 0, modalities = 0, labels = 0;  ///< B, M (slots), C
  std::vector<std::int32_t> pi, rho;            ///< (B, M, C) sample and slot that each takes
  std::vector<std::int32_t> order, scratch;     ///< of the policy at work

  /// For a batch; entries are the policy's to fill.
  void resize(Index b, Index m, Index c) {
    batch = b, modalities = m, labels = c;
    pi.resize(static_cast<std::size_t>(b * m * c));
    rho.resize(static_cast<std::size_t>(b * m * c));
  }
  /// Place of (b, m, j) in pi and rho.
  std::size_t at(Index b, Index m, Index j) const { return static_cast<std::size_t>((b * modalities + m) * labels + j); }
};

namespace detail {

/// Riffles with start stacks chosen by functions of (label, modality) and (sample, label).
template <class SampleStart, class ModalityStart>
void riffle_all(const Config& c, Permutations& p, SampleStart sample_start, ModalityStart modality_start) {
  auto& x = p.order;
  auto& scratch = p.scratch;
  const auto longest = static_cast<std::size_t>(std::max(p.batch, p.modalities));
  x.resize(longest);
  scratch.resize(longest);
  const auto run = [&](Index n, Index k, Index start) {
    std::iota(x.begin(), x.begin() + n, 0);
    riffle({x.data(), static_cast<std::size_t>(n)}, k, c.rounds, start, scratch);
  };
  const Index sample_stacks = stack_count(p.batch, c.sample_stacks),
              modality_stacks = stack_count(p.modalities, c.modality_stacks);
  for (Index j = 0; j < p.labels; ++j) {
    for (Index m = 0; m < p.modalities; ++m) {
      run(p.batch, c.sample_stacks, sample_start(j, m) % sample_stacks);
      for (Index b = 0; b < p.batch; ++b) p.pi[p.at(b, m, j)] = x[static_cast<std::size_t>(b)];
    }
    for (Index b = 0; b < p.batch; ++b) {
      run(p.modalities, c.modality_stacks, modality_start(b, j) % modality_stacks);
      for (Index m = 0; m < p.modalities; ++m) p.rho[p.at(b, m, j)] = x[static_cast<std::size_t>(m)];
    }
  }
}

}  // namespace detail

/// The default: the sweep starts at stack (j + m) sample-wise and (b + j) modality-wise, so that labels of one slot come from
/// different samples and modalities, as the paper's purpose needs.
struct Stack {
  using Config = shuffle::Config;
  static void permute(const Config& c, const RandomStream&, Permutations& p) {
    detail::riffle_all(
        c, p, [](Index j, Index m) { return j + m; }, [](Index b, Index j) { return b + j; });
  }
};
/// One common riffle for all labels: reorders the batch, makes no new label combination.
struct PlainStack : Stack {
  static void permute(const Config& c, const RandomStream&, Permutations& p) {
    detail::riffle_all(
        c, p, [](Index, Index) { return Index{0}; }, [](Index, Index) { return Index{0}; });
  }
};
/// What the released code computes: both index lists sorted in descending order, a plain reversal.
struct Reversal {
  using Config = SlotConfig;
  static void permute(const Config&, const RandomStream&, Permutations& p) {
    for (Index b = 0; b < p.batch; ++b) {
      for (Index m = 0; m < p.modalities; ++m) {
        for (Index j = 0; j < p.labels; ++j) {
          p.pi[p.at(b, m, j)] = static_cast<std::int32_t>(p.batch - 1 - b);
          p.rho[p.at(b, m, j)] = static_cast<std::int32_t>(p.modalities - 1 - m);
        }
      }
    }
  }
};
/// CARAT's: an independent uniform permutation of the batch per (label, modality), of the modalities per (label, sample).
/// Meant for the joint gather.
struct Random {
  using Config = SlotConfig;
  static void permute(const Config&, const RandomStream& stream, Permutations& p) {
    auto& x = p.order;
    std::uint64_t row = 0;
    const auto draw = [&](Index n) {
      x.resize(static_cast<std::size_t>(n));
      std::iota(x.begin(), x.end(), 0);
      for (Index i = n - 1; i > 0; --i) {
        std::swap(x[static_cast<std::size_t>(i)], x[stream.below(row++, static_cast<std::uint64_t>(i) + 1)]);
      }
    };
    for (Index j = 0; j < p.labels; ++j) {
      for (Index m = 0; m < p.modalities; ++m) {
        draw(p.batch);
        for (Index b = 0; b < p.batch; ++b) p.pi[p.at(b, m, j)] = x[static_cast<std::size_t>(b)];
      }
      for (Index b = 0; b < p.batch; ++b) {
        draw(p.modalities);
        for (Index m = 0; m < p.modalities; ++m) p.rho[p.at(b, m, j)] = x[static_cast<std::size_t>(m)];
      }
    }
  }
};
/// Every slot stays where it is; the aggregation is trained on whole samples.
struct Identity {
  using Config = SlotConfig;
  static void permute(const Config&, const RandomStream&, Permutations& p) {
    for (Index b = 0; b < p.batch; ++b) {
      for (Index m = 0; m < p.modalities; ++m) {
        for (Index j = 0; j < p.labels; ++j) {
          p.pi[p.at(b, m, j)] = static_cast<std::int32_t>(b);
          p.rho[p.at(b, m, j)] = static_cast<std::int32_t>(m);
        }
      }
    }
  }
};

/// The shuffled batch: where each slot (b, m, j) comes from, and the label that it carries.
struct ShufflePlan {
  Permutations permutations;                   ///< what the policy drew
  std::vector<std::int32_t> sample, modality;  ///< (B, M, C) source of each slot
  GatherPlan rows;                             ///< (B M C) row of F stored as [modality][sample][label]
  std::vector<std::uint8_t> labels;            ///< (B, M, C)
  std::vector<double> weight;                  ///< (B, M, C) annotated / number of annotated

  /// @param y, mask (B, C)
  template <class Policy>
  void build(const typename Policy::Config& config, Index batch, Index modalities, Index label_count, const std::uint8_t* y,
             const std::uint8_t* mask, const RandomStream& stream) {
    Permutations& p = permutations;
    p.resize(batch, modalities, label_count);
    Policy::permute(config, stream, p);
    sample.resize(p.pi.size());
    modality.resize(p.pi.size());
    labels.resize(p.pi.size());
    weight.resize(p.pi.size());
    rows.index.resize(p.pi.size());
    Index annotated = 0;
    for (Index b = 0; b < batch; ++b) {
      for (Index m = 0; m < modalities; ++m) {
        for (Index j = 0; j < label_count; ++j) {
          const std::size_t at = p.at(b, m, j);
          modality[at] = p.rho[at];
          sample[at] = config.gather == Gather::Sequential ? p.pi[p.at(b, p.rho[at], j)] : p.pi[at];
          rows.index[at] = static_cast<std::int32_t>((modality[at] * batch + sample[at]) * label_count + j);
          const Index from = (config.labels_follow ? sample[at] : b) * label_count + j;
          labels[at] = y[from];
          weight[at] = mask[from] ? 1.0 : 0.0;
          annotated += mask[from] ? 1 : 0;
        }
      }
    }
    for (double& w : weight) w = annotated ? w / static_cast<double>(annotated) : 0.0;
    rows.finish(modalities * batch * label_count);
  }
};

}  // namespace ramer::shuffle

namespace ramer {
template <>
struct EnumNames<shuffle::Gather> {
  static constexpr std::pair<std::string_view, shuffle::Gather> values[] = {{"sequential", shuffle::Gather::Sequential},
                                                                            {"joint", shuffle::Gather::Joint}};
};
}  // namespace ramer
