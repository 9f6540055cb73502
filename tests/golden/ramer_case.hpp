// A golden file of a RAMer-like system as schema, configuration, batch and parameter names of the library. Files of the released
// codes (kinds ramer_released and carat) are told in the terms of kind ramer_paper first: see released_names.hpp.
#pragma once

#include <map>

#include "golden/golden_file.hpp"
#include "golden/released_names.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/model/ramer_wiring.hpp"
#include "ramer/train/optimizer.hpp"

namespace ramer::test {

struct RamerCase {
  const GoldenFile& file;
  Json dims, options;
  std::vector<std::string> modalities;
  bool persons = false, personality = false;
  bool unaligned = false;  ///< every row of visual and audio is real; their masks are of the places that come out

  explicit RamerCase(const GoldenFile& f) : file(f) {
    if (f.config.contains("task")) {
      dims = released_dims(f.config);
      options = released_options(f);
      unaligned = !f.config.at("task").value("aligned", true);
    } else {
      dims = f.config.at("dims");
      options = f.config.at("options");
    }
    modalities = dims.value("modalities", std::vector<std::string>{"text", "visual", "audio"});
    persons = dims.value("persons", false);
    personality = persons && options.value("personality", true);
  }

  Schema schema() const {
    Schema s;
    for (const std::string& m : modalities)
      s.modalities.push_back({m, dims.at("in_dim").at(m).get<Index>(), dims.at("max_pos").at(m).get<Index>()});
    for (Index c = 0; c < dims.at("labels").get<Index>(); ++c) s.labels.push_back("label" + std::to_string(c));
    if (personality) {
      s.personality_width = dims.at("in_dim").at("personality").get<Index>();
      s.personality_positions = dims.at("max_pos").at("personality").get<Index>();
    }
    s.has_target = persons;
    return s;
  }

  template <class Config>
  Config configuration() const {
    Config c;
    c.encoder.hidden = dims.at("hidden").get<Index>();
    c.encoder.heads = dims.at("heads").get<Index>();
    c.encoder.inner = dims.at("inter").get<Index>();
    c.encoder.layers.clear();
    for (const std::string& m : modalities) c.encoder.layers.push_back(dims.at("layers").at(m).get<Index>());
    if (personality) c.encoder.personality_layers = dims.at("layers").at("personality").get<Index>();
    c.encoder.dropout = dropout_rate(options, "encoder");
    c.common_semantic_dropout = dropout_rate(options, "common_semantic");
    c.reconstruction.latent = dims.at("proj").get<Index>();
    if constexpr (requires { c.adversary.dropout; }) c.adversary.dropout = dropout_rate(options, "discriminator");
    if constexpr (requires { c.adversary.reversal; }) c.adversary.reversal = options.at("grl_c").get<double>();
    if constexpr (requires { c.projection.generator_input; }) {
      c.projection.generator_dropout = dropout_rate(options, "generator");
      c.projection.specificity_dropout = dropout_rate(options, "specificity");
      const std::map<std::string, projection::Level> levels{
          {"alpha", projection::Level::Alpha},
          {"beta", projection::Level::Beta},
          {"gamma", projection::Level::Top},  // the last one, also where it is another
          {"top", projection::Level::Top}};
      c.projection.generator_input = levels.at(options.at("g_input").get<std::string>());
      c.projection.specificity_input = levels.at(options.at("f_input").get<std::string>());
    }
    if constexpr (requires { c.alignment.length; }) c.alignment.length = file.shape("in/" + modalities[1] + "_mask")[1];
    c.prototypes.momentum = options.at("proto_m").get<double>();
    c.prototypes.evaluation =
        options.at("proto_eval") == "soft" ? contrast::PrototypeChoice::Soft : contrast::PrototypeChoice::Hard;
    if constexpr (requires { c.contrast.queue; }) {
      c.contrast.temperature = options.at("temperature").get<double>();
      c.contrast.queue = dims.at("queue").get<Index>();
    }
    if constexpr (requires { c.shuffle.rounds; }) {
      c.shuffle.sample_stacks = options.at("k_s").get<Index>();
      c.shuffle.modality_stacks = options.at("k_m").get<Index>();
      c.shuffle.rounds = options.at("rounds").get<Index>();
    }
    c.shuffle.gather = options.at("gather") == "joint" ? shuffle::Gather::Joint : shuffle::Gather::Sequential;
    c.shuffle.labels_follow = options.at("labels_follow").get<bool>();
    c.missing = options.at("missing") == "all" ? encoder::Missing::All : encoder::Missing::PresentOnly;
    const std::string time = options.value("target_time", "all");
    c.target_time = time == "marked"    ? encoder::TargetTime::Marked
                    : time == "segment" ? encoder::TargetTime::Segment
                                        : encoder::TargetTime::All;
    for (const Json& name : options.value("fusion_order", Json::array())) {
      c.fusion_order.push_back(std::find(modalities.begin(), modalities.end(), name.get<std::string>()) -
                               modalities.begin());
    }
    c.threshold = options.at("threshold").get<double>();
    c.weights = weights();
    return c;
  }

