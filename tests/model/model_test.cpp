// RAMer on the reference backend in double: what holds of its scores, whatever the numbers are.
#include "ramer/model/model.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "model/sample_batch.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/nn/gradcheck.hpp"
#include "ramer/train/step.hpp"

using namespace ramer;

namespace {

using TestModel = Model<recipe::Ramer, backend::Reference, Double>;
using E = TestModel::E;
using Stepper = train::Stepper<TestModel>;
using encoder::Missing;
using encoder::TargetTime;

TestModel::Config small(TargetTime time = TargetTime::Marked, Missing missing = Missing::PresentOnly) {
  TestModel::Config c;
  c.encoder.hidden = 4, c.encoder.heads = 2, c.encoder.inner = 3, c.encoder.layers = {1};
  c.reconstruction.latent = 3;
  c.contrast.queue = 16;
  c.target_time = time;
  c.missing = missing;
  return c;
}
const TargetTime kTimes[] = {TargetTime::All, TargetTime::Marked, TargetTime::Segment};
const Missing kMissing[] = {Missing::PresentOnly, Missing::All};

/// Moves every parameter and prototype away from its start value: marks are zero there, and so are prototypes.
void stir(TestModel& model) {
  for (auto* p : model.parameters()) {
    const RandomStream stream(3, name_hash(p->name));
    for (Index i = 0; i < p->size(); ++i) p->value(i) += 0.3 * stream.normal(static_cast<std::uint64_t>(i), 0);
  }
  const RandomStream stream(4, 0);
  std::uint64_t at = 0;
  for (auto& mu : model.state().prototypes)
    for (Index i = 0; i < mu.size(); ++i) mu.data()[i] = 0.3 * stream.normal(at++, 0);
}
std::vector<double> scores(const TestModel& model, const Batch& batch) {
  Workspace<TestModel> workspace;
  std::vector<double> out;
  model.predict(batch, workspace, out);
  return out;
}
train::OptimizerConfig optimizer() {
  train::OptimizerConfig o;
  o.schedule = train::Schedule::Constant;
  o.rate = 1e-2;
  return o;
}
/// Everything that training changes.
std::vector<double> content(TestModel& model) {
  std::vector<double> all;
  for (const auto* p : model.parameters()) all.insert(all.end(), p->value.data(), p->value.data() + p->size());
  for (const auto& mu : model.state().prototypes) all.insert(all.end(), mu.data(), mu.data() + mu.size());
  const auto& q = model.state().queue;
  all.insert(all.end(), q.rows.data(), q.rows.data() + q.rows.size());
  all.insert(all.end(), q.ids.data(), q.ids.data() + q.ids.size());
  all.push_back(static_cast<double>(q.pointer()));
  return all;
}
bool finite(const std::vector<double>& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}

/// Keeps every tapped value.
struct Record : nn::Taps<E> {
  std::map<std::string, std::vector<double>> values;
  void on(std::string_view name, Index which, const double* data, Index size, autodiff::Slot<double>*, E::Tape&) override {
    values[std::string(name) + "." + std::to_string(which)].assign(data, data + size);
  }
};
std::map<std::string, std::vector<double>> taps(const TestModel& model, const Batch& batch) {
  Workspace<TestModel> workspace;
  backend::Reference backend;
  model.module().build_plan(workspace.plan, batch, false, RandomStream(), false);
  E::Tape tape(backend, workspace.memory, false);
  Record record;
  nn::Context<E> ctx{tape};
  ctx.taps = &record;
  model.module().forward(ctx, batch, workspace.plan, model.state(), 0);
  return record.values;
}

TEST_CASE("the objective's gradient in every parameter: absent modalities, unknown persons, dropout, prototypes, queue") {
  for (const TargetTime time : kTimes) {
    for (const Missing missing : kMissing) {
      test::BatchSpec spec;
      spec.size = 2, spec.persons = 2, spec.segments = 2, spec.modalities = {"text", "audio"}, spec.available = 0.5,
      spec.seed = 7;
      const Batch batch = test::make_batch(spec);
      auto config = small(time, missing);
      config.adversary.reversal = -1;  // none: then the gradient is that of the objective
      config.weights.unshuffled = config.weights.rec_gamma = 0.3;
      config.weights.orthogonality = config.weights.adversarial = 0.1;
      TestModel model(test::schema_of(spec), config, backend::Reference{});
      stir(model);
      Workspace<TestModel> workspace;
      model.module().build_plan(workspace.plan, batch, true, RandomStream(1, 2, 3));
      CHECK(workspace.plan.any_missing == (missing == Missing::PresentOnly));
      auto module = TestModel::Module(test::schema_of(spec), config);
      nn::CheckOptions options;
      options.most = 3;
      options.seed = 2;
      CAPTURE(static_cast<int>(time));
      CAPTURE(static_cast<int>(missing));
      CHECK(nn::check_module(
                module, {},
                [&](auto& ctx, const auto&) {
                  const auto out = module.forward(ctx, batch, workspace.plan, model.state(), 0);
                  nn::Var<E, 0> total;
                  for (const auto& term : out.terms.list()) {
                    const auto part = autodiff::scale(ctx.tape, term.value, term.weight);
                    total = total.valid() ? autodiff::add(ctx.tape, total, part) : part;
                  }
                  return total;
                },
                options) == "");
    }
  }
}

TEST_CASE("a sample's values do not depend on its batch mates, nor on their order") {
  for (const bool target : {true, false}) {
    for (const TargetTime time : kTimes) {
      for (const Missing missing : kMissing) {
        test::BatchSpec spec;
        spec.size = 5, spec.target = target, spec.available = 0.5, spec.seed = 2;
        const Batch batch = test::make_batch(spec);
        TestModel model(test::schema_of(spec), small(time, missing), backend::Reference{});
        stir(model);
        const auto all = scores(model, batch);
        REQUIRE(finite(all));
        CHECK(std::set<double>(all.begin(), all.end()).size() > all.size() / 2);
        for (Index b = 0; b < spec.size; ++b) {
          const auto alone = scores(model, test::pick(batch, {b}));
          for (Index c = 0; c < spec.labels; ++c)
            CHECK(alone[static_cast<std::size_t>(c)] == all[static_cast<std::size_t>(b * spec.labels + c)]);
        }
        const std::vector<Index> order{3, 0, 4, 2, 1};
        const auto permuted = scores(model, test::pick(batch, order));
        for (std::size_t i = 0; i < order.size(); ++i)
          for (std::size_t c = 0; c < 2; ++c) CHECK(permuted[i * 2 + c] == all[static_cast<std::size_t>(order[i]) * 2 + c]);
      }
    }
  }
}

TEST_CASE("every tapped value of a sample is the same alone and among others") {
  test::BatchSpec spec;
  spec.size = 4, spec.available = 0.5, spec.seed = 9;
  const Batch batch = test::make_batch(spec);
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  stir(model);
  const auto all = taps(model, batch);
  CHECK(all.size() > 40);
  std::map<std::string, std::vector<double>> joined;  // of the samples one by one
  for (Index b = 0; b < spec.size; ++b)
    for (const auto& [name, values] : taps(model, test::pick(batch, {b})))
      joined[name].insert(joined[name].end(), values.begin(), values.end());
  for (const auto& entry : all) {
    const std::string& name = entry.first;
    if (name == "F.-1" || name == "agg_out.-1") continue;  // stored modality-major
    CAPTURE(name);
    CHECK(joined.at(name) == entry.second);
  }
}

TEST_CASE("no observation, no specificity; commonality comes from the reconstruction") {
  test::BatchSpec spec;
  spec.size = 8, spec.available = 0.4;
  const Batch batch = test::make_batch(spec);
  for (const Missing missing : kMissing) {
    TestModel model(test::schema_of(spec), small(TargetTime::Marked, missing), backend::Reference{});
    stir(model);
    const auto values = taps(model, batch);
    Index absent = 0;
    for (std::size_t k = 0; k < batch.modalities.size(); ++k) {
      const auto& m = batch.modalities[k];
      for (std::size_t b = 0; b < 8; ++b) {
        bool observed = false;
        for (auto r = static_cast<std::size_t>(m.offsets[b]); r < static_cast<std::size_t>(m.offsets[b + 1]); ++r)
          observed = observed || (m.available[r] && m.person[r] == batch.target_person[b]);
        absent += !observed;
        for (const char* name : {"S.", "C."}) {
          const auto& x = values.at(name + std::to_string(k));
          const auto begin = x.begin() + static_cast<std::ptrdiff_t>(b * 8), end = begin + 8;  // 2 labels of 4
          const bool zero = std::all_of(begin, end, [](double v) { return v == 0; });
          CHECK(zero == (name[0] == 'S' && !observed && missing == Missing::PresentOnly));
        }
      }
    }
    CHECK(absent > 2);
  }
}

TEST_CASE("modalities are matched by name: their order in the batch carries no meaning, and others are ignored") {
  test::BatchSpec spec;
  const Batch batch = test::make_batch(spec);
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  stir(model);
  Batch other = batch;
  std::swap(other.modalities[0], other.modalities[2]);
  other.modalities.push_back(other.modalities[1]);
  other.modalities.back().name = "smell";
  CHECK(scores(model, other) == scores(model, batch));
}

/// The batch without the tokens r of modality m for which `gone(m, r)`.
template <class Gone>
Batch without_tokens(const Batch& batch, Gone gone) {
  Batch result = batch;
  for (std::size_t k = 0; k < batch.modalities.size(); ++k) {
    const auto& from = batch.modalities[k];
    auto& to = result.modalities[k];
    to.features.clear(), to.available.clear(), to.person.clear(), to.segment.clear(), to.position.clear();
    to.offsets.assign(1, 0);
    for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
      for (Index r = from.offsets[b]; r < from.offsets[b + 1]; ++r) {
        if (gone(k, r)) continue;
        test::detail::append(to.features, from.features, r * from.width, (r + 1) * from.width);
        test::detail::append(to.available, from.available, r, r + 1);
        test::detail::append(to.person, from.person, r, r + 1);
        test::detail::append(to.segment, from.segment, r, r + 1);
        test::detail::append(to.position, from.position, r, r + 1);
      }
      to.offsets.push_back(static_cast<std::int32_t>(to.rows()));
    }
  }
  return result;
}

