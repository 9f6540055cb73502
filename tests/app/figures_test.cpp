// Figures 3, 4 and 5 of a system whose values are known functions of sample, label and modality.
#include "ramer/app/figures.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <sstream>

#include "ramer/data/synthetic.hpp"

using namespace ramer;
using app::FigureSource;
using app::TokenState;

namespace {

constexpr Index kWidth = 3;

float logit_of(std::int64_t id, std::size_t c, std::size_t m, int level) {
  const RandomStream stream(11, 5, static_cast<std::uint64_t>(level));
  return 2 * static_cast<float>(stream.normal(static_cast<std::uint64_t>(id) * 100 + c * 10 + m, 0));
}
float vector_of(const std::string& name, std::int64_t id, std::size_t c, std::size_t m, Index d) {
  const RandomStream stream(12, name_hash(name));
  return static_cast<float>(stream.normal(static_cast<std::uint64_t>(id) * 100 + c * 10 + m, static_cast<std::uint32_t>(d)));
}
bool observed(const Batch& batch, std::size_t b, std::size_t m) {
  const ModalityBatch& rows = batch.modalities[m];
  for (auto r = static_cast<std::size_t>(rows.offsets[b]); r < static_cast<std::size_t>(rows.offsets[b + 1]); ++r)
    if (rows.available[r] && rows.person[r] == batch.target_person[b]) return true;
  return false;
}

/// Has the values that it is told to have.
class Known : public app::System {
 public:
  Known(Schema schema, std::set<std::string> has) : schema_(std::move(schema)), has_(std::move(has)) {}
  const Schema& schema() const override { return schema_; }
  Index parameter_count() const override { return 0; }
  train::Predictions<float> predict(const data::Dataset&, std::span<const std::int32_t>,
                                    const train::PredictOptions&) const override {
    return {};
  }
  app::Inspection inspect(const Batch& batch, const std::vector<std::string>& names) const override {
    app::Inspection out;
    CHECK_FALSE(batch.has_labels());
    const std::size_t labels = schema_.labels.size();
    const auto each = [&](const std::string& name, Index which, Index width, auto value) {
      if (!has_.contains(name) || std::find(names.begin(), names.end(), name) == names.end()) return;
      auto& to = out.values[{name, which}];
      for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b)
        for (std::size_t c = 0; c < labels; ++c)
          for (Index d = 0; d < width; ++d) to.push_back(value(b, c, d));
    };
    for (std::size_t m = 0; m < schema_.modalities.size(); ++m) {
      const auto which = static_cast<Index>(m);
      for (const char* name : {"X_alpha", "X_beta", "X_gamma", "C"})
        each(name, which, kWidth,
             [&](std::size_t b, std::size_t c, Index d) { return vector_of(name, batch.id[b], c, m, d); });
      each("S", which, kWidth, [&](std::size_t b, std::size_t c, Index d) {
        return observed(batch, b, m) ? vector_of("S", batch.id[b], c, m, d) : 0.0f;
      });
      each("logits_alpha", which, 1, [&](std::size_t b, std::size_t c, Index) { return logit_of(batch.id[b], c, m, 0); });
      each("logits_gamma", which, 1, [&](std::size_t b, std::size_t c, Index) { return logit_of(batch.id[b], c, m, 2); });
    }
    const auto best = [&](std::size_t b, std::size_t c, int level, bool present) {
      float most = -100;
      for (std::size_t m = 0; m < schema_.modalities.size(); ++m)
        if (!present || observed(batch, b, m)) most = std::max(most, logit_of(batch.id[b], c, m, level));
      return most;
    };
    each("max_logit_alpha", -1, 1, [&](std::size_t b, std::size_t c, Index) {
      const bool any = observed(batch, b, 0) || observed(batch, b, 1) || observed(batch, b, 2);
      return best(b, c, 0, any);
    });
    each("max_logit_gamma", -1, 1, [&](std::size_t b, std::size_t c, Index) { return best(b, c, 2, false); });
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b)
      for (std::size_t c = 0; c < labels; ++c)
        out.scores.push_back(static_cast<float>(app::detail::sigmoid(best(b, c, 2, false))));
    return out;
  }

 private:
  Schema schema_;
  std::set<std::string> has_;
};

const std::set<std::string> kAll{"X_alpha",      "X_beta",          "X_gamma",        "S", "C", "logits_alpha",
                                 "logits_gamma", "max_logit_alpha", "max_logit_gamma"};

struct World {
  data::Dataset dataset;
  std::vector<std::int32_t> samples;
  Known system;

  explicit World(std::set<std::string> has = kAll, Index count = 40)
      : dataset(make(count)), samples(data::all_samples(dataset)), system(train::make_schema(dataset), std::move(has)) {}
  FigureSource source() const { return {system, "known", dataset, samples, {}}; }
  static data::Dataset make(Index count) {
    data::SyntheticConfig config;
    config.samples = count;
    config.group_size = 4;
    config.persons = 3;
    config.segments = 4;
    config.labels = 4;
    config.missing = 0.3;
    config.widths = {10, 9, 8};
    return data::make_synthetic(config);
  }
};

