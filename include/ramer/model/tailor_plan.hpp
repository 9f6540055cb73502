// What the host works out from a batch before TAILOR runs on it: index arrays, masks and weights, no arithmetic on features.
#pragma once

#include "ramer/encoder/ctc_alignment.hpp"
#include "ramer/encoder/label_decoder.hpp"
#include "ramer/encoder/tokens.hpp"
#include "ramer/loss/ctc.hpp"
#include "ramer/model/detail/batch_check.hpp"

namespace ramer::wiring {

/// Index arrays of one batch. Reused from batch to batch; vectors keep their capacity.
///
/// Modalities are added up and put behind each other place by place, so those of a sample must have the same places; one that has
/// no available token in a sample need not, and one that is aligned gets them. Rows are the tokens that take part: the available
/// ones, or under Missing::All every token, an unavailable one being no key.
struct TailorPlan {
  Index batch = 0;
  std::vector<const ModalityBatch*> modality;     ///< (M) what is encoded or aligned, in the model's order
  std::vector<encoder::AlignmentPlan> alignment;  ///< (M) empty where rows are not aligned
  std::vector<encoder::TokenPlan> tokens;         ///< (M)
  std::vector<GatherPlan> taking_part;            ///< (M)(R_m) row among the tokens; empty where rows are not aligned
  std::vector<encoder::Sequence> rows;            ///< (M) R_m
  encoder::Sequence common_rows;                  ///< R_c: places where some modality has a row
  std::vector<GatherPlan> common;                 ///< (M)(R_c) row of R_m at that place, or -1
  std::vector<std::uint8_t> same_rows;            ///< (M) R_m is R_c
  GatherPlan first;                               ///< (B) the sample's first row of R_c, or -1
  encoder::FusionPlan fusion;                     ///< who is joined with whom
  encoder::LabelQueryPlan labels;                 ///< queries of the label decoder

  bool supervised = false;                          ///< labels are there: losses exist
  std::vector<std::uint8_t> y;                      ///< (B, C)
  std::vector<double> cell;                         ///< (B, C) annotated / number of annotated
  std::vector<std::vector<double>> token;           ///< (M)(R_m) 1 / R_m
  std::vector<std::vector<double>> present_sample;  ///< (M)(B) has a row / their number
  std::vector<std::vector<double>> present_pair;    ///< (M (M - 1) / 2)(B) both have a row / their number
  std::vector<loss::CtcPlan> ctc;  ///< (M) places of the reference, in order; empty where rows are not aligned

  /// @param places of a modality's sequence  @param positions rows of the fusion's position tables
  /// @param align whether modality m is aligned, align(m, rows); if so, alignment[m] and tokens[m] are then filled
  /// @throws DataError for an empty batch, a modality that it lacks or that has another width, arrays whose lengths do not fit
  ///   together, modalities of a sample with different places, and a position outside the table; the plan must then be built anew
  template <class Align>
  void build_inputs(const Schema& schema, const Batch& b, encoder::Missing missing, const std::vector<Index>& order,
                    Index places, Index positions, Align align) {
    batch = b.size;
    const std::size_t count = schema.modalities.size();
    require<DataError>(batch > 0, "the batch is empty; a model needs at least one sample");
    modality.resize(count);
    alignment.resize(count);
    tokens.resize(count);
    taking_part.resize(count);
    rows.resize(count);
    aligned_.assign(count, 0);
    for (std::size_t m = 0; m < count; ++m) {
      modality[m] = &detail::find_modality(b, schema.modalities[m]);
      aligned_[m] = align(m, *modality[m]);
    }
    choose_rows(b, missing);
    for (std::size_t m = 0; m < count; ++m) {
      if (aligned_[m]) {
        take_aligned(m, missing, places);
        continue;
      }
      taking_part[m].index.clear();
      tokens[m].build(b, *modality[m], encoder::TargetTime::All, schema.modalities[m].positions, false);
      rows[m].places = places;
      rows[m].offsets.assign(modality[m]->offsets.begin(), modality[m]->offsets.end());
      rows[m].place.assign(modality[m]->position.begin(), modality[m]->position.end());
      rows[m].key.assign(modality[m]->available.begin(), modality[m]->available.end());
      for (const std::int32_t p : rows[m].place)
        require<DataError>(p < places, "modality ", modality[m]->name, ": position ", p, " of a token, and ", places,
                           " places (fusion.places)");
    }
    add_up(places);
    fusion.build(rows, common_rows, order, positions);
    labels.build(batch, schema.label_count());
  }

