// Runs a model on a golden file and compares everything that the file holds. Problems are collected, not thrown.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "golden/golden_file.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

/// n numbers from where a backend computes.
template <class Backend, class T>
std::vector<double> doubles(Backend& backend, const T* data, Index n) {
  std::vector<T> host(static_cast<std::size_t>(n));
  backend.to_host(data, n, host.data());
  return {host.begin(), host.end()};
}
/// And there.
template <class Backend, class T>
void put_doubles(Backend& backend, const std::vector<double>& values, T* data) {
  std::vector<T> host(values.size());
  std::transform(values.begin(), values.end(), host.begin(), [](double x) { return static_cast<T>(x); });
  backend.from_host(host.data(), static_cast<Index>(host.size()), data);
}

/// Keeps a copy of every tapped value, and pins its adjoint.
template <class E>
class Recorder : public nn::Taps<E> {
 public:
  using Real = typename E::Real;
  struct Entry {
    std::vector<double> value;
    const autodiff::Slot<Real>* slot = nullptr;
    std::vector<double> adjoint;  ///< empty: none arrived
  };
  std::map<std::string, Entry> entries;  ///< "X_alpha.0"; without modality "F"

  void on(std::string_view name, Index which, const Real* data, Index size, autodiff::Slot<Real>* slot,
          typename E::Tape& tape) override {
    if (name.empty()) return;
    Entry& e = entries[std::string(name) + (which < 0 ? "" : "." + std::to_string(which))];
    e.value = test::doubles(tape.backend(), data, size);
    e.slot = slot;
    if (slot) tape.pin(autodiff::Var<Real, 1>(data, Shape{size}, slot));
  }
  /// After the sweep, before the workspace is rewound.
  void read_adjoints(typename E::Backend& backend) {
    for (auto& [name, e] : entries) {
      if (e.slot && e.slot->written)
        e.adjoint = test::doubles(backend, static_cast<const Real*>(e.slot->adjoint), e.slot->size);
    }
  }
};

/// What all kinds of files have in common. A kind says what it calls parameters, terms and intermediates, and how it lays them out.
template <class ModelType>
class ModelComparison {
 public:
  using E = typename ModelType::E;
  using Real = typename E::Real;
  using Config = typename ModelType::Config;
  static constexpr bool is_float = std::is_same_v<Real, float>;
  enum class Part { Value, Adjoint, Evaluation };  ///< `mid/`, `grad_mid/`, `eval_.../`

  ModelComparison(const GoldenFile& file, Batch batch, const Schema& schema, const Config& config,
                  const train::OptimizerConfig& optimizer)
      : file_(file),
        batch_(std::move(batch)),
        model_(schema, config, typename ModelType::Backend()),
        optimizer_(optimizer) {}
  virtual ~ModelComparison() = default;

  std::vector<std::string> problems;
  int compared = 0;

  void run() {
    load_parameters();
    load_buffers();
    evaluate("eval_before/");
    train::Stepper<ModelType> stepper(model_, optimizer_, 1);
    Recorder<E> recorder;
    const train::StepReport report = stepper.run(batch_, 0, 0, &recorder);
    recorder.read_adjoints(model_.backend());
    plan_ = &stepper.workspace().plan;
    losses(report);
    intermediates("mid/", recorder, Part::Value);
    intermediates("grad_mid/", recorder, Part::Adjoint);
    indices();
    gradients(stepper);
    state("after/");
    evaluate("eval_after/");
  }