std::size_t lines(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Figure 3: every vector is one of the system's; nothing that was not observed is shown as observed") {
  const World world;
  FigureSource from = world.source();
  const auto panels = app::embeddings_of(from, 50, 1);
  REQUIRE(panels.size() == 2);
  std::set<std::pair<std::int64_t, std::size_t>> drawn;
  for (std::size_t k = 0; k < 2; ++k) {
    const auto& p = panels[k];
    REQUIRE(p.x.size() == p.points.size() * kWidth);
    Index firsts = 0, seconds = 0, hidden = 0;
    for (std::size_t i = 0; i < p.points.size(); ++i) {
      const app::FigurePoint& at = p.points[i];
      const std::string name = k == 0 ? (at.second ? "C" : "S") : (at.second ? "X_gamma" : "X_alpha");
      for (Index d = 0; d < kWidth; ++d)
        CHECK(p.x[i * kWidth + static_cast<std::size_t>(d)] == vector_of(name, at.id, at.label, at.modality, d));
      ++(at.second ? seconds : firsts);
      drawn.insert({at.id, at.label});
    }
    for (const auto& [id, label] : drawn)
      for (std::size_t m = 0; m < 3; ++m) {
        Batch batch;
        const auto sample = static_cast<std::int32_t>(id);  // the generator numbers samples from 0
        app::detail::build_figure_batch(from, std::span(&sample, 1), batch);
        hidden += !observed(batch, 0, m);
      }
    CHECK(drawn.size() == 50);
    CHECK(seconds == 150);
    CHECK(firsts == 150 - hidden);
    CHECK(hidden > 10);
  }
  // Batches do not matter, the seed does, and all pairs are at most all pairs.
  from.options.batch = 7;
  CHECK(app::embeddings_of(from, 50, 1)[0].x == panels[0].x);
  CHECK(app::embeddings_of(from, 50, 2)[0].x != panels[0].x);
  CHECK(app::embeddings_of(from, 100000, 1)[1].points.size() > 40 * 4 * 3);
}

TEST_CASE("Figure 3 of a system with a part of it, and with none") {
  World world({"X_alpha", "X_beta"});
  const auto panels = app::embeddings_of(world.source(), 20, 1);
  REQUIRE(panels.size() == 1);
  CHECK(panels[0].second == "reconstructed X_beta");
  CHECK(panels[0].points.size() == 120);  // without S, X_alpha is shown whatever was observed
  World common({"X_alpha", "S", "C"});
  CHECK(app::embeddings_of(common.source(), 20, 1)[0].first == "specificity S");
  World bare({"X_alpha"}), nothing(std::set<std::string>{});
  CHECK(message_of([&] { app::embeddings_of(bare.source(), 20, 1); }) ==
        "figure3: recipe 'known' has no specificity and commonality and no reconstruction");
  CHECK(message_of([&] { app::embeddings_of(nothing.source(), 20, 1); }) ==
        "figure3: recipe 'known' has no embedding of each modality and label");
}

TEST_CASE("Figure 4: who wins, counted again") {
  const World world;
  FigureSource from = world.source();
  from.options.batch = 11;
  const app::LabelCarriers carriers = app::label_carriers(from);
  CHECK(carriers.levels == std::vector<std::string>{"alpha", "gamma"});
  const auto& y = *world.dataset.tensors().labels;
  for (std::size_t c = 0; c < 4; ++c) {
    Index with = 0, wins[3] = {0, 0, 0};
    double score[3] = {0, 0, 0};
    for (Index n = 0; n < 40; ++n) {
      if (!y(n, static_cast<Index>(c))) continue;
      ++with;
      std::size_t best = 0;
      for (std::size_t m = 0; m < 3; ++m) {
        if (logit_of(n, c, m, 2) > logit_of(n, c, best, 2)) best = m;
        score[m] += app::detail::sigmoid(logit_of(n, c, m, 2));
      }
      ++wins[best];
    }
    CHECK(carriers.with[c] == with);
    CHECK(carriers.without[c] == 40 - with);
    Index all[2] = {0, 0};
    for (std::size_t m = 0; m < 3; ++m) {
      const app::LabelCarrier& cell = carriers.at(1, c, m);
      CHECK(cell.wins_true == wins[m]);
      if (with > 0) CHECK(cell.score_true == doctest::Approx(score[m] / static_cast<double>(with)));
      CHECK((cell.auc.has_value() == (with > 0 && with < 40)));
      if (cell.auc) CHECK((*cell.auc >= 0 && *cell.auc <= 1));
      all[0] += cell.wins_other;
      // At level alpha a modality that is not observed cannot win.
      all[1] += carriers.at(0, c, m).wins_true + carriers.at(0, c, m).wins_other;
    }
    CHECK(all[0] == 40 - with);
    CHECK(all[1] == 40);
  }
  CHECK(lines(app::carriers_csv(carriers)) == 1 + 2 * 4 * 3);
  World nothing({"X_alpha"});
  CHECK(message_of([&] { app::label_carriers(nothing.source()); }) ==
        "figure4: recipe 'known' has no class score of each modality");
}