  /// Labels and the weights of the losses. @param reference what the others are aligned to, in `length` places
  /// @throws DataError for labels that are not the model's in number
  void build_targets(const Batch& b, std::size_t reference, Index length) {
    detail::check_labels(b, labels.labels);
    const std::size_t count = rows.size(), samples = static_cast<std::size_t>(batch);
    y.assign(b.labels.begin(), b.labels.end());
    detail::weigh(cell, y.size(), [&](std::size_t i) { return b.label_mask[i] != 0; });
    token.resize(count);
    present_sample.resize(count);
    present_pair.resize(count * (count - 1) / 2);
    const auto present = [&](std::size_t m, std::size_t i) { return rows[m].offsets[i] < rows[m].offsets[i + 1]; };
    std::size_t pair = 0;
    for (std::size_t m = 0; m < count; ++m) {
      detail::weigh(token[m], rows[m].place.size(), [](std::size_t) { return true; });
      detail::weigh(present_sample[m], samples, [&](std::size_t i) { return present(m, i); });
      for (std::size_t k = m + 1; k < count; ++k) {
        detail::weigh(present_pair[pair++], samples, [&](std::size_t i) { return present(m, i) && present(k, i); });
      }
    }
    ctc.resize(count);
    for (std::size_t m = 0; m < count; ++m)
      if (aligned_[m]) teach_alignment(m, rows[reference], length);
  }
  /// Whether modality m of this batch came through an alignment.
  bool aligned(std::size_t m) const { return aligned_[m] != 0; }

 private:
  std::vector<std::uint8_t> aligned_;  // (M)
  std::vector<std::int32_t> run_;      // (B) places that a sample's rows should run through
  std::vector<std::uint8_t> counts_;   // (B)
  std::vector<ModalityBatch> chosen_;  // copies of modalities of which tokens are left out
  std::vector<std::uint8_t> keep_;     // (M, tokens)
  std::vector<std::size_t> keep_at_;   // (M) where in keep_
  std::vector<std::int32_t> row_at_;   // (M, places)

