// The program `ramer` as one function, for any list of recipes:
//
//   int main(int argc, char** argv) { return ramer::app::run<ramer::recipe::Ramer, MyRecipe>(argc, argv); }
//
// gives a recipe of one's own training, resuming, evaluation, prediction, comparison, checkpoints, settings and help. The
// linear baseline is always there. See command_line.hpp for what it understands, or --help. Rows of `ramer ablate` that come
// without being named are a second list:
//
//   return ramer::app::run(argc, argv, {ramer::app::kinds<Ramer, Mine>(), ramer::app::kinds<Ramer, WithoutShuffle>()});
#pragma once

#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ramer/app/command_line.hpp"
#include "ramer/app/compare_command.hpp"
#include "ramer/app/evaluate_command.hpp"
#include "ramer/app/info_command.hpp"
#include "ramer/app/linear_system.hpp"
#include "ramer/app/model_system.hpp"
#include "ramer/app/plot_command.hpp"
#include "ramer/app/robust_command.hpp"
#include "ramer/app/train_command.hpp"

namespace ramer::app {

/// The harness's entries for recipes.
template <Recipe... Recipes>
std::vector<Kind> kinds() {
  return {make_kind<Recipes>()...};
}

/// What a program offers.
struct Program {
  std::vector<Kind> kinds;             ///< every system by its name; the first is the default of `train`
  std::vector<std::string> recipes;    ///< those that were given as recipes
  std::vector<std::string> ablations;  ///< rows of `ablate`, the whole model first

  /// The linear baseline comes with it. A recipe may be in both lists.
  Program(std::vector<Kind> recipe_kinds, std::vector<Kind> ablation_kinds = {}) : kinds(std::move(recipe_kinds)) {
    const auto known = [&](const std::string& name) {
      return std::any_of(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
    };
    if (!known(kLinearName)) kinds.push_back(linear_kind());
    for (const Kind& kind : kinds) recipes.push_back(kind.name);
    for (Kind& kind : ablation_kinds) {
      ablations.push_back(kind.name);
      if (!known(kind.name)) kinds.push_back(std::move(kind));
    }
  }
};

/// Runs a program of these systems.
/// @return 0: success; 2: a mistake of the user's, after one line on `err`; 130, 143: interrupted; 1: anything else
inline int run(int argc, const char* const* argv, const Program& program, std::ostream& out = std::cout,
               std::ostream& err = std::cerr) {
  const std::vector<Kind>& kinds = program.kinds;
  const auto say = [&](const std::exception& error, int code) {
    std::string line = error.what();
    for (char& c : line)
      if (c == '\n') c = ' ';
    err << "ramer: " << line << '\n';
    return code;
  };
  try {
    const Parsed parsed = parse_command_line(argc, argv, program.recipes, program.ablations, out, err);
    if (!parsed.options) return parsed.exit_code;
    switch (parsed.options->command) {
      case Command::Train: return train_command(*parsed.options, kinds, out);
      case Command::Evaluate: return evaluate_command(*parsed.options, kinds, out);
      case Command::Predict: return predict_command(*parsed.options, kinds, out);
      case Command::Compare: return compare_command(*parsed.options, kinds, parsed.options->recipes, out);
      case Command::Ablate: {
        const bool chosen = !parsed.options->recipes.empty();
        require<ConfigError>(chosen || !program.ablations.empty(),
                             "this program comes without ablations; name rows with --recipes");
        return compare_command(*parsed.options, kinds, chosen ? parsed.options->recipes : program.ablations, out);
      }
      case Command::Robust: return robust_command(*parsed.options, kinds, out);
      case Command::Plot: return plot_command(*parsed.options, kinds, out);
      case Command::Info: return info_command(*parsed.options, kinds, out);
      case Command::Synth: return synth_command(*parsed.options, out);
    }
    return 1;
  } catch (const NumericError& error) {  // training diverged: perhaps nobody's mistake
    return say(error, 1);
  } catch (const Error& error) {
    return say(error, 2);
  } catch (const std::bad_alloc&) {
    err << "ramer: out of memory\n";
    return 1;
  } catch (const std::exception& error) {
    return say(error, 1);
  }
}

/// The same of recipes alone.
template <Recipe... Recipes>
int run(int argc, const char* const* argv, std::ostream& out = std::cout, std::ostream& err = std::cerr) {
  return run(argc, argv, Program(kinds<Recipes...>()), out, err);
}

}  // namespace ramer::app
