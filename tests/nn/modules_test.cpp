// Derivatives of the building blocks, and what dropout draws where.
#include <doctest/doctest.h>

#include <set>

#include "ramer/nn/gradcheck.hpp"
#include "ramer/nn/transformer.hpp"

using namespace ramer;
using E = nn::CheckEngine;

namespace {

auto matrix(Index rows, Index cols) {
  return [=](const auto& x) { return x.reshape(Shape{rows, cols}); };
}

/// Two samples of 3 and 2 tokens; the first one's middle token is no key.
struct TwoSamples {
  std::vector<std::int32_t> offsets{0, 3, 5};
  std::vector<std::uint8_t> key{1, 0, 1, 1, 1};
  std::vector<std::uint64_t> row_key{0, 1, 2, (1ull << 32) | 0, (1ull << 32) | 4};
  nn::TokenRows rows() const { return {{2, 3, offsets.data(), key.data(), nullptr}, row_key.data()}; }
};

TEST_CASE("linear") {
  for (const auto act :
       {backend::Activation::None, backend::Activation::Tanh, backend::Activation::Gelu, backend::Activation::Sigmoid}) {
    nn::Linear<E> module(3, 2);
    CHECK(nn::check_module(module, {nn::check_values(12)},
                           [&](auto& ctx, const auto& in) { return module(ctx, matrix(4, 3)(in[0]), act); }) == "");
  }
  nn::Linear<E> module(5, 2);
  CHECK(nn::check_module(module, {nn::check_values(8), nn::check_values(12, 2)}, [&](auto& ctx, const auto& in) {
          const nn::Var<E, 2> parts[] = {matrix(4, 2)(in[0]), matrix(4, 3)(in[1])};
          return module(ctx, std::span<const nn::Var<E, 2>>(parts));
        }) == "");
}

TEST_CASE("perceptron") {
  nn::Perceptron<E> module({3, 4, 4, 2});
  CHECK(nn::check_module(module, {nn::check_values(15)},
                         [&](auto& ctx, const auto& in) { return module(ctx, matrix(5, 3)(in[0])); }) == "");
}

TEST_CASE("layer normalisation, alone and with residual and dropout") {
  nn::LayerNorm<E> module(4);
  CHECK(nn::check_module(module, {nn::check_values(12)},
                         [&](auto& ctx, const auto& in) { return module(ctx, matrix(3, 4)(in[0])); }) == "");
  CHECK(nn::check_module(module, {nn::check_values(12), nn::check_values(12, 2)}, [&](auto& ctx, const auto& in) {
          return module(ctx, matrix(3, 4)(in[0]), matrix(3, 4)(in[1]), ctx.dropout(nn::Dropout{0.4, 7}));
        }) == "");
}

TEST_CASE("self-attention, feed-forward, and the layer of both, with dropout and without") {
  const TwoSamples data;
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    const auto check = [&](auto module) {
      return nn::check_module(
          module, {nn::check_values(20)},
          [&](auto& ctx, const auto& in) { return module(ctx, matrix(5, 4)(in[0]), data.rows()); }, options);
    };
    CHECK(check(nn::Attention<E>(4, 2, 0.3)) == "");
    CHECK(check(nn::FeedForward<E>(4, 3, 0.3)) == "");
    CHECK(check(nn::TransformerLayer<E>(4, 2, 3, 0.3)) == "");
  }
}

TEST_CASE("attention to a memory, and the decoder layer, with dropout and without") {
  const TwoSamples data;
  const std::vector<std::int32_t> query_offsets{0, 1, 4};
  const std::vector<std::uint64_t> query_key{3, 1ull << 32, (1ull << 32) | 1, (1ull << 32) | 2};
  nn::TokenRows own{{2, 3, query_offsets.data(), nullptr, nullptr}, query_key.data()}, to_memory = data.rows();
  to_memory.groups.query_offsets = query_offsets.data(), to_memory.groups.longest_query = 3;
  to_memory.groups.key_row_key = data.row_key.data(), to_memory.row_key = query_key.data();
  for (const bool training : {true, false}) {
    nn::CheckOptions options;
    options.training = training;
    const std::vector<std::vector<double>> in{nn::check_values(16), nn::check_values(20, 2)};
    nn::Attention<E> attention(4, 2, 0.3);
    CHECK(nn::check_module(
              attention, in,
              [&](auto& ctx, const auto& x) { return attention(ctx, matrix(4, 4)(x[0]), matrix(5, 4)(x[1]), to_memory); },
              options) == "");
    nn::DecoderLayer<E> layer(4, 2, 3, 0.3);
    CHECK(nn::check_module(
              layer, in,
              [&](auto& ctx, const auto& x) { return layer(ctx, matrix(4, 4)(x[0]), matrix(5, 4)(x[1]), own, to_memory); },
              options) == "");
  }
}

TEST_CASE("heads must divide the width") {
  CHECK_THROWS_WITH_AS(nn::Attention<E>(6, 4, 0.0), "attention: width 6 is no multiple of 4 heads", ConfigError);
  CHECK_THROWS_AS(nn::Attention<E>(6, 0, 0.0), ConfigError);
}

