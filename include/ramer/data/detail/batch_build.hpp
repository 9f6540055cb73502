// How a batch is built. Included at the end of data/batch_builder.hpp.
#pragma once

#include "ramer/data/batch_builder.hpp"

namespace ramer::data {

inline BatchBuilder::BatchBuilder(Dataset dataset, BatchOptions options)
    : dataset_(std::move(dataset)), options_(std::move(options)) {
  const auto choose = [&](const std::vector<std::string>& names, std::size_t count, auto find, const char* what) {
    std::vector<std::size_t> chosen;
    for (const std::string& name : names) {
      const std::size_t k = find(name);
      require<DataError>(std::find(chosen.begin(), chosen.end(), k) == chosen.end(), dataset_.origin(), ": ", what, " '",
                         name, "' asked for twice");
      chosen.push_back(k);
    }
    for (std::size_t k = 0; names.empty() && k < count; ++k) chosen.push_back(k);
    return chosen;
  };
  modalities_ = choose(
      options_.modalities, dataset_.modalities().size(), [&](const auto& n) { return dataset_.modality(n); }, "modality");
  labels_ = choose(
      options_.labels, dataset_.label_names().size(), [&](const auto& n) { return dataset_.label(n); }, "label");
  require<DataError>(options_.view != PersonView::kTarget || dataset_.has_target() || dataset_.persons() == 1,
                     dataset_.origin(), ": the view 'target' needs 'target' in a data set of ", dataset_.persons(),
                     " persons; choose the view 'all' or 'persons'");
  require<DataError>(options_.view != PersonView::kMoment || (dataset_.has_target() && dataset_.times() > 0),
                     dataset_.origin(), ": the view 'moment' needs 'target'; choose the view 'all' or 'persons'");
  const auto places = static_cast<std::size_t>(dataset_.persons() * dataset_.times());
  exists_.resize(places);
  persons_.reserve(static_cast<std::size_t>(dataset_.persons()) + 1);
  segments_.resize(static_cast<std::size_t>(dataset_.times()));
}

inline void BatchBuilder::add_token(const Modality& from, std::int32_t row, std::int32_t person, std::int32_t segment,
                                    std::int32_t position, ModalityBatch& to) const {
  if (options_.features == Features::kByRow) {
    to.row.push_back(row);
  } else if (row >= 0) {
    const float* x = from.features.data() + row * from.features.extent(1);
    to.features.insert(to.features.end(), x, x + from.features.extent(1));
  } else {
    to.features.insert(to.features.end(), static_cast<std::size_t>(from.features.extent(1)), 0.0f);
  }
  to.available.push_back(row >= 0);
  to.person.push_back(person);
  to.segment.push_back(segment);
  to.position.push_back(position);
}

// Places of a sequence that the view makes of `times`.
inline Index BatchBuilder::shown_length(Index times) const {
  return options_.view == PersonView::kAll ? times * dataset_.persons() : options_.view == PersonView::kMoment ? 1 : times;
}

// The dyadic fallback: every place of the file's sequence.
inline void BatchBuilder::add_all_positions(const Modality& from, ModalityBatch& to) const {
  const Index length = shown_length(from.index.extent(2));
  for (std::int32_t s = 0; s < length; ++s) add_token(from, kNone, 0, s, s, to);
}

inline void BatchBuilder::add_personality(std::int32_t n, std::int32_t person, Batch& out) const {
  const std::int32_t row = person < 0 ? kNone : (*dataset_.tensors().personality_index)(n, person);
  const auto width = static_cast<std::size_t>(out.personality_width);
  if (row >= 0) {
    const float* x = dataset_.tensors().personality->data() + row * out.personality_width;
    out.personality.insert(out.personality.end(), x, x + width);
  } else {
    out.personality.insert(out.personality.end(), width, 0.0f);
  }
  out.personality_known.push_back(row >= 0);
}

inline void BatchBuilder::add_tokens_by_place(std::int32_t n, Batch& out, BatchReport& report) {
  const auto P = static_cast<std::int32_t>(dataset_.persons()), T = static_cast<std::int32_t>(dataset_.times());
  const auto at = [&](std::int32_t p, std::int32_t t) -> std::uint8_t& {
    return exists_[static_cast<std::size_t>(Index{p} * T + t)];
  };
  const auto segment = [&](std::int32_t t) -> std::int32_t& { return segments_[static_cast<std::size_t>(t)]; };
  const std::int32_t target_person = target_of(n).first;
  std::int32_t target_time = target_of(n).second;
  const bool keeps_persons = options_.view == PersonView::kPersons && (P > 1 || target_person >= 0);
  const std::int32_t only = shows_target_alone(options_.view) && P > 1 ? target_person : kNone;
  const bool moment = options_.view == PersonView::kMoment;

  bool anyone = false;
  for (std::int32_t p = 0; p < P; ++p)
    for (std::int32_t t = 0; t < T; ++t) {
      at(p, t) = shown(p, only) && (!moment || t == target_time) && dataset_.exists(n, p, t);
      anyone |= at(p, t) != 0;
    }
  report.empty_samples += !anyone;
  if (!anyone && keeps_persons) at(std::max(target_person, 0), std::max(target_time, 0)) = 1;

  const auto nearest = [&](auto good) {  // to the target's time; the earlier of two; kNone if no time is good
    for (std::int32_t step = 0; step < T; ++step) {
      if (target_time - step >= 0 && good(target_time - step)) return target_time - step;
      if (target_time + step < T && good(target_time + step)) return target_time + step;
    }
    return kNone;
  };
  const auto someone_at = [&](std::int32_t t) {
    for (std::int32_t p = 0; p < P; ++p)
      if (at(p, t)) return true;
    return false;
  };
  if (keeps_persons && target_person >= 0) {
    std::int32_t time = nearest([&](std::int32_t t) { return at(target_person, t) != 0; });
    if (time == kNone) {
      time = nearest(someone_at);
      at(target_person, time) = 1;
      ++report.targets_without_place;
    } else if (!anyone) {
      ++report.targets_without_place;
    } else if (time != target_time) {
      ++report.targets_moved;
    }
    target_time = time;
  }

  std::int32_t S = 0;
  for (std::int32_t t = 0; t < T; ++t) segment(t) = someone_at(t) ? S++ : kNone;
  persons_.clear();
  for (std::int32_t p = 0; p < P; ++p) {
    const std::uint8_t* row = exists_.data() + static_cast<std::size_t>(p * T);
    if (std::find(row, row + T, 1) != row + T) persons_.push_back(p);
  }

  for (std::size_t k = 0; k < modalities_.size(); ++k) {
    const Modality& from = dataset_.modalities()[modalities_[k]];
    ModalityBatch& to = out.modalities[k];
    const std::size_t before = to.available.size();
    bool available = false;
    for (std::size_t q = 0; q < persons_.size(); ++q)
      for (std::int32_t t = 0; t < T; ++t) {
        if (!at(persons_[q], t)) continue;
        const std::int32_t row = from.index(n, persons_[q], t);
        const auto person = shows_target_alone(options_.view) ? 0 : static_cast<std::int32_t>(q);
        const std::int32_t position = person * S + segment(t);
        available |= row >= 0;
        if (keeps_persons)
          add_token(from, row, person, segment(t), position, to);
        else
          add_token(from, row, 0, position, position, to);
      }
    if (!keeps_persons && !available) {
      to.available.resize(before);
      if (options_.features == Features::kByRow)
        to.row.resize(before);
      else
        to.features.resize(before * static_cast<std::size_t>(to.width));
      to.person.resize(before);
      to.segment.resize(before);
      to.position.resize(before);
      add_all_positions(from, to);
    }
  }

  if (keeps_persons) {
    out.persons.push_back(static_cast<std::int32_t>(persons_.size()));
    out.segments.push_back(S);
    if (target_person >= 0) {
      const auto q = std::find(persons_.begin(), persons_.end(), target_person) - persons_.begin();
      out.target_person.push_back(static_cast<std::int32_t>(q));
      out.target_segment.push_back(segment(target_time));
    }
    if (out.has_personality())
      for (std::int32_t p : persons_) add_personality(n, p, out);
  } else {
    const auto shown_persons = static_cast<std::int32_t>(persons_.size());
    const auto fallback = static_cast<std::int32_t>(shown_length(T));
    out.persons.push_back(1);
    out.segments.push_back(!anyone ? fallback : options_.view == PersonView::kAll ? shown_persons * S : S);
    // One person stands for the sequence: the target, or the only one there is.
    const std::int32_t who = target_person >= 0 ? target_person : persons_.size() == 1 ? persons_[0] : P == 1 ? 0 : kNone;
    if (out.has_personality()) add_personality(n, who, out);
  }
}

inline void BatchBuilder::add_tokens_by_modality(std::int32_t n, Batch& out) {
  for (std::size_t k = 0; k < modalities_.size(); ++k) {
    const Modality& from = dataset_.modalities()[modalities_[k]];
    std::int32_t segment = 0;
    for (Index t = 0; t < from.index.extent(2); ++t)
      if (const std::int32_t row = from.index(n, 0, t); row >= 0) {
        add_token(from, row, 0, segment, segment, out.modalities[k]);
        ++segment;
      }
    if (segment == 0) add_all_positions(from, out.modalities[k]);
  }
  out.persons.push_back(1);
  out.segments.push_back(0);
  if (out.has_personality()) add_personality(n, 0, out);
}

inline BatchReport BatchBuilder::build(std::span<const std::int32_t> samples, Batch& out) {
  for (std::int32_t n : samples)
    require<DataError>(n >= 0 && n < dataset_.size(), dataset_.origin(), ": sample ", n, " asked for; there are ",
                       dataset_.size());
  const DatasetTensors& t = dataset_.tensors();
  out.size = static_cast<Index>(samples.size());
  out.modalities.resize(modalities_.size());
  for (std::size_t k = 0; k < modalities_.size(); ++k) {
    const Modality& from = dataset_.modalities()[modalities_[k]];
    ModalityBatch& to = out.modalities[k];
    to.name = from.name;
    to.width = from.features.extent(1);
    to.features.clear();
    to.row.clear();
    to.kept = {};
    to.available.clear();
    to.offsets.assign(1, 0);
    to.person.clear();
    to.segment.clear();
    to.position.clear();
  }
  out.persons.clear();
  out.segments.clear();
  out.target_person.clear();
  out.target_segment.clear();
  out.personality_width = dataset_.personality_width();
  out.personality.clear();
  out.personality_known.clear();
  out.person_offsets.assign(1, 0);
  out.label_count = static_cast<Index>(labels_.size());
  out.labels.clear();
  out.label_mask.clear();
  out.id.clear();
  out.sample.assign(samples.begin(), samples.end());

  BatchReport report;
  for (std::int32_t n : samples) {
    if (dataset_.times() > 0)
      add_tokens_by_place(n, out, report);
    else
      add_tokens_by_modality(n, out);
    for (ModalityBatch& m : out.modalities) {
      require<DataError>(m.rows() <= std::numeric_limits<std::int32_t>::max(), "modality '", m.name,
                         "': too many tokens in one batch");
      m.offsets.push_back(static_cast<std::int32_t>(m.rows()));
    }
    out.person_offsets.push_back(out.person_offsets.back() + out.persons.back());
    if (t.labels)
      for (std::size_t c : labels_) {
        out.labels.push_back((*t.labels)(n, static_cast<Index>(c)));
        out.label_mask.push_back(dataset_.labelled(n, static_cast<Index>(c)));
      }
    out.id.push_back(dataset_.id(n));
  }
  return report;
}

}  // namespace ramer::data
