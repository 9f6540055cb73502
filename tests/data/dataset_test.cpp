#include "ramer/data/dataset.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "ramer/data/dataset_arrays.hpp"
#include "sample_data.hpp"

using namespace ramer;
using namespace ramer::data;
using ramer::testing::small_arrays;

namespace {

std::string refusal(DatasetArrays arrays, const DatasetOptions& options = {}) {
  try {
    make_dataset(std::move(arrays), "here", options);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

template <class Change>
std::string refusal_after(Change change) {
  DatasetArrays arrays = small_arrays();
  change(arrays);
  return refusal(std::move(arrays));
}

#define CHECK_REFUSED(message, ...) CHECK(refusal_after([](DatasetArrays& a) { __VA_ARGS__; }) == message)

}  // namespace

TEST_CASE("a data set of arrays gives back what it was made of") {
  const Dataset d = make_dataset(small_arrays());
  const Dataset copy = d;
  CHECK(copy.modalities()[0].features.data() == d.modalities()[0].features.data());
  CHECK(d.name() == "small");
  CHECK(d.size() == 2);
  CHECK(d.persons() == 2);
  CHECK(d.times() == 3);
  CHECK(d.labels() == 3);
  CHECK(d.modality("audio") == 1);
  CHECK(d.label("fear") == 2);
  CHECK_THROWS_WITH_AS(d.modality("smell"), "data set: no modality 'smell'; there are text, audio", DataError);
  CHECK_THROWS_WITH_AS(d.label("x"), "data set: no label 'x'; there are joy, anger, fear", DataError);
  CHECK(d.exists(0, 1, 2));
  CHECK_FALSE(d.exists(0, 0, 2));
  CHECK_FALSE(d.labelled(0, 2));
  CHECK(d.id(1) == 1ll << 40);
  CHECK(d.group(1) == -3);
  CHECK(d.personality_width() == 2);
  CHECK(d.straddling_groups() == 0);
}

TEST_CASE("what is not given has its natural value") {
  DatasetArrays a = small_arrays();
  a.exists.clear();
  a.id.clear();
  a.group.clear();
  a.label_mask.clear();
  const Dataset d = make_dataset(std::move(a));
  CHECK(d.exists(0, 1, 1));
  CHECK_FALSE(d.exists(0, 1, 2));
  CHECK(d.id(1) == 1);
  CHECK(d.group(1) == 1);
  CHECK(d.labelled(0, 2));
  CHECK(Dataset().size() == 0);
}

TEST_CASE("groups in more than one split are counted") {
  DatasetArrays a = small_arrays();
  a.group = {4, 4};
  CHECK(make_dataset(std::move(a)).straddling_groups() == 1);
}

TEST_CASE("every refusal names tensor, place, what was found and expected") {
  CHECK(refusal(small_arrays()).empty());
  CHECK_REFUSED("here: no modality", a.modalities.clear(); a.exists.clear(); a.target.clear());
  CHECK_REFUSED("here: modalities has the name 'text' twice", a.modalities[1].name = "text");
  CHECK_REFUSED("here: an empty name among the labels", a.label_names[1] = "");
  CHECK_REFUSED("here: labels has the name 'joy' twice", a.label_names[1] = "joy");
  CHECK_REFUSED("here: 1 names of persons for P = 2", a.person_names.pop_back());
  CHECK_REFUSED("here: 'text.index' at [0, 1, 1] is 3; expected -1 to 2", a.modalities[0].index[4] = 3);
  CHECK_REFUSED("here: 'text.index' at [1, 1, 2] is -2; expected -1 to 2", a.modalities[0].index[11] = -2);
  CHECK_REFUSED("here: 'audio.index' holds 11 numbers; shape (2, 2, 3) needs 12", a.modalities[1].index.pop_back());
  CHECK_REFUSED("here: 'text.features' holds 5 numbers; shape (2, 2) needs 4", a.modalities[0].features.pop_back());
  CHECK_REFUSED("here: modality 'audio' has width 0", a.modalities[1].width = 0);
  CHECK_REFUSED("here: 'audio.features' has shape (0, 1099511627776); without a row, at most 1048576 wide",
                a.modalities[1] = {"audio", Index{1} << 40, 3, {}, std::vector<std::int32_t>(12, -1)});
  CHECK_REFUSED("here: 'personality.features' has shape (0, 1099511627776); without a row, at most 1048576 wide",
                a.personality_width = Index{1} << 40, a.personality.clear(), a.personality_index.assign(4, -1));
  CHECK_REFUSED("here: 'text.features' at [1, 1] is nan (1 such values); expected finite numbers",
                a.modalities[0].features[3] = std::numeric_limits<float>::quiet_NaN());
  CHECK_REFUSED("here: 'audio.features' at [0, 0] is -inf (2 such values); expected finite numbers",
                a.modalities[1].features[0] = -std::numeric_limits<float>::infinity();
                a.modalities[1].features[1] = std::numeric_limits<float>::infinity());
  CHECK_REFUSED("here: 'personality.features' at [0, 0] is nan (1 such values); expected finite numbers",
                a.personality[0] = std::numeric_limits<float>::quiet_NaN());
  CHECK_REFUSED("here: 'exists' at [0, 0, 0] is 2; expected 0 to 1", a.exists[0] = 2);
  CHECK_REFUSED("here: 'exists' at [0, 0, 0] is 0, but 'text.index' has row 0 there", a.exists[0] = 0);
  CHECK_REFUSED("here: 'labels' at [1, 2] is 7; expected 0 to 1", a.labels[5] = 7);
  CHECK_REFUSED("here: 'labels' holds 6 numbers; shape (2, 4) needs 8", a.label_names.push_back("more"));
  CHECK_REFUSED("here: 'label_mask' at [0, 1] is 2; expected 0 to 1", a.label_mask[1] = 2);
  CHECK_REFUSED("here: 'label_mask' without 'labels'", a.labels.clear());
  CHECK_REFUSED("here: 'personality.index' at [1, 0] is 1; expected -1 to 0", a.personality_index[2] = 1);
  CHECK_REFUSED("here: 'target' of sample 1 is (person 2, time 2); there are 2 persons and 3 times", a.target[2] = 2);
  CHECK_REFUSED("here: 'target' of sample 0 is (person 0, time -1); there are 2 persons and 3 times", a.target[1] = -1);
  CHECK_REFUSED("here: 'split' at [1] is 3; expected 0 to 2", a.split[1] = 3);
  CHECK_REFUSED("here: 'group' holds 1 numbers; shape (2) needs 2", a.group.pop_back());
  CHECK_REFUSED("here: 'id' holds 1 numbers; shape (2) needs 2", a.id.pop_back());
}

TEST_CASE("tensors whose N, P or C differ are refused") {
  const Dataset good = make_dataset(small_arrays());
  const auto refused = [&](auto change) -> std::string {
    DatasetTensors t = good.tensors();
    change(t);
    try {
      Dataset(std::move(t), "here");
    } catch (const DataError& error) {
      return error.what();
    }
    return {};
  };
  const auto first_n = [](auto view, Index n) {
    auto shape = view.shape();
    shape[0] = n;
    return decltype(view)(view.data(), shape);
  };
  CHECK(refused([](DatasetTensors&) {}).empty());
  CHECK(refused([&](DatasetTensors& t) { t.modalities[1].index = first_n(t.modalities[1].index, 1); }) ==
        "here: 'audio.index' has shape (1, 2, 3); expected (2, 2, T) = (N, P, T) as 'text.index' has");
  CHECK(refused([&](DatasetTensors& t) { t.labels = first_n(*t.labels, 1); }) ==
        "here: 'labels' has shape (1, 3); expected (2, 3) = (N, C)");
  CHECK(refused([&](DatasetTensors& t) { t.split = first_n(*t.split, 1); }) ==
        "here: 'split' has shape (1); expected (2) = (N)");
  CHECK(refused([&](DatasetTensors& t) { t.target = first_n(*t.target, 1); }) ==
        "here: 'target' has shape (1, 2); expected (2, 2) = (N, 2)");
  CHECK(refused([&](DatasetTensors& t) { t.personality_index.reset(); }) ==
        "here: 'personality.features' and 'personality.index' go together; one is missing");
}

TEST_CASE("modalities may differ in T only where there is one person and nothing needs a common time") {
  DatasetArrays a;
  a.samples = 1;
  a.modalities = {{"text", 1, 2, {1}, {0, -1}}, {"audio", 1, 3, {1}, {0, -1, -1}}};
  CHECK(make_dataset(a).times() == 0);
  DatasetArrays b = a;
  b.target = {0, 0};
  CHECK(refusal(b) == "here: 'target' needs equal T, but the modalities differ: text 2, audio 3");
  b = a;
  b.exists = {1, 1};
  CHECK(refusal(b) == "here: 'exists' needs equal T, but the modalities differ: text 2, audio 3");
  b = a;
  b.persons = 2;
  b.modalities[0].index = {0, -1, -1, -1};
  b.modalities[1].index = {0, -1, -1, -1, -1, -1};
  CHECK(refusal(b) == "here: more than one person needs equal T, but the modalities differ: text 2, audio 3");
}

TEST_CASE("on request, features that are not finite become 0 and are counted") {
  DatasetArrays a = small_arrays();
  a.modalities[0].features[3] = std::numeric_limits<float>::quiet_NaN();
  a.personality[1] = std::numeric_limits<float>::infinity();
  const Dataset d = make_dataset(std::move(a), "here", {.replace_non_finite = true});
  CHECK(d.replaced() == std::vector<Index>{1, 0, 1});
  CHECK(d.modalities()[0].features(1, 1) == 0);
  CHECK(d.modalities()[0].features(1, 0) == 3);
  CHECK((*d.tensors().personality)(0, 1) == 0);
}
