// Runs a recipe on a golden file and compares everything that the file holds. Problems are collected, not thrown.
#pragma once

#include <doctest/doctest.h>

#include <set>

#include "golden/ramer_case.hpp"
#include "ramer/model/ablations.hpp"
#include "ramer/model/model.hpp"
#include "ramer/train/step.hpp"

namespace ramer::test {

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

  void on(std::string_view name, Index which, const Real* data, Index size, autodiff::Slot<Real>* slot, typename E::Tape& tape) override {
    if (name.empty()) return;
    Entry& e = entries[std::string(name) + (which < 0 ? "" : "." + std::to_string(which))];
    e.value.assign(data, data + size);
    e.slot = slot;
    if (slot) tape.pin(autodiff::Var<Real, 1>(data, Shape{size}, slot));
  }
  /// After the sweep, before the workspace is rewound.
  void read_adjoints() {
    for (auto& [name, e] : entries) {
      if (e.slot && e.slot->written) e.adjoint.assign(e.slot->adjoint, e.slot->adjoint + e.slot->size);
    }
  }
};

/// Slots come from where a golden file says: CARAT's random permutations are an input there.
struct GivenShuffle : shuffle::Stack {
  static inline const GoldenFile* file = nullptr;

  static void permute(const Config&, const RandomStream&, shuffle::Permutations& p) {
    if (file->config.value("identity_permutations", false)) return shuffle::Identity::permute({}, {}, p);
    const auto sample = file->values("in/shuffle_sample_idx"), modality = file->values("in/shuffle_modality_idx");
    for (std::size_t i = 0; i < p.pi.size(); ++i) {
      p.pi[i] = static_cast<std::int32_t>(sample.at(i));
      p.rho[i] = static_cast<std::int32_t>(modality.at(i));
    }
  }
};

template <class R, class Backend, class Precision>
class RamerComparison {
 public:
  using ModelType = Model<R, Backend, Precision>;
  using E = typename ModelType::E;
  using Real = typename E::Real;
  static constexpr bool is_float = std::is_same_v<Real, float>;

  explicit RamerComparison(const GoldenFile& file)
      : file_(file),
        case_(file),
        batch_(case_.batch()),
        model_(case_.schema(), case_.template configuration<typename ModelType::Config>(), Backend()) {
    GivenShuffle::file = &file;
    load_state();
  }

  std::vector<std::string> problems;
  int compared = 0;

  void run() {
    evaluate("eval_before/");
    train::Stepper<ModelType> stepper(model_, case_.optimizer(), 1);
    Recorder<E> recorder;
    const train::StepReport report = stepper.run(batch_, 0, 0, &recorder);
    recorder.read_adjoints();
    plan_ = &stepper.workspace().plan;
    losses(report);
    intermediates("mid/", recorder, false);
    intermediates("grad_mid/", recorder, true);
    indices();
    gradients(stepper);
    state("after/");
    evaluate("eval_after/");
  }

