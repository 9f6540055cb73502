#include "ramer/data/missing.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "ramer/data/batch_builder.hpp"
#include "ramer/data/split.hpp"
#include "ramer/data/synthetic.hpp"

using namespace ramer;
using namespace ramer::data;

namespace {

Dataset conversations() {
  SyntheticConfig c;
  c.samples = 300;
  c.widths = {9, 9, 9};
  return make_synthetic(c);
}

Batch batch_of(const Dataset& d, std::vector<std::int32_t> samples) {
  Batch batch;
  make_batch(d, samples, {}, batch);
  return batch;
}

MissingConfig rate(double r) {
  MissingConfig c;
  c.rate = r;
  return c;
}

Index available(const Batch& batch) {
  Index count = 0;
  for (const ModalityBatch& m : batch.modalities)
    for (std::uint8_t a : m.available) count += a;
  return count;
}

}  // namespace

TEST_CASE("rates are met, features become zero, places stay") {
  const Dataset d = conversations();
  const Batch before = batch_of(d, all_samples(d));
  Batch after = before;
  CHECK(drop_modalities(after, rate(0), 1) == 0);
  CHECK(available(after) == available(before));
  const Index dropped = drop_modalities(after, rate(0.3), 1);
  const auto n = static_cast<double>(available(before));
  CHECK(std::abs(static_cast<double>(dropped) - 0.3 * n) < 5 * std::sqrt(0.21 * n));
  CHECK(available(after) == available(before) - dropped);
  for (std::size_t m = 0; m < 3; ++m) {
    const ModalityBatch &x = after.modalities[m], &y = before.modalities[m];
    CHECK(x.position == y.position);
    for (std::size_t r = 0; r < x.available.size(); ++r)
      for (std::size_t k = 9 * r; k < 9 * r + 9; ++k)
        if (x.features[k] != (x.available[r] ? y.features[k] : 0)) FAIL("token ", r);
  }
  after = before;
  drop_modalities(after, rate(1), 1);
  CHECK(available(after) == 0);
}

TEST_CASE("in a batch by row the same tokens go, and name no row any more") {
  const Dataset d = conversations();
  Batch copied = batch_of(d, all_samples(d)), by_row;
  BatchOptions options;
  options.features = Features::kByRow;
  make_batch(d, all_samples(d), options, by_row);
  CHECK(drop_modalities(by_row, rate(0.3), 1) == drop_modalities(copied, rate(0.3), 1));
  for (std::size_t m = 0; m < 3; ++m) {
    const ModalityBatch &x = by_row.modalities[m], &y = copied.modalities[m];
    CHECK(x.available == y.available);
    CHECK(x.features.empty());
    for (std::size_t r = 0; r < x.row.size(); ++r)
      if ((x.row[r] >= 0) != (x.available[r] != 0)) FAIL("token ", r);
  }
}

TEST_CASE("a token's fate does not depend on its batch, nor on which modalities may go; larger rates drop more") {
  const Dataset d = conversations();
  Batch all = batch_of(d, all_samples(d)), one = batch_of(d, {17}), text = one, more = one, other = all, later = all;
  const Batch untouched = all;
  drop_modalities(all, rate(0.5), 3);
  drop_modalities(one, rate(0.5), 3);
  MissingConfig only = rate(0.5);
  only.modalities = {"text"};
  drop_modalities(text, only, 3);
  drop_modalities(more, rate(0.7), 3);
  for (std::size_t m = 0; m < 3; ++m) {
    const auto begin = all.modalities[m].available.begin();
    const auto& offsets = all.modalities[m].offsets;
    CHECK(std::vector(begin + offsets[17], begin + offsets[18]) == one.modalities[m].available);
    for (std::size_t r = 0; r < one.modalities[m].available.size(); ++r)
      CHECK(more.modalities[m].available[r] <= one.modalities[m].available[r]);
  }
  CHECK(text.modalities[0].available == one.modalities[0].available);
  CHECK(text.modalities[1].available == batch_of(d, {17}).modalities[1].available);
  drop_modalities(other, rate(0.5), 4);
  drop_modalities(later, rate(0.5), 3, 1);
  CHECK(other.modalities[0].available != all.modalities[0].available);
  CHECK(later.modalities[0].available != all.modalities[0].available);
}

TEST_CASE("by role") {
  const Dataset d = conversations();
  const Batch before = batch_of(d, all_samples(d));
  for (const MissingRole role : {MissingRole::kTarget, MissingRole::kOthers, MissingRole::kPerson}) {
    Batch after = before;
    MissingConfig c = rate(1);
    c.role = role;
    c.person = 1;
    CHECK(drop_modalities(after, c, 1) > 0);
    for (std::size_t m = 0; m < 3; ++m) {
      const ModalityBatch &x = after.modalities[m], &y = before.modalities[m];
      for (std::size_t b = 0; b < 300; ++b)
        for (auto r = static_cast<std::size_t>(x.offsets[b]); r < static_cast<std::size_t>(x.offsets[b + 1]); ++r) {
          const bool target = x.person[r] == before.target_person[b];
          const bool meant = role == MissingRole::kTarget   ? target
                             : role == MissingRole::kOthers ? !target
                                                            : x.person[r] == 1;
          if (x.available[r] != (meant ? 0 : y.available[r])) FAIL("token ", r);
        }
    }
  }
}

TEST_CASE("by sample: all of a modality or nothing of it") {
  const Dataset d = conversations();
  const Batch before = batch_of(d, all_samples(d));
  Batch after = before;
  MissingConfig c = rate(0.5);
  c.unit = MissingUnit::kSample;
  drop_modalities(after, c, 1);
  int gone = 0, kept = 0;
  for (std::size_t m = 0; m < 3; ++m)
    for (std::size_t b = 0; b < 300; ++b) {
      const auto part = [&](const Batch& batch) {
        const auto begin = batch.modalities[m].available.begin();
        return std::vector(begin + batch.modalities[m].offsets[b], begin + batch.modalities[m].offsets[b + 1]);
      };
      const auto x = part(after), y = part(before);
      const bool any = std::find(x.begin(), x.end(), 1) != x.end();
      if (any) CHECK(x == y);
      ++(any ? kept : gone);
    }
  CHECK(gone > 350);
  CHECK(kept > 350);
}

TEST_CASE("what cannot be dropped is refused") {
  Batch batch = batch_of(conversations(), {0});
  CHECK_THROWS_WITH_AS(drop_modalities(batch, rate(1.5), 1), "missing.rate = 1.5; expected 0 to 1", ConfigError);
  MissingConfig c = rate(0.5);
  c.modalities = {"smell"};
  CHECK_THROWS_WITH_AS(drop_modalities(batch, c, 1), "missing.modalities: the batch has no modality 'smell'", DataError);
  batch.target_person.clear();
  c = rate(0.5);
  c.role = MissingRole::kOthers;
  CHECK_THROWS_WITH_AS(drop_modalities(batch, c, 1), "missing.role = others needs a target; the batch has none", DataError);
}
