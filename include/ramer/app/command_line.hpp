// The command line of the program `ramer`. The only header that names CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "ramer/app/options.hpp"

namespace ramer::app {

/// What parsing came to: options, or an exit code where everything was said already.
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
};

namespace detail {

/// Help that leaves the names of options 30 columns and wraps descriptions before column 100.
class HelpFormat : public CLI::Formatter {
 public:
  HelpFormat() { column_width(30); }
  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string left = "  " + make_option_name(option, positional) + make_option_opts(option);
    const std::string words = make_option_desc(option);
    std::string text;
    std::size_t column = left.size();
    text += left;
    const std::size_t indent = get_column_width(), limit = 100;
    if (column + 2 > indent) {
      text += '\n';
      column = 0;
    }
    text += std::string(indent - column, ' ');
    column = indent;
    for (std::size_t at = 0; at < words.size();) {
      const std::size_t end = std::min(words.find(' ', at), words.size());
      if (column > indent && column + 1 + (end - at) > limit) {
        text += '\n' + std::string(indent, ' ');
        column = indent;
      } else if (column > indent) {
        text += ' ';
        ++column;
      }
      text += words.substr(at, end - at);
      column += end - at;
      at = end + 1;
    }
    return text + '\n';
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    const bool top = app->get_parent() == nullptr;
    std::string text = "Usage: ramer " + (top ? std::string("COMMAND") : app->get_name());
    for (const CLI::Option* option : app->get_options())
      if (option->get_positional()) text += " [" + option->get_type_name() + "]";
    (void)name;
    return text + " [OPTION...]\n";
  }
  /// Names a value where there is one, and nothing else.
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (option->get_expected_max() != 0 && option->get_items_expected_max() != 0 && !option->get_type_name().empty())
      text = " " + option->get_type_name().substr(0, option->get_type_name().find(':'));  // without what a check adds
    if (option->get_required()) text += " (needed)";
    return text;
  }
};

inline void add_data(CLI::App& app, Options& o) {
  app.add_option("--data", o.data, "Data set file (ramer.dataset); without it, the built-in synthetic conversations")
      ->type_name("FILE");
}
inline void add_threads(CLI::App& app, Options& o) {
  app.add_option("--threads", o.threads,
                 "Threads to compute with; 0: as many as the machine has. Results do not depend on it")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
}
inline void add_part(CLI::App& app, Options& o) {
  app.add_option("--split", o.split, "Which samples: train, validation, test or all. Default: test")
      ->type_name("NAME")
      ->check(CLI::IsMember({"train", "validation", "test", "all"}));
  app.add_option("--fold", o.fold,
                 "Fold K of N instead of the split that the model was trained with; 'none': the file's own split")
      ->type_name("K/N");
  app.add_option("--threshold", o.threshold, "A label is predicted where its score is above this. Default: the model's")
      ->type_name("X");
  app.add_option("--batch", o.batch, "Samples at a time; changes nothing but speed and memory")->type_name("N");
  app.add_option(
         "--drop", o.drop,
         "Make a modality go missing: NAME, or NAME=RATE for a part of its tokens. NAME 'any' means each. Repeatable")
      ->type_name("NAME[=RATE]")
      ->allow_extra_args(false);
  app.add_option("--drop-role", o.drop_role, "Whose tokens --drop takes: everyone, target or others")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"everyone", "target", "others"}));
}

}  // namespace detail

