// A small data set for tests: two persons, three times, everything optional is there.
#pragma once

#include "ramer/data/dataset_arrays.hpp"

namespace ramer::testing {

/// N = 2, P = 2, T = 3; text (width 2) and audio (width 1).
inline data::DatasetArrays small_arrays() {
  data::DatasetArrays a;
  a.name = "small";
  a.samples = 2;
  a.persons = 2;
  a.label_names = {"joy", "anger", "fear"};
  a.person_names = {"ann", "bob"};
  a.notes = {{"license", "none"}};
  a.modalities = {{"text", 2, 3, {1, 2, 3, 4, 5, 6}, {0, 1, -1, -1, 2, -1, 2, -1, -1, -1, -1, 0}},
                  {"audio", 1, 3, {10, 20}, {-1, 0, -1, -1, -1, -1, 1, -1, -1, -1, -1, -1}}};
  a.exists = {1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1};
  a.labels = {1, 0, 1, 0, 1, 0};
  a.label_mask = {1, 1, 0, 1, 1, 1};
  a.personality_width = 2;
  a.personality = {0.5f, -0.5f};
  a.personality_index = {0, -1, -1, 0};
  a.target = {0, 1, 1, 2};
  a.split = {0, 2};
  a.id = {100, 1ll << 40};
  a.group = {7, -3};
  return a;
}

}  // namespace ramer::testing
