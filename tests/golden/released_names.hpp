// What files of the released codes (kinds ramer_released, carat) call things, in the terms of kind ramer_paper.
#pragma once

#include <map>
#include <optional>

#include "golden/golden_file.hpp"

namespace ramer::test {

inline bool is_carat(const GoldenFile& file) { return file.kind.starts_with("carat"); }

inline Json released_dims(const Json& config) {
  const Json& task = config.at("task");
  Json layers, widths;
  for (const auto& [name, width] : {std::pair{"text", "text_dim"}, {"visual", "video_dim"}, {"audio", "audio_dim"}}) {
    widths[name] = task.at(width);
    layers[name] = task.at(std::string(name) + "_num_hidden_layers");
  }
  return {{"labels", task.at("num_classes")},
          {"hidden", task.at("hidden_size")},
          {"proj", task.at("proj_size")},
          {"queue", task.at("moco_queue")},
          {"heads", config.at("heads")},
          {"inter", config.at("intermediate_size")},
          {"in_dim", widths},
          {"layers", layers},
          {"max_pos", config.at("max_position_embeddings")}};
}

/// The released codes as a choice of options. CARAT's X_gamma score has weight 1.
inline Json released_options(const GoldenFile& file) {
  const Json& task = file.config.at("task");
  const auto weight = [&](const char* name) { return task.value(name, 0.0); };
  const bool carat = is_carat(file);
  const Json temperature = file.config.value("scl_temperature", file.config.value("supcon_temperature", Json(0.07)));
  return {{"grl_c", 1.0},
          {"g_input", "gamma"},
          {"f_input", "alpha"},
          {"proto_m", task.at("proto_m")},
          {"proto_eval", "hard"},
          {"temperature", temperature},
          {"k_s", 4},
          {"k_m", 3},
          {"rounds", 2},
          {"gather", "joint"},
          {"labels_follow", true},
          {"missing", "all"},
          {"threshold", task.at("binary_threshold")},
          {"w_alpha", weight("lsr_clf_weight")},
          {"w_beta", weight("aug_clf_weight")},
          {"w_gamma", carat ? 1.0 : weight("beta_clf_weight")},
          {"w_rec_tilde", weight("recon_mse_weight")},
          {"w_rec_beta", weight("aug_mse_weight")},
          {"w_rec_gamma", weight("beta_mse_weight")},
          {"w_scl", weight("cl_weight")},
          {"w_suf", weight("shuffle_aug_clf_weight")},
          {"w_suf_unshuffled", carat ? weight("total_aug_clf_weight") : 0.0},
          {"w_adv", weight("com_pri_weight")},
          {"w_orth", weight("diff_weight")},
          {"w_cml", weight("cml_weight")}};
}

/// CARAT's name of an intermediate as ours, "X_alpha.text"; nothing for what has no counterpart: parts of a kernel that are never
/// stored, and quantities that others determine.
inline std::optional<std::string> carat_intermediate(const std::string& theirs) {
  static const std::map<std::string, std::string> whole{{"clf_out_1", "max_logit_alpha"},
                                                        {"clf_out_3", "max_logit_beta"},
                                                        {"clf_out_4", "max_logit_gamma"},
                                                        {"agg_out", "agg_out"},
                                                        {"predict_agg_scores", "agg_scores_mean"},
                                                        {"predict_final_scores_mean", "score"},
                                                        {"predict_final_labels_mean", "pred_labels"},
                                                        {"v2t_position", "position.visual"},
                                                        {"a2t_position", "position.audio"},
                                                        {"total_proj", "scl_features"},
                                                        {"cl_labels", "scl_class_ids"},
                                                        {"total_aug", "F"},
                                                        {"shuffle_total_aug", "shuffle_V"},
                                                        {"shuffle_aug_out", "shuffle_out"},
                                                        {"shuffle_gt_labels", "shuffle_labels"},
                                                        {"supcon.mean_log_prob_pos", "scl_mean_log_prob_pos"}};
  static const std::map<std::string, std::string> per_modality{{"{m}_normed", "normed"},
                                                               {"{m}_encoder_in", "encoder_in"},
                                                               {"{m}_output", "encoder_out"},
                                                               {"{m}_attention", "label_attention"},
                                                               {"{m}_lsr", "X_alpha"},
                                                               {"latent_{m}", "Z_alpha"},
                                                               {"recon_{m}", "X_tilde"},
                                                               {"{m}_sim", "proto_softmax"},
                                                               {"{m}_latent_padding", "delta"},
                                                               {"{m}_padding", "D_tilde"},
                                                               {"{m}_aug", "X_beta"},
                                                               {"{m}_beta", "X_gamma"},
                                                               {"{m}_clf_out_1", "logits_alpha"},
                                                               {"{m}_clf_out_3", "logits_beta"},
                                                               {"{m}_clf_out_4", "logits_gamma"},
                                                               {"latent_aug_{m}", "Z_beta"},
                                                               {"latent_beta_{m}", "Z_gamma"}};
  if (const auto found = whole.find(theirs); found != whole.end()) return found->second;
  for (const std::string m : {"text", "visual", "audio"}) {
    const std::size_t at = theirs.find(m);
    if (at == std::string::npos) continue;
    const std::string pattern = theirs.substr(0, at) + "{m}" + theirs.substr(at + m.size());
    if (const auto found = per_modality.find(pattern); found != per_modality.end()) return found->second + "." + m;
    if (pattern.starts_with("{m}.layer") && pattern.ends_with(".output"))
      return pattern.substr(4, pattern.size() - 11) + "." + m;
  }
  return std::nullopt;
}

/// Terms of the objective in all kinds of files, as ours.
inline const std::map<std::string, std::string>& term_names() {
  static const std::map<std::string, std::string> names{{"suf", "shuffled"},
                                                        {"suf_unshuffled", "unshuffled"},
                                                        {"suf_unshuffled_NOT_ADDED", "unshuffled"},
                                                        {"adv_C", "adv_commonality"},
                                                        {"adv_S", "adv_specificity"},
                                                        {"adv_confusion", "adv_confusion"},
                                                        {"orth_CS", "orth_common_specific"},
                                                        {"orth_SS", "orth_specific_specific"},
                                                        {"cml", "common_semantic"},
                                                        {"cls_alpha", "cls_alpha"},
                                                        {"cls_beta", "cls_beta"},
                                                        {"cls_gamma", "cls_gamma"},
                                                        {"rec_tilde", "rec_tilde"},
                                                        {"rec_beta", "rec_beta"},
                                                        {"rec_gamma", "rec_gamma"},
                                                        {"scl", "contrast"},
                                                        {"bce_clf_out_1", "cls_alpha"},
                                                        {"bce_clf_out_3", "cls_beta"},
                                                        {"bce_clf_out_4", "cls_gamma"},
                                                        {"cl_loss", "contrast"},
                                                        {"recon_mse_loss", "rec_tilde"},
                                                        {"aug_mse_loss", "rec_beta"},
                                                        {"beta_mse_loss", "rec_gamma"},
                                                        {"total_aug_clf_loss", "unshuffled"},
                                                        {"shuffle_aug_clf_loss", "shuffled"}};
  return names;
}
/// The files' name of a parameter of an encoder, `rest` being its name inside ours.
inline std::string encoder_name(const std::string& m, const std::string& rest) {
  const std::map<std::string, std::string> inside{
      {"attention.query", "attention.self.query"},      {"attention.key", "attention.self.key"},
      {"attention.value", "attention.self.value"},      {"attention.output", "attention.output.dense"},
      {"attention.norm", "attention.output.LayerNorm"}, {"feed_forward.inner", "intermediate.dense"},
      {"feed_forward.outer", "output.dense"},           {"feed_forward.norm", "output.LayerNorm"}};
  if (rest.starts_with("input_norm.")) return m + "_norm.norm2d." + rest.substr(11);
  if (rest.starts_with("input.")) return m + ".embeddings.word_embeddings." + rest.substr(6);
  if (rest == "position") return m + ".embeddings.position_embeddings.weight";
  if (rest == "part") return m + ".embeddings.token_type_embeddings.weight";
  if (rest == "target_time") return m + ".embeddings.target_time.weight";
  if (rest.starts_with("norm.")) return m + ".embeddings.LayerNorm." + rest.substr(5);
  if (rest.starts_with("layer.")) {
    const std::size_t dot = rest.find('.', 6);
    const std::size_t last = rest.rfind('.');
    return m + ".encoder.layer." + rest.substr(6, dot - 6) + "." + inside.at(rest.substr(dot + 1, last - dot - 1)) +
           rest.substr(last);
  }
  return "?" + m + "." + rest;
}

/// Values of a released code that are in no objective, or parts of a sum that is compared.
inline bool is_aside(const std::string& loss) {
  return loss == "final_score_bce_NOT_ADDED" || loss.starts_with("mse_") || loss.ends_with("_phase1") ||
         loss == "objective_phase2";
}

}  // namespace ramer::test