TEST_CASE("without persons, an unavailable token of an available modality may as well be left out") {
  test::BatchSpec spec;
  spec.size = 6, spec.segments = 5, spec.target = false, spec.available = 0.6;
  const Batch batch = test::make_batch(spec);
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  stir(model);
  Index left_out = 0;
  const Batch packed = without_tokens(batch, [&](std::size_t k, Index r) {
    const auto& m = batch.modalities[k];
    std::size_t b = 0;
    while (m.offsets[b + 1] <= r) ++b;
    const bool any = std::any_of(m.available.begin() + m.offsets[b], m.available.begin() + m.offsets[b + 1],
                                 [](auto a) { return a != 0; });
    const bool gone = any && !m.available[static_cast<std::size_t>(r)];
    left_out += gone;
    return gone;
  });
  CHECK(left_out > 3);
  const auto full = scores(model, batch), short_ones = scores(model, packed);
  for (std::size_t i = 0; i < full.size(); ++i) CHECK(short_ones[i] == doctest::Approx(full[i]).epsilon(1e-12));
}

TEST_CASE("with persons, features of an unavailable token are not looked at by anybody but itself") {
  test::BatchSpec spec;
  spec.size = 6, spec.available = 0.6;
  const Batch batch = test::make_batch(spec);
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  stir(model);
  Batch noisy = batch;
  auto& m = noisy.modalities[0];
  for (std::size_t b = 0; b < static_cast<std::size_t>(batch.size); ++b) {
    const bool any = std::any_of(m.available.begin() + m.offsets[b], m.available.begin() + m.offsets[b + 1],
                                 [](auto a) { return a != 0; });
    bool target = false;  // where the target has nothing, its own unavailable tokens stand in for it
    for (Index r = m.offsets[b]; r < m.offsets[b + 1]; ++r)
      target = target ||
               (m.available[static_cast<std::size_t>(r)] && m.person[static_cast<std::size_t>(r)] == batch.target_person[b]);
    if (!any || !target) continue;
    for (Index r = m.offsets[b]; r < m.offsets[b + 1]; ++r) {
      const auto at = static_cast<std::size_t>(r);
      // A person or a segment without any available token attends to all of its own: leave those as they are.
      bool person = false, segment = false;
      for (Index s = m.offsets[b]; s < m.offsets[b + 1]; ++s) {
        const auto o = static_cast<std::size_t>(s);
        person = person || (m.available[o] && m.person[o] == m.person[at]);
        segment = segment || (m.available[o] && m.segment[o] == m.segment[at]);
      }
      if (!m.available[at] && person && segment)
        for (Index d = 0; d < m.width; ++d)
          m.features[static_cast<std::size_t>(r * m.width + d)] = static_cast<float>(5 + d * d);
    }
  }
  CHECK(noisy.modalities[0].features != batch.modalities[0].features);
  CHECK(scores(model, noisy) == scores(model, batch));
}

