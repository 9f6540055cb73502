#include "ramer/core/padding.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace ramer;

namespace {

/// Two samples of one modality with `tokens` rows, the first having one of them.
Batch a_batch(std::int32_t tokens) {
  Batch batch;
  batch.size = 2;
  batch.modalities.resize(1);
  ModalityBatch& m = batch.modalities[0];
  m.name = "text";
  m.width = 3;
  m.offsets = {0, 1, tokens};
  const auto n = static_cast<std::size_t>(tokens);
  m.features.assign(3 * n, 1.5f);
  m.available.assign(n, 1);
  m.person = m.segment = m.position = std::vector<std::int32_t>(n, 2);
  return batch;
}

/// Rows [live, rows) are 0 in every array, and there are as many in each.
bool dead(const ModalityBatch& m, std::size_t live, std::size_t rows) {
  const auto zero_from = [](const auto& array, std::size_t from, std::size_t size) {
    return array.size() == size &&
           std::all_of(array.begin() + static_cast<std::ptrdiff_t>(from), array.end(), [](auto x) { return x == 0; });
  };
  return zero_from(m.features, 3 * live, 3 * rows) && zero_from(m.available, live, rows) &&
         zero_from(m.person, live, rows) && zero_from(m.segment, live, rows) && zero_from(m.position, live, rows);
}

}  // namespace

TEST_CASE("buckets: sixteen multiples, then eight between a number and its double") {
  CHECK(bucket(0, 32) == 32);
  CHECK(bucket(1, 32) == 32);
  CHECK(bucket(32, 32) == 32);
  CHECK(bucket(33, 32) == 64);
  CHECK(bucket(512, 32) == 512);
  CHECK(bucket(513, 32) == 576);
  CHECK(bucket(1024, 32) == 1024);
  CHECK(bucket(1025, 32) == 1152);
  CHECK(bucket(17, 1) == 18);
  CHECK(bucket(50, 16) == 64);
  for (const Index multiple : {1, 3, 32}) {
    Index before = 0;
    for (Index n = 1; n < 5000; ++n) {
      const Index found = bucket(n, multiple);
      CHECK_MESSAGE((found >= n && found >= before && found % multiple == 0), n);
      CHECK_MESSAGE(found - n < std::max(multiple, (n + 7) / 8), n);
      CHECK_MESSAGE(bucket(found, multiple) == found, n);
      before = found;
    }
  }
}

TEST_CASE("padded batches end in dead rows, at least one") {
  for (const std::int32_t tokens : {1, 31, 32, 600}) {
    const Batch before = a_batch(tokens);
    Batch batch = before;
    pad_rows(batch);
    const ModalityBatch& m = batch.modalities[0];
    const auto live = static_cast<std::size_t>(tokens);
    CHECK(m.tokens() == tokens);
    CHECK(m.offsets == before.modalities[0].offsets);
    CHECK(m.rows() == (tokens < 32 ? 32 : tokens == 32 ? 64 : 640));
    CHECK(dead(m, live, static_cast<std::size_t>(m.rows())));
    CHECK(std::equal(before.modalities[0].features.begin(), before.modalities[0].features.end(), m.features.begin()));
    CHECK(std::count(m.available.begin(), m.available.end(), 1) == tokens);
  }
}

TEST_CASE("padding again changes nothing; another multiple starts from the tokens; arrays stay where they are") {
  Batch batch = a_batch(40);
  pad_rows(batch, 100);
  CHECK(batch.modalities[0].rows() == 100);
  const float* const features = batch.modalities[0].features.data();
  const std::vector<float> values = batch.modalities[0].features;
  pad_rows(batch, 100);
  CHECK(batch.modalities[0].features == values);
  pad_rows(batch, 8);
  CHECK(batch.modalities[0].rows() == 48);
  CHECK(dead(batch.modalities[0], 40, 48));
  pad_rows(batch, 100);
  CHECK(batch.modalities[0].features == values);
  CHECK(batch.modalities[0].features.data() == features);
  CHECK_THROWS_AS(pad_rows(batch, 0), ConfigError);
}

TEST_CASE("where features are rows of what is kept elsewhere, dead rows have none") {
  Batch batch = a_batch(3);
  ModalityBatch& m = batch.modalities[0];
  const float kept[3] = {};
  for (const bool attached : {false, true}) {
    m.features.clear();
    m.row = {0, -1, 0};
    m.kept = {attached ? kept : nullptr, 1};
    pad_rows(batch, 5);
    CHECK(m.features.empty());
    CHECK(m.row == std::vector<std::int32_t>{0, -1, 0, -1, -1});
    CHECK(m.available == std::vector<std::uint8_t>{1, 1, 1, 0, 0});
  }
}

TEST_CASE("a modality without tokens gets rows, too") {
  Batch batch = a_batch(1);
  ModalityBatch& m = batch.modalities[0];
  m.features.clear(), m.available.clear(), m.person.clear(), m.segment.clear(), m.position.clear();
  m.offsets = {0, 0, 0};
  pad_rows(batch);
  CHECK(m.tokens() == 0);
  CHECK(dead(m, 0, 32));
}
