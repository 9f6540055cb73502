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

/// What compare, ablate and robust have in common.
inline void add_experiment(CLI::App& app, Options& o, const std::string& names, bool ablate) {
  add_data(app, o);
  app.add_option("--out", o.out, "Folder for the tables, the plot, and a small file of each finished run")
      ->type_name("DIR")
      ->required();
  if (ablate) {
    app.add_option("--recipes", o.recipes,
                   "Rows, the first is the one that the others are tested against. Default: " + names)
        ->type_name("A,B,...")
        ->delimiter(',')
        ->allow_extra_args(false);
  } else {
    app.add_option("--recipes", o.recipes,
                   "Rows: recipes, with another view as NAME@VIEW (linear@target), or names of --recipe-config files that "
                   "name a recipe. The others are compared with the first. Recipes: " +
                       names)
        ->type_name("A,B,...")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->required();
  }
  app.add_option("--folds", o.folds, "Folds, which keep groups together; 'none': the file's own split. Default: 5")
      ->type_name("N");
  app.add_option("--seeds", o.seeds, "Runs with different seeds on each fold. Default: 3")->type_name("N");
  app.add_option("--seed", o.seed, "The first of these seeds. Default: 1")->type_name("N");
  app.add_option("--preset", o.preset, "Where settings start from: small (default) or paper")
      ->type_name("NAME")
      ->check(CLI::IsMember({"small", "paper"}));
  app.add_option("--config", o.config,
                 ablate ? "JSON file of settings, over the preset, for every row that has them"
                        : "JSON file of settings, over the preset: of training for every row; of the model for the recipe "
                          "that it names or, if it names none, for every row that has them")
      ->type_name("FILE");
  app.add_option("--recipe-config", o.recipe_configs,
                 "Settings of one row, over --config, in a file of the same form. Repeatable")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  app.add_option("--set", o.set, "One setting, over all files, for every row that has it. Repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--epochs", o.epochs, "Passes over the training data (train.epochs)")->type_name("N");
  app.add_option("--batch", o.batch, "Samples of a batch (train.batch)")->type_name("N");
  app.add_option("--view", o.view, "What is shown of several people: persons, target, moment or all (train.view)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"persons", "target", "moment", "all"}));
  app.add_option("--modalities", o.modalities, "Use these alone, in this order. Default: all")
      ->type_name("A,B,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--threshold", o.threshold_rule,
                 "A label is predicted where its score is above X; or 'tuned': for the best micro-F1 on validation data. "
                 "The same rule for every row")
      ->type_name("X|tuned");
  app.add_flag("--released-metrics", o.released_metrics,
               "Exchange truth and prediction, as the published code of TAILOR, CARAT and RAMer does");
  add_threads(app, o);
}

inline void add_comparison(CLI::App& app, Options& o) {
  app.add_option("--layout", o.layout, "Columns: paper (Acc, P, R, Micro-F1) or f1 (Micro, Macro, Weighted F1); and AUC")
      ->type_name("NAME")
      ->check(CLI::IsMember({"paper", "f1"}));
  app.add_option("--tests", o.tests, "What rows are tested by, against the first one. Default: micro_f1,mean_auc")
      ->type_name("A,B,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--resamples", o.resamples, "Resamples of the bootstrap. Default: 10000")->type_name("N");
  app.add_flag("--keep-models", o.keep_models, "Keep every trained model, in DIR/models");
}

}  // namespace detail