TEST_CASE("the target's time matters where it is marked, and only there") {
  test::BatchSpec spec;
  spec.size = 4, spec.ragged = false, spec.available = 1;
  Batch batch = test::make_batch(spec), moved = batch;
  for (auto& t : moved.target_segment) t = (t + 1) % 3;
  for (const TargetTime time : kTimes) {
    TestModel model(test::schema_of(spec), small(time), backend::Reference{});
    const bool fresh_same = scores(model, batch) == scores(model, moved);
    CHECK(fresh_same == (time != TargetTime::Segment));  // the mark starts at zero
    stir(model);
    CHECK((scores(model, batch) == scores(model, moved)) == (time == TargetTime::All));
  }
}

TEST_CASE("personality that is switched off is neither learned from nor looked at") {
  test::BatchSpec spec;
  Batch batch = test::make_batch(spec);
  auto config = small();
  config.personality = false;
  TestModel model(test::schema_of(spec), config, backend::Reference{});
  stir(model);
  for (const auto* p : model.parameters()) CHECK_FALSE(p->name.starts_with("personality"));
  const auto before = scores(model, batch);
  for (float& x : batch.personality) x += 1.0f;
  CHECK(scores(model, batch) == before);
}

TEST_CASE("a model of whole samples does not look at a target") {
  test::BatchSpec spec;
  const Batch batch = test::make_batch(spec);
  Schema schema = test::schema_of(spec);
  schema.has_target = false;
  for (const TargetTime time : kTimes) {
    TestModel model(schema, small(time), backend::Reference{});
    stir(model);
    Batch without = batch;
    without.target_person.clear();
    without.target_segment.clear();
    CHECK(scores(model, batch) == scores(model, without));
  }
}

