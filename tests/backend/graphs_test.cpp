// Launches that are held back and made as graphs: the same bits as kernel after kernel, whatever the driver refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <type_traits>

#include "backend/pretended.hpp"
#include "backend/problems.hpp"
#include "backend/replayed.hpp"
#include "train/trace.hpp"

using namespace ramer;
using test::Pretended;
using test::PretendedDriver;
using test::Refusals;

namespace {

struct Asked {
  explicit Asked(Refusals refuse) { PretendedDriver::refuse = refuse; }
  ~Asked() { PretendedDriver::refuse = {}; }
};

struct AddTo {
  double* x;
  double value;
  RAMER_HD void operator()(Index i) const { x[i] += value; }
};
struct Twice {
  double* x;
  RAMER_HD void operator()(Index i) const { x[i] *= 2; }
};

/// Steps of three kernels and an upload on 100 numbers, with other numbers in each.
std::vector<double> steps(const Pretended& b, int count) {
  Tensor<double, 1, Pretended::Memory> x(Shape{Index{100}}), y(Shape{Index{100}});
  std::vector<double> host(100);
  b.fill(x.data(), Index{100}, 1.0);
  for (int step = 0; step < count; ++step) {
    const auto held = b.hold();
    std::iota(host.begin(), host.end(), step);
    b.map(Index{100}, AddTo{x.data(), static_cast<double>(step)});
    b.from_host(host.data(), Index{100}, y.data());
    std::fill(host.begin(), host.end(), -1.0);  // has been read
    b.map(Index{100}, Twice{y.data()});
    b.copy(y.data(), Index{50}, x.data());
    b.map(Index{100}, Twice{x.data()});
  }
  b.to_host(x.data(), Index{100}, host.data());
  return host;
}

}  // namespace

TEST_CASE_TEMPLATE("Training in graphs has the bits of training kernel after kernel", R, recipe::Ramer,
                   recipe::RamerAlternating) {
  test::BatchSpec spec;  // thread after thread on the host takes its time
  spec.size = spec.persons = spec.segments = 2, spec.modalities = {"text", "audio"};
  PretendedDriver::launches = 0;
  const auto plain = test::trace<R, Pretended, Float>(spec, Pretended(0));
  const long one_by_one = PretendedDriver::launches;
  // Lists that fill up within a step, and lists that end where the host waits.
  const Pretended b(std::is_same_v<R, recipe::Ramer> ? 40 : 100000);
  PretendedDriver::launches = 0;
  CHECK(test::trace<R, Pretended, Float>(spec, b) == plain);
  CHECK(b.graph_counts().updated + b.graph_counts().instantiated > 0);
  CHECK(PretendedDriver::launches < one_by_one);
}

TEST_CASE_TEMPLATE("Steps ahead of their reports, and uploads ahead of kernels, early or late, change no bit", R,
                   recipe::Ramer, recipe::RamerAlternating) {
  test::BatchSpec spec;
  spec.size = spec.persons = spec.segments = 2, spec.modalities = {"text", "audio"};
  const auto plain = test::trace<R, Pretended, Float>(spec, Pretended(0));
  for (const bool eager : {false, true}) {
    PretendedDriver::eager_uploads = eager;
    for (const std::size_t longest : {0, 40, 100000}) {
      CAPTURE(longest);
      CHECK(test::trace<R, Pretended, Float>(spec, Pretended(longest), {3, true, true}) == plain);
    }
  }
  PretendedDriver::eager_uploads = false;
}

#if defined(RAMER_CLEARS_PADDING)
TEST_CASE("Steps of one shape are replayed: nothing is recorded any more once each side has its graphs") {
  test::BatchSpec spec;
  spec.size = 2, spec.segments = 3, spec.modalities = {"text", "audio"};
  spec.target = spec.ragged = false, spec.available = spec.annotated = 1;
  test::check_replayed<recipe::Ramer>(spec, false);
}
#endif

