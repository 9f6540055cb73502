// Derivatives of codes and levels; which parameters a policy has.
#include "ramer/reconstruction/two_level.hpp"

#include <doctest/doctest.h>

#include "ramer/nn/gradcheck.hpp"

using namespace ramer;
using E = nn::CheckEngine;
using Var2 = nn::Var<E, 2>;

namespace {

constexpr Index kHidden = 4, kRows = 3;
Var2 matrix(nn::Var<E, 1> x) { return x.reshape(Shape{kRows, x.size() / kRows}); }

TEST_CASE("codec: there, back, and there again") {
  reconstruction::Config config;
  config.latent = 3;
  reconstruction::LatentCodec::Module<E> codec(kHidden, config);
  CHECK(nn::check_module(codec, {nn::check_values(kRows * kHidden)}, [&](auto& ctx, const auto& in) {
          return codec.encode(ctx, codec.decode(ctx, codec.encode(ctx, matrix(in[0]))));
        }) == "");
}

TEST_CASE("one map g serves both levels, and learns from both") {
  reconstruction::Config config;
  config.latent = 3;
  reconstruction::Branch<reconstruction::TwoLevel, E> branch(kHidden, 2, config);
  CHECK(
      nn::check_module(
          branch, {nn::check_values(kRows * kHidden), nn::check_values(kRows * kHidden, 2)}, [&](auto& ctx, const auto& in) {
            const Var2 first[] = {matrix(in[0]), branch.codec.decode(ctx, branch.codec.encode(ctx, matrix(in[1])))};
            const Var2 beta = branch.cross(ctx, std::span<const Var2>(first));
            const Var2 second[] = {beta, beta};
            return branch.cross(ctx, std::span<const Var2>(second));
          }) == "");
}

template <class Policy>
std::vector<std::string> names() {
  reconstruction::Branch<Policy, E> branch(kHidden, 3, {});
  backend::Reference backend;
  std::vector<std::string> list;
  for (const auto* p : nn::register_parameters<E>(branch, backend, 1)) list.push_back(p->name);
  return list;
}

TEST_CASE("what a policy leaves out does not exist") {
  CHECK(names<reconstruction::TwoLevel>().size() == 10);
  CHECK(names<reconstruction::WithoutBeta>() == names<reconstruction::TwoLevel>());
  CHECK(names<reconstruction::WithoutGamma>() == names<reconstruction::TwoLevel>());
  CHECK(names<reconstruction::WithoutLevels>().size() == 8);
  CHECK(names<reconstruction::WithoutCodec>() == std::vector<std::string>{"cross.weight", "cross.bias"});
  CHECK(reconstruction::WithoutCodec::Codec::width(7, {}) == 7);
  CHECK(reconstruction::TwoLevel::Codec::width(7, {}) == 64);
}

TEST_CASE("without codec, code and decoded code are the vector itself") {
  reconstruction::IdentityCodec::Module<E> codec(kHidden, {});
  backend::Reference backend;
  autodiff::Workspace<HostMemory> workspace;
  E::Tape tape(backend, workspace, false);
  nn::Context<E> ctx{tape};
  const std::vector<double> x(kRows * kHidden, 2.0);
  const Var2 v(x.data(), Shape{kRows, kHidden});
  CHECK(codec.encode(ctx, v).data() == x.data());
  CHECK(codec.decode(ctx, v).data() == x.data());
}

}  // namespace