// --- Edge cases -------------------------------------------------------------------------------------------------------

struct Edge {
  const char* name;
  test::BatchSpec spec;
  void (*change)(Batch&) = [](Batch&) {};
};
void drop_everything_of(Batch& batch, std::size_t m, std::size_t b) {
  auto& modality = batch.modalities[m];
  for (Index r = modality.offsets[b]; r < modality.offsets[b + 1]; ++r) test::drop(modality, r);
}
std::vector<Edge> edges() {
  const auto spec = [](auto change) {
    test::BatchSpec s;
    s.size = 3;
    change(s);
    return s;
  };
  const auto as_is = spec([](auto&) {});
  return {
      {"usual", as_is},
      {"nothing of one sample", as_is,
       [](Batch& b) {
         for (std::size_t m = 0; m < 3; ++m) drop_everything_of(b, m, 1);
       }},
      {"nothing of any sample", spec([](auto& s) { s.available = 0; })},
      {"no sample has one modality", as_is,
       [](Batch& b) {
         for (std::size_t i = 0; i < 3; ++i) drop_everything_of(b, 1, i);
       }},
      {"one sample", spec([](auto& s) { s.size = 1; })},
      {"as many samples as stacks less one", spec([](auto& s) { s.size = 2; })},
      {"one label", spec([](auto& s) { s.labels = 1; })},
      {"fourteen labels", spec([](auto& s) { s.labels = 14; })},
      {"one person", spec([](auto& s) { s.persons = 1; })},
      {"nine persons", spec([](auto& s) { s.persons = 9, s.segments = 2; })},
      {"one time step", spec([](auto& s) { s.segments = 1; })},
      {"thirty-three time steps", spec([](auto& s) { s.segments = 33, s.persons = 2, s.ragged = false; })},
      {"one of everything", spec([](auto& s) {
         s.size = s.labels = s.persons = s.segments = 1;
         s.modalities = {"x"};
       })},
      {"one modality", spec([](auto& s) { s.modalities = {"taste"}; })},
      {"two modalities", spec([](auto& s) {
         s.modalities = {"taste", "smell"};
       })},
      {"four modalities", spec([](auto& s) {
         s.modalities = {"b", "a", "d", "c"};
       })},
      {"nothing annotated", spec([](auto& s) { s.annotated = 0; })},
      {"nobody known", spec([](auto& s) { s.known = 0; })},
      {"everybody known", spec([](auto& s) { s.known = 1; })},
      {"no personality", spec([](auto& s) { s.personality = 0; })},
      {"a sample without any token", as_is,
       [](Batch& b) {
         b = without_tokens(
             b, [&](std::size_t k, Index r) { return r >= b.modalities[k].offsets[1] && r < b.modalities[k].offsets[2]; });
       }},
      {"no target", spec([](auto& s) { s.target = false; })},
      {"no target, nothing of any sample", spec([](auto& s) { s.target = false, s.available = 0; })},
  };
}

