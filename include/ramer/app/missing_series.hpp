// What `ramer robust` drops: a modality of some people at rising rates, for every system the same tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/table.hpp"
#include "ramer/data/batch_builder.hpp"
#include "ramer/data/missing.hpp"
#include "ramer/io/json.hpp"

namespace ramer::app {

struct MissingSeries {
  std::string modality;  ///< empty: every modality
  data::MissingRole role = data::MissingRole::kEveryone;
  data::MissingUnit unit = data::MissingUnit::kToken;
  std::vector<double> rates;

  std::string modality_text() const { return modality.empty() ? "any" : modality; }
  /// "text", "any of others"
  std::string text() const {
    const std::string who = role == data::MissingRole::kTarget   ? " of the target"
                            : role == data::MissingRole::kOthers ? " of the others"
                                                                 : "";
    return (modality.empty() ? "every modality" : modality) + who;
  }
  data::MissingConfig config(double rate) const {
    data::MissingConfig c;
    c.rate = rate;
    if (!modality.empty()) c.modalities = {modality};
    c.role = role;
    c.unit = unit;
    return c;
  }
  io::Json json() const {
    return {{"modality", modality_text()},
            {"role", std::string(enum_name(role))},
            {"unit", std::string(enum_name(unit))},
            {"rates", rates}};
  }
};

/// "0.3": the shortest text that is the number.
inline std::string rate_text(double rate) { return io::dump_json(io::to_json(rate), -1); }

namespace detail {

/// "0..0.9" in steps of 0.1, "0..0.8:0.2", "0,0.5,0.9" or "0.5"; ascending, 0 to 1. @throws ConfigError
inline std::vector<double> parse_rates(const std::string& text, const std::string& whole) {
  const auto number = [&](std::string_view part) {
    double value = 0;
    require<ConfigError>(io::detail::parse_whole(io::detail::trim(part), value) && value >= 0 && value <= 1, "--drop ",
                         whole, ": '", part, "' is no rate from 0 to 1");
    return value;
  };
  std::vector<double> rates;
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) {
    for (const std::string_view part : io::detail::split_list(text)) rates.push_back(number(part));
  } else {
    const std::size_t colon = text.find(':', dots);
    const double from = number(std::string_view(text).substr(0, dots));
    const double to = number(std::string_view(text).substr(dots + 2, colon == std::string::npos ? colon : colon - dots - 2));
    const double step = colon == std::string::npos ? 0.1 : number(std::string_view(text).substr(colon + 1));
    require<ConfigError>(step >= 0.001 && to >= from, "--drop ", whole,
                         ": expected a rising range with a step of at least 0.001, such as 0..0.9:0.1");
    // Rounded to six digits, so that 0.1 + 0.2 is 0.3.
    for (int k = 0; from + k * step <= to + 1e-9; ++k) rates.push_back(std::round((from + k * step) * 1e6) / 1e6);
  }
  require<ConfigError>(!rates.empty(), "--drop ", whole, ": no rates; give some, such as 0..0.9");
  for (std::size_t k = 1; k < rates.size(); ++k)
    require<ConfigError>(rates[k] > rates[k - 1], "--drop ", whole, ": rates must rise");
  return rates;
}

}  // namespace detail