  void run_curve() {
    train::OptimizerConfig optimizer = case_.optimizer();
    const Index steps = file_.config.at("steps").get<Index>();
    const double total = file_.config.value("t_total", -1.0);
    train::Stepper<ModelType> stepper(model_, optimizer, 1);
    const auto columns = file_.config.at("columns").get<std::vector<std::string>>();
    const std::vector<double> curve = file_.values(file_.own("curve") ? "curve" : "curve/curve");
    for (Index s = 0; s < steps; ++s) {
      const train::StepReport report = stepper.run(batch_, static_cast<std::uint64_t>(s), total);
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const double theirs = curve[static_cast<std::size_t>(s) * columns.size() + c];
        if (is_aside(columns[c])) continue;
        std::optional<double> ours = loss_value(report, columns[c]);
        if (columns[c] == "lr_used" || columns[c] == "lr_scheduled") {
          ours = optimizer.rate * (total > 0 ? train::schedule_factor(optimizer.schedule, static_cast<double>(s) / total, optimizer.warmup) : 1);
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

 private:
  const GoldenFile& file_;
  RamerCase case_;
  Batch batch_;
  ModelType model_;
  const typename ModelType::Plan* plan_ = nullptr;
  Workspace<ModelType> evaluation_;

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
  static std::vector<double> doubles(const T* data, Index n) {
    return {data, data + n};
  }

  void load_state() {
    std::set<std::string> used;
    for (auto* p : model_.parameters()) {
      const std::string theirs = case_.parameter_name(p->name), tensor = "before/param/" + theirs;
      used.insert(theirs);
      if (!file_.has(tensor)) {
        // A parameter that a file does not know of must have no effect on it; `gradients` sees to that.
        if (p->name != "personality.unknown") problems.push_back("the file has no parameter for " + p->name + " (" + theirs + ")");
        continue;
      }
      const std::vector<double> values = file_.values(tensor);
      if (static_cast<Index>(values.size()) != p->size()) {
        problems.push_back(p->name + ": " + std::to_string(p->size()) + " numbers, the file has " + std::to_string(values.size()));
        continue;
      }
      std::copy(values.begin(), values.end(), p->value.data());
    }
    for (std::size_t m = 0; m < case_.modalities.size(); ++m) {
      auto& mu = model_.state().prototypes[m];
      Real* to = mu.data();
      for (const char* sign : {"_pos_protos", "_neg_protos"}) {
        const auto values = file_.values("before/buffer/" + case_.modalities[m] + sign);
        if (static_cast<Index>(values.size()) * 2 != mu.size()) {
          problems.push_back("prototypes have another size");
          return;
        }
        to = std::copy(values.begin(), values.end(), to);
      }
    }
    if constexpr (R::Contrast::queue) {
      auto& queue = model_.state().queue;
      const auto rows = file_.values("before/buffer/queue"), ids = queue_ids("before/");
      if (static_cast<Index>(rows.size()) != queue.rows.size()) {
        problems.push_back("the queue has another size");
        return;
      }
      std::copy(rows.begin(), rows.end(), queue.rows.data());
      for (std::size_t i = 0; i < ids.size(); ++i) queue.ids.data()[i] = static_cast<std::int32_t>(ids[i]);
      queue.pointer = static_cast<Index>(file_.values("before/buffer/queue_ptr")[0]);
    }
  }

  void state(const std::string& prefix) {
    for (auto* p : model_.parameters()) {
      const std::string tensor = prefix + "param/" + case_.parameter_name(p->name);
      if (file_.own(tensor)) check(tensor, doubles(p->value.data(), p->size()), is_float ? 2e-6 : 1e-12);
    }
    for (std::size_t m = 0; m < case_.modalities.size(); ++m) {
      const auto& mu = model_.state().prototypes[m];
      const Index half = mu.size() / 2;
      for (const auto& [sign, at] : {std::pair{"_pos_protos", Index{0}}, std::pair{"_neg_protos", half}}) {
        const std::string tensor = prefix + "buffer/" + case_.modalities[m] + sign;
        if (file_.own(tensor)) check_state(prefix, tensor, doubles(mu.data() + at, half));
      }
    }
    if constexpr (R::Contrast::queue) {
      const auto& queue = model_.state().queue;
      if (file_.own(prefix + "buffer/queue")) check_state(prefix, prefix + "buffer/queue", doubles(queue.rows.data(), queue.rows.size()));
      for (const char* name : {"buffer/queue_ids", "buffer/queue_label"}) {
        if (file_.own(prefix + name)) check(prefix + name, doubles(queue.ids.data(), queue.ids.size()), queue_ids(prefix), 0);
      }
      if (file_.own(prefix + "buffer/queue_ptr")) check(prefix + "buffer/queue_ptr", {static_cast<double>(queue.pointer)});
    }
  }
  /// The released codes start the queue with random numbers as labels: what is no integer is no class.
  std::vector<double> queue_ids(const std::string& prefix) const {
    std::vector<double> ids = file_.values(prefix + "buffer/" + (file_.has(prefix + "buffer/queue_ids") ? "queue_ids" : "queue_label"));
    for (double& id : ids)
      if (id != std::floor(id)) id = -1;
    return ids;
  }
  void check_state(const std::string& prefix, const std::string& tensor, const std::vector<double>& ours) {
    check(tensor, ours, file_.values(tensor), file_.float_difference(tensor), 0, prefix == "final/" ? (is_float ? 2e-3 : 1e-7) : 0);
  }

  static bool is_total(const std::string& theirs) { return theirs == "total" || theirs == "all_loss"; }
  static std::optional<double> loss_value(const train::StepReport& report, const std::string& theirs) {
    if (is_total(theirs)) return report.total;
    if (theirs == "grad_norm_before_clip") return report.gradient_norm;
    if (theirs == "clf_loss" || theirs == "cls_lsr_weighted") {
      double sum = 0;
      for (const auto& term : report.list())
        if (term.name.starts_with("cls_")) sum += term.weight * term.value;
      return sum;
    }
    if (!term_names().contains(theirs)) return std::nullopt;
    for (const auto& term : report.list())
      if (term.name == term_names().at(theirs)) return term.value;
    return std::nullopt;
  }
  void losses(const train::StepReport& report) {
    for (const std::string& name : file_.own_names("loss/")) {
      if (is_aside(name)) continue;
      const std::optional<double> ours = loss_value(report, name);
      const double theirs = file_.values("loss/" + name)[0];
      if (!ours) {
        const bool known = term_names().contains(name);
        if (!known || (theirs != 0 && !weightless(name))) problems.push_back("loss/" + name + " = " + std::to_string(theirs) + " is not computed");
        continue;
      }
      check("loss/" + name, {*ours});
    }
  }
  /// A term that the recipe leaves out, and that the file reports at weight 0.
  bool weightless(const std::string& name) const { return name == "scl" && case_.options.at("w_scl") == 0.0; }

  /// The file's name of an intermediate in the terms of kind ramer_paper; nothing: it has no counterpart here.
  std::optional<std::string> canonical(const std::string& theirs) const {
    return is_carat(file_) ? carat_intermediate(theirs) : std::optional(theirs);
  }
  /// Our layout of a tapped value as that of the file's `tensor`, or nothing if the tap does not exist.
  std::optional<std::vector<double>> arranged(const std::string& name, const std::string& tensor, const Recorder<E>& recorder,
                                              bool adjoint) const {
    const std::size_t dot = name.find('.');
    const std::string base = name.substr(0, dot);
    std::string key = base == "scl_mean_log_prob_pos" ? "scl_loss_per_anchor" : base == "cml_prob" ? "cml_logit" : base;
    if (base == "agg_scores_mean") key = "agg_out";
    std::size_t m = 0;
    if (dot != std::string::npos) {
      const std::string which = name.substr(dot + 1);
      m = static_cast<std::size_t>(std::find(case_.modalities.begin(), case_.modalities.end(), which) - case_.modalities.begin());
      key += "." + std::to_string(m);
    }
    const auto found = recorder.entries.find(key);
    if (found == recorder.entries.end()) return std::nullopt;
    std::vector<double> x = adjoint ? found->second.adjoint : found->second.value;
    if (adjoint && x.empty()) x.assign(found->second.value.size(), 0.0);
    if (base == "scl_mean_log_prob_pos") {
      for (double& v : x) v = -v;
    }
    if (base == "cml_prob") {
      for (double& v : x) v = 1 / (1 + std::exp(-v));
    }
    if (base == "agg_scores_mean") return mean_scores(recorder.entries.at("agg_out").value);
    if (base == "normed" || base.starts_with("layer") || base == "encoder_out" || base == "aux_inter" || base == "aux_intra") {
      return unpacked(x, m, file_.shape(tensor));
    }
    if (base == "aux_reduced_target") return target_rows(x, m, file_.shape(tensor));
    if (base == "label_attention") return transposed_weights(x, m, file_.shape(tensor));
    if (base == "F" || base == "agg_out") return slots_inside(x);
    return x;
  }
  const encoder::TokenPlan& tokens(std::size_t m) const { return m < plan_->tokens.size() ? plan_->tokens[m] : plan_->personality_tokens; }
  /// (R, D) packed rows -> (B, T, D) at their positions; places without a token are zero.
  std::vector<double> unpacked(const std::vector<double>& x, std::size_t m, const std::vector<Index>& shape) const {
    std::vector<double> y(static_cast<std::size_t>(checked_size(shape)), 0.0);
    const encoder::TokenPlan& t = tokens(m);
    const auto width = static_cast<std::size_t>(shape[2]);
    for (std::size_t r = 0; r < t.row_key.size(); ++r) {
      const std::size_t at = (t.row_key[r] >> 32) * static_cast<std::size_t>(shape[1]) + (t.row_key[r] & 0xFFFFFFFF);
      if ((at + 1) * width <= y.size()) std::copy_n(x.data() + r * width, width, y.data() + at * width);
    }
    return y;
  }
  /// (R_t, D) -> (B, most segments, D) in order of segments.
  std::vector<double> target_rows(const std::vector<double>& x, std::size_t m, const std::vector<Index>& shape) const {
    std::vector<double> y(static_cast<std::size_t>(checked_size(shape)), 0.0);
    const auto width = static_cast<std::size_t>(shape[2]);
    const encoder::TokenPlan& t = tokens(m);
    for (std::size_t r = 0; r < t.target_key.size(); ++r) {
      std::copy_n(x.data() + r * width, width, y.data() + target_place(t, r, shape[1]) * width);
    }
    return y;
  }
  std::size_t target_place(const encoder::LabelRows& t, std::size_t r, Index times) const {
    const std::size_t b = t.target_key[r] >> 32, position = t.target_key[r] & 0xFFFFFFFF;
    const std::size_t segment = case_.persons ? position % static_cast<std::size_t>(batch_.segments[b]) : position;
    return b * static_cast<std::size_t>(times) + segment;
  }
  /// (R_t, C) -> (B, C, times).
  std::vector<double> transposed_weights(const std::vector<double>& x, std::size_t m, const std::vector<Index>& shape) const {
    std::vector<double> y(static_cast<std::size_t>(checked_size(shape)), 0.0);
    const bool concatenated = m < plan_->auxiliary.rows.size();  // the modality's places, then as many of the personality
    const encoder::LabelRows& t = concatenated ? plan_->auxiliary.rows[m] : tokens(m);
    const auto c = static_cast<std::size_t>(shape[1]), times = static_cast<std::size_t>(shape[2]);
    for (std::size_t r = 0; r < t.target_key.size(); ++r) {
      std::size_t place = target_place(t, r, shape[2]);
      if (concatenated && t.target.index[r] >= tokens(m).rows) place += times / 2;
      for (std::size_t j = 0; j < c; ++j) y[(place / times * c + j) * times + place % times] = x[r * c + j];
    }
    return y;
  }
  /// (K, B, rest) -> (B, K, rest).
  std::vector<double> slots_inside(const std::vector<double>& x) const {
    const std::size_t n = static_cast<std::size_t>(batch_.size), k = static_cast<std::size_t>(R::ShuffleInput::slots(model_.schema().modality_count()));
    const std::size_t rest = x.size() / n / k;
    std::vector<double> y(x.size());
    for (std::size_t b = 0; b < n; ++b)
      for (std::size_t s = 0; s < k; ++s) std::copy_n(x.data() + (s * n + b) * rest, rest, y.data() + (b * k + s) * rest);
    return y;
  }

  /// Index arrays are compared by `indices`, labels by `evaluate`; the rest other values determine.
  static bool seen_elsewhere(const std::string& base) {
    static const std::set<std::string> names{"present", "pred_labels", "shuffle_pi", "shuffle_rho", "shuffle_sample_idx",
                                             "shuffle_modality_idx", "shuffle_labels", "shuffle_label_mask", "scl_class_ids",
                                             "scl_row_max", "winner_alpha", "winner_beta", "winner_gamma"};
    return names.contains(base) || base.ends_with("_phase1");
  }
  /// Made for a loss alone, and so not at evaluation.
  static bool of_a_loss(const std::string& name) {
    return name.starts_with("disc_") || name == "C_sum" || name.starts_with("cml_");
  }
  void intermediates(const std::string& prefix, const Recorder<E>& recorder, bool adjoint) {
    static const std::set<std::string> inside_a_kernel{"label_attention", "proto_softmax", "scl_mean_log_prob_pos"};
    for (const std::string& theirs_name : file_.own_names(prefix)) {
      const std::optional<std::string> name = canonical(theirs_name);
      if (!name) continue;
      const std::string base = name->substr(0, name->find('.'));
      if (seen_elsewhere(base)) continue;
      if (adjoint && inside_a_kernel.contains(base)) continue;
      const std::string tensor = prefix + theirs_name;
      const auto ours = arranged(*name, tensor, recorder, adjoint);
      if (!ours) {
        problems.push_back(tensor + " is not computed");
        continue;
      }
      std::vector<double> theirs = file_.values(tensor);
      if (case_.persons && (base == "encoder_out" || base == "normed" || base.starts_with("layer")))
        hide_dead_places(tensor, theirs, *ours);
      check(tensor, *ours, theirs, file_.float_difference(tensor), adjoint && is_float ? 1e-8 : 0);
    }
  }
  /// Files may hold anything at places that do not exist.
  void hide_dead_places(const std::string& tensor, std::vector<double>& theirs, const std::vector<double>& mine) const {
    const auto shape = file_.shape(tensor);
    const auto width = static_cast<std::size_t>(shape[2]);
    const std::vector<double> ones(tokens(0).row_key.size() * width, 1.0);
    const std::vector<double> alive = unpacked(ones, 0, shape);
    for (std::size_t i = 0; i < theirs.size() && i < mine.size(); ++i) theirs[i] *= alive[i];
  }

  void indices() {
    const auto list = [](const auto& x) { return std::vector<double>(x.begin(), x.end()); };
    const auto& plan = *plan_;
    const std::map<std::string, std::vector<double>> ours{{"present", list(plan.present)},
                                                          {"shuffle_pi", list(plan.shuffle.permutations.pi)},
                                                          {"shuffle_rho", list(plan.shuffle.permutations.rho)},
                                                          {"shuffle_sample_idx", list(plan.shuffle.sample)},
                                                          {"shuffle_modality_idx", list(plan.shuffle.modality)},
                                                          {"shuffle_labels", list(plan.shuffle.labels)},
                                                          {"scl_class_ids", list(plan.contrast.ids)}};
    for (const std::string& theirs : file_.own_names("mid/")) {
      const std::optional<std::string> name = canonical(theirs);
      if (!name || !ours.contains(*name) || (*name == "present" && case_.options.at("missing") == "all")) continue;
      check("mid/" + theirs, ours.at(*name));
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
      const std::string theirs = case_.parameter_name(p->name), tensor = "grad/" + theirs;
      ours.insert(theirs);
      const auto& slot = stepper.gradients().slot(p->number);
      const bool key_bias = p->name.ends_with("attention.key.bias");
      if (!file_.has("before/param/" + theirs) || untouched.contains(theirs)) {
        if (slot.written) problems.push_back(p->name + " was reached, and must not be");
        ++compared;
        continue;
      }
      const std::vector<double> g = slot.written ? doubles(slot.adjoint, slot.size) : std::vector<double>(static_cast<std::size_t>(p->size()), 0.0);
      const double absolute = key_bias ? (is_float ? 1e-5 : 1e-12) : is_float ? 1e-8 : 0;
      if (file_.own(tensor)) check(tensor, g, file_.values(tensor), file_.float_difference(tensor), absolute);
      if (norms.contains(theirs)) {
        double squares = 0;
        for (double x : g) squares += x * x;
        check("grad_norm of " + theirs, {std::sqrt(squares)}, {norms.at(theirs)}, file_.float_difference(tensor), absolute);
        // A file without `no_grad` leaves it open whether a mean over no cell reaches anything.
        if (norms.at(theirs) == 0 && !key_bias && slot.written && no_grad.is_array()) problems.push_back(p->name + " was reached, and must not be");
      }
    }
    for (const std::string& name : file_.own_names("grad/")) {
      if (!ours.contains(name)) problems.push_back("grad/" + name + ": we have no such parameter");
    }
    const Json decays = file_.metadata_json("weight_decay_params");
    if (decays.is_array()) {
      const auto set = decays.template get<std::set<std::string>>();
      for (auto* p : model_.parameters()) {
        const std::string theirs = case_.parameter_name(p->name);
        if (file_.has("before/param/" + theirs) && set.contains(theirs) != p->decay)
          problems.push_back(p->name + (p->decay ? " decays here and not in the file" : " decays in the file and not here"));
      }
    }
  }

  void forward(Recorder<E>& recorder) {
    Backend backend = model_.backend();
    const auto& module = model_.module();
    module.build_plan(evaluation_.plan, batch_, false, RandomStream());
    evaluation_.plan.supervised = false;
    plan_ = &evaluation_.plan;
    typename E::Tape tape(backend, evaluation_.memory, false);
    nn::Context<E> ctx{tape};
    ctx.taps = &recorder;
    module.forward(ctx, batch_, evaluation_.plan, model_.state(), 0);
  }
  void evaluate(const std::string& prefix) {
    const auto names = file_.own_names(prefix);
    if (names.empty()) return;
    Recorder<E> recorder;
    forward(recorder);
    const std::vector<double> score = recorder.entries.at("score").value;
    for (const std::string& name : names) {
      const std::optional<std::string> ours_name = canonical(name);
      if (!ours_name) continue;
      const std::string tensor = prefix + name;
      const auto theirs = file_.values(tensor);
      const double yardstick = file_.float_difference(tensor);
      const double relative = prefix == "eval_after/" && is_float ? 2e-3 : 0;  // a whole update lies between
      if (ours_name == "pred_labels") {
        std::vector<double> labels;
        for (double s : score) labels.push_back(s > model_.config().threshold);
        for (std::size_t i = 0; i < score.size(); ++i) {
          if (is_float && std::abs(score[i] - model_.config().threshold) < 1e-3) labels[i] = theirs[i];
        }
        check(tensor, labels, theirs, 0);
        continue;
      }
      if (seen_elsewhere(*ours_name) || of_a_loss(*ours_name)) continue;
      const auto ours = arranged(*ours_name, tensor, recorder, false);
      if (!ours) {
        problems.push_back(tensor + " is not computed");
        continue;
      }
      check(tensor, *ours, theirs, yardstick, 0, relative);
    }
  }
  std::vector<double> mean_scores(const std::vector<double>& logits) const {
    const std::size_t cells = static_cast<std::size_t>(batch_.size * batch_.label_count), k = logits.size() / cells;
    std::vector<double> mean(cells, 0.0);
    for (std::size_t i = 0; i < logits.size(); ++i) mean[i % cells] += 1.0 / (1.0 + std::exp(-logits[i])) / static_cast<double>(k);
    return mean;
  }
};

/// Runs one file, and reports what differs as failed checks.
template <class R, class Backend, class Precision>
void compare_ramer(const GoldenFile& file) {
  RamerComparison<R, Backend, Precision> comparison(file);
  if (file.kind.ends_with("_curve")) {
    comparison.run_curve();
  } else {
    comparison.run();
  }
  CHECK(comparison.compared > 0);
  for (std::size_t i = 0; i < comparison.problems.size() && i < 12; ++i) {
    FAIL_CHECK(file.name << " [" << std::string(Backend::name) << ", " << std::string(Precision::name) << "] " << comparison.problems[i]);
  }
}

}  // namespace ramer::test