/// Reads the command line. Prints help to `out`; one line about a mistake to `err`, with exit code 2.
inline Parsed parse_command_line(int argc, const char* const* argv, const std::vector<std::string>& recipes,
                                 std::ostream& out, std::ostream& err) {
  Options o;
  std::string names;
  for (const std::string& name : recipes) names += (names.empty() ? "" : ", ") + name;

  CLI::App app{"Multi-modal, multi-label emotion recognition in conversations of several people.", "ramer"};
  app.formatter(std::make_shared<detail::HelpFormat>());
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Print this text");
  app.footer(
      "Each command has its own --help. Without --data, all run on built-in synthetic conversations:\n"
      "  ramer train --out run\n"
      "  ramer evaluate --model run/model.safetensors --drop text");

  CLI::App& train = *app.add_subcommand("train", "Train a model and measure it on test data");
  detail::add_data(train, o);
  train.add_option("--out", o.out, "Folder for the model, its history and what resuming needs (needed)")->type_name("DIR");
  train.add_option("--recipe", o.recipe, "What to train: " + names + ". Default: " + recipes.front())->type_name("NAME");
  train
      .add_option("--preset", o.preset,
                  "Where settings start from: small (default; minutes on two cores) or paper (the published widths, depths "
                  "and rates)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"small", "paper"}));
  train
      .add_option("--config", o.config,
                  "JSON file of settings, over the preset: {\"recipe\", \"model\", \"train\", \"optimizer\"}")
      ->type_name("FILE");
  train.add_option("--set", o.set, "One setting, over preset and file, such as model.encoder.hidden=64. Repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  train.add_option("--epochs", o.epochs, "Passes over the training data (train.epochs)")->type_name("N");
  train.add_option("--batch", o.batch, "Samples of a batch (train.batch)")->type_name("N");
  train.add_option("--seed", o.seed, "Seed of everything that is drawn (train.seed)")->type_name("N");
  train.add_option("--view", o.view, "What is shown of several people: persons, target or all (train.view)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"persons", "target", "all"}));
  train.add_option("--modalities", o.modalities, "Train on these alone, in this order. Default: all")
      ->type_name("A,B,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  train
      .add_option("--fold", o.fold,
                  "Fold K of N instead of the file's split: K tests, K + 1 validates. Keeps groups together")
      ->type_name("K/N");
  detail::add_threads(train, o);
  train.add_flag("--resume", o.resume, "Go on with the run in DIR; its own settings hold unless others are given");
  train.add_flag("--help-options", o.help_options, "List every setting of the recipe with its default");

  CLI::App& evaluate = *app.add_subcommand("evaluate", "Measure a trained model");
  evaluate.add_option("--model", o.model, "Checkpoint")->type_name("FILE")->required();
  detail::add_data(evaluate, o);
  detail::add_part(evaluate, o);
  evaluate.add_option("--report", o.report, "Write the metrics to this JSON file")->type_name("FILE");
  evaluate.add_flag("--released-metrics", o.released_metrics,
                    "Exchange truth and prediction, as the published code of TAILOR, CARAT and RAMer does");
  detail::add_threads(evaluate, o);

  CLI::App& predict = *app.add_subcommand("predict", "Write scores and predicted labels");
  predict.add_option("--model", o.model, "Checkpoint")->type_name("FILE")->required();
  detail::add_data(predict, o);
  predict.add_option("--out", o.out, "Where to: a .csv or a .safetensors file")->type_name("FILE")->required();
  detail::add_part(predict, o);
  detail::add_threads(predict, o);

  CLI::App& info = *app.add_subcommand("info", "Tell what a data set or checkpoint holds, or what a recipe can be told");
  info.add_option("file", o.file, "Data set or checkpoint; without it, recipes and settings are listed")->type_name("FILE");
  info.add_option("--recipe", o.recipe, "List every setting of this recipe")->type_name("NAME");
  info.add_option("--preset", o.preset, "With which defaults: small or paper")
      ->type_name("NAME")
      ->check(CLI::IsMember({"small", "paper"}));

  CLI::App& synth = *app.add_subcommand("synth", "Write synthetic conversations whose best possible score is known");
  synth.add_option("--out", o.out, "Data set file to write (needed)")->type_name("FILE");
  synth.add_option("--samples", o.samples, "Number of samples (samples)")->type_name("N");
  synth.add_option("--seed", o.seed, "Seed of everything that is drawn (seed)")->type_name("N");
  synth.add_flag("--linear", o.linear_setting,
                 "The setting in which a linear model of the target's features is right (linear)");
  synth.add_option("--set", o.set, "One setting of the generator, such as missing=0.2. Repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  synth.add_flag("--help-options", o.help_options, "List every setting of the generator with its default");

  for (CLI::App* command : {&train, &evaluate, &predict, &info, &synth})
    command->footer("")->set_help_flag("-h,--help", "Print this text");

  const auto mistake = [&](const std::string& what) {
    std::string line = what.substr(0, what.find('\n'));
    err << "ramer: " << line << (line.ends_with('.') ? "" : ".") << " See: ramer --help\n";
    return Parsed{std::nullopt, 2};
  };
  if (argc < 2) {
    err << "ramer: a command is needed: train, evaluate, predict, info or synth. See: ramer --help\n";
    return {std::nullopt, 2};
  }
  const std::string first = argv[1];
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  if (!first.starts_with('-') &&
      std::none_of(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->get_name() == first; })) {
    err << "ramer: no command '" << first << "'; there are train, evaluate, predict, info and synth. See: ramer --help\n";
    return {std::nullopt, 2};
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    CLI::App* asked = &app;
    for (CLI::App* command : app.get_subcommands()) asked = command;
    out << asked->help();
    return {std::nullopt, 0};
  } catch (const CLI::ParseError& error) {
    return mistake(error.what());
  }
  o.command = train.parsed()      ? Command::Train
              : evaluate.parsed() ? Command::Evaluate
              : predict.parsed()  ? Command::Predict
              : info.parsed()     ? Command::Info
                                  : Command::Synth;
  if ((o.command == Command::Train || o.command == Command::Synth) && o.out.empty() && !o.help_options)
    return mistake("--out is required: where should the result go?");
  return {std::move(o), 0};
}

}  // namespace ramer::app