/// Reads [ROLE:]MODALITY=RATES for each; without any: every modality alone, and everything of the others where there is
/// somebody else. @throws ConfigError
inline std::vector<MissingSeries> parse_series(const std::vector<std::string>& texts, const std::string& unit,
                                               const data::Dataset& dataset, const std::vector<std::string>& modalities) {
  std::vector<std::string> names = modalities;
  for (std::size_t k = 0; modalities.empty() && k < dataset.modalities().size(); ++k)
    names.push_back(dataset.modalities()[k].name);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;

  std::vector<std::string> wanted = texts;
  if (wanted.empty()) {
    for (const std::string& name : names) wanted.push_back(name + "=0..0.9:0.3");
    if (dataset.has_target() && dataset.persons() > 1) wanted.push_back("others:any=0..0.9:0.3");
  }
  std::vector<MissingSeries> all;
  for (const std::string& text : wanted) {
    MissingSeries s;
    s.unit = unit == "sample" ? data::MissingUnit::kSample : data::MissingUnit::kToken;
    const std::size_t equals = text.find('=');
    require<ConfigError>(equals != std::string::npos, "--drop ", text,
                         ": expected [ROLE:]MODALITY=RATES, such as text=0..0.9 or others:any=0,0.5,1");
    std::string who = text.substr(0, equals);
    if (const std::size_t colon = who.find(':'); colon != std::string::npos) {
      const std::string role = who.substr(0, colon);
      require<ConfigError>(role == "everyone" || role == "target" || role == "others", "--drop ", text, ": no role '", role,
                           "'; there are everyone, target and others");
      s.role = role == "target"   ? data::MissingRole::kTarget
               : role == "others" ? data::MissingRole::kOthers
                                  : data::MissingRole::kEveryone;
      who = who.substr(colon + 1);
    }
    require<ConfigError>(who == "any" || std::find(names.begin(), names.end(), who) != names.end(), "--drop ", text,
                         ": no modality '", who, "'; there are ", list, " (or 'any')");
    if (who != "any") s.modality = who;
    require<ConfigError>(s.role == data::MissingRole::kEveryone || dataset.has_target(), "--drop ", text, ": the role '",
                         enum_name(s.role), "' needs a data set that names a target");
    s.rates = detail::parse_rates(text.substr(equals + 1), text);
    for (const MissingSeries& other : all)
      require<ConfigError>(other.modality != s.modality || other.role != s.role, "--drop ", text, ": there twice");
    all.push_back(std::move(s));
  }
  return all;
}

/// Drops from a batch in any view what would go from the same samples in the view `persons`: whoever is compared misses the
/// same tokens, and roles mean the same although a view that is one sequence knows no persons.
class DropInView {
 public:
  DropInView(data::Dataset dataset, data::PersonView view, data::MissingConfig config, std::uint64_t seed)
      : dataset_(std::move(dataset)), view_(view), config_(std::move(config)), seed_(seed) {}

  void operator()(Batch& batch) {
    // A batch with a target is in the view `persons`, whatever the system's own view (the linear model pools by itself).
    if (batch.has_target() || !dataset_.has_target() || dataset_.times() == 0) {
      data::drop_modalities(batch, config_, seed_);
      return;
    }
    data::BatchOptions options;
    for (const ModalityBatch& m : batch.modalities) options.modalities.push_back(m.name);
    data::make_batch(dataset_, batch.sample, options, before_);
    after_ = before_;
    data::drop_modalities(after_, config_, seed_);
    // Available tokens stand in the same order in both views, as far as they are shown.
    for (std::size_t k = 0; k < batch.modalities.size(); ++k) {
      ModalityBatch& m = batch.modalities[k];
      const ModalityBatch &was = before_.modalities[k], &is = after_.modalities[k];
      for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
        auto at = static_cast<std::size_t>(was.offsets[b]);
        const auto end = static_cast<std::size_t>(was.offsets[b + 1]);
        for (auto r = static_cast<std::size_t>(m.offsets[b]); r < static_cast<std::size_t>(m.offsets[b + 1]); ++r) {
          if (!m.available[r]) continue;
          while (at < end && !(was.available[at] && shown(was, at, b))) ++at;
          if (at == end) break;
          if (!is.available[at]) {
            m.available[r] = 0;
            std::fill_n(m.features.begin() + static_cast<std::ptrdiff_t>(r) * m.width, m.width, 0.0f);
          }
          ++at;
        }
      }
    }
  }

 private:
  /// Whether the view shows this token of the view `persons`.
  bool shown(const ModalityBatch& m, std::size_t token, std::size_t sample) const {
    if (data::shows_target_alone(view_) && m.person[token] != before_.target_person[sample]) return false;
    return view_ != data::PersonView::kMoment || m.segment[token] == before_.target_segment[sample];
  }

  data::Dataset dataset_;
  data::PersonView view_;
  data::MissingConfig config_;
  std::uint64_t seed_;
  Batch before_, after_;
};

}  // namespace ramer::app
