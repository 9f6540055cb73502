// Learning-rate schedules as factors of the base rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "ramer/core/config.hpp"
#include "ramer/core/types.hpp"

namespace ramer::train {

/// How the learning rate changes in a run, see `schedule_factor`.
enum class Schedule { Constant, WarmupLinear, WarmupCosine };

/// Factor at fraction x = step / total of the run, with a warm-up over the first `warmup` of it.
///   warmup_linear (as released): x / warmup below, then max((x - 1) / (warmup - 1), 0).
///   warmup_cosine: x / warmup below, then (1 + cos(pi (x - warmup) / (1 - warmup))) / 2.
/// The first step of a warm-up therefore has rate 0.
inline double schedule_factor(Schedule schedule, double x, double warmup) {
  if (schedule == Schedule::Constant) return 1.0;
  if (x < warmup) return x / warmup;
  if (warmup >= 1.0) return x <= 1.0 ? 1.0 : 0.0;
  if (schedule == Schedule::WarmupLinear) return std::max((x - 1.0) / (warmup - 1.0), 0.0);
  const double t = std::min((x - warmup) / (1.0 - warmup), 1.0);
  return 0.5 * (1.0 + std::cos(3.14159265358979323846 * t));
}

}  // namespace ramer::train

namespace ramer {
template <>
struct EnumNames<train::Schedule> {
  static constexpr std::pair<std::string_view, train::Schedule> values[] = {
      {"constant", train::Schedule::Constant},
      {"warmup_linear", train::Schedule::WarmupLinear},
      {"warmup_cosine", train::Schedule::WarmupCosine}};
};
}  // namespace ramer
