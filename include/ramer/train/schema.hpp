// What a model must know of a data set, given what it is shown of it.
#pragma once

#include <string>
#include <vector>

#include "ramer/core/config.hpp"
#include "ramer/core/schema.hpp"
#include "ramer/data/batch_builder.hpp"

namespace ramer::train {

/// The schema of the batches that a BatchBuilder makes of `dataset` with these options.
/// @throws DataError for a modality or label that the data set does not have
inline Schema make_schema(const data::Dataset& dataset, const data::BatchOptions& options = {}) {
  Schema schema;
  const Index persons = data::shows_target_alone(options.view) ? 1 : dataset.persons();
  const auto add = [&](const data::Modality& m) {
    schema.modalities.push_back(
        {m.name, m.features.extent(1), options.view == data::PersonView::kMoment ? 1 : persons * m.index.extent(2)});
  };
  for (const std::string& name : options.modalities) add(dataset.modalities()[dataset.modality(name)]);
  if (options.modalities.empty())
    for (const data::Modality& m : dataset.modalities()) add(m);
  for (const std::string& name : options.labels) schema.labels.push_back(dataset.label_names()[dataset.label(name)]);
  if (options.labels.empty()) schema.labels = dataset.label_names();
  schema.personality_width = dataset.personality_width();
  schema.has_target = options.view == data::PersonView::kPersons && dataset.has_target();
  return schema;
}

/// Batches of any data set in the order of the model's modalities and labels, whatever the data set's own.
inline data::BatchOptions batch_options(const Schema& schema, data::PersonView view) {
  data::BatchOptions options;
  options.view = view;
  for (const ModalitySchema& m : schema.modalities) options.modalities.push_back(m.name);
  options.labels = schema.labels;
  return options;
}

/// One modality as a checkpoint's header lists it.
struct ModalityRecord {
  std::string name;
  Index width = 0, positions = 0;  ///< D_m, places of its position table

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("name", self.name, "name");
    field("width", self.width, "width of a raw feature", extent());
    field("positions", self.positions, "places of its position table", extent());
  }
};

/// A schema as a checkpoint's header lists it.
struct SchemaRecord {
  std::vector<ModalityRecord> modalities;
  std::vector<std::string> labels;
  Index personality_width = 0, personality_positions = 0;  ///< 0: none; 0: as the first modality
  bool has_target = false;

  SchemaRecord() = default;
  /// Of a schema, and back.
  explicit SchemaRecord(const Schema& s)
      : labels(s.labels),
        personality_width(s.personality_width),
        personality_positions(s.personality_positions),
        has_target(s.has_target) {
    for (const ModalitySchema& m : s.modalities) modalities.push_back({m.name, m.width, m.positions});
  }
  /// Of a record.
  Schema schema() const {
    Schema s;
    for (const ModalityRecord& m : modalities) s.modalities.push_back({m.name, m.width, m.positions});
    s.labels = labels;
    s.personality_width = personality_width;
    s.personality_positions = personality_positions;
    s.has_target = has_target;
    return s;
  }
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("modalities", self.modalities, "modalities in the model's order");
    field("labels", self.labels, "labels in the model's order");
    field("personality_width", self.personality_width, "width of personality; 0: none", extent(0));
    field("personality_positions", self.personality_positions, "places of its position table; 0: as the first modality",
          extent(0));
    field("has_target", self.has_target, "whether a person and time is asked for");
  }
};

}  // namespace ramer::train
