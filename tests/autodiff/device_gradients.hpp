// Gradient checks of the ops that models are made of, on a backend whose memory may be its own.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "ramer/autodiff/gradcheck.hpp"
#include "ramer/autodiff/ops/contrastive.hpp"
#include "ramer/autodiff/ops/distance.hpp"
#include "ramer/autodiff/ops/feed_forward.hpp"
#include "ramer/autodiff/ops/gram.hpp"
#include "ramer/autodiff/ops/loss.hpp"
#include "ramer/autodiff/ops/multi_head_attention.hpp"
#include "ramer/autodiff/ops/norm.hpp"
#include "ramer/autodiff/ops/rows.hpp"
#include "ramer/autodiff/ops/scores.hpp"
#include "ramer/core/gather.hpp"

namespace ramer::test {

/// Where kernels find an array of the host.
template <class Tape, class U>
const U* on_device(Tape& tape, const std::vector<U>& array) {
  if constexpr (Tape::Memory::host) {
    return array.data();
  } else {
    return tape.mirror(array.data(), static_cast<Index>(array.size()));
  }
}

/// Checks f(tape, inputs) for inputs of these sizes.
template <class B, class F>
void check_gradient(const B& backend, const char* op, const std::vector<Index>& sizes, F f, double scale = 1) {
  autodiff::Gradcheck<B> check(backend);
  for (const Index n : sizes) {
    auto& x = check.value(check.input(n));
    for (Index i = 0; i < n; ++i) x(i) *= scale;
  }
  CAPTURE(op);
  CHECK(check.run(f) == "");
}

template <class B>
void check_gradients(const B& backend) {
  using namespace autodiff;
  check_gradient(backend, "linear", {20, 12, 3}, [](auto& tape, const auto& in) {
    return linear(tape, in[0].reshape(Shape{5, 4}), in[1].reshape(Shape{3, 4}), in[2], backend::Activation::Gelu);
  });
  for (const Inner kept : {Inner::Kept, Inner::Recomputed}) {
    check_gradient(backend, "feed_forward", {20, 24, 6, 18, 3}, [&](auto& tape, const auto& in) {
      return feed_forward(tape, in[0].reshape(Shape{5, 4}), in[1].reshape(Shape{6, 4}), in[2], in[3].reshape(Shape{3, 6}),
                          in[4], kept);
    });
  }

  // Seven rows in groups of 3, 0 and 4; one row is no key.
  const std::vector<std::int32_t> offsets{0, 3, 3, 7};
  const std::vector<std::uint8_t> key{1, 0, 1, 1, 1, 1, 1};
  const std::vector<std::uint64_t> row_key{5, 6, 7, 8, 9, 10, 11};
  const std::vector<std::uint32_t> step{3};
  const auto drop = [&](auto& tape) {
    return backend::DropoutPlan{RandomStream(1, 2), 0.3, on_device(tape, row_key), on_device(tape, step)};
  };
  for (const int recomputed : {0, 3}) {
    check_gradient(
        backend, "multi_head_attention", {28, 16, 4, 16, 4, 16, 4, 16, 4},
        [&](auto& tape, const auto& in) {
          const auto map = [&](std::size_t k) { return Affine<double>{in[k].reshape(Shape{4, 4}), in[k + 1]}; };
          const auto x = in[0].reshape(Shape{7, 4});
          return multi_head_attention(tape, x, x, AttentionMaps<double>{map(1), map(3), map(5), map(7)},
                                      {3, 4, on_device(tape, offsets), on_device(tape, key)}, 2, 0.7, drop(tape),
                                      recomputed);
        },
        0.7);
  }
  check_gradient(backend, "segment_pool", {28, 14}, [&](auto& tape, const auto& in) {
    return segment_pool(tape, in[0].reshape(Shape{7, 4}), in[1].reshape(Shape{7, 2}),
                        {3, on_device(tape, offsets), on_device(tape, key)});
  });
  check_gradient(backend, "residual_norm", {28, 28, 4, 4}, [&](auto& tape, const auto& in) {
    return residual_norm(tape, in[0].reshape(Shape{7, 4}), in[1].reshape(Shape{7, 4}), in[2], in[3], drop(tape));
  });
  check_gradient(backend, "dropout", {28}, [&](auto& tape, const auto& in) {
    return dropout(tape, in[0].reshape(Shape{7, 4}), drop(tape));
  });

  GatherPlan plan;
  plan.index = {2, -1, 0, 2, 4};
  plan.finish(5);
  check_gradient(backend, "gather_rows and add_embedding", {20, 20}, [&](auto& tape, const auto& in) {
    const GatherView view = plan.view([&](const std::vector<std::int32_t>& array) { return on_device(tape, array); });
    const auto rows = gather_rows(tape, in[0].reshape(Shape{5, 4}), view);
    return add_embedding(tape, rows, in[1].reshape(Shape{5, 4}), view);
  });

  const std::vector<std::int32_t> ids{0, 1, 0, 1, -1, 0}, queue_ids{1, 0, -1};
  const std::vector<double> queue{0.6, 0.8, 0, 1, 0, 0, 0, 0.6, 0.8};
  for (const bool queue_anchors : {false, true}) {
    check_gradient(backend, "normalize_rows and contrastive", {18}, [&](auto& tape, const auto& in) {
      ContrastSet<double> set;
      set.ids = on_device(tape, ids), set.classes = 2;
      set.queue = on_device(tape, queue), set.queue_ids = on_device(tape, queue_ids), set.queue_rows = 3;
      set.queue_anchors = queue_anchors;
      return contrastive(tape, normalize_rows(tape, in[0].reshape(Shape{6, 3})), set, 0.5);
    });
  }

  const std::vector<std::uint8_t> y{1, 0, 0, 1, 1, 0};
  const std::vector<double> cell{0.25, 0.25, 0, 0.25, 0.25, 0}, sample{0.5, 0, 0.5};
  check_gradient(backend, "label_dot, max_over and bce_with_logits", {24, 24, 8}, [&](auto& tape, const auto& in) {
    const auto w = in[2].reshape(Shape{2, 4});
    const std::vector<Var<double, 2>> logits{label_dot(tape, in[0].reshape(Shape{3, 2, 4}), w),
                                             label_dot(tape, in[1].reshape(Shape{3, 2, 4}), w)};
    return bce_with_logits(tape, max_over(tape, std::span<const Var<double, 2>>(logits)), on_device(tape, y),
                           on_device(tape, cell));
  });
  check_gradient(backend, "gram_squared", {24, 24}, [&](auto& tape, const auto& in) {
    return gram_squared(tape, in[0].reshape(Shape{3, 2, 4}), in[1].reshape(Shape{3, 2, 4}), on_device(tape, sample));
  });
  check_gradient(backend, "frobenius_error", {24, 24}, [&](auto& tape, const auto& in) {
    return frobenius_error(tape, in[0].reshape(Shape{3, 2, 4}), in[1].reshape(Shape{3, 2, 4}), on_device(tape, sample));
  });
}

}  // namespace ramer::test
