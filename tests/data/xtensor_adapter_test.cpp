#if __has_include(<xtensor/xarray.hpp>) || __has_include(<xtensor/containers/xarray.hpp>)

#include "ramer/data/xtensor_adapter.hpp"

#include <doctest/doctest.h>

#include <cmath>

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xarray.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xarray.hpp>
#include <xtensor/xview.hpp>
#endif

using namespace ramer;
using namespace ramer::data;

TEST_CASE("padded arrays become a data set, and come back") {
  xt::xarray<float> text = xt::arange<float>(2 * 2 * 3 * 2).reshape({2, 2, 3, 2});
  xt::xarray<int> mask = {{{1, 0, 1}, {0, 0, 1}}, {{0, 0, 0}, {1, 1, 1}}};
  text(0, 0, 1, 0) = std::nanf("");  // not available: ignored
  xt::xarray<double> audio = xt::ones<double>({2, 2, 3, 1});
  xt::xarray<int> labels = {{1, 0}, {0, 1}};
  xt::xarray<int> target = {{0, 2}, {1, 0}};
  xt::xarray<float> personality = xt::arange<float>(2 * 2 * 3).reshape({2, 2, 3});
  xt::xarray<bool> known = {{true, false}, {false, true}};
  const Dataset d = XtensorDataset("mine")
                        .modality("text", text, mask)
                        .modality("audio", 2 * audio)
                        .labels({"joy", "anger"}, labels)
                        .label_mask(xt::ones<int>({2, 2}))
                        .exists(xt::ones<int>({2, 2, 3}))
                        .personality(personality, known)
                        .target(target)
                        .split(xt::xarray<int>{0, 2})
                        .id(xt::xarray<std::int64_t>{7, 8})
                        .group(xt::xarray<int>{1, 2})
                        .build();
  CHECK(d.size() == 2);
  CHECK(d.persons() == 2);
  CHECK(d.times() == 3);
  CHECK(d.modalities()[0].features.shape() == Shape{6, 2});
  CHECK(d.modalities()[0].index(0, 1, 2) == 2);
  CHECK(d.modalities()[0].index(0, 0, 1) == -1);
  CHECK(d.modalities()[1].features(11, 0) == 2);
  CHECK((*d.tensors().labels)(1, 1) == 1);
  CHECK((*d.tensors().target)(0, 1) == 2);
  CHECK((*d.tensors().personality_index)(1, 1) == 1);
  CHECK((*d.tensors().personality)(1, 2) == 11);
  CHECK(d.id(1) == 8);

  const PaddedModality back = padded(d, "text");
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t p = 0; p < 2; ++p)
      for (std::size_t t = 0; t < 3; ++t) {
        CHECK(back.available(n, p, t) == mask(n, p, t));
        for (std::size_t k = 0; k < 2; ++k) CHECK(back.features(n, p, t, k) == (mask(n, p, t) ? text(n, p, t, k) : 0));
      }
  const auto rows = as_xtensor(d.modalities()[0].features);
  CHECK(rows.shape()[0] == 6);
  CHECK(rows(2, 1) == text(0, 1, 2, 1));
  CHECK(&rows(0, 0) == d.modalities()[0].features.data());
}

TEST_CASE("views and column-major arrays are read by their indices") {
  xt::xarray<float, xt::layout_type::column_major> x = xt::zeros<float>({1, 1, 3, 4});
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t k = 0; k < 4; ++k) x(0, 0, t, k) = static_cast<float>(10 * t + k);
  const auto part = xt::view(x, xt::all(), xt::all(), xt::range(1, 3), xt::range(0, 2));
  const Dataset d = XtensorDataset("mine").modality("x", part).build();
  const auto& f = d.modalities()[0].features;
  CHECK(f.shape() == Shape{2, 2});
  CHECK(f(0, 0) == 10);
  CHECK(f(0, 1) == 11);
  CHECK(f(1, 0) == 20);
}

TEST_CASE("arrays that do not fit are refused") {
  const xt::xarray<float> x = xt::zeros<float>({2, 1, 3, 4});
  const xt::xarray<int> two_by_one = xt::ones<int>({2, 1});
  CHECK_THROWS_WITH_AS(XtensorDataset("mine").modality("x", xt::xarray<float>(xt::zeros<float>({2, 3, 4}))),
                       "mine: 'x features' has rank 3; expected (N, P, T, D)", DataError);
  CHECK_THROWS_WITH_AS(XtensorDataset("mine").modality("x", x, xt::xarray<int>(xt::ones<int>({2, 1, 2}))),
                       "mine: 'x': availability is (2, 1, 2), features are (2, 1, 3, 4); expected equal (N, P, T)",
                       DataError);
  CHECK_THROWS_WITH_AS(
      XtensorDataset("mine").modality("x", x).modality("y", xt::xarray<float>(xt::zeros<float>({1, 1, 3, 4}))),
      "mine: 'y': features are (1, 1, 3, 4); the modalities before have N = 2, P = 1", DataError);
  CHECK_THROWS_WITH_AS(XtensorDataset("mine").modality("x", x).labels({"a"}, xt::xarray<int>(two_by_one * 300)),
                       "mine: 'labels' holds 300; expected whole numbers that fit", DataError);
  CHECK_THROWS_WITH_AS(XtensorDataset("mine").modality("x", x).labels({"a"}, xt::xarray<double>(two_by_one * 0.5)),
                       "mine: 'labels' holds 0.5; expected whole numbers that fit", DataError);
  CHECK_THROWS_AS(XtensorDataset("mine").modality("x", x).labels({"a"}, xt::xarray<double>(two_by_one * 1e30)), DataError);
  CHECK_THROWS_WITH_AS(XtensorDataset("mine").modality("x", x).labels({"a"}, xt::xarray<int>(two_by_one * 2)).build(),
                       "mine: 'labels' at [0, 0] is 2; expected 0 to 1", DataError);
}

#endif
