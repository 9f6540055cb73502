// The program `ramer` as one function, for any list of recipes:
//
//   int main(int argc, char** argv) { return ramer::app::run<ramer::recipe::Ramer, MyRecipe>(argc, argv); }
//
// gives a recipe of one's own training, resuming, evaluation, prediction, checkpoints, settings and help. The linear
// baseline is always there. See command_line.hpp for what it understands, or --help.
#pragma once

#include <exception>
#include <iostream>
#include <new>
#include <ostream>
#include <vector>

#include "ramer/app/command_line.hpp"
#include "ramer/app/evaluate_command.hpp"
#include "ramer/app/info_command.hpp"
#include "ramer/app/linear_system.hpp"
#include "ramer/app/model_system.hpp"
#include "ramer/app/train_command.hpp"

namespace ramer::app {

/// Runs a program of these systems; the first is the default of `train`.
/// @return 0: success; 2: a mistake of the user's, after one line on `err`; 130, 143: interrupted; 1: anything else
inline int run(int argc, const char* const* argv, const std::vector<Kind>& kinds, std::ostream& out = std::cout,
               std::ostream& err = std::cerr) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds) names.push_back(kind.name);
  const auto say = [&](const std::exception& error, int code) {
    std::string line = error.what();
    for (char& c : line)
      if (c == '\n') c = ' ';
    err << "ramer: " << line << '\n';
    return code;
  };
  try {
    const Parsed parsed = parse_command_line(argc, argv, names, out, err);
    if (!parsed.options) return parsed.exit_code;
    switch (parsed.options->command) {
      case Command::Train:
        return train_command(*parsed.options, kinds, out);
      case Command::Evaluate:
        return evaluate_command(*parsed.options, kinds, out);
      case Command::Predict:
        return predict_command(*parsed.options, kinds, out);
      case Command::Info:
        return info_command(*parsed.options, kinds, out);
      case Command::Synth:
        return synth_command(*parsed.options, out);
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

template <Recipe... Recipes>
int run(int argc, const char* const* argv, std::ostream& out = std::cout, std::ostream& err = std::cerr) {
  return run(argc, argv, {make_kind<Recipes>()..., linear_kind()}, out, err);
}

}  // namespace ramer::app
