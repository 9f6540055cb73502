// Which number type each role uses. Every kernel's law says which of them it means.
#pragma once

namespace ramer {

/// Single precision. Sums over many elements (losses, norms) are accumulated in double and stored as float.
struct Float {
  using Parameter = float;    ///< weights and their gradients
  using Activation = float;   ///< values and adjoints on the tape
  using Accumulator = float;  ///< inside products and row reductions
  using Statistic = double;   ///< accumulator of whole-tensor sums
  static constexpr const char* name = "float";
};

/// Double precision: the reference, and what gradient checks use.
struct Double {
  /// As in Float.
  using Parameter = double;
  using Activation = double;
  using Accumulator = double;
  using Statistic = double;
  static constexpr const char* name = "double";
};

}  // namespace ramer
