// A golden file of kind tailor as schema, configuration, batch and names of the library.
#pragma once

#include <map>

#include "golden/released_names.hpp"
#include "ramer/core/batch.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/model/tailor.hpp"
#include "ramer/train/optimizer.hpp"

namespace ramer::test {

struct TailorCase {
  const GoldenFile& file;
  Json dims, options;
  std::vector<std::string> modalities{"text", "visual", "audio"};

  explicit TailorCase(const GoldenFile& f) : file(f), dims(f.config.at("dims")), options(f.config.at("options")) {}

  Schema schema() const {
    Schema s;
    for (const std::string& m : modalities)
      s.modalities.push_back({m, dims.at("in_dim").at(m).get<Index>(), dims.at("max_pos").at(m).get<Index>()});
    for (Index c = 0; c < dims.at("labels").get<Index>(); ++c) s.labels.push_back("label" + std::to_string(c));
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
    c.fusion.layers = dims.at("cross_layers").get<Index>();
    c.fusion.places = dims.at("length").get<Index>();
    c.fusion.positions = dims.at("max_pos").at("cross").get<Index>();
    for (const std::string& m : options.value("fusion_order", std::vector<std::string>{}))
      c.fusion.order.push_back(std::find(modalities.begin(), modalities.end(), m) - modalities.begin());
    if constexpr (requires { c.alignment.length; }) {
      c.alignment.length = c.fusion.places;
      c.weights.ctc = options.at("w_ctc").get<double>();
    }
    c.decoder.layers = dims.at("decoder_layers").get<Index>();
    c.encoder.dropout = dropout_rate(options, "encoder");
    c.fusion.dropout = dropout_rate(options, "cross");
    c.decoder.dropout = dropout_rate(options, "decoder");
    c.head_dropout = dropout_rate(options, "head");
    c.adversary.dropout = dropout_rate(options, "discriminator");
    c.common_semantic_dropout = dropout_rate(options, "common_semantic");
    c.projection.common_dropout = dropout_rate(options, "common");
    c.projection.private_dropout = dropout_rate(options, "private");
    c.adversary.reversal = options.at("grl_c").get<double>();
    c.weights.classification = options.at("w_cls").get<double>();
    c.weights.adversarial = options.at("w_adv").get<double>();
    c.weights.orthogonality = options.at("w_orth").get<double>();
    c.weights.common_semantic = options.at("w_cml").get<double>();
    c.threshold = options.at("threshold").get<double>();
    return c;
  }

  train::OptimizerConfig optimizer() const {
    const Json& o = file.config.at("optimizer");
    train::OptimizerConfig c;
    c.rate = o.at("lr").get<double>();
    c.beta1 = o.at("b1").get<double>();
    c.beta2 = o.at("b2").get<double>();
    c.epsilon = o.at("e").get<double>();
    c.decay = o.at("weight_decay").get<double>();
    c.warmup = file.config.value("warmup", 0.1);
    return c;
  }

  /// Every position of the file is an available token.
  Batch batch() const {
    Batch b;
    const auto shape = file.shape("in/labels");
    b.size = shape[0];
    b.label_count = shape[1];
    for (double y : file.values("in/labels")) b.labels.push_back(y != 0);
    b.label_mask.assign(b.labels.size(), 1);
    b.persons.assign(static_cast<std::size_t>(b.size), 1);
    b.segments.assign(static_cast<std::size_t>(b.size), 0);
    for (std::int32_t i = 0; i < b.size; ++i) {
      b.id.push_back(i);
      b.sample.push_back(i);
    }
    for (const std::string& name : modalities) {
      const auto size = file.shape("in/" + name);
      ModalityBatch m;
      m.name = name;
      m.width = size[2];
      for (double x : file.values("in/" + name)) m.features.push_back(static_cast<float>(x));
      m.available.assign(static_cast<std::size_t>(size[0] * size[1]), 1);
      m.person.assign(m.available.size(), 0);
      for (Index i = 0; i < size[0]; ++i) {
        for (std::int32_t t = 0; t < size[1]; ++t) m.position.push_back(t);
        m.offsets.push_back(static_cast<std::int32_t>(m.position.size()));
      }
      m.segment = m.position;
      b.modalities.push_back(std::move(m));
    }
    return b;
  }

