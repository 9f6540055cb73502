// What a system makes of a batch on its way to the scores, for pictures.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramer/nn/engine.hpp"

namespace ramer::app {

/// Values by name ("C", "X_gamma", ...) and modality (-1: of none). B samples, C labels.
struct Inspection {
  std::map<std::pair<std::string, Index>, std::vector<float>> values;
  std::vector<float> scores;  ///< (B, C)

  /// Whether the system has this value.
  bool has(const std::string& name, Index which = 0) const { return values.contains({name, which}); }
  /// The value; it must be there.
  const std::vector<float>& at(const std::string& name, Index which = -1) const { return values.at({name, which}); }
};

/// Keeps the values of these names.
template <class E>
class InspectionTaps : public nn::Taps<E> {
 public:
  InspectionTaps(const std::vector<std::string>& names, Inspection& to) : names_(names), to_(to) {}
  /// Called by the model.
  void on(std::string_view name, Index which, const typename E::Real* data, Index size, autodiff::Slot<typename E::Real>*,
          typename E::Tape&) override {
    if (std::find(names_.begin(), names_.end(), name) != names_.end())
      to_.values[{std::string(name), which}].assign(data, data + size);
  }

 private:
  const std::vector<std::string>& names_;
  Inspection& to_;
};

}  // namespace ramer::app
