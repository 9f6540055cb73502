// Joining sequences of ragged samples, chains of cross transformers, and labels that look at what comes out.
#include "ramer/encoder/cross_transformer.hpp"

#include <doctest/doctest.h>

#include "ramer/encoder/label_decoder.hpp"
#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using Ints = std::vector<std::int32_t>;

namespace {

/// Per sample a list of (place, key).
encoder::Sequence sequence(Index places, const std::vector<std::vector<std::pair<int, int>>>& samples) {
  encoder::Sequence s;
  s.clear(places);
  for (const auto& rows : samples) {
    for (const auto& [place, key] : rows) s.add(place, static_cast<std::uint8_t>(key));
    s.end_sample();
  }
  return s;
}
std::vector<int> keys(const std::vector<std::uint8_t>& x) { return {x.begin(), x.end()}; }
auto matrix(Index rows, Index cols) {
  return [=](const auto& x) { return x.reshape(Shape{rows, cols}); };
}

// Three samples: both parts; the second alone, without a key; nothing.
const encoder::Sequence kFirst = sequence(4, {{{0, 1}, {3, 0}}, {}, {}});
const encoder::Sequence kSecond = sequence(5, {{{1, 1}}, {{0, 0}, {4, 0}}, {}});

TEST_CASE("a join keeps rows of a sample together; places of the second part follow all of the first's") {
  encoder::JoinPlan join;
  for (int repeat = 0; repeat < 2; ++repeat) {
    join.build(kFirst, kSecond, 10);
    CHECK(join.rows.places == 9);
    CHECK(join.rows.offsets == Ints{0, 3, 5, 5});
    CHECK(join.from.index == Ints{0, 1, 2, 3, 4});
    CHECK(join.rows.place == Ints{0, 3, 5, 4, 8});
    CHECK(join.position.index == join.rows.place);
    CHECK(join.part.index == Ints{0, 0, 1, 1, 1});
    CHECK(keys(join.rows.key) == std::vector<int>{1, 0, 1, 0, 0});
    CHECK(keys(join.attended) == std::vector<int>{1, 0, 1, 1, 1});  // a sample without a key attends to all it has
    CHECK(join.row_key == std::vector<std::uint64_t>{0, 3, 5, (1ull << 32) | 4, (1ull << 32) | 8});
    CHECK(join.longest == 3);
  }
  join.build(kSecond, kFirst, 10);
  CHECK(join.from.index == Ints{0, 3, 4, 1, 2});
  CHECK(join.rows.place == Ints{1, 5, 8, 0, 4});
  CHECK(join.part.index == Ints{0, 1, 1, 0, 0});
}

TEST_CASE("the chain: the first two, then each further one in front, what they have in common at the end") {
  std::vector<encoder::Sequence> parts;
  for (int m = 0; m < 4; ++m) parts.push_back(sequence(2, {{{0, 1}, {1, 1}}}));
  const auto common = sequence(2, {{{1, 1}}});
  encoder::FusionPlan plan;
  plan.build(parts, common, {3, 1, 0, 2}, 10);
  REQUIRE(plan.join.size() == 4);
  CHECK(plan.join[0].part.index == Ints{0, 0, 1, 1});
  CHECK(plan.join[1].part.index == Ints{0, 0, 1, 1, 1, 1});
  CHECK(plan.join[2].part.index == Ints{0, 0, 1, 1, 1, 1, 1, 1});
  CHECK(plan.join[3].part.index == Ints{0, 0, 0, 0, 0, 0, 0, 0, 1});
  CHECK(plan.memory().rows.place == Ints{0, 1, 2, 3, 4, 5, 6, 7, 9});
  plan.build({parts[0]}, common, {0}, 10);
  REQUIRE(plan.join.size() == 1);
  CHECK(plan.memory().rows.place == Ints{0, 1, 3});
}

TEST_CASE("which part feeds which cross transformer") {
  // Without layers a cross transformer normalises each row by itself, so that rows can be told apart at the end of the chain.
  encoder::CrossChainConfig config;
  config.layers = 0;
  config.order = {2, 0, 1};
  encoder::CrossChain::Module<E> chain(config, 3, 8, 2, 1, 2);
  backend::Reference backend;
  const auto parameters = nn::register_parameters<E>(chain, backend, 1);
  for (auto* p : parameters)
    if (p->name.find("norm") == std::string::npos) backend.fill(p->value.data(), p->size(), 0.0);
  std::vector<encoder::Sequence> parts(3, sequence(2, {{{0, 1}}}));
  const auto common = sequence(2, {{{0, 1}}});
  encoder::FusionPlan plan;
  plan.build(parts, common, chain.order, 8);
  const std::vector<double> p0{1, -1}, p1{-3, 1}, p2{1, -1}, c{-1, 2};
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const Shape<2> one{{1, 2}};
  const nn::Var<E, 2> ps[] = {{p0.data(), one}, {p1.data(), one}, {p2.data(), one}};
  const auto y = chain(ctx, std::span<const nn::Var<E, 2>>(ps), nn::Var<E, 2>(c.data(), one), plan);
  REQUIRE(y.extent(0) == 4);
  const double sign[] = {-1, 1, 1, -1};  // [P_1 ; [P_2 ; P_0]] and C, by the sign of the first channel
  for (Index r = 0; r < 4; ++r) CHECK(y.data()[2 * r] * sign[r] > 0.9);
}

TEST_CASE("derivatives of a cross transformer and of a label decoder over ragged rows, with dropout and without") {
  encoder::JoinPlan join;
  join.build(kFirst, kSecond, 10);
  encoder::LabelQueryPlan queries;
  queries.build(3, 2);
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    encoder::CrossTransformer<E> cross(10, 4, 2, 3, 1, 0.3);
    CHECK(nn::check_module(
              cross, {nn::check_values(2 * 4), nn::check_values(3 * 4, 2)},
              [&](auto& ctx, const auto& x) { return cross(ctx, matrix(2, 4)(x[0]), matrix(3, 4)(x[1]), join, 0); },
              options) == "");
    encoder::LabelDecoderConfig config;
    config.layers = 2;
    encoder::LabelDecoder<E> decoder(config, 2, 4, 2, 3);
    CHECK(nn::check_module(
              decoder, {nn::check_values(5 * 4)},
              [&](auto& ctx, const auto& x) { return decoder(ctx, matrix(5, 4)(x[0]), queries, join); }, options) == "");
  }
}