  static bool any_available(const ModalityBatch& m, std::size_t b) {
    return std::any_of(m.available.begin() + m.offsets[b], m.available.begin() + m.offsets[b + 1],
                       [](std::uint8_t a) { return a != 0; });
  }
  /// A sample's rows should run through the places 1 ... n that its reference has; not where they are fewer.
  void teach_alignment(std::size_t m, const encoder::Sequence& reference, Index length) {
    const std::vector<std::int32_t>& ends = alignment[m].offsets;
    run_.assign(static_cast<std::size_t>(batch), 0);
    counts_.assign(run_.size(), 0);
    for (std::size_t b = 0; b < run_.size(); ++b) {
      for (std::int32_t r = reference.offsets[b]; r < reference.offsets[b + 1]; ++r)
        run_[b] = std::max(run_[b], reference.place[static_cast<std::size_t>(r)] + 1);
      run_[b] = std::min(run_[b], static_cast<std::int32_t>(length));
      counts_[b] = run_[b] > 0 && ends[b + 1] - ends[b] >= run_[b];
    }
    ctc[m].build_in_order(ends, run_, loss::CtcReduction::MeanOfTotals, counts_);
  }
  /// The tokens that an alignment has made: all of a sample's, or none where it lacks the modality.
  void take_aligned(std::size_t m, encoder::Missing missing, Index places) {
    const encoder::TokenPlan& t = tokens[m];
    taking_part[m].index.clear();
    rows[m].clear(places);
    for (std::size_t b = 0; b + 1 < t.offsets.size(); ++b) {
      const bool present = alignment[m].offsets[b] < alignment[m].offsets[b + 1];
      for (std::int32_t r = t.offsets[b]; r < t.offsets[b + 1] && (present || missing == encoder::Missing::All); ++r) {
        rows[m].add(t.position.index[static_cast<std::size_t>(r)], present);
        taking_part[m].index.push_back(r);
      }
      rows[m].end_sample();
    }
    taking_part[m].finish(t.rows);
  }
  /// Leaves out tokens that take no part.
  void choose_rows(const Batch& b, encoder::Missing missing) {
    keep_at_.clear();
    std::size_t total = 0;
    for (const ModalityBatch* m : modality) {
      keep_at_.push_back(total);
      total += m->available.size();
    }
    keep_.assign(total, 0);
    for (std::size_t s = 0; s < static_cast<std::size_t>(batch); ++s) {
      const ModalityBatch* like = nullptr;  // a modality that the sample has
      for (std::size_t k = 0; k < modality.size(); ++k) {
        const ModalityBatch* m = modality[k];
        if (aligned_[k] || !any_available(*m, s)) continue;
        if (!like) like = m;
        const Index tokens_of_m = m->offsets[s + 1] - m->offsets[s],
                    tokens_of_like = like->offsets[s + 1] - like->offsets[s];
        const bool same = tokens_of_m == tokens_of_like &&
                          std::equal(m->position.begin() + m->offsets[s], m->position.begin() + m->offsets[s + 1],
                                     like->position.begin() + like->offsets[s]);
        require<DataError>(same, "sample ", detail::sample_id(b, s), ": modalities ", like->name, " (", tokens_of_like,
                           " tokens) and ", m->name, " (", tokens_of_m,
                           " tokens) have different places; this model adds modalities up place by place ",
                           "and needs aligned data");
      }
      for (std::size_t k = 0; k < modality.size(); ++k) {
        if (aligned_[k]) continue;
        const ModalityBatch& m = *modality[k];
        const bool own = missing == encoder::Missing::PresentOnly || !like || any_available(m, s);
        for (std::int32_t r = m.offsets[s]; r < m.offsets[s + 1]; ++r) {
          const auto at = static_cast<std::size_t>(r);
          bool keep = missing == encoder::Missing::All || m.available[at];
          if (!own) {  // absent: where the others have places
            const auto begin = like->position.begin() + like->offsets[s],
                       end = like->position.begin() + like->offsets[s + 1];
            keep = std::find(begin, end, m.position[at]) != end;
          }
          keep_[keep_at_[k] + at] = keep;
        }
      }
    }
    chosen_.resize(modality.size());
    for (std::size_t k = 0; k < modality.size(); ++k) {
      const std::uint8_t* keep = keep_.data() + keep_at_[k];
      if (aligned_[k] || std::all_of(keep, keep + modality[k]->available.size(), [](std::uint8_t x) { return x != 0; }))
        continue;
      copy_rows(*modality[k], keep, chosen_[k]);
      modality[k] = &chosen_[k];
    }
  }
  static void copy_rows(const ModalityBatch& from, const std::uint8_t* keep, ModalityBatch& to) {
    to.name = from.name;
    to.width = from.width;
    to.features.clear();
    to.row.clear();
    to.kept = from.kept;
    to.available.clear();
    to.person.clear();
    to.segment.clear();
    to.position.clear();
    to.offsets.assign(1, 0);
    for (std::size_t s = 0; s + 1 < from.offsets.size(); ++s) {
      for (std::int32_t r = from.offsets[s]; r < from.offsets[s + 1]; ++r) {
        const auto at = static_cast<std::size_t>(r);
        if (!keep[at]) continue;
        if (from.kept.data) {
          to.row.push_back(from.row[at]);
        } else {
          const float* x = from.features.data() + r * from.width;
          to.features.insert(to.features.end(), x, x + from.width);
        }
        to.available.push_back(from.available[at]);
        to.person.push_back(from.person[at]);
        to.segment.push_back(from.segment[at]);
        to.position.push_back(from.position[at]);
      }
      to.offsets.push_back(static_cast<std::int32_t>(to.rows()));
    }
  }
  /// Which rows of the modalities meet at a place.
  void add_up(Index places) {
    const std::size_t count = rows.size(), width = static_cast<std::size_t>(places);
    common_rows.clear(places);
    common.resize(count);
    for (GatherPlan& g : common) g.index.clear();
    first.index.clear();
    for (std::size_t s = 0; s < static_cast<std::size_t>(batch); ++s) {
      row_at_.assign(count * width, -1);
      for (std::size_t m = 0; m < count; ++m)
        for (std::int32_t r = rows[m].offsets[s]; r < rows[m].offsets[s + 1]; ++r)
          row_at_[m * width + static_cast<std::size_t>(rows[m].place[static_cast<std::size_t>(r)])] = r;
      const Index before = common_rows.rows();
      for (std::size_t p = 0; p < width; ++p) {
        bool any = false;
        for (std::size_t m = 0; m < count; ++m) any = any || row_at_[m * width + p] >= 0;
        if (!any) continue;
        common_rows.add(static_cast<std::int32_t>(p), 1);
        for (std::size_t m = 0; m < count; ++m) common[m].index.push_back(row_at_[m * width + p]);
      }
      first.index.push_back(common_rows.rows() > before ? static_cast<std::int32_t>(before) : -1);
      common_rows.end_sample();
    }
    same_rows.assign(count, 1);
    for (std::size_t m = 0; m < count; ++m) {
      same_rows[m] = rows[m].rows() == common_rows.rows();
      for (std::size_t i = 0; i < common[m].index.size() && same_rows[m]; ++i)
        same_rows[m] = common[m].index[i] == static_cast<std::int32_t>(i);
      common[m].finish(rows[m].rows());
    }
    first.finish(common_rows.rows());
  }
};

}  // namespace ramer::wiring
