// A run's state as a file, and back. Included by trainer.hpp.
#pragma once

#include <array>

#include "ramer/train/trainer.hpp"

namespace ramer::train {

namespace detail {

/// Refuses settings that differ from those that a run was started with. Keys in `free` may differ.
inline void require_same(const std::string& path, const io::Json& saved, const io::Json& asked, const std::string& key,
                         const std::set<std::string>& free = {}) {
  if (saved.is_object() && asked.is_object()) {
    for (const auto& entry : asked.items()) {
      if (free.count(entry.key())) continue;
      const std::string full = key.empty() ? entry.key() : key + "." + entry.key();
      const auto at = saved.find(entry.key());
      require<ConfigError>(at != saved.end(), path, ": the run was started without the setting ", full, ", which is now ",
                           entry.value().dump());
      require_same(path, *at, entry.value(), full);
    }
    return;
  }
  require<ConfigError>(saved == asked, path, ": the run was started with ", key, " = ", saved.dump(),
                       "; it cannot go on with ", asked.dump());
}

}  // namespace detail

template <class ModelType>
void Trainer<ModelType>::save_state() {
  detail::capture(std::as_const(model_), current_);
  const std::string bad = detail::first_non_finite(current_);
  require<NumericError>(bad.empty(), "after step ", progress_.step, ": ", bad, "; the last checkpoint is kept");

  io::SafetensorsWriter writer;
  RunRecord now = describe_selected();
  now.epoch = progress_.epoch;
  now.step = progress_.step;
  detail::add_header(writer, std::as_const(model_), now, "resume", metadata);
  detail::add_tensors(writer, current_);
  detail::add_tensors(writer, selected_, "selected.");

  auto& optimizer = stepper_.optimizer();
  using T = typename std::remove_reference_t<decltype(optimizer)>::T;
  const auto parameters = std::as_const(model_).parameters();
  std::vector<std::array<std::vector<T>, 2>> moments(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = *parameters[i];
    progress_.optimizer_steps[p.name] = optimizer.steps()[i];
    for (std::size_t k = 0; k < 2; ++k) {
      moments[i][k].resize(static_cast<std::size_t>(p.size()));
      model_.backend().to_host((k == 0 ? optimizer.first() : optimizer.second())[i].data(), p.size(), moments[i][k].data());
      writer.add<T>((k == 0 ? "optimizer.first." : "optimizer.second.") + p.name, p.extents,
                    std::span<const T>(moments[i][k]));
    }
  }
  std::vector<double> sums;
  progress_.terms.clear();
  for (const Sum& sum : sums_) {
    progress_.terms.push_back(sum.name);
    sums.push_back(sum.value);
  }
  writer.add<double>("progress.sums", {static_cast<Index>(sums.size())}, std::span<const double>(sums));
  writer.set_metadata("trainer", io::dump_json(io::to_json(config_), -1));
  writer.set_metadata("progress", io::dump_json(io::to_json(progress_), -1));
  writer.write(folder_.state());
}

template <class ModelType>
void Trainer<ModelType>::load_state() {
  const std::filesystem::path file = folder_.state();
  require<IoError>(std::filesystem::exists(file), file.string(), ": not there; nothing to go on with");
  const Checkpoint c = open_checkpoint(file);
  const std::string path = c.path();
  require<IoError>(c.resumable(), path, ": kind is '", c.kind, "'; expected 'resume'");
  detail::check_same_build(c, std::as_const(model_));
  require<ConfigError>(c.precision == ModelType::Precision::name, path, ": the run was started in precision ", c.precision,
                       "; it cannot go on in ", ModelType::Precision::name);
  detail::require_same(path, c.config, io::to_json(model_.config()), "");
  detail::require_same(path, c.json("trainer"), io::to_json(config_), "",
                       {"epochs", "patience", "checkpoint_every", "ahead", "device_data"});

  detail::Progress progress;
  detail::naming(path, [&] { io::from_json(c.json("progress"), progress, "progress"); });
  const auto same = [&](const char* what, auto saved, auto now) {
    require<ConfigError>(saved == now, path, ": the run was started on other data: ", what, " ", saved, "; now ", now);
  };
  same("training samples", progress.data.train, progress_.data.train);
  same("validation samples", progress.data.validation, progress_.data.validation);
  same("fingerprint", progress.data.fingerprint, progress_.data.fingerprint);
  require<IoError>(progress.epoch >= 0 && progress.epoch == static_cast<Index>(progress.history.size()), path, ": ",
                   progress.epoch, " epochs done, but a history of ", progress.history.size());
  require<IoError>(progress.batch >= 0 && progress.batch <= batches_ && progress.waited >= 0, path, ": batch ",
                   progress.batch, " of an epoch of ", batches_);

  // Sums of a total, a gradient norm and terms, once an epoch has begun.
  require<IoError>(progress.batch == 0 ? progress.terms.empty() : progress.terms.size() >= 2, path, ": ", progress.batch,
                   " batches done of an epoch, but sums of ", progress.terms.size(), " terms");
  require<IoError>(progress.selected_epoch >= 0 && progress.selected_epoch <= progress.epoch, path, ": epoch ",
                   progress.selected_epoch, " selected of ", progress.epoch);

  std::set<std::string> known;
  Snapshot like;
  detail::capture(std::as_const(model_), like);
  const Snapshot current = detail::read_snapshot(c.file, like, "", known);
  Snapshot selected;
  if (progress.selected_epoch > 0) selected = detail::read_snapshot(c.file, like, "selected.", known);

  auto& optimizer = stepper_.optimizer();
  using T = typename std::remove_reference_t<decltype(optimizer)>::T;
  const auto parameters = std::as_const(model_).parameters();
  std::vector<std::array<std::vector<T>, 2>> moments(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = *parameters[i];
    const auto steps = progress.optimizer_steps.find(p.name);
    require<IoError>(steps != progress.optimizer_steps.end() && steps->second >= 0, path, ": no optimizer step count for '",
                     p.name, "'");
    for (std::size_t k = 0; k < 2; ++k) {
      const std::string name = (k == 0 ? "optimizer.first." : "optimizer.second.") + p.name;
      moments[i][k] = detail::read_reals<T>(c.file, name, p.extents);
      known.insert(name);
    }
  }
  const std::vector<Index> sums_shape{static_cast<Index>(progress.terms.size())};
  detail::expect_tensor(c.file, "progress.sums", sums_shape);
  const std::vector<double> sums = c.file.read<double>("progress.sums");
  known.insert("progress.sums");
  detail::check_no_more(c, known, true);

  // Everything is read and right: now take it over.
  detail::restore(current, model_);
  selected_ = std::move(selected);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    optimizer.steps()[i] = progress.optimizer_steps.at(parameters[i]->name);
    model_.backend().from_host(moments[i][0].data(), parameters[i]->size(), optimizer.first()[i].data());
    model_.backend().from_host(moments[i][1].data(), parameters[i]->size(), optimizer.second()[i].data());
  }
  sums_.clear();
  for (std::size_t k = 0; k < sums.size(); ++k) sums_.push_back({progress.terms[k], sums[k]});
  progress_ = std::move(progress);
}

}  // namespace ramer::train
