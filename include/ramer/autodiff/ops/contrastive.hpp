// The supervised contrastive loss of Eq 11 as one op. Law and cost: backend/contract.hpp, Contrastive.
#pragma once

#include "ramer/autodiff/tape.hpp"

namespace ramer::autodiff {

/// What the rows are compared with besides each other.
template <class T>
struct ContrastSet {
  const std::int32_t* ids = nullptr;        ///< (N) class of each row; -1: none
  Index classes = 0;                        ///< ids are below
  const T* queue = nullptr;                 ///< (Q, D) unit rows; no gradient
  const std::int32_t* queue_ids = nullptr;  ///< (Q)
  Index queue_rows = 0;                     ///< Q
  bool queue_anchors = false;
};

/// Mean over anchors of loss_i for unit rows z (N, D). `per_anchor`, if asked for, receives the place of loss_i (anchors).
template <class Tp, class T>
Var<T, 0> contrastive(Tp& tape, Var<T, 2> z, const ContrastSet<T>& set, T temperature, const T** per_anchor = nullptr) {
  auto [loss, out] = tape.output(Shape<0>{}, z);
  backend::Contrastive<T> p;
  p.rows = z.extent(0);
  p.queue_rows = set.queue_rows;
  p.width = z.extent(1);
  p.classes = set.classes;
  p.queue_anchors = set.queue_anchors;
  p.temperature = temperature;
  p.features = z.data();
  p.ids = set.ids;
  p.queue = set.queue;
  p.queue_ids = set.queue_ids;
  p.class_sum = tape.template keep<T>(p.classes * p.width);
  p.class_count = tape.template keep<T>(p.classes);
  p.log_denominator = tape.template keep<T>(p.anchors());
  p.anchor_loss = tape.template keep<T>(p.anchors());
  p.loss = out;
  tape.backend().contrastive(p);
  if (per_anchor) *per_anchor = p.anchor_loss;
  tape.record(loss, [=](Tp& t, const T* dloss) {
    t.backend().contrastive_reverse(backend::ContrastiveReverse<T>{p, dloss, t.target(z)});
  });
  return loss;
}

}  // namespace ramer::autodiff
