// ramer info, ramer synth
#pragma once

#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "ramer/app/best_score.hpp"
#include "ramer/app/metrics_table.hpp"
#include "ramer/app/settings.hpp"
#include "ramer/app/source.hpp"

namespace ramer::app {

namespace detail {

inline std::string percent(double part, double whole) { return whole > 0 ? fixed(100 * part / whole, 1) + " %" : "-"; }

inline void describe_dataset(std::ostream& out, const data::Dataset& d) {
  const data::DatasetTensors& t = d.tensors();
  out << d.origin() << ": data set '" << d.name() << "', " << d.size() << " samples of up to " << d.persons()
      << " persons\n\n";
  Table modalities({"modality", "width", "rows", "times", "places filled"});
  for (const data::Modality& m : d.modalities()) {
    Index filled = 0;
    for (Index k = 0; k < m.index.shape().size(); ++k) filled += m.index.data()[k] >= 0 ? 1 : 0;
    modalities.add({m.name, std::to_string(m.features.extent(1)), std::to_string(m.features.extent(0)),
                    std::to_string(m.index.extent(2)),
                    percent(static_cast<double>(filled), static_cast<double>(m.index.shape().size()))});
  }
  modalities.print(out);
  if (t.exists) {
    Index places = 0;
    for (Index k = 0; k < t.exists->shape().size(); ++k) places += t.exists->data()[k];
    out << "  (" << percent(static_cast<double>(places), static_cast<double>(t.exists->shape().size()))
        << " of the places exist; the others are padding)\n";
  }
  out << '\n';
  Table labels({"label", "positive", "annotated", "rate"});
  for (Index c = 0; c < d.labels() && d.has_labels(); ++c) {
    Index positive = 0, annotated = 0;
    for (Index n = 0; n < d.size(); ++n) {
      annotated += d.labelled(n, c) ? 1 : 0;
      positive += d.labelled(n, c) && (*t.labels)(n, c) ? 1 : 0;
    }
    labels.add({d.label_names()[static_cast<std::size_t>(c)], std::to_string(positive), std::to_string(annotated),
                percent(static_cast<double>(positive), static_cast<double>(annotated))});
  }
  if (d.has_labels())
    labels.print(out);
  else
    out << "  no labels: for predictions only\n";
  out << '\n';
  Table rest({"", ""}, 2);
  if (!d.person_names().empty()) {
    std::string names;
    for (const std::string& name : d.person_names()) names += (names.empty() ? "" : ", ") + name;
    rest.add({"persons", names});
  }
  rest.add({"target", d.has_target() ? "a person and time of each sample" : "none: the sample as a whole is asked for"});
  if (d.has_personality()) {
    Index known = 0;
    for (Index k = 0; k < t.personality_index->shape().size(); ++k) known += t.personality_index->data()[k] >= 0 ? 1 : 0;
    rest.add(
        {"personality", "width " + std::to_string(d.personality_width()) + ", known for " +
                            percent(static_cast<double>(known), static_cast<double>(t.personality_index->shape().size())) +
                            " of the persons"});
  }
  if (d.has_split()) {
    const data::SplitSamples s = data::split_samples(d);
    rest.add({"split", std::to_string(s.train.size()) + " training, " + std::to_string(s.validation.size()) +
                           " validation, " + std::to_string(s.test.size()) + " test"});
  } else {
    rest.add({"split", "none: choose folds"});
  }
  if (d.has_group()) {
    std::set<std::int32_t> groups;
    for (Index n = 0; n < d.size(); ++n) groups.insert(d.group(n));
    rest.add({"groups", std::to_string(groups.size()) + (d.has_split() ? ", " + std::to_string(d.straddling_groups()) +
                                                                             " of them in more than one part of the split"
                                                                       : "")});
  }
  for (const auto& [key, value] : d.notes()) rest.add({key, value});
  rest.print_rows(out);
}

inline void describe_checkpoint(std::ostream& out, const train::Checkpoint& c) {
  out << c.path() << ": " << (c.resumable() ? "state of a run of recipe '" : "model of recipe '") << c.recipe << "'\n";
  Index numbers = 0;
  for (const io::TensorInfo& t : c.file.tensors())
    if (!t.name.starts_with("state.") && !t.name.starts_with("optimizer.") && !t.name.starts_with("selected.") &&
        !t.name.starts_with("progress."))
      numbers += t.size();
  Table rows({"", ""}, 2);
  rows.add({"written by", "ramer " + c.library + ", precision " + c.precision});
  rows.add({"parameters", std::to_string(numbers)});
  std::string text;
  for (const ModalitySchema& m : c.schema.modalities)
    text += (text.empty() ? "" : ", ") + m.name + " (" + std::to_string(m.width) + ")";
  rows.add({"modalities", text});
  text.clear();
  for (const std::string& label : c.schema.labels) text += (text.empty() ? "" : ", ") + label;
  rows.add({"labels", text});
  rows.add({"asks about", c.schema.has_target ? "a target person at a time" : "the sample as a whole"});
  rows.add({"personality", c.schema.personality_width > 0 ? "width " + std::to_string(c.schema.personality_width) : "none"});
  rows.add({"view", std::string(enum_name(c.run.view))});
  rows.add({"trained", std::to_string(c.run.epoch) + " epochs, " + std::to_string(c.run.step) + " steps, seed " +
                           std::to_string(c.run.seed)});
  if (const auto on = trained_on(c))
    rows.add({"data", on->data + ", " + std::to_string(on->samples) + " samples, " +
                          (on->fold.empty() ? "the file's split" : "fold " + on->fold)});
  rows.add({"selected by",
            c.run.metric ? c.run.selection + " " + fixed(c.run.metric) + " on validation data" : "nothing: the last epoch"});
  rows.add({"threshold", fixed(c.run.threshold, 2)});
  rows.print_rows(out);
  out << "\n  settings " << io::dump_json(c.config) << '\n';
}

}  // namespace detail

inline int info_command(const Options& options, const std::vector<Kind>& kinds, std::ostream& out) {
  if (!options.file.empty()) {
    const std::string format = io::SafetensorsFile::open(options.file).metadata("format", "");
    if (format == "ramer.dataset")
      detail::describe_dataset(out, data::read_dataset(options.file));
    else if (format == "ramer.checkpoint")
      detail::describe_checkpoint(out, train::open_checkpoint(options.file));
    else
      fail<IoError>(options.file, ": format is '", format, "'; expected 'ramer.dataset' or 'ramer.checkpoint'");
    return 0;
  }
  if (options.recipe.empty()) {
    out << "Recipes of this program:\n";
    for (const Kind& kind : kinds) out << "  " << kind.name << '\n';
    out << "\nramer info --recipe NAME lists its settings; ramer info FILE describes a data set or checkpoint.\n";
    return 0;
  }
  print_all_settings(out, kind_of(kinds, options.recipe), preset_settings(kind_of(kinds, options.recipe), options.preset));
  return 0;
}

inline int synth_command(const Options& options, std::ostream& out) {
  data::SyntheticConfig config;
  if (options.linear_setting) config.linear = true;
  for (const std::string& assignment : options.set) io::set_option(config, assignment);
  if (options.samples) config.samples = *options.samples;
  if (options.seed) config.seed = *options.seed;
  if (options.help_options) {
    out << "Settings of the generator, as --set takes them.\n\n";
    print_settings(out, io::describe(config));
    return 0;
  }
  require<ConfigError>(config.samples >= 1, "samples = ", config.samples, "; expected at least 1");
  const data::SyntheticModel model(config);
  const data::Dataset dataset = model.generate();
  data::write_dataset(options.out, dataset);
  const data::SplitSamples split = data::split_samples(dataset);
  out << options.out << ": " << dataset.size() << " samples, of them " << split.train.size() << " training, "
      << split.validation.size() << " validation, " << split.test.size() << " test\n";
  if (split.test.empty()) return 0;
  const BestScore best(model, dataset, split);
  out << "Best possible scores on the test samples, with the generator known (threshold " << fixed(best.threshold, 2)
      << "):\n";
  print_metrics(out, best.report(split.test));
  return 0;
}

}  // namespace ramer::app
