// Reverse-mode automatic differentiation over an arena.
//
// An op computes its value into the arena and records a closure, also in the arena, that turns the adjoint of its output into
// contributions to the adjoints of its inputs. The reverse sweep runs the closures backwards. Closures are trivially
// destructible: rewinding the arena is all the clean-up there is.
#pragma once

#include <cstring>
#include <initializer_list>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramer/autodiff/arena.hpp"
#include "ramer/autodiff/var.hpp"
#include "ramer/backend/contract.hpp"

namespace ramer::autodiff {

/// The memory that a tape works in. One per thread that records; reused from step to step.
template <class Memory>
struct Workspace {
  Arena<Memory> values;        ///< what ops produce
  Arena<Memory> arrived[2];    ///< copies of the host's arrays, see `begin_step`
  Arena<HostMemory> closures;  ///< nodes and slots
  Pool<Memory> adjoints;       ///< and scratch
  /// An array of the host and where its copy is.
  struct Mirror {
    const void* host;   ///< where it was copied from
    std::size_t bytes;  ///< its size
    void* place;        ///< where the backend computes
  };
  std::vector<Mirror> mirrors;  ///< arrays of the host that this step has copied to where the backend computes

  /// From now on copies of the host's arrays go to memory that neither this step nor the one before has used, where a backend may put
  /// them while that one still runs.
  void begin_step() {
    ahead = true;
    side ^= 1;
    arrived[side].rewind();
  }
  bool ahead = false;  ///< steps are begun
  int side = 0;        ///< of `arrived`

  /// Forgets everything; memory is kept for the next step.
  void rewind() {
    mirrors.clear();
    if (!ahead) arrived[side].rewind();
    values.rewind();
    closures.rewind();
    adjoints.rewind();
  }
  /// Held from the system, all together.
  std::size_t bytes() const {
    return values.capacity() + arrived[0].capacity() + arrived[1].capacity() + closures.capacity() + adjoints.capacity();
  }
};

/// What becomes of the memory of an op's input.
enum class Input {
  Kept,
  Consumed  ///< the result takes its place: the input must come from an op whose reverse does not look at its value (layer norm's
            ///< does, and so do activations), and have no other reader
};

namespace detail {
template <class T>
struct PutValue {
  backend::Target<T> target;
  T value;
  RAMER_HD void operator()(Index i) const { target.put(i, value); }
};
}  // namespace detail

/// What has been computed, and the way back. One thread records on it; see the header's comment.
template <class Backend_, class T>
class Tape {
 public:
  using Backend = Backend_;
  using Memory = typename Backend::Memory;
  using Real = T;
  using Target = backend::Target<T>;

  /// A fresh value: `var` is the handle to pass on, `data` is where the op writes it.
  template <int Rank>
  struct Output {
    Var<T, Rank> var;  ///< to pass on
    T* data;           ///< to write
  };

  /// Starts an empty tape. Without `recording` no slot and no closure is ever made: inference.
  Tape(Backend& backend, Workspace<Memory>& workspace, bool recording)
      : backend_(&backend), workspace_(&workspace), recording_(recording) {
    workspace.rewind();
  }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The kernels, and whether closures are recorded.
  Backend& backend() { return *backend_; }
  bool recording() const { return recording_; }

  /// Memory for a value. It is tracked when the tape records and one of `inputs` is tracked.
  template <int Rank, class... Inputs>
  Output<Rank> output(Shape<Rank> shape, const Inputs&... inputs) {
    T* data = workspace_->values.template allocate<T>(shape.size());
    const bool tracked = recording_ && (inputs.tracked() || ...);
    return {Var<T, Rank>(data, shape, tracked ? make_slot(shape.size()) : nullptr), data};
  }
  /// The same, tracked when the tape records and `tracked` is true.
  template <int Rank>
  Output<Rank> output_if(bool tracked, Shape<Rank> shape) {
    T* data = workspace_->values.template allocate<T>(shape.size());
    return {Var<T, Rank>(data, shape, recording_ && tracked ? make_slot(shape.size()) : nullptr), data};
  }
  /// As `output` of x's shape, in x's memory if that is consumed.
  template <int Rank, class... Inputs>
  Output<Rank> output_over(Input input, const Var<T, Rank>& x, const Inputs&... others) {
    if (input == Input::Kept) return output(x.shape(), x, others...);
    const bool tracked = recording_ && (x.tracked() || (others.tracked() || ...));
    T* data = const_cast<T*>(x.data());
    return {Var<T, Rank>(data, x.shape(), tracked ? make_slot(x.size()) : nullptr), data};
  }
  /// The same value with an adjoint of its own.
  template <int Rank>
  Var<T, Rank> alias(const Var<T, Rank>& x) {
    return {x.data(), x.shape(), recording_ && x.tracked() ? make_slot(x.size()) : nullptr};
  }
  /// f(), a value. Where nothing is recorded, the memory that f took but for the value's own is free again afterwards.
  template <class F>
  auto scoped(const F& f) {
    if constexpr (Memory::host) {
      if (!recording_) {
        const auto before = workspace_->values.mark();
        auto y = f();
        workspace_->values.rewind(before);
        return moved(y, workspace_->values.template allocate<T>(y.size()));
      }
    }
    return f();
  }
  /// x = f(), of x's shape. Where nothing is recorded, the new value takes the place of the old one, which nobody may read from then
  /// on, and the memory that f took is free again: a prediction by many layers needs as much as one by the widest of them.
  template <int Rank, class F>
  void advance(Var<T, Rank>& x, const F& f) {
    if constexpr (Memory::host) {
      if (!recording_) {
        const auto before = workspace_->values.mark();
        x = moved(f(), const_cast<T*>(x.data()));
        return workspace_->values.rewind(before);
      }
    }
    x = f();
  }
  /// Memory that lives as long as the step: what an op keeps for its reverse.
  template <class U>
  U* keep(Index count) {
    return workspace_->values.template allocate<U>(count);
  }
  /// The place of a copy of a host array, made once in a step; the array must stay as it is until then.
  template <class U>
  const U* mirror(const U* host, Index count) {
    auto& mirrors = workspace_->mirrors;
    const std::size_t size = static_cast<std::size_t>(count) * sizeof(U);
    for (const auto& made : mirrors)
      if (made.host == host && made.bytes == size) return static_cast<const U*>(made.place);
    U* const place = workspace_->arrived[workspace_->side].template allocate<U>(count);
    if constexpr (requires { backend_->from_host_ahead(host, count, place); }) {
      if (workspace_->ahead) {
        backend_->from_host_ahead(host, count, place);
      } else {
        backend_->from_host(host, count, place);
      }
    } else {
      backend_->from_host(host, count, place);
    }
    mirrors.push_back({host, size, place});
    return place;
  }
  /// Host memory that lives as long as the step, value-initialised.
  template <class U>
  std::span<U> list(Index count) {
    static_assert(std::is_trivially_destructible_v<U>);
    U* data = workspace_->closures.template allocate<U>(count);
    for (Index i = 0; i < count; ++i) new (data + i) U{};
    return {data, static_cast<std::size_t>(count)};
  }
  /// Memory that the caller gives back inside the same closure.
  T* scratch(Index count) { return static_cast<T*>(workspace_->adjoints.allocate(bytes(count))); }
  void release(T* scratch, Index count) { workspace_->adjoints.release(scratch, bytes(count)); }

