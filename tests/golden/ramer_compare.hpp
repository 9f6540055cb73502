// Golden files of kinds ramer_paper, ramer_released and carat.
#pragma once

#include "golden/model_comparison.hpp"
#include "golden/ramer_case.hpp"
#include "ramer/model/ablations.hpp"

namespace ramer::test {

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

/// Of the places that come out, those that the file's masks leave out are neither keys nor looked at.
struct GivenPlaces : encoder::CtcAlignment {
  static void build(encoder::AlignmentPlan& plan, const Config& c, const ModalityBatch& m, Index positions,
                    encoder::TokenPlan& tokens) {
    encoder::CtcAlignment::build(plan, c, m, positions, tokens);
    const auto mask = GivenShuffle::file->values("in/" + m.name + "_mask");
    REQUIRE(mask.size() == tokens.key.size());
    for (std::size_t i = 0; i < mask.size(); ++i) tokens.key[i] = tokens.target_mask[i] = mask[i] != 0;
  }
};

template <class R, class Backend, class Precision>
class RamerComparison : public ModelComparison<Model<R, Backend, Precision>> {
 public:
  using ModelType = Model<R, Backend, Precision>;
  using Base = ModelComparison<ModelType>;
  using Part = typename Base::Part;
  using E = typename ModelType::E;
  using Real = typename E::Real;
  using Base::is_float, Base::problems;

  explicit RamerComparison(const GoldenFile& file) : RamerComparison(file, RamerCase(file)) {}

 private:
  using Base::batch_, Base::check, Base::doubles, Base::file_, Base::model_, Base::plan_;
  RamerCase case_;

  RamerComparison(const GoldenFile& file, const RamerCase& golden)
      : Base(file, golden.batch(), golden.schema(), golden.template configuration<typename ModelType::Config>(),
             golden.optimizer()),
        case_(golden) {
    GivenShuffle::file = &file;
  }

  std::string parameter_name(const std::string& ours) const override { return case_.parameter_name(ours); }
  bool optional_parameter(const std::string& ours) const override { return ours == "personality.unknown"; }

  void load_buffers() override {
    for (std::size_t m = 0; m < case_.modalities.size(); ++m) {
      auto& mu = model_.state().prototypes[m];
      Real* to = mu.data();
      for (const char* sign : {"_pos_protos", "_neg_protos"}) {
        const auto values = file_.values("before/buffer/" + case_.modalities[m] + sign);
        if (static_cast<Index>(values.size()) * 2 != mu.size()) {
          problems.push_back("prototypes have another size");
          return;
        }
        put_doubles(model_.backend(), values, to);
        to += values.size();
      }
    }
    if constexpr (R::Contrast::queue) {
      auto& queue = model_.state().queue;
      const auto rows = file_.values("before/buffer/queue"), ids = queue_ids("before/");
      if (static_cast<Index>(rows.size()) != queue.rows.size()) {
        problems.push_back("the queue has another size");
        return;
      }
      put_doubles(model_.backend(), rows, queue.rows.data());
      put_doubles(model_.backend(), ids, queue.ids.data());
      put_doubles(model_.backend(), file_.values("before/buffer/queue_ptr"), queue.pointer.data());
    }
  }

  void buffers(const std::string& prefix) override {
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
      if (file_.own(prefix + "buffer/queue"))
        check_state(prefix, prefix + "buffer/queue", doubles(queue.rows.data(), queue.rows.size()));
      for (const char* name : {"buffer/queue_ids", "buffer/queue_label"}) {
        if (file_.own(prefix + name))
          check(prefix + name, doubles(queue.ids.data(), queue.ids.size()), queue_ids(prefix), 0);
      }
      if (file_.own(prefix + "buffer/queue_ptr")) check(prefix + "buffer/queue_ptr", doubles(queue.pointer.data(), 1));
    }
  }
  /// The released codes start the queue with random numbers as labels: what is no integer is no class.
  std::vector<double> queue_ids(const std::string& prefix) const {
    std::vector<double> ids =
        file_.values(prefix + "buffer/" + (file_.has(prefix + "buffer/queue_ids") ? "queue_ids" : "queue_label"));
    for (double& id : ids)
      if (id != std::floor(id)) id = -1;
    return ids;
  }
  void check_state(const std::string& prefix, const std::string& tensor, const std::vector<double>& ours) {
    check(tensor, ours, file_.values(tensor), file_.float_difference(tensor), 0,
          prefix == "final/" ? (is_float ? 2e-3 : 1e-7) : 0);
  }

