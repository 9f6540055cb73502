// The CTC loss over a batch: what the host makes of the samples' target labels, and the term.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/autodiff/ops/ctc.hpp"
#include "ramer/core/config.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::loss {

/// How the losses of a batch become one number. Samples that do not count are left out of both.
enum class CtcReduction {
  Mean,          ///< mean over samples of loss / max(target length, 1)
  MeanOfTotals,  ///< mean over samples of the loss
  Sum
};

/// Index arrays of one batch. Vectors keep their capacity from batch to batch.
struct CtcPlan {
  std::vector<std::int32_t> offsets, sample, target_offsets, target;  ///< see autodiff::CtcTargets
  std::vector<double> weight;                                         ///< (B) 0 where the sample does not count
  Index longest_input = 0, longest_target = 0;                        ///< of any sample, in rows and labels
  std::int32_t blank = 0;                                             ///< set it before `build`
  bool zero_infinity = true;  ///< a target that no alignment gives counts 0, not infinity

  /// @param rows (B + 1) rows of the logits per sample  @param targets (B + 1) labels per sample
  /// @param labels packed labels  @param counts (B) samples that take part; empty: all
  /// @throws ShapeError for offsets that do not fit, DataError for a label that is negative or the blank
  void build(std::span<const std::int32_t> rows, std::span<const std::int32_t> targets, std::span<const std::int32_t> labels,
             CtcReduction reduction, std::span<const std::uint8_t> counts = {}) {
    const auto rises = [](std::span<const std::int32_t> o) {
      return !o.empty() && o.front() == 0 && std::is_sorted(o.begin(), o.end());
    };
    require<ShapeError>(rises(rows) && rises(targets) && rows.size() == targets.size(), "ctc: offsets of ", rows.size(),
                        " and ", targets.size(), " numbers must rise from 0 and be as many");
    require<ShapeError>(static_cast<std::size_t>(targets.back()) == labels.size(), "ctc: ", labels.size(),
                        " labels, offsets for ", targets.back());
    const std::size_t samples = rows.size() - 1;
    require<ShapeError>(counts.empty() || counts.size() == samples, "ctc: ", counts.size(), " marks for ", samples,
                        " samples");
    for (std::int32_t label : labels)
      require<DataError>(label >= 0 && label != blank, "ctc: label ", label, "; the blank is ", blank);
    offsets.assign(rows.begin(), rows.end());
    target_offsets.assign(targets.begin(), targets.end());
    target.assign(labels.begin(), labels.end());
    sample.resize(static_cast<std::size_t>(rows.back()));
    weight.assign(samples, 0.0);
    longest_input = longest_target = 0;
    std::size_t taking_part = 0;
    for (std::size_t b = 0; b < samples; ++b) {
      const Index inputs = rows[b + 1] - rows[b], wanted = targets[b + 1] - targets[b];
      std::fill(sample.begin() + rows[b], sample.begin() + rows[b + 1], static_cast<std::int32_t>(b));
      longest_input = std::max(longest_input, inputs);
      longest_target = std::max(longest_target, wanted);
      if (!counts.empty() && !counts[b]) continue;
      ++taking_part;
      weight[b] = reduction == CtcReduction::Mean ? 1.0 / static_cast<double>(std::max<Index>(wanted, 1)) : 1.0;
    }
    for (double& w : weight)
      w /= reduction == CtcReduction::Sum ? 1.0 : static_cast<double>(std::max<std::size_t>(taking_part, 1));
  }
  /// The targets 1, 2, ..., n_b: places in order, for an alignment. @param lengths (B) n_b
  void build_in_order(std::span<const std::int32_t> rows, std::span<const std::int32_t> lengths, CtcReduction reduction,
                      std::span<const std::uint8_t> counts = {}) {
    ends_.assign(1, 0);
    in_order_.clear();
    for (std::int32_t n : lengths) {
      for (std::int32_t label = 1; label <= n; ++label) in_order_.push_back(label);
      ends_.push_back(static_cast<std::int32_t>(in_order_.size()));
    }
    build(rows, ends_, in_order_, reduction, counts);
  }

  /// What the loss takes, with arrays where the backend computes.
  template <class E>
  autodiff::CtcTargets view(const nn::Context<E>& ctx) const {
    return {static_cast<Index>(weight.size()),
            static_cast<Index>(sample.size()),
            longest_input,
            longest_target,
            ctx.device(offsets),
            ctx.device(sample),
            ctx.device(target_offsets),
            ctx.device(target),
            ctx.device(weight),
            blank,
            zero_infinity};
  }

 private:
  std::vector<std::int32_t> ends_, in_order_;
};

/// The loss of logits (R, K). @throws DataError for a label or a blank that is none of the K classes
template <class E>
nn::Var<E, 0> ctc(nn::Context<E>& ctx, nn::Var<E, 2> logits, const CtcPlan& plan) {
  std::int32_t largest = plan.blank;
  for (std::int32_t label : plan.target) largest = std::max(largest, label);
  require<DataError>(plan.blank >= 0 && largest < logits.extent(1), "ctc: class ", largest, " of ", logits.extent(1));
  return autodiff::ctc_loss(ctx.tape, logits, plan.view(ctx));
}

}  // namespace ramer::loss

namespace ramer {
template <>
struct EnumNames<loss::CtcReduction> {
  static constexpr std::pair<std::string_view, loss::CtcReduction> values[] = {
      {"mean", loss::CtcReduction::Mean},
      {"mean_of_totals", loss::CtcReduction::MeanOfTotals},
      {"sum", loss::CtcReduction::Sum}};
};
}  // namespace ramer
