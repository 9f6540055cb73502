// Golden files of kind tailor.
#pragma once

#include "golden/model_comparison.hpp"
#include "golden/tailor_case.hpp"

namespace ramer::test {

template <class R, class Backend, class Precision>
class TailorComparison : public ModelComparison<Model<R, Backend, Precision>> {
 public:
  using ModelType = Model<R, Backend, Precision>;
  using Base = ModelComparison<ModelType>;
  using Part = typename Base::Part;
  using E = typename ModelType::E;

  explicit TailorComparison(const GoldenFile& file) : TailorComparison(file, TailorCase(file)) {}

 private:
  using Base::file_;
  TailorCase case_;

  TailorComparison(const GoldenFile& file, const TailorCase& golden)
      : Base(file, golden.batch(), golden.schema(), golden.template configuration<typename ModelType::Config>(),
             golden.optimizer()),
        case_(golden) {}

  std::string parameter_name(const std::string& ours) const override { return case_.parameter_name(ours); }
  bool knows(const std::string& theirs) const override { return TailorCase::terms().contains(theirs); }
  std::optional<double> loss_value(const train::StepReport& report, const std::string& theirs) const override {
    if (this->is_total(theirs)) return report.total;
    if (theirs == "grad_norm_before_clip") return report.gradient_norm;
    if (!knows(theirs)) return std::nullopt;
    for (const auto& term : report.list())
      if (term.name == TailorCase::terms().at(theirs)) return term.value;
    return std::nullopt;
  }
  bool aside(const std::string& loss) const override { return loss == "ctc" && !file_.config.contains("ctc"); }
  std::optional<std::string> intermediate(const std::string& theirs, Part part) const override {
    return theirs == "pred_labels" && part != Part::Evaluation ? std::nullopt : std::optional(theirs);
  }
  /// Everything is available, and the samples are of one length: packed rows are laid out like padded ones.
  std::optional<std::vector<double>> arranged(const std::string& name, const std::string&, const Recorder<E>& recorder,
                                              bool adjoint) const override {
    return this->tapped(case_.tap(name), recorder, adjoint);
  }
};

template <class R, class Backend, class Precision>
void compare_tailor(const GoldenFile& file) {
  report_comparison<TailorComparison<R, Backend, Precision>>(file);
}

}  // namespace ramer::test
