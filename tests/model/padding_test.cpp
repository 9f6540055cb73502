// Batches with dead rows: the same scores, losses and gradients where a model takes them, refused where it does not.
#include "model/padding.hpp"

#include "backend/emulated.hpp"
#include "ramer/backend/reference.hpp"
#include "ramer/data/missing.hpp"
#include "ramer/model/early_fusion.hpp"
#include "ramer/model/tailor.hpp"

using namespace ramer;
using test::check_padding, test::check_same, test::computed, test::monologues, test::padded, test::ragged_batch,
    test::small_model;

namespace {

/// Whoever writes an encoder says whether it takes dead rows; this one does not say.
struct Silent : recipe::Ramer {
  static constexpr const char* name = "silent";
  struct Encoder {
    using Config = encoder::TransformerConfig;
    template <class E>
    struct Module {
      nn::Linear<E> map;
      Module(const Config& c, Index, Index width, Index, bool) : map(width, c.hidden) {}
      nn::Var<E, 2> operator()(nn::Context<E>& ctx, nn::Var<E, 2> x, const encoder::TokenPlan&, Index) const {
        return map(ctx, x);
      }
      template <class Self, class Visitor>
      static void parameters(Self& self, Visitor&& visit) {
        visit("map", self.map);
      }
    };
  };
};

/// The sentence with which a model refuses a padded batch of the spec.
template <class R>
std::string refusal(const test::BatchSpec& spec) {
  using M = Model<R, backend::Reference, Double>;
  M model(test::schema_of(spec), {}, {});
  CHECK_FALSE(model.takes_padding());
  Workspace<M> workspace;
  std::vector<double> scores;
  try {
    model.predict(padded(test::make_batch(spec), 1), workspace, scores);
  } catch (const DataError& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("dead rows change no score, no loss and no gradient: reference") {
  check_padding<recipe::Carat, backend::Reference>(3);
  check_padding<recipe::Ramer, backend::Reference>(2);
  check_padding<recipe::WithoutGamma, backend::Reference>(1);
}

TEST_CASE("dead rows change no score, no loss and no gradient: a device's kernels") {
  check_padding<recipe::Carat, test::Emulated<>>(1);
}

TEST_CASE("dead rows where features are rows of a data set that is kept") {
  const test::BatchSpec spec = monologues(1);
  const Batch batch = ragged_batch(spec);
  Batch by_row = batch;
  for (std::size_t k = 0; k < by_row.modalities.size(); ++k) {
    ModalityBatch& m = by_row.modalities[k];
    m.features.clear();
    for (std::size_t r = 0; r < m.available.size(); ++r) m.row.push_back(m.available[r] ? static_cast<std::int32_t>(r) : -1);
    m.kept = {batch.modalities[k].features.data(), m.rows()};
  }
  pad_rows(by_row);
  check_same(computed<recipe::Carat, backend::Reference, Double>(spec, by_row, 0.3),
             computed<recipe::Carat, backend::Reference, Double>(spec, batch, 0.3), 1e-12);
}

TEST_CASE("what runs on a padded batch has the shapes of every batch of its bucket") {
  using M = Model<recipe::Carat, backend::Reference, Double>;
  const test::BatchSpec spec = monologues(1);
  M model = small_model<recipe::Carat, M>(spec, 0, {});
  std::vector<Index> shapes[2];
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const Batch batch = padded(test::make_batch(monologues(seed)), 32);
    typename M::Plan plan;
    model.module().build_plan(plan, batch, true, RandomStream());
    for (const encoder::TokenPlan& t : plan.tokens) {
      const GatherView position = t.position.view();
      for (const Index n :
           {t.rows, t.longest, static_cast<Index>(t.key.size()), static_cast<Index>(t.row_key.size()), position.size,
            Index{position.offsets[position.sources]}, t.target.view().size, static_cast<Index>(t.target_mask.size()),
            static_cast<Index>(t.target_key.size()), Index{t.dead_rows}})
        shapes[seed - 1].push_back(n);
    }
  }
  CHECK(test::make_batch(monologues(1)).modalities[0].rows() != test::make_batch(monologues(2)).modalities[0].rows());
  CHECK(shapes[0] == shapes[1]);
}

TEST_CASE("a model that takes no dead rows refuses them by modality and number") {
  const test::BatchSpec asked;  // with target and personality
  const auto plain = monologues(1);
  const auto tokens = test::make_batch(plain).modalities[0].rows();
  const auto sentence = [](Index rows) {
    return "modality text: " + std::to_string(bucket(rows + 1, 1)) + " rows, of which the samples have " +
           std::to_string(rows) + "; this model takes no dead rows (pad_rows)";
  };
  CHECK(refusal<recipe::Ramer>(asked) == sentence(test::make_batch(asked).modalities[0].rows()));
  CHECK(refusal<recipe::Carat>(asked) == sentence(test::make_batch(asked).modalities[0].rows()));
  CHECK(refusal<recipe::CaratUnaligned>(plain) == sentence(tokens));
  CHECK(refusal<recipe::Tailor>(plain) == sentence(tokens));
  CHECK(refusal<Silent>(plain) == sentence(tokens));
}

TEST_CASE("a row behind the samples' that is available is no dead row") {
  using M = Model<recipe::Carat, backend::Reference, Double>;
  const test::BatchSpec spec = monologues(1);
  M model = small_model<recipe::Carat, M>(spec, 0, {});
  Batch batch = test::make_batch(spec);
  batch.modalities[2].offsets.back() -= 1;
  batch.modalities[2].available.back() = 1;
  Workspace<M> workspace;
  std::vector<double> scores;
  const std::string message = "modality face: a row behind the " + std::to_string(batch.modalities[2].tokens()) +
                              " that the samples have is available; dead rows are not";
  CHECK_THROWS_WITH_AS(model.predict(batch, workspace, scores), message.c_str(), DataError);
  batch = padded(test::make_batch(spec), 1);
  batch.modalities[0].offsets.back() += 5;
  CHECK_THROWS_AS(model.predict(batch, workspace, scores), DataError);
  batch = padded(test::make_batch(spec), 1);
  batch.modalities[0].person.pop_back();
  CHECK_THROWS_AS(model.predict(batch, workspace, scores), DataError);
}

TEST_CASE("pooled features and dropped modalities are of the samples' tokens alone") {
  const test::BatchSpec asked;
  const Batch batch = test::make_batch(asked);
  const Batch more = padded(batch, 32);
  for (const Pooling pooling : {Pooling::Target, Pooling::Window, Pooling::TargetAndWindow}) {
    std::vector<float> rows, padded_rows;
    pool_features(test::schema_of(asked), batch, pooling, rows);
    pool_features(test::schema_of(asked), more, pooling, padded_rows);
    CHECK(padded_rows == rows);
  }
  Batch dropped = batch, dropped_of_more = more;
  data::MissingConfig missing;
  missing.rate = 0.5;
  CHECK(data::drop_modalities(dropped_of_more, missing, 3) == data::drop_modalities(dropped, missing, 3));
  dropped = padded(dropped, 32);
  for (std::size_t m = 0; m < dropped.modalities.size(); ++m) {
    CHECK(dropped_of_more.modalities[m].available == dropped.modalities[m].available);
    CHECK(dropped_of_more.modalities[m].features == dropped.modalities[m].features);
  }
}