  /// Records `reverse(tape, dy)` to run when the adjoint dy of `y` is complete; nothing if `y` is not tracked.
  template <int Rank, class F>
  void record(const Var<T, Rank>& y, F reverse) {
    static_assert(std::is_trivially_destructible_v<F>,
                  "closures are never destroyed: capture pointers, shapes and numbers only");
    static_assert(std::is_trivially_copyable_v<F>, "capture pointers, shapes and numbers only");
    if (!y.tracked()) return;
    struct Closure : Node {
      F reverse;
      explicit Closure(F f) : reverse(f) {}
    };
    auto* node = new (workspace_->closures.allocate_bytes(sizeof(Closure))) Closure(reverse);
    node->run = [](Node* self, Tape& tape) {
      static_cast<Closure*>(self)->reverse(tape, static_cast<const T*>(self->output->adjoint));
    };
    node->output = y.slot();
    node->previous = last_;
    last_ = node;
  }

  /// Where a contribution to the adjoint of `x` goes; null if nobody wants it. Ask once per contribution, and write it all.
  template <int Rank>
  Target target(const Var<T, Rank>& x) {
    return target(x.slot());
  }
  /// Of a slot, null: nobody wants it.
  Target target(Slot<T>* slot) {
    if (!slot) return {};
    if (!slot->adjoint) slot->adjoint = scratch(slot->size);
    const bool accumulate = slot->written;
    slot->written = true;
    return {slot->adjoint, accumulate};
  }

  /// Gives `x` a home for its adjoint that outlives the sweep. For inspection: the adjoint is then found at the returned place,
  /// valid until the workspace is rewound; it is meaningful only where `x.slot()->written`.
  template <int Rank>
  T* pin(const Var<T, Rank>& x) {
    Slot<T>* slot = x.slot();
    if (!slot) return nullptr;
    if (!slot->adjoint) slot->adjoint = keep<T>(slot->size);
    slot->pinned = true;
    return slot->adjoint;
  }

  /// A scalar and its factor in what is differentiated.
  struct Seed {
    Var<T, 0> scalar;  ///< what is differentiated
    T weight;          ///< its factor
  };
  /// Adds weight * d scalar to every adjoint. A seed of weight 0 sends nothing at all. Ends the recording.
  void reverse(std::span<const Seed> seeds) {
    for (const Seed& seed : seeds) {
      if (seed.weight == T(0)) continue;
      if (Target t = target(seed.scalar)) backend_->map(1, detail::PutValue<T>{t, seed.weight});
    }
    sweep();
  }
  /// The sweep alone: for callers that have put adjoints into targets themselves.
  void sweep() {
    while (last_) {
      Node* node = last_;
      last_ = node->previous;
      Slot<T>* slot = node->output;
      if (!slot->written) continue;
      node->run(node, *this);
      if (!slot->pinned) {
        release(slot->adjoint, slot->size);
        slot->adjoint = nullptr;
        slot->written = false;
      }
    }
  }

 private:
  struct Node {
    void (*run)(Node*, Tape&) = nullptr;
    Slot<T>* output = nullptr;
    Node* previous = nullptr;
  };
  template <int Rank>
  static Var<T, Rank> moved(const Var<T, Rank>& x, T* to) {
    std::memmove(to, x.data(), bytes(x.size()));
    return {to, x.shape()};
  }
  static std::size_t bytes(Index count) { return static_cast<std::size_t>(count) * sizeof(T); }
  Slot<T>* make_slot(Index size) {
    return new (workspace_->closures.allocate_bytes(sizeof(Slot<T>))) Slot<T>{nullptr, size, false, false};
  }

  Backend* backend_;
  Workspace<Memory>* workspace_;
  bool recording_;
  Node* last_ = nullptr;
};

}  // namespace ramer::autodiff
