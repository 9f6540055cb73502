// TAILOR on the reference backend in double: what holds of its scores and losses, whatever the numbers are.
#include "ramer/model/tailor.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>

#include "model/sample_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/loss/orthogonality.hpp"
#include "ramer/model/model.hpp"
#include "ramer/nn/gradcheck.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

using TestModel = Model<recipe::Tailor, backend::Reference, Double>;
using E = TestModel::E;
using encoder::Missing;

struct Alternating : recipe::Tailor {
  static constexpr const char* name = "tailor-alternating";
  using Adversary = projection::Alternating;
};
struct Confusion : recipe::Tailor {
  static constexpr const char* name = "tailor-confusion";
  using Adversary = projection::Confusion;
  using Orthogonality = loss::TokenGram;
};

/// Classification and the common-semantic term alone.
struct Bare : recipe::Tailor {
  static constexpr const char* name = "tailor-bare";
  using Adversary = projection::NoAdversary;
  using Orthogonality = loss::NoOrthogonality;
};

const Missing kMissing[] = {Missing::PresentOnly, Missing::All};

template <class M = TestModel>
typename M::Config small(Missing missing = Missing::PresentOnly) {
  typename M::Config c;
  c.encoder.hidden = 4, c.encoder.heads = 2, c.encoder.inner = 3, c.encoder.layers = {1};
  c.fusion.layers = 1;
  c.missing = missing;
  return c;
}
test::BatchSpec monologue(Index size = 4) {
  test::BatchSpec spec;
  spec.size = size, spec.target = false, spec.segments = 4;
  return spec;
}
void stir(TestModel& model) {
  for (auto* p : model.parameters()) {
    const RandomStream stream(3, name_hash(p->name));
    for (Index i = 0; i < p->size(); ++i) p->value(i) += 0.3 * stream.normal(static_cast<std::uint64_t>(i), 0);
  }
}
TestModel make(const test::BatchSpec& spec, const TestModel::Config& config) {
  TestModel model(test::schema_of(spec), config, backend::Reference{});
  stir(model);
  return model;
}
std::vector<double> scores(const TestModel& model, const Batch& batch) {
  Workspace<TestModel> workspace;
  std::vector<double> out;
  model.predict(batch, workspace, out);
  return out;
}
train::OptimizerConfig optimizer(double rate = 1e-2) {
  train::OptimizerConfig o;
  o.schedule = train::Schedule::Constant;
  o.rate = rate;
  return o;
}
template <class M>
std::vector<double> content(M& model) {
  std::vector<double> all;
  for (const auto* p : model.parameters()) all.insert(all.end(), p->value.data(), p->value.data() + p->size());
  return all;
}
bool finite(const std::vector<double>& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}
void drop_everything_of(Batch& batch, std::size_t m, std::size_t b) {
  auto& modality = batch.modalities[m];
  for (Index r = modality.offsets[b]; r < modality.offsets[b + 1]; ++r) test::drop(modality, r);
}
/// Gives modality m of sample b other tokens, all unavailable: one each at places 0 ... count - 1.
void replace_by_absent(Batch& batch, std::size_t m, std::size_t b, std::int32_t count) {
  const Batch before = batch;
  auto& to = batch.modalities[m];
  const auto& from = before.modalities[m];
  to.features.clear(), to.available.clear(), to.person.clear(), to.segment.clear(), to.position.clear();
  to.offsets.assign(1, 0);
  for (std::size_t s = 0; s + 1 < from.offsets.size(); ++s) {
    if (s == b) {
      to.features.insert(to.features.end(), static_cast<std::size_t>(count * to.width), 0.0f);
      for (std::int32_t t = 0; t < count; ++t) {
        to.available.push_back(0), to.person.push_back(0), to.segment.push_back(t), to.position.push_back(t);
      }
    } else {
      test::detail::append(to.features, from.features, from.offsets[s] * from.width, from.offsets[s + 1] * from.width);
      test::detail::append(to.available, from.available, from.offsets[s], from.offsets[s + 1]);
      test::detail::append(to.person, from.person, from.offsets[s], from.offsets[s + 1]);
      test::detail::append(to.segment, from.segment, from.offsets[s], from.offsets[s + 1]);
      test::detail::append(to.position, from.position, from.offsets[s], from.offsets[s + 1]);
    }
    to.offsets.push_back(static_cast<std::int32_t>(to.rows()));
  }
}

