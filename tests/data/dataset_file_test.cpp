#include "ramer/data/dataset_file.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>
#include <limits>

#include "sample_data.hpp"

using namespace ramer;
using namespace ramer::data;
using ramer::testing::small_arrays;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "ramer-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

template <class V>
bool same(const V& a, const V& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->shape() == b->shape() && std::equal(a->span().begin(), a->span().end(), b->span().begin()));
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string refusal(const std::filesystem::path& path) {
  try {
    read_dataset(path);
  } catch (const Error& error) {
    std::string text = error.what();
    if (const auto at = text.find(path.string()); at != std::string::npos) text.replace(at, path.string().size(), "F");
    return text;
  }
  return {};
}

}  // namespace

TEST_CASE("a data set survives a file, and the same data set gives the same bytes") {
  const Folder folder;
  const Dataset a = make_dataset(small_arrays());
  write_dataset(folder.path / "a.safetensors", a);
  const Dataset b = read_dataset(folder.path / "a.safetensors");
  write_dataset(folder.path / "b.safetensors", b);
  CHECK(slurp(folder.path / "a.safetensors") == slurp(folder.path / "b.safetensors"));

  CHECK(b.origin() == (folder.path / "a.safetensors").string());
  CHECK(b.name() == "small");
  CHECK(b.label_names() == a.label_names());
  CHECK(b.person_names() == a.person_names());
  CHECK(b.notes() == a.notes());
  REQUIRE(b.modalities().size() == 2);
  for (std::size_t m = 0; m < 2; ++m) {
    CHECK(b.modalities()[m].name == a.modalities()[m].name);
    CHECK(same(std::optional(b.modalities()[m].features), std::optional(a.modalities()[m].features)));
    CHECK(same(std::optional(b.modalities()[m].index), std::optional(a.modalities()[m].index)));
  }
  const DatasetTensors &s = a.tensors(), &t = b.tensors();
  CHECK(same(s.exists, t.exists));
  CHECK(same(s.labels, t.labels));
  CHECK(same(s.label_mask, t.label_mask));
  CHECK(same(s.personality, t.personality));
  CHECK(same(s.personality_index, t.personality_index));
  CHECK(same(s.target, t.target));
  CHECK(same(s.split, t.split));
  CHECK(same(s.id, t.id));
  CHECK(same(s.group, t.group));
}

TEST_CASE("a data set stays what it was while its file is replaced or removed") {
  const Folder folder;
  const auto file = folder.path / "a.safetensors";
  write_dataset(file, make_dataset(small_arrays()));
  const Dataset open = read_dataset(file);
  const auto features = [](const Dataset& d) {
    const auto& x = d.modalities()[0].features;
    return std::vector<float>(x.data(), x.data() + x.size());
  };
  const std::vector<float> before = features(open);
  auto arrays = small_arrays();
  for (float& x : arrays.modalities[0].features) x = -x;
  write_dataset(file, make_dataset(std::move(arrays)));
  CHECK(features(open) == before);
  CHECK(features(read_dataset(file))[0] == -before[0]);
  std::filesystem::remove(file);
  CHECK(features(open) == before);
}

TEST_CASE("optional tensors may be missing") {
  const Folder folder;
  DatasetArrays a;
  a.samples = 1;
  a.modalities = {{"text", 1, 2, {1}, {0, -1}}, {"audio", 1, 3, {1}, {0, -1, -1}}};
  write_dataset(folder.path / "a", make_dataset(std::move(a)));
  const Dataset d = read_dataset(folder.path / "a");
  CHECK_FALSE(d.has_labels());
  CHECK_FALSE(d.has_target());
  CHECK_FALSE(d.has_split());
  CHECK_FALSE(d.has_personality());
  CHECK(d.labels() == 0);
}

TEST_CASE("files of another form are refused by name") {
  const Folder folder;
  const auto path = folder.path / "f";
  const std::vector<float> features{1, 2};
  const std::vector<double> wide{1, 2};
  const std::vector<std::int32_t> index{0, 1};
  const std::vector<std::uint8_t> bytes{1, 1};
  const auto writer = [&] {
    io::SafetensorsWriter w;
    w.set_metadata("format", "ramer.dataset");
    w.set_metadata("version", "1");
    w.set_metadata("modalities", "[\"text\"]");
    w.set_metadata("labels", "[\"joy\"]");
    return w;
  };
  const auto refused = [&](const io::SafetensorsWriter& w) {
    w.write(path);
    return refusal(path);
  };
  auto w = writer();
  w.add<float>("text.features", {2, 1}, features);
  w.add<std::int32_t>("text.index", {2, 1, 1}, index);
  CHECK(refused(w).empty());
  auto other = w;
  other.add<std::uint8_t>("labels", {1, 1}, std::span(bytes).first(1));
  CHECK(refused(other) == "F: 'labels' has shape (1, 1); expected (2, 1) = (N, C)");
  other = w;
  other.add<float>("labels", {2, 1}, features);
  CHECK(refused(other) == "F: tensor 'labels' is F32; expected U8");
  other = w;
  other.add<std::uint8_t>("split", {2, 1}, bytes);
  CHECK(refused(other) == "F: tensor 'split' has shape (2, 1); expected rank 1");
  other = w;
  other.set_metadata("format", "ramer.golden");
  CHECK(refused(other) == "F: format is 'ramer.golden'; expected 'ramer.dataset'");
  other = w;
  other.set_metadata("version", "2");
  CHECK(refused(other) == "F: version is '2'; this library reads version '1'");
  other = w;
  other.set_metadata("modalities", "[\"text\", \"audio\"]");
  CHECK(refused(other) == "F: no tensor 'audio.features'");
  other = w;
  other.set_metadata("modalities", "[\"text\", 3]");
  CHECK(refused(other) == "F: __metadata__ 'modalities' holds 3; expected names");
  other = w;
  other.set_metadata("modalities", "{}");
  CHECK(refused(other) == "F: __metadata__ 'modalities' is object; expected a JSON list of names");
  other = w;
  other.set_metadata("labels", "[");
  CHECK(refused(other).find("__metadata__ 'labels'") != std::string::npos);

  w = writer();
  w.add<double>("text.features", {2, 1}, wide);
  w.add<std::int32_t>("text.index", {2, 1, 1}, index);
  CHECK(refused(w) == "F: tensor 'text.features' is F64; expected F32");
  w = writer();
  w.add<float>("text.features", {2, 1}, features);
  w.add<std::int32_t>("text.index", {2, 1}, index);
  CHECK(refused(w) == "F: tensor 'text.index' has shape (2, 1); expected rank 3");
}

TEST_CASE("a file with features that are not finite opens on request") {
  const Folder folder;
  const std::vector<float> features{1, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<std::int32_t> index{0, 1};
  io::SafetensorsWriter w;
  w.set_metadata("format", "ramer.dataset");
  w.set_metadata("version", "1");
  w.set_metadata("modalities", "[\"text\"]");
  w.set_metadata("labels", "[]");
  w.add<float>("text.features", {2, 1}, features);
  w.add<std::int32_t>("text.index", {2, 1, 1}, index);
  w.write(folder.path / "f");
  CHECK(refusal(folder.path / "f") == "F: 'text.features' at [1, 0] is nan (1 such values); expected finite numbers");
  CHECK(read_dataset(folder.path / "f", {.replace_non_finite = true}).replaced() == std::vector<Index>{1});
}