/// The output of a layer for one sample of three tokens at logical places (sample, 0 ... 2), among `before` other tokens.
std::vector<double> layer_output(nn::TransformerLayer<E>& layer, Index before, std::uint64_t sample, std::uint64_t seed,
                                 std::uint64_t step, bool training = true) {
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape, nullptr, training, seed, step};
  std::vector<double> x = nn::check_values(before * 4, 9);
  const auto own = nn::check_values(12, 5);
  x.insert(x.end(), own.begin(), own.end());
  std::vector<std::int32_t> offsets{0, static_cast<std::int32_t>(before), static_cast<std::int32_t>(before + 3)};
  std::vector<std::uint64_t> row_key(static_cast<std::size_t>(before), 0xFFFFull << 32);
  for (std::uint64_t t = 0; t < 3; ++t) row_key.push_back((sample << 32) | t);
  const auto y = layer(ctx, nn::Var<E, 2>(x.data(), Shape{before + 3, Index{4}}),
                       {{2, std::max<Index>(before, 3), offsets.data(), nullptr, nullptr}, row_key.data()});
  return {y.data() + before * 4, y.data() + (before + 3) * 4};
}

TEST_CASE("dropout draws by logical place, seed and step, whatever else is in the batch") {
  nn::TransformerLayer<E> layer(4, 2, 4, 0.5);
  backend::Reference backend;
  nn::register_parameters<E>(layer, backend, 3);
  const auto base = layer_output(layer, 0, 2, 1, 1);
  CHECK(layer_output(layer, 4, 2, 1, 1) == base);  // other rows before it
  CHECK(layer_output(layer, 0, 3, 1, 1) != base);  // another sample
  CHECK(layer_output(layer, 0, 2, 2, 1) != base);  // another seed
  CHECK(layer_output(layer, 0, 2, 1, 2) != base);  // another step
  const auto still = layer_output(layer, 0, 2, 1, 1, false);
  CHECK(still != base);
  CHECK(layer_output(layer, 0, 3, 2, 2, false) == still);  // at evaluation nothing is drawn
}

TEST_CASE("dropout keeps a fraction 1 - rate, and the mean") {
  constexpr Index rows = 200, cols = 50;
  const std::vector<double> ones(rows * cols, 1.0);
  for (const double rate : {0.1, 0.3, 0.75}) {
    backend::Reference backend;
    autodiff::Workspace<HostMemory> workspace;
    E::Tape tape(backend, workspace, false);
    nn::Context<E> ctx{tape, nullptr, true, 11, 5};
    const auto y = autodiff::dropout(tape, nn::Var<E, 2>(ones.data(), Shape{rows, cols}), ctx.dropout(nn::Dropout{rate, 4}));
    double sum = 0;
    Index kept = 0;
    for (Index i = 0; i < y.size(); ++i) {
      if (y.data()[i] != 0) {
        CHECK(y.data()[i] == doctest::Approx(1 / (1 - rate)));
        ++kept;
      }
      sum += y.data()[i];
    }
    const double n = rows * cols, sd = std::sqrt(rate * (1 - rate) * n);
    CHECK(std::abs(static_cast<double>(kept) - (1 - rate) * n) < 4 * sd);
    CHECK(std::abs(sum / n - 1) < 4 * sd / n / (1 - rate));
  }
}

TEST_CASE("start values depend on seed and name alone; names and streams are paths") {
  backend::Reference backend;
  nn::TransformerLayer<E> a(4, 2, 3, 0.1), b(4, 2, 3, 0.1);
  const auto first = nn::register_parameters<E>(a, backend, 1), same = nn::register_parameters<E>(b, backend, 1);
  std::set<std::string> names;
  for (std::size_t i = 0; i < first.size(); ++i) {
    names.insert(first[i]->name);
    CHECK(std::equal(first[i]->value.data(), first[i]->value.data() + first[i]->size(), same[i]->value.data()));
  }
  CHECK(names.size() == first.size());
  CHECK(names.count("attention.query.weight") == 1);
  CHECK(names.count("feed_forward.norm.bias") == 1);
  CHECK(a.attention.weight_dropout.stream == name_hash("attention.weight_dropout"));
  CHECK(a.attention.weight_dropout.stream != a.attention.output_dropout.stream);
  nn::Linear<E> alone(4, 4, nn::Init::normal(0.02), nn::Init::constant(0));
  nn::register_parameters<E>(alone, backend, 1);
  CHECK(alone.weight.value(0) != a.attention.query.weight.value(0));  // another name
  const double kept = a.attention.query.weight.value(3);
  nn::register_parameters<E>(a, backend, 2);
  CHECK(a.attention.query.weight.value(3) != kept);
  CHECK(a.attention.norm.weight.value(0) == 1);
}

struct Twins {
  nn::Linear<E> one{2, 2}, two{2, 2};
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("same", self.one);
    visit("same", self.two);
  }
};

struct DropoutTwins {
  nn::Linear<E> linear{2, 2};
  nn::Dropout one{0.1}, two{0.1};
  template <class Self, class Visitor>
  static void parameters(Self& self, Visitor&& visit) {
    visit("linear", self.linear);
    visit("same", self.one);
    visit("same", self.two);
  }
};

TEST_CASE("two parameters, or two dropouts, of one name are refused") {
  backend::Reference backend;
  Twins twins;
  CHECK_THROWS_WITH_AS(nn::register_parameters<E>(twins, backend, 1), "two parameters are called same.weight", ConfigError);
  DropoutTwins dropouts;
  CHECK_THROWS_AS(nn::register_parameters<E>(dropouts, backend, 1), ConfigError);
}

}  // namespace