  /// The file's name of a parameter of ours, by rule.
  std::string parameter_name(const std::string& ours) const {
    std::string rest;
    const auto cut = [&](const std::string& prefix) {
      if (!ours.starts_with(prefix)) return false;
      rest = ours.substr(prefix.size());
      return true;
    };
    if (cut("commonality.")) return "common_feature_extractor.0." + rest;
    if (cut("common_semantic.")) return "common_classfier.0." + rest;
    if (cut("discriminator.inner.")) return "modal_discriminator.0." + rest;
    if (cut("discriminator.outer.")) return "modal_discriminator.3." + rest;
    if (cut("head.")) return "cross_classifier." + rest;
    for (const auto& [part, theirs] :
         {std::pair{"fusion.0.", "va_cross"}, {"fusion.1.", "vat_cross"}, {"fusion.2.", "pc_cross"}})
      if (cut(part)) return encoder_name(theirs, rest);
    if (ours == "decoder.embedding") return "decoder.embeddings.word_embeddings.weight";
    if (cut("decoder.")) return decoder_name(rest);
    for (std::size_t k = 0; k < modalities.size(); ++k) {
      if (cut("alignment." + modalities[k] + ".position.layer."))  // <l>.weight_ih is weight_ih_l<l>
        return file.config.at("ctc").at(modalities[k]).get<std::string>() + ".pred_output_position_inclu_blank." +
               rest.substr(rest.find('.') + 1) + "_l" + rest.substr(0, rest.find('.'));
      if (cut("encoder." + modalities[k] + ".")) return encoder_name(modalities[k], rest);
      if (cut("specificity." + modalities[k] + ".")) return "private_feature_extractor." + std::to_string(k) + ".0." + rest;
    }
    return "?" + ours;
  }

  /// Our tap of the file's intermediate.
  std::string tap(const std::string& theirs) const {
    static const std::map<std::string, std::string> whole{{"va_cross", "cross.0"},
                                                          {"vat_cross", "cross.1"},
                                                          {"pc_cross", "cross.2"},
                                                          {"decoded", "label_decoder"},
                                                          {"head_logit", "logit"}};
    if (const auto found = whole.find(theirs); found != whole.end()) return found->second;
    const std::size_t dot = theirs.find('.');
    if (dot == std::string::npos) return theirs;
    const std::string base = theirs.substr(0, dot);
    const auto m = std::find(modalities.begin(), modalities.end(), theirs.substr(dot + 1)) - modalities.begin();
    const std::map<std::string, std::string> ours{{"P", "S"}, {"disc_P", "disc_S"}, {"ctc_logits", "position"}};
    return (ours.contains(base) ? ours.at(base) : base) + "." + std::to_string(m);
  }

  static const std::map<std::string, std::string>& terms() {
    static const std::map<std::string, std::string> names{{"cls", "classification"},
                                                          {"adv_C", "adv_commonality"},
                                                          {"adv_P", "adv_specificity"},
                                                          {"orth_CP", "orth_common_specific"},
                                                          {"orth_PP", "orth_specific_specific"},
                                                          {"cml", "common_semantic"},
                                                          {"ctc", "ctc"}};
    return names;
  }

 private:
  static void replace(std::string& text, const std::string& from, const std::string& to) {
    if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  }
  /// A decoder layer is called like an encoder's, but for its two attentions.
  static std::string decoder_name(std::string rest) {
    const bool own = rest.find(".self_attention.") != std::string::npos;
    replace(rest, own ? ".self_attention." : ".cross_attention.", ".attention.");
    std::string name = encoder_name("decoder", rest);
    replace(name, "decoder.encoder.", "decoder.");
    replace(name, ".attention.", own ? ".slf_attn." : ".enc_attn.");
    return name;
  }
};

}  // namespace ramer::test
