#include "app/support.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "ramer/app.hpp"
#include "ramer/model/early_fusion.hpp"

namespace ramer::test {

namespace raising {
struct Wiring : wiring::EarlyFusion {
  template <class Recipe, class E>
  class Module : public wiring::EarlyFusion::Module<Recipe, E> {
   public:
    using Base = wiring::EarlyFusion::Module<Recipe, E>;
    using Base::Base;

    Outputs<E> forward(nn::Context<E>& ctx, const Batch& batch, const typename wiring::EarlyFusion::Plan& plan,
                       const typename Base::State& state, int phase) const {
      if (ctx.training && static_cast<std::int64_t>(ctx.step) == raise_at) std::raise(SIGINT);
      return Base::forward(ctx, batch, plan, state, phase);
    }
  };
};
}  // namespace raising

struct Raising {
  static constexpr const char* name = "raising";
  using Wiring = raising::Wiring;
};

namespace {

const app::Program& program() {
  using Config = wiring::EarlyFusionConfig;
  static const app::Program all(kinds(), [] {
    app::Kind less = app::make_kind<Raising>();
    less.name = "raising-less";
    less.describe = [] {
      std::vector<io::Option> rows = app::detail::describe_model<Config>();
      for (io::Option& row : rows)
        if (row.key == "model.layers") row.default_value = "0";
      return rows;
    };
    less.resolve = [](const std::vector<io::Json>& changes, const std::vector<std::string>& assignments) {
      std::vector<io::Json> all_changes{{{"layers", 0}}};
      all_changes.insert(all_changes.end(), changes.begin(), changes.end());
      return app::detail::resolve_model<Config>(all_changes, assignments);
    };
    return std::vector<app::Kind>{app::make_kind<Raising>(), less};
  }());
  return all;
}

Call call(const app::Program& program, const std::vector<std::string>& arguments) {
  std::vector<const char*> argv{"ramer"};
  for (const std::string& a : arguments) argv.push_back(a.c_str());
  std::ostringstream out, err;
  Call result;
  result.code = app::run(static_cast<int>(argv.size()), argv.data(), program, out, err);
  result.out = out.str();
  result.err = err.str();
  return result;
}

}  // namespace

const std::vector<app::Kind>& kinds() {
  static const std::vector<app::Kind> list{app::make_kind<Raising>(), app::linear_kind()};
  return list;
}

Call call(const std::vector<std::string>& arguments) { return call(program(), arguments); }

Call call_without_ablations(const std::vector<std::string>& arguments) {
  return call(app::Program(app::kinds<Raising>()), arguments);
}

void refused(const std::vector<std::string>& arguments, std::initializer_list<const char*> words) {
  const Call run = call(arguments);
  std::string line;
  for (const std::string& a : arguments) line += a + " ";
  CAPTURE(line);
  CAPTURE(run.err);
  CHECK(run.code == 2);
  CHECK(run.one_line());
  for (const char* word : words) CHECK_MESSAGE(run.err.find(word) != std::string::npos, word);
}

std::vector<std::string> training(const std::string& data, const std::string& out, std::vector<std::string> more) {
  std::vector<std::string> all{"train", "--data", data, "--out", out, "--epochs", "3", "--batch", "16", "--threads", "1"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string small_data(const Folder& folder, const std::string& name) {
  const std::string path = folder / name;
  const Call made =
      call({"synth", "--out", path, "--samples", "120", "--seed", "3", "--set", "widths=12,12,12", "--set", "group_size=4"});
  if (made.code != 0) throw std::runtime_error(made.err);
  return path;
}

}  // namespace ramer::test