TEST_CASE("Graphs of a form that was met get other arguments, and say what kernels in turn say") {
  constexpr int kForms = static_cast<int>(backend::device::Graphs<PretendedDriver>::kMostOfForm);
  const int n = kForms + 5;
  const auto expected = steps(Pretended(0), n);
  const Pretended b(100);
  CHECK(steps(b, n) == expected);
  auto counts = b.graph_counts();
  CHECK(counts.plain == 1);
  CHECK(counts.instantiated == kForms);
  CHECK(counts.updated == 4);
  CHECK(counts.replayed == 0);
  const Pretended cut(2);  // a step is three lists, of which some have the same arguments in each step
  CHECK(steps(cut, n) == expected);
  counts = cut.graph_counts();
  CHECK(counts.updated > 0);
  CHECK(counts.replayed > 0);
}

TEST_CASE("More graphs than are kept") {
  constexpr auto kMost = backend::device::Graphs<PretendedDriver>::kMost;
  const Pretended b(1000);
  Tensor<double, 1, Pretended::Memory> x(Shape{Index{1}});
  b.fill(x.data(), Index{1}, 0.0);
  double expected = 0, there = 0;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t length = 1; length <= kMost + 20; ++length) {  // a form for each length
      const auto held = b.hold();
      for (std::size_t k = 0; k < length; ++k) b.map(Index{1}, AddTo{x.data(), static_cast<double>(k)});
      expected += static_cast<double>(length * (length - 1) / 2);
    }
  }
  b.to_host(x.data(), Index{1}, &there);
  CHECK(there == expected);
}

TEST_CASE("What a driver refuses is done without a graph, or with a new one") {
  const auto expected = steps(Pretended(0), 6);
  Refusals refusals[5];
  refusals[0].begin = refusals[1].end = refusals[2].instantiate = refusals[3].record = refusals[4].update = true;
  for (const Refusals& refuse : refusals) {
    const Asked asked(refuse);
    const Pretended b(100);
    CHECK(steps(b, 6) == expected);
    const auto counts = b.graph_counts();
    CHECK(counts.updated == 0);
    CHECK(counts.plain == (refuse.update ? 1 : 6));
    CHECK(counts.instantiated == (refuse.update ? 5 : 0));
    CHECK(counts.replayed == 0);
  }
}

TEST_CASE("An error in a recording is reported once it is called plainly, and the next call finds things in order") {
  const Pretended b(100);
  const Index too_many = Index{1} << 50;
  double there = 0;
  Tensor<double, 1, Pretended::Memory> x(Shape{Index{1}});
  for (int round = 0; round < 3; ++round) {
    {
      const auto held = b.hold();
      b.map(too_many, AddTo{x.data(), 0});
      CHECK_THROWS_AS(b.to_host(x.data(), Index{1}, &there), DeviceError);
      b.fill(x.data(), Index{1}, 4.0);
      b.to_host(x.data(), Index{1}, &there);
      CHECK(there == 4.0);
      b.map(too_many, AddTo{x.data(), 0});
    }
    CHECK_THROWS_AS(b.to_host(x.data(), Index{1}, &there), DeviceError);  // the one that nobody waited for
    CHECK_NOTHROW(b.to_host(x.data(), Index{1}, &there));
  }
  CHECK(steps(b, 3) == steps(Pretended(0), 3));
}

TEST_CASE("More uploads than there is pinned memory arrive whole, held back or not") {
  const Index n = Index{1} << 18;  // two MiB each: two slots
  for (const std::size_t longest : {0, 5, 1000}) {
    const Pretended b(longest);
    Tensor<double, 1, Pretended::Memory> x(Shape{6 * n}), y(Shape{6 * n});
    for (int round = 0; round < 2; ++round) {
      const auto held = b.hold();
      std::vector<double> host(static_cast<std::size_t>(n) - 7);
      for (Index k = 0; k < 6; ++k) {
        std::fill(host.begin(), host.end(), static_cast<double>(100 * round + k));
        b.from_host(host.data(), static_cast<Index>(host.size()), x.data() + k * n);
        b.copy(x.data() + k * n, static_cast<Index>(host.size()), y.data() + k * n);
      }
      bool right = true;
      for (Index k = 0; k < 6; ++k) {
        b.to_host(y.data() + k * n, static_cast<Index>(host.size()), host.data());
        for (const double v : host) right = right && v == static_cast<double>(100 * round + k);
      }
      CHECK(right);
    }
  }
}