TEST_CASE("the objective's gradient in every parameter: absent tokens, dropout, any number of modalities") {
  for (const auto& names :
       {std::vector<std::string>{"x"}, {"text", "audio"}, {"text", "visual", "audio"}, {"d", "b", "c", "a"}}) {
    for (const Missing missing : kMissing) {
      test::BatchSpec spec = monologue(2);
      spec.segments = 3, spec.modalities = names, spec.available = 0.6, spec.seed = 7;
      const Batch batch = test::make_batch(spec);
      auto config = small(missing);
      config.adversary.reversal = -1;  // none: then the gradient is that of the objective
      config.weights.orthogonality = config.weights.adversarial = 0.1;
      const Schema schema = test::schema_of(spec);
      TestModel::Module module(schema, config);
      TestModel::Plan plan;
      module.build_plan(plan, batch, true, RandomStream());
      nn::CheckOptions options;
      options.most = 3;
      options.seed = 2;
      CAPTURE(names.size());
      CAPTURE(static_cast<int>(missing));
      CHECK(nn::check_module(
                module, {},
                [&](auto& ctx, const auto&) {
                  const auto out = module.forward(ctx, batch, plan, {}, 0);
                  nn::Var<E, 0> total;
                  for (const auto& term : out.terms.list())
                    total = autodiff::add_to(ctx.tape, total, autodiff::scale(ctx.tape, term.value, term.weight));
                  return total;
                },
                options) == "");
    }
  }
}

TEST_CASE("a sample's scores do not depend on its batch mates, nor on their order") {
  for (const Missing missing : kMissing) {
    test::BatchSpec spec = monologue(5);
    spec.available = 0.6, spec.seed = 2;
    const Batch batch = test::make_batch(spec);
    const TestModel model = make(spec, small(missing));
    const auto all = scores(model, batch);
    REQUIRE(finite(all));
    CHECK(std::set<double>(all.begin(), all.end()).size() == all.size());
    const std::vector<Index> order{3, 0, 4, 2, 1};
    const auto permuted = scores(model, test::pick(batch, order));
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto alone = scores(model, test::pick(batch, {order[i]}));
      for (std::size_t c = 0; c < 2; ++c) {
        CHECK(alone[c] == all[static_cast<std::size_t>(order[i]) * 2 + c]);
        CHECK(permuted[i * 2 + c] == all[static_cast<std::size_t>(order[i]) * 2 + c]);
      }
    }
  }
}

TEST_CASE("an unavailable token takes no part, whatever it holds; as released it is no key, but is added up") {
  test::BatchSpec spec = monologue(6);
  spec.available = 0.6;
  const Batch batch = test::make_batch(spec);
  Batch noisy = batch;
  Index changed = 0;
  for (auto& m : noisy.modalities)
    for (Index r = 0; r < m.rows(); ++r)
      for (Index d = 0; d < m.width && !m.available[static_cast<std::size_t>(r)]; ++d, ++changed)
        m.features[static_cast<std::size_t>(r * m.width + d)] = static_cast<float>(5 + d * d);
  REQUIRE(changed > 10);
  for (const Missing missing : kMissing) {
    const TestModel model = make(spec, small(missing));
    CHECK((scores(model, noisy) == scores(model, batch)) == (missing == Missing::PresentOnly));
  }
}

TEST_CASE("an absent modality may have other places: a data set gives it all that the file has") {
  test::BatchSpec spec = monologue(4);
  spec.available = 1;
  Batch batch = test::make_batch(spec);
  const auto& offsets = batch.modalities[1].offsets;
  std::size_t shorter = 0;
  while (offsets[shorter + 1] - offsets[shorter] == 4) ++shorter;
  REQUIRE(shorter < 4);
  drop_everything_of(batch, 1, shorter);
  Batch other = batch;
  replace_by_absent(other, 1, shorter, 4);
  for (const Missing missing : kMissing) {
    const TestModel model = make(spec, small(missing));
    CHECK(scores(model, other) == scores(model, batch));
  }
}

TEST_CASE("with everything available the two ways to count missing tokens are the same bits") {
  test::BatchSpec spec = monologue();
  spec.available = 1;
  const Batch batch = test::make_batch(spec);
  std::vector<double> result[2];
  for (std::size_t i = 0; i < 2; ++i) {
    TestModel model(test::schema_of(spec), small(kMissing[i]), backend::Reference{});
    train::Stepper<TestModel> stepper(model, optimizer(), 1);
    for (std::uint64_t step = 0; step < 2; ++step) stepper.run(batch, step, 0);
    result[i] = content(model);
  }
  CHECK(result[0] == result[1]);
}

