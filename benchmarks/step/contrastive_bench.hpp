// The contrastive loss on random unit rows.
#pragma once

#include <cmath>
#include <vector>

#include "ramer/backend/cpu.hpp"
#include "ramer/core/random.hpp"

namespace ramer::bench {

class ContrastiveBench {
 public:
  /// 36 classes, as three modalities, six labels and two signs have.
  ContrastiveBench(Index rows, Index queue_rows, Index width, bool queue_anchors, int threads)
      : backend_(threads),
        features_(unit_rows(rows, width, 1)),
        queue_(unit_rows(queue_rows, width, 2)),
        ids_(classes(rows)),
        queue_ids_(classes(queue_rows)),
        class_sum_(static_cast<std::size_t>(kClasses * width)),
        class_count_(kClasses),
        log_denominator_(static_cast<std::size_t>(rows + queue_rows)),
        anchor_loss_(static_cast<std::size_t>(rows + queue_rows)),
        gradient_(static_cast<std::size_t>(rows * width)) {
    p_.rows = rows, p_.queue_rows = queue_rows, p_.width = width, p_.classes = kClasses, p_.queue_anchors = queue_anchors;
    p_.features = features_.data(), p_.ids = ids_.data(), p_.queue = queue_.data(), p_.queue_ids = queue_ids_.data();
    p_.class_sum = class_sum_.data(), p_.class_count = class_count_.data(), p_.log_denominator = log_denominator_.data();
    p_.anchor_loss = anchor_loss_.data(), p_.loss = &loss_;
  }
  void forward() { backend_.contrastive(p_); }
  void reverse() { backend_.contrastive_reverse(backend::ContrastiveReverse<float>{p_, &one_, {gradient_.data(), false}}); }
  void run() {
    forward();
    reverse();
  }

 private:
  static constexpr Index kClasses = 36;
  static std::vector<float> unit_rows(Index rows, Index width, std::uint64_t seed) {
    const RandomStream stream(seed, name_hash("unit"));
    std::vector<float> x(static_cast<std::size_t>(rows * width));
    for (Index r = 0; r < rows; ++r) {
      double squares = 0;
      for (Index d = 0; d < width; ++d) {
        const double value = stream.normal(static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(d));
        x[static_cast<std::size_t>(r * width + d)] = static_cast<float>(value);
        squares += value * value;
      }
      for (Index d = 0; d < width; ++d) x[static_cast<std::size_t>(r * width + d)] /= static_cast<float>(std::sqrt(squares));
    }
    return x;
  }
  static std::vector<std::int32_t> classes(Index rows) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i % kClasses);
    return ids;
  }

  backend::Cpu backend_;
  std::vector<float> features_, queue_;
  std::vector<std::int32_t> ids_, queue_ids_;
  std::vector<float> class_sum_, class_count_, log_denominator_, anchor_loss_, gradient_;
  float loss_ = 0, one_ = 1;
  backend::Contrastive<float> p_;
};

}  // namespace ramer::bench
