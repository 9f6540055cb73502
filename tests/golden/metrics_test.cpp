// Golden files of kind metrics: what the published metric helper logs for a prediction and a truth.
#include <doctest/doctest.h>

#include "golden/golden_file.hpp"
#include "ramer/eval/metrics.hpp"

using namespace ramer;
using namespace ramer::test;

TEST_CASE("metrics agree with the golden files") {
  int ran = 0;
  for (const auto& path : golden_files()) {
    const GoldenFile file(path);
    if (file.kind != "metrics") continue;
    ++ran;
    for (const std::string& tensor : file.own_names("")) {
      if (!tensor.ends_with("_pred")) continue;
      const std::string name = tensor.substr(0, tensor.size() - 5);
      const Json expected = file.metadata_json(name);
      REQUIRE_MESSAGE(expected.is_object(), file.name << ": no expectations for " << name);
      const auto shape = file.shape(tensor);
      std::vector<double> scores = file.values(tensor);
      std::vector<std::uint8_t> truth;
      for (double y : file.values(name + "_label")) truth.push_back(y != 0);
      const Shape<2> extents{shape[0], shape[1]};
      eval::MetricOptions options;
      options.round_accuracy = true;
      const auto correct = eval::multi_label_metrics(View<const double, 2>(scores.data(), extents),
                                                     View<const std::uint8_t, 2>(truth.data(), extents), {}, options);
      options.order = eval::MetricOrder::Released;
      const auto released = eval::multi_label_metrics(View<const double, 2>(scores.data(), extents),
                                                      View<const std::uint8_t, 2>(truth.data(), extents), {}, options);
      INFO(file.name << " " << name);
      CHECK(correct.micro_f1 == doctest::Approx(expected.at("f1_micro").get<double>()).epsilon(1e-12));
      CHECK(correct.precision == doctest::Approx(expected.at("true_micro_precision").get<double>()).epsilon(1e-12));
      CHECK(correct.recall == doctest::Approx(expected.at("true_micro_recall").get<double>()).epsilon(1e-12));
      CHECK(correct.accuracy == doctest::Approx(expected.at("acc").get<double>()).epsilon(1e-12));
      CHECK(released.precision == doctest::Approx(expected.at("logged_p").get<double>()).epsilon(1e-12));
      CHECK(released.recall == doctest::Approx(expected.at("logged_r").get<double>()).epsilon(1e-12));
    }
  }
  CHECK(ran > 0);
  MESSAGE("compared " << ran << " files");
}