TEST_CASE("modalities are matched by name: their order in the batch carries no meaning, and others are ignored") {
  const test::BatchSpec spec = monologue();
  const Batch batch = test::make_batch(spec);
  const TestModel model = make(spec, small());
  Batch other = batch;
  std::swap(other.modalities[0], other.modalities[2]);
  other.modalities.push_back(other.modalities[1]);
  other.modalities.back().name = "smell";
  CHECK(scores(model, other) == scores(model, batch));
}

TEST_CASE("modalities are fused backwards, or in the order that is asked for") {
  const test::BatchSpec spec = monologue();
  const Batch batch = test::make_batch(spec);
  const auto with = [&](std::vector<Index> order) {
    auto config = small();
    config.fusion.order = std::move(order);
    return scores(make(spec, config), batch);
  };
  CHECK(with({}) == with({2, 1, 0}));
  CHECK(with({}) != with({1, 2, 0}));
  CHECK(with({}) != with({0, 1, 2}));
  for (const std::vector<Index>& wrong : {std::vector<Index>{0}, {0, 1, 1}, {0, 1, 3}, {0, 1, 2, 0}, {2, 1}}) {
    auto config = small();
    config.fusion.order = wrong;
    CHECK_THROWS_WITH_AS(make(spec, config), "fusion.order: expected each of the modalities 0 to 2 once, or nothing",
                         ConfigError);
  }
}

TEST_CASE("places of a modality's sequence: unused ones change nothing") {
  test::BatchSpec spec = monologue();
  spec.available = 1, spec.ragged = false;
  const Batch batch = test::make_batch(spec);
  auto config = small();
  const TestModel model = make(spec, config);
  config.fusion.positions = 40;
  TestModel longer = make(spec, config);
  for (auto* p : longer.parameters()) {
    for (const auto* q : model.parameters())
      if (q->name == p->name && q->size() < p->size())
        std::copy(q->value.data(), q->value.data() + q->size(), p->value.data());
  }
  CHECK(scores(longer, batch) == scores(model, batch));
  config.fusion.positions = 15;  // 4 modalities' worth of 4 places are needed
  CHECK_THROWS_WITH_AS(make(spec, config),
                       "fusion.positions: expected at least 16 for 3 modalities and what they have in common, found 15",
                       ConfigError);
  config.fusion.positions = 0;
  config.fusion.places = 3;
  const TestModel narrow = make(spec, config);
  Workspace<TestModel> workspace;
  std::vector<double> out;
  CHECK_THROWS_WITH_AS(narrow.predict(batch, workspace, out),
                       "modality text: position 3 of a token, and 3 places (fusion.places)", DataError);
}

TEST_CASE("labels have no order: their embeddings and their scores change places together") {
  test::BatchSpec spec = monologue();
  spec.labels = 3;
  const Batch batch = test::make_batch(spec);
  TestModel model = make(spec, small());
  const auto before = scores(model, batch);
  for (auto* p : model.parameters())
    if (p->name == "decoder.embedding") std::swap_ranges(p->value.data(), p->value.data() + 4, p->value.data() + 8);
  const auto after = scores(model, batch);
  for (std::size_t b = 0; b < 4; ++b)
    for (std::size_t c = 0; c < 3; ++c) CHECK(after[b * 3 + 2 - c] == doctest::Approx(before[b * 3 + c]).epsilon(1e-12));
}

TEST_CASE("the model learns a few samples by heart") {
  test::BatchSpec spec = monologue(6);
  spec.annotated = 1;
  const Batch batch = test::make_batch(spec);
  auto config = small();
  config.encoder.hidden = 8;
  config.encoder.dropout = config.fusion.dropout = config.decoder.dropout = config.head_dropout = 0;
  TestModel model(test::schema_of(spec), config, backend::Reference{});
  train::Stepper<TestModel> stepper(model, optimizer(), 1);
  const double first = stepper.run(batch, 0, 0).terms[0].value;
  double last = first;
  for (std::uint64_t step = 1; step < 200; ++step) last = stepper.run(batch, step, 0).terms[0].value;
  CHECK(last < 0.05 * first);
  const auto s = scores(model, batch);
  for (std::size_t i = 0; i < s.size(); ++i) CHECK((s[i] > 0.5) == (batch.labels[i] != 0));
}

TEST_CASE("without adversary and orthogonality, two terms remain, and no discriminator") {
  using M = Model<Bare, backend::Reference, Double>;
  const test::BatchSpec spec = monologue();
  M model(test::schema_of(spec), small<M>(), backend::Reference{});
  train::Stepper<M> stepper(model, optimizer(), 1);
  const auto report = stepper.run(test::make_batch(spec), 0, 0);
  REQUIRE(report.list().size() == 2);
  CHECK(report.list()[0].name == "classification");
  CHECK(report.list()[1].name == "common_semantic");
  for (const auto* p : model.parameters()) CHECK_FALSE(p->name.starts_with("discriminator."));
}