TEST_CASE("Figure 5: the case as the data set has it, what was dropped, and what was predicted") {
  const World world;
  FigureSource from = world.source();
  const std::int32_t n = app::choose_case(from);
  // Several people, a gap and something of the one asked about, a true label.
  Batch batch;
  app::detail::build_figure_batch(from, std::span(&n, 1), batch);
  CHECK(batch.persons[0] > 1);
  CHECK(app::detail::gaps_of(batch).first > 0);
  CHECK(app::detail::gaps_of(batch).second > 0);

  app::FigureCase one = app::figure_case(from, n, 0.5, false);
  CHECK(one.id == world.dataset.id(n));
  CHECK(one.persons.size() == static_cast<std::size_t>(batch.persons[0]));
  CHECK(one.segments == static_cast<std::size_t>(batch.segments[0]));
  REQUIRE(one.target_person);
  Index available = 0, there = 0;
  for (const TokenState state : one.tokens) {
    CHECK(state != TokenState::Dropped);
    available += state == TokenState::Available;
    there += state != TokenState::None;
  }
  Index filled = 0, places = 0;
  for (Index p = 0; p < world.dataset.persons(); ++p)
    for (Index t = 0; t < world.dataset.times(); ++t) {
      places += 3 * world.dataset.exists(n, p, t);
      for (const auto& m : world.dataset.modalities()) filled += m.index(n, p, t) >= 0;
    }
  CHECK(available == filled);
  CHECK(there == places);
  for (std::size_t c = 0; c < 4; ++c) {
    CHECK(one.truth[c] == ((*world.dataset.tensors().labels)(n, static_cast<Index>(c)) != 0));
    const double through = one.modality_score[c * 3 + one.winner[c]];
    for (std::size_t m = 0; m < 3; ++m) {
      CHECK(one.modality_score[c * 3 + m] == doctest::Approx(app::detail::sigmoid(logit_of(one.id, c, m, 2))));
      CHECK(one.modality_score[c * 3 + m] <= through);
    }
    CHECK(static_cast<double>(one.score[c]) == doctest::Approx(through));
    CHECK(one.predicted(c) == (through > 0.5));
  }

  // Everything of the first modality goes.
  const std::string gone = world.dataset.modalities()[0].name;
  data::MissingConfig missing;
  missing.rate = 1;
  missing.modalities = {gone};
  from.options.transform = [&](Batch& b) { data::drop_modalities(b, missing, 1); };
  const app::FigureCase less = app::figure_case(from, n, 0.5, false);
  CHECK(less.observed[0] == 0);
  for (std::size_t p = 0; p < less.persons.size(); ++p)
    for (std::size_t s = 0; s < less.segments; ++s) {
      const TokenState before = one.token(p, 0, s);
      CHECK(less.token(p, 0, s) == (before == TokenState::Available ? TokenState::Dropped : before));
      CHECK(less.token(p, 1, s) == one.token(p, 1, s));
    }
  CHECK(app::find_case(from, world.dataset.id(7), "samples") == 7);
  CHECK(message_of([&] { app::find_case(from, 4711, "test samples"); }).find("no sample 4711 among the 40 test samples") !=
        std::string::npos);
  World nothing({"X_alpha"});
  CHECK(message_of([&] { app::figure_case(nothing.source(), 0, 0.5, false); }) ==
        "figure5: recipe 'known' has no class score of each modality");
}

TEST_CASE("drawings are whole, and names are text in them") {
  const World world;
  FigureSource from = world.source();
  const std::string evil = "</text><script>alert('1')</script>&\x01";
  auto panels = app::embeddings_of(from, 10, 1);
  app::TsneOptions quick;
  quick.iterations = 10;
  std::vector<app::Tsne> places;
  for (const auto& p : panels)
    places.push_back(app::tsne({p.x.data(), Shape{static_cast<Index>(p.points.size()), kWidth}}, quick));
  app::LabelCarriers carriers = app::label_carriers(from);
  app::FigureCase one = app::figure_case(from, 3, 0.5, false);
  carriers.labels[0] = carriers.modalities[1] = one.labels[2] = one.modalities[0] = one.persons[0] = evil;
  for (const std::string& svg : {app::draw_embeddings(panels, places, {evil, "b", "c"}, evil, evil),
                                 app::draw_carriers(carriers, evil, evil), app::draw_case(one, evil, evil)}) {
    CHECK(svg.starts_with("<svg "));
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(svg.find("<script") == std::string::npos);
    CHECK(svg.find('\x01') == std::string::npos);
    CHECK(svg.find("&lt;script&gt;alert(&#39;1&#39;)") != std::string::npos);
    CHECK(svg.find("nan") == std::string::npos);
  }
  CHECK(lines(app::embeddings_csv(panels, places, from.schema())) == 1 + panels[0].points.size() + panels[1].points.size());
  CHECK(lines(app::case_csv(one)) == 1 + 4);
  CHECK(lines(app::case_tokens_csv(one)) ==
        1 + static_cast<std::size_t>(
                std::count_if(one.tokens.begin(), one.tokens.end(), [](TokenState s) { return s != TokenState::None; })));
}