namespace {

/// Fails in the middle of a forward pass.
template <class E>
struct Stops : nn::Taps<E> {
  int left;
  explicit Stops(int after) : left(after) {}
  void on(std::string_view, Index, const typename E::Real*, Index, autodiff::Slot<typename E::Real>*,
          typename E::Tape&) override {
    if (--left == 0) throw DataError("stops");
  }
};

/// Steps of which some fail on the way while others are under way, predictions between them, and what is left of it all.
std::vector<double> eventful(const Pretended& b, bool ahead) {
  using M = Model<recipe::Ramer, Pretended, Float>;
  test::BatchSpec spec;
  spec.size = spec.persons = spec.segments = 2, spec.modalities = {"text", "audio"};
  M model(test::schema_of(spec), test::small_config<M>(), b, 7);
  train::Stepper<M> stepper(model, test::fast_optimizer(), 5);
  std::vector<double> reported, predicted;
  const auto note = [&](const std::optional<train::StepReport>& report) {
    if (!report) return;
    for (const auto& term : report->list()) reported.push_back(term.value);
  };
  enum class Act { Step, Stop, Misfit, Predict };
  constexpr Act acts[] = {Act::Step, Act::Step, Act::Stop,   Act::Step, Act::Stop, Act::Step, Act::Predict,
                          Act::Step, Act::Step, Act::Misfit, Act::Step, Act::Stop, Act::Stop, Act::Step};
  std::uint64_t number = 0;
  for (const Act act : acts) {
    test::BatchSpec drawn = spec;
    drawn.seed = ++number, drawn.size = 2 + static_cast<Index>(number % 3);
    Batch batch = test::make_batch(drawn);
    if (act == Act::Misfit) batch.modalities.pop_back();
    Stops<M::E> stops(static_cast<int>(number % 7) + 1);
    if (act == Act::Predict) {
      std::vector<float> scores;
      model.predict(batch, stepper.workspace(), scores);
      predicted.insert(predicted.end(), scores.begin(), scores.end());
      continue;
    }
    try {
      note(stepper.submit(batch, number, 100, act == Act::Stop ? &stops : nullptr));
      CHECK(act == Act::Step);
    } catch (const DataError&) {
      CHECK(act != Act::Step);
    }
    while (!ahead && stepper.under_way() > 0) note(stepper.finish());
  }
  while (stepper.under_way() > 0) note(stepper.finish());
  reported.insert(reported.end(), predicted.begin(), predicted.end());
  return reported;
}

}  // namespace

TEST_CASE("Steps that fail on the way, with others under way, leave uploads and kernels in order") {
  const auto plain = eventful(Pretended(0), false);
  for (const bool eager : {false, true}) {
    PretendedDriver::eager_uploads = eager;
    for (const std::size_t longest : {40, 100000}) CHECK(eventful(Pretended(longest), true) == plain);
  }
  PretendedDriver::eager_uploads = false;
}