// --- Edge cases and refusals ------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("edge cases train and predict: finite scores, losses and gradients", R, recipe::Tailor, Alternating,
                   Confusion, Bare) {
  using M = Model<R, backend::Reference, Double>;
  struct Edge {
    const char* name;
    test::BatchSpec spec;
    void (*change)(Batch&) = [](Batch&) {};
  };
  const auto spec = [](auto change) {
    test::BatchSpec s = monologue(3);
    change(s);
    return s;
  };
  const auto as_is = spec([](auto&) {});
  const Edge edges[] = {
      {"usual", as_is},
      {"nothing of one sample", as_is,
       [](Batch& b) {
         for (std::size_t m = 0; m < 3; ++m) drop_everything_of(b, m, 1);
       }},
      {"nothing of any sample", spec([](auto& s) { s.available = 0; })},
      {"no sample has one modality", as_is,
       [](Batch& b) {
         for (std::size_t i = 0; i < 3; ++i) drop_everything_of(b, 0, i);
       }},
      {"a sample without any token", as_is,
       [](Batch& b) {
         for (std::size_t m = 0; m < 3; ++m) replace_by_absent(b, m, 0, 0);
       }},
      {"one sample", spec([](auto& s) { s.size = 1; })},
      {"one label", spec([](auto& s) { s.labels = 1; })},
      {"fourteen labels", spec([](auto& s) { s.labels = 14; })},
      {"one time step", spec([](auto& s) { s.segments = 1; })},
      {"seventy time steps", spec([](auto& s) { s.segments = 70, s.ragged = false; })},
      {"one of everything", spec([](auto& s) {
         s.size = s.labels = s.segments = 1;
         s.modalities = {"x"};
       })},
      {"two modalities", spec([](auto& s) {
         s.modalities = {"taste", "smell"};
       })},
      {"four modalities", spec([](auto& s) {
         s.modalities = {"b", "a", "d", "c"};
       })},
      {"nothing annotated", spec([](auto& s) { s.annotated = 0; })},
  };
  for (const Edge& edge : edges) {
    for (const Missing missing : kMissing) {
      CAPTURE(edge.name);
      CAPTURE(static_cast<int>(missing));
      Batch batch = test::make_batch(edge.spec);
      edge.change(batch);
      M model(test::schema_of(edge.spec), small<M>(missing), backend::Reference{});
      train::Stepper<M> stepper(model, optimizer(), 1);
      const auto before = content(model);
      for (std::uint64_t step = 0; step < 2; ++step) {
        const auto report = stepper.run(batch, step, 0);
        for (const auto& term : report.list()) {
          CAPTURE(std::string(term.name));
          CHECK(std::isfinite(term.value));
        }
        CHECK(std::isfinite(report.gradient_norm));
      }
      const auto after = content(model);
      CHECK(finite(after));
      if (edge.spec.annotated > 0) CHECK(after != before);
      Workspace<M> workspace;
      std::vector<double> s;
      model.predict(batch, workspace, s);
      CHECK(s.size() == static_cast<std::size_t>(edge.spec.size * edge.spec.labels));
      CHECK(std::all_of(s.begin(), s.end(), [](double v) { return v >= 0 && v <= 1; }));
    }
  }
}

TEST_CASE("batches that do not fit are refused with what was found and expected; nothing changes") {
  const test::BatchSpec spec = monologue();
  test::BatchSpec full = spec;
  full.available = 1, full.ragged = false;
  const Batch good = test::make_batch(full);
  const auto refusal = [&](auto change) {
    Batch bad = good;
    change(bad);
    TestModel model(test::schema_of(spec), small(), backend::Reference{});
    train::Stepper<TestModel> stepper(model, optimizer(), 1);
    stepper.run(good, 0, 0);
    const auto before = content(model);
    std::string message;
    try {
      stepper.run(bad, 1, 0);
    } catch (const DataError& e) {
      message = e.what();
    }
    CHECK(content(model) == before);
    stepper.run(good, 1, 0);
    return message;
  };
  CHECK(refusal([](Batch& b) { b.modalities.erase(b.modalities.begin() + 1); }) ==
        "the model needs modality audio, the batch has text, face");
  CHECK(refusal([](Batch& b) {
          b.modalities[1].position[0] = 3;
        }).starts_with("sample 100: modalities text (4 tokens) and audio (4 tokens) have different places"));
  CHECK(refusal([](Batch& b) {
          replace_by_absent(b, 1, 2, 3), b.modalities[1].available.assign(b.modalities[1].available.size(), 1);
        }) ==
        "sample 102: modalities text (4 tokens) and audio (3 tokens) have different places; this model adds modalities up "
        "place by "
        "place and needs aligned data");
  CHECK(refusal([](Batch& b) {
          for (auto& m : b.modalities) m.position.back() = -1;
        }).find("position -1") != std::string::npos);
  CHECK(refusal([](Batch& b) { b.label_count = 3; }) == "the model has 2 labels, the batch 3");
  CHECK(refusal([](Batch& b) { b.labels.clear(), b.label_mask.clear(); }).find("needs labels") != std::string::npos);
}