/// Reads the command line. Prints help to `out`; one line about a mistake to `err`, with exit code 2.
inline Parsed parse_command_line(int argc, const char* const* argv, const std::vector<std::string>& recipes,
                                 const std::vector<std::string>& ablations, std::ostream& out, std::ostream& err) {
  Options o;
  const auto list = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& name : all) text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  const std::string names = list(recipes);

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
  train.add_option("--out", o.out, "Folder for the model, report.html, the history and what resuming needs (needed)")
      ->type_name("DIR");
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
  train.add_option("--view", o.view, "What is shown of several people: persons, target, moment or all (train.view)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"persons", "target", "moment", "all"}));
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

  CLI::App& compare = *app.add_subcommand("compare", "Train several systems on folds and seeds, and compare them");
  detail::add_experiment(compare, o, names, false);
  detail::add_comparison(compare, o);

  CLI::App& ablate = *app.add_subcommand("ablate", "The same for a model and variants of it that leave a part out");
  detail::add_experiment(ablate, o, ablations.empty() ? "none in this program" : list(ablations), true);
  detail::add_comparison(ablate, o);

  CLI::App& robust = *app.add_subcommand("robust", "Measure systems while more and more of the test data is missing");
  detail::add_experiment(robust, o, names, false);
  robust
      .add_option("--drop", o.drop,
                  "What goes missing from the test data: [ROLE:]MODALITY=RATES with RATES 0..0.9, 0..0.8:0.2 or 0,0.5,1; "
                  "MODALITY 'any' means all; ROLE others or target. Repeatable. Default: each modality, and others:any, "
                  "0..0.9:0.3")
      ->type_name("SERIES")
      ->allow_extra_args(false);
  robust.add_option("--drop-unit", o.drop_unit, "What goes at once: a token (default), or a sample's whole modality")
      ->type_name("token|sample")
      ->check(CLI::IsMember({"token", "sample"}));
  robust.add_option("--metric", o.metric, "Which one tables and plot show; the files have all. Default: micro_f1")
      ->type_name("NAME");

  CLI::App& plot = *app.add_subcommand("plot", "Draw a figure of the paper for a trained model, with its data as CSV");
  plot.add_option("figure", o.figure,
                  "figure3: specificity, commonality and reconstructed embeddings in the plane; figure4: which modality "
                  "carries which label; figure5: one sample, what was missing and what was predicted")
      ->type_name("FIGURE")
      ->required()
      ->check(CLI::IsMember({"figure3", "figure4", "figure5"}));
  plot.add_option("--model,--checkpoint", o.model, "Checkpoint")->type_name("FILE")->required();
  detail::add_data(plot, o);
  plot.add_option("--out", o.out, "Picture: a .svg or .png file; its data go beside it, to .csv")
      ->type_name("FILE")
      ->required();
  detail::add_part(plot, o);
  plot.add_option("--pairs", o.pairs, "figure3: how many times a sample and a label are drawn. Default: 150")
      ->type_name("N");
  plot.add_option("--perplexity", o.perplexity, "figure3: about how many neighbours t-SNE looks at. Default: 30")
      ->type_name("X");
  plot.add_option("--seed", o.seed, "figure3: seed of what is drawn and of t-SNE. Default: 1")->type_name("N");
  plot.add_option("--sample", o.sample,
                  "figure5: which sample, by the data set's own number. Default: the first with several people, something "
                  "missing of who is asked about, and a true label")
      ->type_name("ID");
  detail::add_threads(plot, o);

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

  for (CLI::App* command : {&train, &evaluate, &predict, &compare, &ablate, &robust, &plot, &info, &synth})
    command->footer("")->set_help_flag("-h,--help", "Print this text");

  const auto mistake = [&](const std::string& what) {
    std::string line = what.substr(0, what.find('\n'));
    err << "ramer: " << line << (line.ends_with('.') ? "" : ".") << " See: ramer --help\n";
    return Parsed{std::nullopt, 2};
  };
  if (argc < 2) {
    err << "ramer: a command is needed: train, evaluate, predict, compare, ablate, robust, plot, info or synth. See: "
           "ramer --help\n";
    return {std::nullopt, 2};
  }
  const std::string first = argv[1];
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  if (!first.starts_with('-') &&
      std::none_of(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->get_name() == first; })) {
    err << "ramer: no command '" << first
        << "'; there are train, evaluate, predict, compare, ablate, robust, plot, info and synth. See: ramer --help\n";
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
              : compare.parsed()  ? Command::Compare
              : ablate.parsed()   ? Command::Ablate
              : robust.parsed()   ? Command::Robust
              : plot.parsed()     ? Command::Plot
              : info.parsed()     ? Command::Info
                                  : Command::Synth;
  if ((o.command == Command::Train || o.command == Command::Synth) && o.out.empty() && !o.help_options)
    return mistake("--out is required: where should the result go?");
  return {std::move(o), 0};
}

}  // namespace ramer::app