  loss::Weights weights() const {
    loss::Weights w;
    const std::map<std::string, double*> fields{
        {"w_alpha", &w.cls_alpha},     {"w_beta", &w.cls_beta},      {"w_gamma", &w.cls_gamma},
        {"w_rec_tilde", &w.rec_tilde}, {"w_rec_beta", &w.rec_beta},  {"w_rec_gamma", &w.rec_gamma},
        {"w_scl", &w.contrast},        {"w_suf", &w.shuffled},       {"w_suf_unshuffled", &w.unshuffled},
        {"w_adv", &w.adversarial},     {"w_orth", &w.orthogonality}, {"w_cml", &w.common_semantic}};
    for (const auto& [key, field] : fields) *field = options.at(key).get<double>();
    return w;
  }

  train::OptimizerConfig optimizer() const {
    const Json& o = file.config.at("optimizer");
    train::OptimizerConfig c;
    c.rate = file.config.value("lr", o.at("lr").get<double>());
    c.beta1 = o.at("b1").get<double>();
    c.beta2 = o.at("b2").get<double>();
    c.epsilon = o.at("e").get<double>();
    c.decay = o.at("weight_decay").get<double>();
    c.warmup = file.config.value("warmup", 0.1);
    return c;
  }

  /// All places that exist become tokens: in a monologue every position of the file.
  Batch batch() const {
    Batch b;
    const auto integers = [&](const std::string& name) {
      std::vector<std::int32_t> result;
      for (double x : file.values(name)) result.push_back(static_cast<std::int32_t>(x));
      return result;
    };
    b.size = file.shape("in/labels")[0];
    const auto n = static_cast<std::size_t>(b.size);
    b.label_count = file.shape("in/labels")[1];
    for (double y : file.values("in/labels")) b.labels.push_back(y != 0);
    b.label_mask.assign(b.labels.size(), 1);
    if (file.has("in/label_mask")) {
      const auto mask = file.values("in/label_mask");
      for (std::size_t i = 0; i < mask.size(); ++i) b.label_mask[i] = mask[i] != 0;
    }
    b.persons.assign(n, 1);
    b.segments.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      b.id.push_back(static_cast<std::int64_t>(i));
      b.sample.push_back(static_cast<std::int32_t>(i));
    }
    if (persons) {
      b.persons = integers("in/n_persons");
      b.segments = integers("in/n_segments");
      b.target_person = integers("in/target_person");
      b.target_segment = file.has("in/target_segment") ? integers("in/target_segment") : std::vector<std::int32_t>(n, 0);
    }
    std::vector<double> exists = persons && file.has("in/exists") ? file.values("in/exists") : std::vector<double>();
    for (const std::string& name : modalities) {
      ModalityBatch m;
      m.name = name;
      const auto shape = file.shape("in/" + name);
      const auto slots = static_cast<std::size_t>(shape[1]), width = static_cast<std::size_t>(shape[2]);
      m.width = shape[2];
      const auto x = file.values("in/" + name), mask = file.values("in/" + name + "_mask");
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t places = persons ? static_cast<std::size_t>(b.persons[i] * b.segments[i]) : slots;
        for (std::size_t t = 0; t < places; ++t) {
          const std::size_t at = i * slots + t;
          if (!exists.empty() && exists[at] == 0) continue;
          const auto position = static_cast<std::int32_t>(t);
          m.position.push_back(position);
          m.person.push_back(persons ? position / b.segments[i] : 0);
          m.segment.push_back(persons ? position % b.segments[i] : position);
          m.available.push_back((unaligned && name != "text") || mask[at] != 0);
          for (std::size_t d = 0; d < width; ++d) m.features.push_back(static_cast<float>(x[at * width + d]));
        }
        m.offsets.push_back(static_cast<std::int32_t>(m.available.size()));
      }
      b.modalities.push_back(std::move(m));
    }
    if (personality) {
      const auto shape = file.shape("in/personality");
      const auto most = static_cast<std::size_t>(shape[1]), width = static_cast<std::size_t>(shape[2]);
      const auto x = file.values("in/personality");
      const auto known = file.has("in/personality_known") ? file.values("in/personality_known") : std::vector<double>();
      b.personality_width = shape[2];
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t p = 0; p < static_cast<std::size_t>(b.persons[i]); ++p) {
          const bool is_known = known.empty() || known[i * most + p] != 0;
          b.personality_known.push_back(is_known);
          for (std::size_t d = 0; d < width; ++d)
            b.personality.push_back(is_known ? static_cast<float>(x[(i * most + p) * width + d]) : 0.0f);
        }
        b.person_offsets.push_back(static_cast<std::int32_t>(b.personality_known.size()));
      }
    }
    return b;
  }

  /// The file's name of a parameter of ours, by rule.
  std::string parameter_name(const std::string& ours) const {
    const auto cut = [&](const std::string& prefix, std::string& rest) {
      if (!ours.starts_with(prefix)) return false;
      rest = ours.substr(prefix.size());
      return true;
    };
    std::string rest;
    if (ours == "personality.unknown") return "personality_unknown";
    if (cut("personality.", rest)) return encoder_name("personality", rest);
    if (cut("commonality.", rest)) return "common_feature_extractor.0." + rest;
    if (cut("common_semantic.", rest)) return "common_classfier.0." + rest;
    if (cut("shuffle_input.", rest)) return "shuffle_input." + rest;
    if (cut("discriminator.inner.", rest)) return "modal_discriminator.0." + rest;
    if (cut("discriminator.outer.", rest)) return "modal_discriminator.3." + rest;
    if (cut("aggregation.0.", rest)) return "agg.linear.0." + rest;
    if (cut("aggregation.1.", rest)) return "agg.output." + rest;
    const bool released_names = modalities == std::vector<std::string>{"text", "visual", "audio"};
    const std::map<std::string, std::string> cross{{"text", "va2t"}, {"visual", "ta2v"}, {"audio", "tv2a"}};
    for (std::size_t k = 0; k < modalities.size(); ++k) {
      const std::string& m = modalities[k];
      if (cut("encoder." + m + ".", rest)) return encoder_name(m, rest);
      if (cut("alignment." + m + ".position.layer.", rest))  // <l>.weight_ih is weight_ih_l<l>
        return m.substr(0, 1) + "2t_ctc.pred_output_position_inclu_blank." + rest.substr(rest.find('.') + 1) + "_l" +
               rest.substr(0, rest.find('.'));
      if (cut("auxiliary." + m + ".reduce.", rest)) return "aux_reduce_" + m + "." + rest;
      if (cut("label_attention." + m + ".", rest)) return m + "_attention.attention." + rest;
      if (cut("specificity." + m + ".", rest)) return "private_feature_extractor." + std::to_string(k) + ".0." + rest;
      if (cut("reconstruction." + m + ".cross.", rest))
        return (released_names ? cross.at(m) : "cross_" + m) + ".output." + rest;
      for (const auto& [part, theirs] : {std::pair{"encoder", "proj_"}, std::pair{"decoder", "de_proj_"}}) {
        if (cut("reconstruction." + m + "." + part + ".0.", rest)) return theirs + m + ".linear.0." + rest;
        if (cut("reconstruction." + m + "." + part + ".1.", rest)) return theirs + m + ".output." + rest;
      }
      if (ours == "score." + m) return m + "_clf_weight";
    }
    return "?" + ours;
  }
};

}  // namespace ramer::test