  void run_curve() {
    load_parameters();
    load_buffers();
    const Index steps = file_.config.at("steps").get<Index>();
    const double total = file_.config.value("t_total", -1.0);
    train::Stepper<ModelType> stepper(model_, optimizer_, 1);
    const auto columns = file_.config.at("columns").get<std::vector<std::string>>();
    const std::vector<double> curve = file_.values(file_.own("curve") ? "curve" : "curve/curve");
    for (Index s = 0; s < steps; ++s) {
      const train::StepReport report = stepper.run(batch_, static_cast<std::uint64_t>(s), total);
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const double theirs = curve[static_cast<std::size_t>(s) * columns.size() + c];
        if (aside(columns[c])) continue;
        std::optional<double> ours = loss_value(report, columns[c]);
        if (columns[c] == "lr_used" || columns[c] == "lr_scheduled") {
          ours = optimizer_.rate *
                 (total > 0 ? train::schedule_factor(optimizer_.schedule, static_cast<double>(s) / total, optimizer_.warmup)
                            : 1);
        }
        if (!ours) {
          if (theirs != 0 && !std::isnan(theirs)) problems.push_back("curve column " + columns[c] + " is not computed");
          continue;
        }
        // In float a term of small weight is free to drift over the steps: the whole is held to the file's own drift, terms loosely.
        const bool whole = is_total(columns[c]);
        check("curve step " + std::to_string(s) + " " + columns[c], {*ours}, {theirs},
              whole ? file_.config.value("f32_drift_total", 0.0) : 0, 1e-12, is_float ? (whole ? 1e-3 : 5e-2) : 1e-7);
      }
    }
    state("final/");
    if (file_.own("curve/final_eval_score")) {
      Recorder<E> recorder;
      forward(recorder);
      check("curve/final_eval_score", recorder.entries.at("score").value, file_.values("curve/final_eval_score"),
            file_.config.value("f32_drift_score", 0.0), 0, is_float ? 1e-3 : 1e-7);
    }
  }

 protected:
  const GoldenFile& file_;
  Batch batch_;
  ModelType model_;
  const typename ModelType::Plan* plan_ = nullptr;

  /// The file's name of a parameter of ours.
  virtual std::string parameter_name(const std::string& ours) const = 0;
  /// A parameter of ours that a file need not know of.
  virtual bool optional_parameter(const std::string&) const { return false; }
  /// The file's `loss/` value or column, from a step's report.
  virtual std::optional<double> loss_value(const train::StepReport& report, const std::string& theirs) const = 0;
  /// Whether a recipe could have that term.
  virtual bool knows(const std::string& theirs) const = 0;
  /// A value in no objective, or a part of a sum that is compared.
  virtual bool aside(const std::string&) const { return false; }
  /// A term that the recipe leaves out, and that the file reports at weight 0.
  virtual bool weightless(const std::string&) const { return false; }
  /// Our name of a file's intermediate; nothing: it has no counterpart here, or is not compared in this part.
  virtual std::optional<std::string> intermediate(const std::string& theirs, Part) const { return theirs; }
  /// Our layout of an intermediate as that of the file's `tensor`, or nothing if the tap does not exist.
  virtual std::optional<std::vector<double>> arranged(const std::string& name, const std::string& tensor,
                                                      const Recorder<E>& recorder, bool adjoint) const = 0;
  /// Hides what a file may hold as it likes.
  virtual void hide(const std::string& /*name*/, const std::string& /*tensor*/, std::vector<double>& /*theirs*/) const {}
  virtual void indices() {}
  virtual void load_buffers() {}
  virtual void buffers(const std::string& /*prefix*/) {}

  void check(const std::string& what, const std::vector<double>& ours, const std::vector<double>& theirs, double yardstick,
             double absolute = 0, double relative = 0) {
    ++compared;
    if (std::string trouble = compare(what, ours, theirs, is_float, yardstick, absolute, relative); !trouble.empty()) {
      problems.push_back(trouble);
    }
  }
  void check(const std::string& tensor, const std::vector<double>& ours, double absolute = 0) {
    check(tensor, ours, file_.values(tensor), file_.float_difference(tensor), absolute);
  }
  template <class T>
  std::vector<double> doubles(const T* data, Index n) {
    return test::doubles(model_.backend(), data, n);
  }

  static bool is_total(const std::string& theirs) { return theirs == "total" || theirs == "all_loss"; }
  /// Place of a modality in "X_alpha.text"; nothing without a modality.
  static std::optional<std::size_t> modality_in(const std::string& name, const std::vector<std::string>& modalities) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) return std::nullopt;
    return static_cast<std::size_t>(std::find(modalities.begin(), modalities.end(), name.substr(dot + 1)) -
                                    modalities.begin());
  }
  /// A tapped value or its adjoint, 0 where none arrived.
  static std::optional<std::vector<double>> tapped(const std::string& key, const Recorder<E>& recorder, bool adjoint) {
    const auto found = recorder.entries.find(key);
    if (found == recorder.entries.end()) return std::nullopt;
    std::vector<double> x = adjoint ? found->second.adjoint : found->second.value;
    if (adjoint && x.empty()) x.assign(found->second.value.size(), 0.0);
    return x;
  }
  /// (R, D) packed rows at places (sample * 2^32 + place) -> (B, places, D); places without a row are zero.
  static std::vector<double> unpacked(const std::vector<double>& x, const std::vector<std::uint64_t>& row_key,
                                      const std::vector<Index>& shape) {
    std::vector<double> y(static_cast<std::size_t>(checked_size(shape)), 0.0);
    const auto width = static_cast<std::size_t>(shape[2]);
    for (std::size_t r = 0; r < row_key.size(); ++r) {
      const std::size_t at = (row_key[r] >> 32) * static_cast<std::size_t>(shape[1]) + (row_key[r] & 0xFFFFFFFF);
      if ((at + 1) * width <= y.size()) std::copy_n(x.data() + r * width, width, y.data() + at * width);
    }
    return y;
  }

 private:
  train::OptimizerConfig optimizer_;
  Workspace<ModelType> evaluation_;

  void load_parameters() {
    for (auto* p : model_.parameters()) {
      const std::string theirs = parameter_name(p->name), tensor = "before/param/" + theirs;
      if (!file_.has(tensor)) {
        // A parameter that a file does not know of must have no effect on it; `gradients` sees to that.
        if (!optional_parameter(p->name))
          problems.push_back("the file has no parameter for " + p->name + " (" + theirs + ")");
        continue;
      }
      const std::vector<double> values = file_.values(tensor);
      if (static_cast<Index>(values.size()) != p->size()) {
        problems.push_back(p->name + ": " + std::to_string(p->size()) + " numbers, the file has " +
                           std::to_string(values.size()));
        continue;
      }
      put_doubles(model_.backend(), values, p->value.data());
    }
  }

  void state(const std::string& prefix) {
    for (auto* p : model_.parameters()) {
      const std::string tensor = prefix + "param/" + parameter_name(p->name);
      if (file_.own(tensor)) check(tensor, doubles(p->value.data(), p->size()), is_float ? 2e-6 : 1e-12);
    }
    buffers(prefix);
  }

  void losses(const train::StepReport& report) {
    for (const std::string& name : file_.own_names("loss/")) {
      if (aside(name)) continue;
      const std::optional<double> ours = loss_value(report, name);
      const double theirs = file_.values("loss/" + name)[0];
      if (!ours) {
        if (!knows(name) || (theirs != 0 && !weightless(name)))
          problems.push_back("loss/" + name + " = " + std::to_string(theirs) + " is not computed");
        continue;
      }
      check("loss/" + name, {*ours});
    }
  }

  void intermediates(const std::string& prefix, const Recorder<E>& recorder, Part part) {
    for (const std::string& theirs_name : file_.own_names(prefix)) {
      const std::optional<std::string> name = intermediate(theirs_name, part);
      if (!name) continue;
      const std::string tensor = prefix + theirs_name;
      const auto ours = arranged(*name, tensor, recorder, part == Part::Adjoint);
      if (!ours) {
        problems.push_back(tensor + " is not computed");
        continue;
      }
      std::vector<double> theirs = file_.values(tensor);
      hide(*name, tensor, theirs);
      check(tensor, *ours, theirs, file_.float_difference(tensor), part == Part::Adjoint && is_float ? 1e-8 : 0);
    }
  }

  void gradients(train::Stepper<ModelType>& stepper) {
    const Json no_grad = file_.metadata_json("no_grad");
    std::set<std::string> untouched;
    if (no_grad.is_array()) untouched = no_grad.template get<std::set<std::string>>();
    const Json names = file_.metadata_json("grad_norm_names");
    std::map<std::string, double> norms;
    if (file_.own("grad_norm/all")) {
      const auto values = file_.values("grad_norm/all");
      for (std::size_t i = 0; i < values.size(); ++i) norms[names.at(i).template get<std::string>()] = values[i];
    }
    std::set<std::string> ours;
    for (auto* p : model_.parameters()) {
      const std::string theirs = parameter_name(p->name), tensor = "grad/" + theirs;
      ours.insert(theirs);
      const auto& slot = stepper.gradients().slot(p->number);
      const bool key_bias = p->name.ends_with("attention.key.bias");
      if (!file_.has("before/param/" + theirs) || untouched.contains(theirs)) {
        if (slot.written) problems.push_back(p->name + " was reached, and must not be");
        ++compared;
        continue;
      }
      const std::vector<double> g =
          slot.written ? doubles(slot.adjoint, slot.size) : std::vector<double>(static_cast<std::size_t>(p->size()), 0.0);
      const double absolute = key_bias ? (is_float ? 1e-5 : 1e-12) : is_float ? 1e-8 : 0;
      if (file_.own(tensor)) check(tensor, g, file_.values(tensor), file_.float_difference(tensor), absolute);
      if (norms.contains(theirs)) {
        double squares = 0;
        for (double x : g) squares += x * x;
        check("grad_norm of " + theirs, {std::sqrt(squares)}, {norms.at(theirs)}, file_.float_difference(tensor), absolute);
        // A file without `no_grad` leaves it open whether a mean over no cell reaches anything.
        if (norms.at(theirs) == 0 && !key_bias && slot.written && no_grad.is_array())
          problems.push_back(p->name + " was reached, and must not be");
      }
    }
    for (const std::string& name : file_.own_names("grad/")) {
      if (!ours.contains(name)) problems.push_back("grad/" + name + ": we have no such parameter");
    }
    const Json decays = file_.metadata_json("weight_decay_params");
    if (decays.is_array()) {
      const auto set = decays.template get<std::set<std::string>>();
      for (auto* p : model_.parameters()) {
        const std::string theirs = parameter_name(p->name);
        if (file_.has("before/param/" + theirs) && set.contains(theirs) != p->decay)
          problems.push_back(p->name + (p->decay ? " decays here and not in the file" : " decays in the file and not here"));
      }
    }
  }

  void forward(Recorder<E>& recorder) {
    typename ModelType::Backend backend = model_.backend();
    const auto& modules = model_.module();  // nvcc warns of a statement that begins with `module`
    modules.build_plan(evaluation_.plan, batch_, false, RandomStream());
    evaluation_.plan.supervised = false;
    plan_ = &evaluation_.plan;
    typename E::Tape tape(backend, evaluation_.memory, false);
    nn::Context<E> ctx{tape};
    ctx.taps = &recorder;
    modules.forward(ctx, batch_, evaluation_.plan, model_.state(), 0);
  }
  void evaluate(const std::string& prefix) {
    const auto names = file_.own_names(prefix);
    if (names.empty()) return;
    Recorder<E> recorder;
    forward(recorder);
    const std::vector<double> score = recorder.entries.at("score").value;
    for (const std::string& name : names) {
      const std::optional<std::string> ours_name = intermediate(name, Part::Evaluation);
      if (!ours_name) continue;
      const std::string tensor = prefix + name;
      const auto theirs = file_.values(tensor);
      if (ours_name == "pred_labels") {
        std::vector<double> labels;
        for (double s : score) labels.push_back(s > model_.config().threshold);
        for (std::size_t i = 0; i < score.size(); ++i) {
          if (is_float && std::abs(score[i] - model_.config().threshold) < 1e-3) labels[i] = theirs[i];
        }
        check(tensor, labels, theirs, 0);
        continue;
      }
      const auto ours = arranged(*ours_name, tensor, recorder, false);
      if (!ours) {
        problems.push_back(tensor + " is not computed");
        continue;
      }
      const double relative = prefix == "eval_after/" && is_float ? 2e-3 : 0;  // a whole update lies between
      check(tensor, *ours, theirs, file_.float_difference(tensor), 0, relative);
    }
  }
};

/// Runs one file, and reports what differs as failed checks.
template <class Comparison>
void report_comparison(const GoldenFile& file) {
  Comparison comparison(file);
  if (file.kind.ends_with("_curve")) {
    comparison.run_curve();
  } else {
    comparison.run();
  }
  CHECK(comparison.compared > 0);
  const std::string precision = Comparison::is_float ? "float" : "double";
  for (std::size_t i = 0; i < comparison.problems.size() && i < 12; ++i)
    FAIL_CHECK(file.name << " [" << precision << "] " << comparison.problems[i]);
}

}  // namespace ramer::test