TEST_CASE("a sample without memory decodes its labels alone, and others do not see it") {
  encoder::LabelDecoder<E> decoder(encoder::LabelDecoderConfig{}, 2, 4, 2, 3);
  backend::Reference backend;
  nn::register_parameters<E>(decoder, backend, 1);
  const auto decode = [&](const encoder::Sequence& first, const encoder::Sequence& second, Index batch) {
    encoder::JoinPlan join;
    join.build(first, second, 10);
    encoder::LabelQueryPlan queries;
    queries.build(batch, 2);
    const auto memory = nn::check_values(join.rows.rows() * 4, 3);
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, false);
    nn::Context<E> ctx{tape};
    const auto y = decoder(ctx, nn::Var<E, 2>(memory.data(), Shape{join.rows.rows(), Index{4}}), queries, join);
    return std::vector<double>(y.data(), y.data() + y.size());
  };
  const auto all = decode(kFirst, kSecond, 3), none = decode(sequence(4, {{}}), sequence(5, {{}}), 1);
  REQUIRE(all.size() == 24);
  for (const double x : all) CHECK(std::isfinite(x));
  CHECK(std::equal(none.begin(), none.end(), all.begin() + 16));
  const auto first_alone = decode(sequence(4, {{{0, 1}, {3, 0}}}), sequence(5, {{{1, 1}}}), 1);
  CHECK(std::equal(first_alone.begin(), first_alone.end(), all.begin()));
}

}  // namespace