TEST_CASE("Steps of two threads that overlap take turns with pinned memory, too") {
  const std::size_t before = PretendedDriver::pinned_bytes();
  const Pretended b(1000);
  constexpr int kSteps = 40;
  const Index n = Index{1} << 17;
  Tensor<double, 1, Pretended::Memory> x(Shape{4 * n}), sum(Shape{Index{1}});
  b.fill(sum.data(), Index{1}, 0.0);
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  const auto wait_for = [&](int step) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return turn >= std::min(step, kSteps); });
  };
  const auto work = [&](int first) {
    std::vector<double> host(static_cast<std::size_t>(n));
    for (int step = first; step < kSteps; step += 2) {
      wait_for(step);
      const auto held = b.hold();  // while the other one's is there
      std::fill(host.begin(), host.end(), step);
      double* const place = x.data() + step % 4 * n;
      b.from_host_ahead(host.data(), n, place);
      b.sum(n, test::Square<double>{place}, 1.0, backend::Target<double>{sum.data(), true});
      {
        const std::lock_guard lock(mutex);
        turn = step + 1;
      }
      changed.notify_all();
      wait_for(step + 2);
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  double expected = 0, there = 0;
  for (int step = 0; step < kSteps; ++step) expected += static_cast<double>(n) * step * step;
  b.to_host(sum.data(), Index{1}, &there);
  CHECK(there == expected);
  CHECK(PretendedDriver::pinned_bytes() - before <= (std::size_t{16} << 20));
}

TEST_CASE("An upload that is refused is not tried again") {
  const Pretended b(1000);
  Tensor<double, 1, Pretended::Memory> x(Shape{Index{8}});
  std::vector<double> host(1000, 2.0);
  {
    const auto held = b.hold();
    b.from_host_ahead(host.data(), Index{1000}, x.data());  // more than there is room for
    double there = 0;
    CHECK_THROWS_AS(b.to_host(x.data(), Index{1}, &there), std::logic_error);
  }
  for (int step = 0; step < 3; ++step) {
    const auto held = b.hold();
    b.from_host_ahead(host.data(), Index{8}, x.data());
    CHECK_NOTHROW(b.to_host(x.data(), Index{8}, host.data()));
  }
  CHECK(host[7] == 2.0);
}

TEST_CASE("A report that an error kept from being read is read afterwards") {
  using M = Model<recipe::Ramer, Pretended, Float>;
  test::BatchSpec spec;
  spec.size = spec.persons = spec.segments = 2, spec.modalities = {"text", "audio"};
  const Pretended b(1000);
  M model(test::schema_of(spec), test::small_config<M>(), b, 7);
  train::Stepper<M> stepper(model, test::fast_optimizer(), 5);
  Batch bad = test::make_batch(spec);
  for (float& x : bad.modalities[0].features) x = x != 0 ? INFINITY : 0;
  CHECK_FALSE(stepper.submit(bad, 0, 100));
  double unused = 0;
  {
    const auto held = b.hold();
    b.map(Index{1} << 50, Twice{&unused});  // somebody else's mistake
  }
  CHECK_THROWS_AS(stepper.finish(), DeviceError);
  CHECK_THROWS_AS(stepper.finish(), NumericError);
  CHECK_FALSE(stepper.finish());
  const auto first = stepper.run(test::make_batch(spec), 1, 100), second = stepper.run(test::make_batch(spec), 2, 100);
  CHECK(second.total != first.total);  // it goes on
}

TEST_CASE("Scratch that grows and memory that is freed wait for the launches that name them") {
  const auto run = [](const Pretended& b) {
    std::vector<double> results(2);
    Tensor<double, 1, Pretended::Memory> x(Shape{Index{200000}}), sums(Shape{Index{2}});
    const auto held = b.hold();
    {
      Tensor<double, 1, Pretended::Memory> gone(Shape{Index{20000}});
      b.fill(gone.data(), Index{20000}, 3.0);
      b.sum(Index{20000}, test::Square<double>{gone.data()}, 1.0, backend::Target<double>{sums.data(), false});
    }
    b.fill(x.data(), Index{200000}, 2.0);  // perhaps where the freed one was
    b.sum(Index{200000}, test::Square<double>{x.data()}, 1.0, backend::Target<double>{sums.data() + 1, false});
    b.to_host(sums.data(), Index{2}, results.data());
    return results;
  };
  CHECK(run(Pretended(1000)) == std::vector<double>{9 * 20000.0, 4 * 200000.0});
  CHECK(run(Pretended(0)) == std::vector<double>{9 * 20000.0, 4 * 200000.0});
}