TEST_CASE("edge cases train and predict: finite scores, losses, gradients and state") {
  for (const Edge& edge : edges()) {
    for (const TargetTime time : kTimes) {
      if (edge.spec.segments == 33 && time == TargetTime::All) continue;  // Marked includes it
      for (const Missing missing : kMissing) {
        CAPTURE(edge.name);
        CAPTURE(static_cast<int>(time));
        CAPTURE(static_cast<int>(missing));
        Batch batch = test::make_batch(edge.spec);
        edge.change(batch);
        TestModel model(test::schema_of(edge.spec), small(time, missing), backend::Reference{});
        Stepper stepper(model, optimizer(), 1);
        const auto before = content(model);
        for (std::uint64_t step = 0; step < 2; ++step) {
          const auto report = stepper.run(batch, step, 0);
          for (const auto& term : report.list()) {
            CAPTURE(std::string(term.name));
            CHECK(std::isfinite(term.value));
          }
          CHECK(std::isfinite(report.gradient_norm));
          if (edge.spec.annotated > 0) CHECK(report.gradient_norm > 0);
        }
        const auto after = content(model);
        CHECK(finite(after));
        if (edge.spec.annotated > 0) CHECK(after != before);
        const auto s = scores(model, batch);
        CHECK(s.size() == static_cast<std::size_t>(edge.spec.size * edge.spec.labels));
        CHECK(std::all_of(s.begin(), s.end(), [](double v) { return v >= 0 && v <= 1; }));
      }
    }
  }
}

TEST_CASE("with everything present the two ways to count missing modalities are the same bits") {
  test::BatchSpec spec;
  spec.available = 1;
  const Batch batch = test::make_batch(spec);
  std::vector<double> result[2];
  for (std::size_t i = 0; i < 2; ++i) {
    TestModel model(test::schema_of(spec), small(TargetTime::Marked, kMissing[i]), backend::Reference{});
    Stepper stepper(model, optimizer(), 1);
    for (std::uint64_t step = 0; step < 2; ++step) stepper.run(batch, step, 0);
    result[i] = content(model);
  }
  CHECK(result[0] == result[1]);
}

// --- Refusals ---------------------------------------------------------------------------------------------------------

/// Runs a step and a prediction on a batch that cannot be right. @return the message of the step; empty if there was none
std::string refusal(void (*change)(Batch&), bool also_predict = true) {
  test::BatchSpec spec;
  const Batch good = test::make_batch(spec);
  Batch bad = good;
  change(bad);
  TestModel model(test::schema_of(spec), small(), backend::Reference{});
  Stepper stepper(model, optimizer(), 1);
  stepper.run(good, 0, 0);
  const auto before = content(model);
  const auto first = stepper.optimizer().steps();
  std::string message;
  try {
    stepper.run(bad, 1, 0);
  } catch (const DataError& e) {
    message = e.what();
  }
  CHECK(content(model) == before);
  CHECK(stepper.optimizer().steps() == first);
  if (also_predict) {
    Workspace<TestModel> workspace;
    std::vector<double> out{7};
    CHECK_THROWS_WITH_AS(model.predict(bad, workspace, out), message.c_str(), DataError);
    CHECK(out == std::vector<double>{7});
    model.predict(good, workspace, out);
    CHECK(out == scores(model, good));
  } else {
    CHECK(scores(model, bad) == scores(model, good));
  }
  stepper.run(good, 1, 0);
  return message;
}
bool names_all(const std::string& message, std::initializer_list<const char*> parts) {
  CAPTURE(message);
  for (const char* part : parts) {
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
  }
  return !message.empty();
}