TEST_CASE("a model of persons is refused: TAILOR knows none") {
  const test::BatchSpec persons;
  CHECK_THROWS_WITH_AS(
      TestModel(test::schema_of(persons), small(), backend::Reference{}),
      "this model knows no persons and cannot be asked about one of them: show it one sequence, with the view target "
      "(that person's) or all (everybody's)",
      ConfigError);
  Schema schema = test::schema_of(monologue());
  schema.labels.clear();
  CHECK_THROWS_AS(TestModel(schema, small(), backend::Reference{}), ConfigError);
}

// --- Parameters -------------------------------------------------------------------------------------------------------

TEST_CASE("names, shapes and decay of parameters are what they were: checkpoints depend on them") {
  test::BatchSpec spec = monologue();
  spec.modalities = {"text", "audio"};
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  std::ostringstream found;
  test::list_parameters(found, model);
  std::ifstream file(RAMER_TESTS_DIR "/model/tailor_parameters.txt");
  REQUIRE(file.good());
  const std::string expected{std::istreambuf_iterator<char>(file), {}};
  CHECK(found.str() == expected);
}

TEST_CASE("sizes and start values are the published ones") {
  test::BatchSpec spec = monologue();
  spec.segments = 60;
  TestModel model(test::schema_of(spec), {}, backend::Reference{});
  std::map<std::string, std::vector<double>> v;
  for (const auto* p : model.parameters()) v[p->name] = {p->value.data(), p->value.data() + p->size()};
  CHECK(v.at("fusion.2.position").size() == 240 * 256);
  CHECK(v.count("fusion.3.position") == 0);
  CHECK(v.count("encoder.text.layer.5.attention.query.weight") == 1);
  CHECK(v.count("encoder.text.layer.6.attention.query.weight") == 0);
  CHECK(v.count("encoder.face.layer.3.attention.query.weight") == 1);
  CHECK(v.count("encoder.face.layer.4.attention.query.weight") == 0);
  for (const char* name : {"head.bias", "commonality.bias", "discriminator.outer.bias"})
    CHECK(std::all_of(v.at(name).begin(), v.at(name).end(), [](double x) { return x == 0; }));
  for (const char* name : {"specificity.text.weight", "discriminator.inner.weight", "decoder.embedding", "fusion.0.part"}) {
    double squares = 0;
    for (const double x : v.at(name)) squares += x * x;
    CHECK(std::sqrt(squares / static_cast<double>(v.at(name).size())) == doctest::Approx(0.02).epsilon(0.15));
  }
}

TEST_CASE("parameters that no adjoint reaches are skipped: no step, no decay") {
  const test::BatchSpec spec = monologue();
  const Batch batch = test::make_batch(spec);
  auto config = small();
  config.weights.adversarial = 0;
  TestModel model(test::schema_of(spec), config, backend::Reference{});
  train::Stepper<TestModel> stepper(model, optimizer(), 1);
  stepper.run(batch, 0, 0);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    CAPTURE(model.parameters()[i]->name);
    CHECK(stepper.optimizer().steps()[i] == (model.parameters()[i]->name.starts_with("discriminator.") ? 0 : 1));
  }
}

TEST_CASE("masked labels teach nothing: their value does not matter") {
  test::BatchSpec spec = monologue();
  spec.annotated = 0.5;
  Batch batch = test::make_batch(spec), flipped = batch;
  for (std::size_t i = 0; i < batch.labels.size(); ++i)
    if (!batch.label_mask[i]) flipped.labels[i] = !batch.labels[i];
  REQUIRE(flipped.labels != batch.labels);
  std::vector<double> result[2];
  for (std::size_t i = 0; i < 2; ++i) {
    TestModel model(test::schema_of(spec), small(), backend::Reference{});
    train::Stepper<TestModel> stepper(model, optimizer(), 1);
    for (std::uint64_t step = 0; step < 2; ++step) stepper.run(i ? flipped : batch, step, 0);
    result[i] = content(model);
  }
  CHECK(result[0] == result[1]);
}

}  // namespace