  std::optional<double> loss_value(const train::StepReport& report, const std::string& theirs) const override {
    if (this->is_total(theirs)) return report.total;
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
  bool knows(const std::string& theirs) const override { return term_names().contains(theirs); }
  bool aside(const std::string& loss) const override { return is_aside(loss); }
  bool weightless(const std::string& name) const override { return name == "scl" && case_.options.at("w_scl") == 0.0; }

  /// The file's name of an intermediate in the terms of kind ramer_paper; nothing: it has no counterpart here.
  std::optional<std::string> named(const std::string& theirs) const {
    return is_carat(file_) ? carat_intermediate(theirs) : std::optional(theirs);
  }
  std::optional<std::string> intermediate(const std::string& theirs, Part part) const override {
    static const std::set<std::string> inside_a_kernel{"label_attention", "proto_softmax", "scl_mean_log_prob_pos"};
    const std::optional<std::string> name = named(theirs);
    if (!name) return std::nullopt;
    const std::string base = name->substr(0, name->find('.'));
    if (part == Part::Evaluation)
      return base != "pred_labels" && (seen_elsewhere(base) || of_a_loss(*name)) ? std::nullopt : name;
    return seen_elsewhere(base) || (part == Part::Adjoint && inside_a_kernel.contains(base)) ? std::nullopt : name;
  }
  std::optional<std::vector<double>> arranged(const std::string& name, const std::string& tensor,
                                              const Recorder<E>& recorder, bool adjoint) const override {
    const std::string base = name.substr(0, name.find('.'));
    std::string key = base == "scl_mean_log_prob_pos" ? "scl_loss_per_anchor" : base == "cml_prob" ? "cml_logit" : base;
    if (base == "agg_scores_mean") key = "agg_out";
    const std::size_t m = this->modality_in(name, case_.modalities).value_or(0);
    if (name != base) key += "." + std::to_string(m);
    const auto found = this->tapped(key, recorder, adjoint);
    if (!found) return std::nullopt;
    std::vector<double> x = *found;
    if (base == "scl_mean_log_prob_pos") {
      for (double& v : x) v = -v;
    }
    if (base == "cml_prob") {
      for (double& v : x) v = 1 / (1 + std::exp(-v));
    }
    if (base == "agg_scores_mean") return mean_scores(recorder.entries.at("agg_out").value);
    if (by_token(base) || base == "aux_inter" || base == "aux_intra") {
      return case_.persons ? this->unpacked(x, tokens(m).row_key, file_.shape(tensor))
                           : x;  // without persons every place is a token
    }
    if (base == "aux_reduced_target") return target_rows(x, m, file_.shape(tensor));
    if (base == "label_attention") return transposed_weights(x, m, file_.shape(tensor));
    if (base == "F" || base == "agg_out") return slots_inside(x);
    return x;
  }
  static bool by_token(const std::string& base) {
    return base == "normed" || base.starts_with("layer") || base == "encoder_in" || base == "encoder_out";
  }
  const encoder::TokenPlan& tokens(std::size_t m) const {
    return m < plan_->tokens.size() ? plan_->tokens[m] : plan_->personality_tokens;
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
  std::vector<double> transposed_weights(const std::vector<double>& x, std::size_t m,
                                         const std::vector<Index>& shape) const {
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
    const std::size_t n = static_cast<std::size_t>(batch_.size),
                      k = static_cast<std::size_t>(R::ShuffleInput::slots(model_.schema().modality_count()));
    const std::size_t rest = x.size() / n / k;
    std::vector<double> y(x.size());
    for (std::size_t b = 0; b < n; ++b)
      for (std::size_t s = 0; s < k; ++s) std::copy_n(x.data() + (s * n + b) * rest, rest, y.data() + (b * k + s) * rest);
    return y;
  }

  /// Index arrays are compared by `indices`, labels by `evaluate`; the rest other values determine.
  static bool seen_elsewhere(const std::string& base) {
    static const std::set<std::string> names{
        "present",        "pred_labels",        "shuffle_pi",    "shuffle_rho", "shuffle_sample_idx", "shuffle_modality_idx",
        "shuffle_labels", "shuffle_label_mask", "scl_class_ids", "scl_row_max", "winner_alpha",       "winner_beta",
        "winner_gamma"};
    return names.contains(base) || base.ends_with("_phase1");
  }
  /// Made for a loss alone, and so not at evaluation.
  static bool of_a_loss(const std::string& name) {
    return name.starts_with("disc_") || name == "C_sum" || name.starts_with("cml_");
  }
  /// Files may hold anything at places that do not exist.
  void hide(const std::string& name, const std::string& tensor, std::vector<double>& theirs) const override {
    if (!case_.persons || !by_token(name.substr(0, name.find('.')))) return;
    const auto shape = file_.shape(tensor);
    const std::vector<double> ones(tokens(0).row_key.size() * static_cast<std::size_t>(shape[2]), 1.0);
    const std::vector<double> alive = this->unpacked(ones, tokens(0).row_key, shape);
    for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i] *= alive[i];
  }

  void indices() override {
    const auto list = [](const auto& x) { return std::vector<double>(x.begin(), x.end()); };
    const auto& plan = *plan_;
    std::vector<double> present;  // the files' is (B, M)
    for (Index b = 0; b < plan.batch; ++b)
      for (std::size_t m = 0; m < plan.tokens.size(); ++m)
        present.push_back(plan.present[m * static_cast<std::size_t>(plan.batch) + static_cast<std::size_t>(b)]);
    const std::map<std::string, std::vector<double>> ours{{"present", present},
                                                          {"shuffle_pi", list(plan.shuffle.permutations.pi)},
                                                          {"shuffle_rho", list(plan.shuffle.permutations.rho)},
                                                          {"shuffle_sample_idx", list(plan.shuffle.sample)},
                                                          {"shuffle_modality_idx", list(plan.shuffle.modality)},
                                                          {"shuffle_labels", list(plan.shuffle.labels)},
                                                          {"scl_class_ids", list(plan.contrast.ids)}};
    for (const std::string& theirs : file_.own_names("mid/")) {
      const std::optional<std::string> name = named(theirs);
      if (!name || !ours.contains(*name) || (*name == "present" && case_.options.at("missing") == "all")) continue;
      check("mid/" + theirs, ours.at(*name));
    }
  }

  std::vector<double> mean_scores(const std::vector<double>& logits) const {
    const std::size_t cells = static_cast<std::size_t>(batch_.size * batch_.label_count), k = logits.size() / cells;
    std::vector<double> mean(cells, 0.0);
    for (std::size_t i = 0; i < logits.size(); ++i)
      mean[i % cells] += 1.0 / (1.0 + std::exp(-logits[i])) / static_cast<double>(k);
    return mean;
  }
};

/// Runs one file, and reports what differs as failed checks.
template <class R, class Backend, class Precision>
void compare_ramer(const GoldenFile& file) {
  report_comparison<RamerComparison<R, Backend, Precision>>(file);
}

}  // namespace ramer::test