/// The first modality's features as rows of three that are kept.
ModalityBatch& by_row(Batch& b) {
  static const float kept = 0;
  ModalityBatch& m = b.modalities[0];
  m.features.clear();
  for (const std::uint8_t a : m.available) m.row.push_back(a ? 2 : -1);
  m.kept = {&kept, 3};
  return m;
}

TEST_CASE("batches that do not fit are refused with what was found and expected; nothing changes") {
  CHECK(names_all(refusal([](Batch& b) { b.modalities.erase(b.modalities.begin() + 1); }), {"audio", "text, face"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[2].width = 4; }), {"face", "width 5", "has 4"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[0].features.pop_back(); }), {"text", "feature values", "rows of 3"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).row.pop_back(); }), {"text", "numbers of kept rows"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).features.push_back(1); }), {"text", "1 feature values"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).row[0] = 3; }), {"text", "row 3 of 3"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).row[0] = -2; }), {"text", "row -2 of 3"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).row[0] = b.modalities[0].available[0] ? -1 : 2; }),
                  {"text", "token 0", "availability"}));
  CHECK(names_all(refusal([](Batch& b) { by_row(b).kept = {}; }), {"text", "0 feature values"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[0].position.back() = 9; }),
                  {"text", "sample 103", "position 9", "table of 9"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[0].position.back() = -1; }), {"position -1"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[0].offsets.pop_back(); }), {"text", "offsets", "5 numbers"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[0].person.pop_back(); }), {"text", "persons"}));
  CHECK(names_all(refusal([](Batch& b) { b.target_person.clear(), b.target_segment.clear(); }), {"target", "names none"}));
  CHECK(names_all(refusal([](Batch& b) { b.target_segment.pop_back(); }),
                  {"4 target persons", "3 target segments", "4 samples"}));
  CHECK(names_all(refusal([](Batch& b) { b.personality_width = 3; }), {"personality of width 2", "has 3"}));
  CHECK(names_all(refusal([](Batch& b) { b.personality_width = 0; }), {"personality of width 2", "has 0"}));
  CHECK(names_all(refusal([](Batch& b) { b.personality.pop_back(); }), {"personality values of width 2"}));
  CHECK(names_all(refusal([](Batch& b) {
                    for (auto& m : b.modalities) m.person.back() = 5;
                  }),
                  {"sample 103", "person 5"}));
  CHECK(names_all(refusal([](Batch& b) { b.modalities[1].position[0] = 1; }), {"text", "audio", "different tokens"}));
  CHECK(names_all(refusal([](Batch& b) {
                    b = test::pick(b, {});
                    b.labels = {1};
                  }),
                  {"empty"}));
}

TEST_CASE("labels that do not fit are refused in training and not looked at in prediction") {
  CHECK(names_all(refusal([](Batch& b) { b.label_count = 3; }, false), {"model has 2 labels", "batch 3"}));
  CHECK(names_all(refusal([](Batch& b) { b.labels.pop_back(); }, false),
                  {"7 labels", "8 label mask values", "4 samples of 2 labels"}));
  CHECK(names_all(refusal([](Batch& b) { b.label_mask.clear(); }, false), {"0 label mask values"}));
  CHECK(names_all(refusal([](Batch& b) { b.labels.clear(), b.label_mask.clear(); }, false), {"needs labels"}));
}

TEST_CASE("a schema without modalities or labels is refused") {
  test::BatchSpec spec;
  Schema schema = test::schema_of(spec);
  schema.labels.clear();
  CHECK_THROWS_WITH_AS(TestModel(schema, small(), backend::Reference{}),
                       "a model needs modalities and labels; the schema has 3 and 0", ConfigError);
  schema = test::schema_of(spec);
  schema.modalities.clear();
  CHECK_THROWS_AS(TestModel(schema, small(), backend::Reference{}), ConfigError);
  schema = test::schema_of(spec);
  schema.modalities[1].name = "text";
  CHECK_THROWS_WITH_AS(TestModel(schema, small(), backend::Reference{}),
                       "two parameters are called encoder.text.input_norm.weight", ConfigError);
}

// --- Parameters -------------------------------------------------------------------------------------------------------

