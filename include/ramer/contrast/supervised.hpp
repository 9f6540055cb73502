// The supervised contrastive loss over all levels and modalities (Eq 11), with a queue of earlier rows.
#pragma once

#include "ramer/autodiff/ops/contrastive.hpp"
#include "ramer/core/config.hpp"
#include "ramer/core/gather.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::contrast {

struct ContrastConfig {
  double temperature = 0.07;
  Index queue = 8192;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("temperature", self.temperature, "temperature eta of the similarities", more_than(0));
    field("queue", self.queue, "rows kept from earlier batches", extent());
  }
};

/// Batch rows are the anchors; they are compared with each other and with the queue (the library's default).
struct SupervisedWithQueue {
  using Config = ContrastConfig;
  static constexpr bool enabled = true, queue = true, queue_anchors = false;
};
/// As released: queue rows are anchors too.
struct SupervisedReleased : SupervisedWithQueue {
  static constexpr bool queue_anchors = true;
};
/// The set that the paper prints: the batch alone.
struct SupervisedBatchOnly : SupervisedWithQueue {
  static constexpr bool queue = false;
};
/// Table 4 (4): no contrastive loss. Prototypes stay.
struct None {
  struct Config {
    template <class Self, class Visitor>
    static void fields(Self&, Visitor&&) {}
  };
  static constexpr bool enabled = false, queue = false, queue_anchors = false;
};

/// Which rows of [level][modality][b][j] enter the loss, in the order (b, level, modality, j), and their classes
/// id = j + C (2 modality + (y ? 0 : 1)). Dropped: cells whose label is masked, and alpha rows of missing modalities.
struct ContrastPlan {
  GatherPlan rows;                ///< (N) which rows enter
  std::vector<std::int32_t> ids;  ///< (N) their classes

  /// @param levels number of levels, the first one being alpha  @param present (M, B), or null: all are
  void build(Index batch, Index levels, Index modalities, Index labels, const std::uint8_t* y, const std::uint8_t* mask,
             const std::uint8_t* present) {
    rows.index.clear();
    ids.clear();
    for (Index b = 0; b < batch; ++b) {
      for (Index level = 0; level < levels; ++level) {
        for (Index m = 0; m < modalities; ++m) {
          if (level == 0 && present && !present[m * batch + b]) continue;
          for (Index j = 0; j < labels; ++j) {
            if (!mask[b * labels + j]) continue;
            rows.index.push_back(static_cast<std::int32_t>(((level * modalities + m) * batch + b) * labels + j));
            ids.push_back(static_cast<std::int32_t>(j + labels * (2 * m + (y[b * labels + j] ? 0 : 1))));
          }
        }
      }
    }
    rows.finish(levels * modalities * batch * labels);
  }
};

namespace detail {
template <class T>
struct PutQueueRow {
  const T* rows;
  Index first, places, width;
  const std::int32_t *pointer, *given_up;
  T* queue;
  RAMER_HD void operator()(Index i, Index d) const {
    if (given_up && *given_up) return;
    queue[(*pointer + first + i) % places * width + d] = rows[(first + i) * width + d];
  }
};
struct PutQueueId {
  const std::int32_t* ids;
  Index first, places;
  const std::int32_t *pointer, *given_up;
  std::int32_t* queue_ids;
  RAMER_HD void operator()(Index i) const {
    if (!given_up || !*given_up) queue_ids[(*pointer + first + i) % places] = ids[first + i];
  }
};
struct AdvancePointer {
  Index rows, places;
  const std::int32_t* given_up;
  std::int32_t* pointer;
  RAMER_HD void operator()(Index) const {
    if (!given_up || !*given_up) *pointer = static_cast<std::int32_t>((*pointer + rows) % places);
  }
};
}  // namespace detail

/// A ring of unit rows with their classes. Fresh rows are random unit vectors of class -1: they count in every denominator and
/// match nothing.
template <class E>
struct Queue {
  using Real = typename E::Real;
  Tensor<Real, 2, typename E::Memory> rows;                         ///< (Q, D)
  Tensor<std::int32_t, 1, typename E::Memory> ids;                  ///< (Q)
  Tensor<std::int32_t, 0, typename E::Memory> pointer{Shape<0>{}};  ///< where the next row goes

  Queue() = default;
  /// Not yet filled.
  Queue(Index places, Index width) : rows(Shape{places, width}), ids(Shape{places}) {}
  /// Filled with random rows.
  Queue(Index places, Index width, std::uint64_t seed, typename E::Backend& backend) : Queue(places, width) {
    draw(seed, backend);
  }
  /// Fills it afresh.
  void draw(std::uint64_t seed, typename E::Backend& backend) {
    const Index width = rows.extent(1);
    std::vector<Real> start(static_cast<std::size_t>(rows.size()));
    const RandomStream stream(seed, name_hash("queue"));
    for (Index r = 0; r < places(); ++r) {
      double squares = 0;
      for (Index d = 0; d < width; ++d) {
        const double x = stream.normal(static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(d));
        start[static_cast<std::size_t>(r * width + d)] = static_cast<Real>(x);
        squares += x * x;
      }
      for (Index d = 0; d < width; ++d)
        start[static_cast<std::size_t>(r * width + d)] /= static_cast<Real>(std::sqrt(squares));
    }
    backend.from_host(start.data(), rows.size(), rows.data());
    const std::vector<std::int32_t> none(static_cast<std::size_t>(places()), -1);
    backend.from_host(none.data(), places(), ids.data());
    const std::int32_t begin = 0;
    backend.from_host(&begin, 1, pointer.data());
  }
  /// Q
  Index places() const { return rows.extent(0); }

  /// Calls visit(name, tensor) for real tensors and visit(name, integers, lower, upper) for integers in [lower, upper).
  template <class Self, class Visitor>
  static void tensors(Self& self, Index classes, Visitor&& visit) {
    visit("queue.rows", self.rows.view());
    visit("queue.ids", self.ids.view(), Index{-1}, classes);
    visit("queue.pointer", self.pointer.view(), Index{0}, std::max<Index>(1, self.places()));
  }

  /// Writes n rows one after the other at the pointer; of more rows than places the last ones stay. `given_up`: see nn::Context.
  void push(typename E::Backend& backend, const Real* data, const std::int32_t* classes, Index n,
            const std::int32_t* given_up = nullptr) {
    if (places() == 0 || n == 0) return;
    const Index first = std::max<Index>(0, n - places()), width = rows.extent(1);
    backend.map_2d(n - first, width,
                   detail::PutQueueRow<Real>{data, first, places(), width, pointer.data(), given_up, rows.data()});
    backend.map(n - first, detail::PutQueueId{classes, first, places(), pointer.data(), given_up, ids.data()});
    backend.map(1, detail::AdvancePointer{n, places(), given_up, pointer.data()});
  }
};

}  // namespace ramer::contrast