TEST_CASE("names, shapes and decay of parameters are what they were: checkpoints depend on them") {
  std::ostringstream found;
  for (const bool target : {true, false}) {
    test::BatchSpec spec;
    spec.target = target;
    spec.modalities = {"text", "audio"};
    TestModel model(test::schema_of(spec), small(), backend::Reference{});
    found << (target ? "# with target and personality\n" : "# without\n");
    test::list_parameters(found, model);
  }
  std::ifstream file(RAMER_TESTS_DIR "/model/parameters.txt");
  REQUIRE(file.good());
  const std::string expected{std::istreambuf_iterator<char>(file), {}};
  CHECK(found.str() == expected);
}

TEST_CASE("start values depend on seed and name alone") {
  test::BatchSpec spec, more = spec;
  more.modalities = {"smell", "face", "text", "audio"};
  more.labels = 3;
  const auto values = [](TestModel& model) {
    std::map<std::string, std::vector<double>> v;
    for (const auto* p : model.parameters()) v[p->name] = {p->value.data(), p->value.data() + p->size()};
    return v;
  };
  TestModel one(test::schema_of(spec), small(), backend::Reference{}, 5),
      same(test::schema_of(spec), small(), backend::Reference{}, 5);
  TestModel other(test::schema_of(spec), small(), backend::Reference{}, 6);
  Schema wide = test::schema_of(more);
  for (auto& m : wide.modalities)
    for (const auto& known : test::schema_of(spec).modalities)
      if (known.name == m.name) m.width = known.width;
  TestModel larger(wide, small(), backend::Reference{}, 5);
  CHECK(content(one) == content(same));
  CHECK(content(one) != content(other));
  const auto a = values(one), b = values(larger), c = values(other);
  for (const char* name : {"encoder.text.input.weight", "encoder.face.layer.0.attention.query.weight", "commonality.weight",
                           "reconstruction.audio.encoder.0.weight"}) {
    CHECK(a.at(name) == b.at(name));
    CHECK(a.at(name) != c.at(name));
  }
  CHECK(a.at("specificity.text.weight") != a.at("specificity.audio.weight"));
}

TEST_CASE("parameters that no adjoint reaches are skipped: no step, no decay") {
  test::BatchSpec spec;
  spec.known = 1;  // the vector of unknown persons is not used
  const Batch batch = test::make_batch(spec);
  auto config = small(TargetTime::Segment);
  config.weights.adversarial = 0;
  TestModel model(test::schema_of(spec), config, backend::Reference{});
  Stepper stepper(model, optimizer(), 1);
  std::map<std::string, std::vector<double>> before;
  for (const auto* p : model.parameters()) before[p->name] = {p->value.data(), p->value.data() + p->size()};
  stepper.run(batch, 0, 0);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const auto* p = model.parameters()[i];
    const bool unused =
        p->name.starts_with("discriminator.") || p->name == "personality.unknown" || p->name.starts_with("label_attention.");
    CAPTURE(p->name);
    CHECK(stepper.optimizer().steps()[i] == (unused ? 0 : 1));
    if (unused) CHECK(std::equal(p->value.data(), p->value.data() + p->size(), before[p->name].begin()));
  }
}

TEST_CASE("masked labels teach nothing: their value does not matter") {
  test::BatchSpec spec;
  spec.annotated = 0.5;
  Batch batch = test::make_batch(spec), flipped = batch;
  for (std::size_t i = 0; i < batch.labels.size(); ++i)
    if (!batch.label_mask[i]) flipped.labels[i] = !batch.labels[i];
  REQUIRE(flipped.labels != batch.labels);
  std::vector<double> result[2];
  for (std::size_t i = 0; i < 2; ++i) {
    TestModel model(test::schema_of(spec), small(), backend::Reference{});
    Stepper stepper(model, optimizer(), 1);
    for (std::uint64_t step = 0; step < 2; ++step) stepper.run(i ? flipped : batch, step, 0);
    result[i] = content(model);
  }
  CHECK(result[0] == result[1]);
}

TEST_CASE("many threads predict with one model, each with its own workspace") {
  test::BatchSpec spec;
  spec.size = 6;
  const Batch batch = test::make_batch(spec);
  TestModel trained(test::schema_of(spec), small(), backend::Reference{});
  stir(trained);
  const TestModel& model = trained;
  const auto expected = scores(model, batch);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Workspace<TestModel> workspace;
      std::vector<double> out;
      for (int repeat = 0; repeat < 10; ++repeat) {
        model.predict(batch, workspace, out);
        wrong[t] += out != expected;
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace
