// A backend with a stopwatch that can be held around every kernel: seconds, calls, FLOP and bytes of each kind of kernel and shape. It is
// an ordinary backend, so that any model can run on it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "measure.hpp"
#include "ramer/backend/contract.hpp"

namespace ramer::bench {

/// FLOP and bytes are those of the mathematics: each operand read once, each result written once. 0: not known.
struct KernelCost {
  double seconds = 0, flop = 0, bytes = 0;
  std::int64_t calls = 0;
};
using Profile = std::map<std::string, KernelCost>;

/// The kernels, the dearest first, in milliseconds a step: printed, and as JSON.
inline Json profile_table(const Profile& profile, int steps) {
  std::vector<std::pair<std::string, KernelCost>> rows(profile.begin(), profile.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  Json table = Json::array();
  std::printf("%9s %7s %9s %9s  %s\n", "ms", "calls", "GFLOP/s", "GB/s", "kernel");
  for (const auto& [kernel, cost] : rows) {
    const double calls = static_cast<double>(cost.calls) / steps, s = cost.seconds / steps;
    std::printf("%9.3f %7.1f %9.1f %9.2f  %s\n", s * 1e3, calls, cost.flop / cost.seconds / 1e9,
                cost.bytes / cost.seconds / 1e9, kernel.c_str());
    table.push_back(
        {{"kernel", kernel}, {"seconds", s}, {"calls", calls}, {"flop", cost.flop / steps}, {"bytes", cost.bytes / steps}});
  }
  return table;
}

/// Kernels of a backend that does not wait for them (it has a `wait`) are waited for, one after the other, while they are timed.
template <class Inner>
class Profiled {
  static constexpr bool kWaits = requires(const Inner& b) { b.wait(); };

 public:
  using Memory = typename Inner::Memory;
  static constexpr const char* name = Inner::name;

  /// Without `profiled` it is the inner one and a branch.
  Profiled(Inner inner, bool profiled)
      : inner_(std::move(inner)), profile_(profiled ? std::make_shared<Profile>() : nullptr) {}
  /// What was measured since the last call.
  Profile take_profile() const { return profile_ ? std::exchange(*profile_, {}) : Profile{}; }

  template <class T>
  void fill(T* x, Index n, T value) const {
    time([&] { return std::string("fill and copy"); }, 0, size<T>(n), [&] { inner_.fill(x, n, value); });
  }
  template <class T>
  void copy(const T* from, Index n, T* to) const {
    time([&] { return std::string("fill and copy"); }, 0, 2 * size<T>(n), [&] { inner_.copy(from, n, to); });
  }
  template <class T>
  void to_host(const T* from, Index n, T* to) const {
    inner_.to_host(from, n, to);
  }
  template <class T>
  void from_host(const T* from, Index n, T* to) const {
    inner_.from_host(from, n, to);
  }
  /// What a device has besides (backend::Cuda). Launches that are timed are not held back.
  auto hold() const requires requires(const Inner& b) { b.with_graphs(0).hold(); }
  { return (profile_ ? inner_.with_graphs(0) : inner_).hold(); }
  auto reading(std::size_t bytes) const requires requires(const Inner& b) { b.reading(std::size_t{}); }
  { return inner_.reading(bytes); }
  template <class T>
  void from_host_ahead(const T* from, Index n, T* to) const {
    if constexpr (requires { inner_.from_host_ahead(from, n, to); }) {
      inner_.from_host_ahead(from, n, to);
    } else {
      inner_.from_host(from, n, to);
    }
  }

  template <class F>
  void map(Index n, F f) const {
    time([&] { return "map " + functor<F>(); }, 0, 0, [&] { inner_.map(n, f); });
  }
  template <class F>
  void map_2d(Index rows, Index cols, F f) const {
    time([&] { return "map " + functor<F>(); }, 0, 0, [&] { inner_.map_2d(rows, cols, f); });
  }
  template <class F, class T>
  void sum(Index n, F f, T scale, backend::Target<T> out) const {
    time([&] { return "sum " + functor<F>(); }, 0, 0, [&] { inner_.sum(n, f, scale, out); });
  }
  template <class F, class Put>
  void reduce_rows(Index rows, Index cols, F f, Put put) const {
    time([&] { return "row sums " + functor<F>(); }, 0, 0, [&] { inner_.reduce_rows(rows, cols, f, put); });
  }
  template <class F, class T>
  void reduce_columns(Index rows, Index cols, F f, backend::Target<T> out) const {
    time([&] { return "column sums " + functor<F>(); }, real(rows) * real(cols), size<T>(rows * cols + cols),
         [&] { inner_.reduce_columns(rows, cols, f, out); });
  }
  template <class F>
  void map_arrays(const backend::Arrays& arrays, F f) const {
    time([&] { return "map " + functor<F>(); }, 0, 0, [&] { inner_.map_arrays(arrays, f); });
  }
  template <class F, class T>
  void sum_arrays(const backend::Arrays& arrays, F f, backend::Target<T> out) const {
    time([&] { return "sum " + functor<F>(); }, 0, 0, [&] { inner_.sum_arrays(arrays, f, out); });
  }

  template <class T>
  void gemm(const backend::Gemm<T>& g) const {
    time([&] { return shape("gemm", g); }, 2 * real(g.m) * real(g.n) * real(g.k), product_bytes(g), [&] { inner_.gemm(g); });
  }
  template <class T>
  void gemm_batched(const backend::Gemm<T>& g, Index batch, Index stride_a, Index stride_b, Index stride_c) const {
    time([&] { return shape("batched gemm", g); }, 2 * real(batch) * real(g.m) * real(g.n) * real(g.k),
         real(batch) * product_bytes(g), [&] { inner_.gemm_batched(g, batch, stride_a, stride_b, stride_c); });
  }
  template <class T>
  void layer_norm(const backend::LayerNorm<T>& p) const {
    const double arrays = 2.0 + (p.residual ? 1 : 0) + (p.normalized ? 1 : 0);
    time([&] { return std::string("layer norm"); }, 8 * real(p.rows * p.cols), arrays * size<T>(p.rows * p.cols),
         [&] { inner_.layer_norm(p); });
  }
  template <class T>
  void layer_norm_reverse(const backend::LayerNormReverse<T>& p) const {
    const double arrays = 2.0 + (p.dx ? 1 : 0) + (p.dresidual ? 1 : 0);
    time([&] { return std::string("layer norm, reverse"); }, 14 * real(p.rows * p.cols), arrays * size<T>(p.rows * p.cols),
         [&] { inner_.layer_norm_reverse(p); });
  }
  template <class T>
  void attention(const backend::Attention<T>& p) const {
    time([&] { return std::string("attention"); }, 4 * pairs(p), 4 * size<T>(p.rows * p.heads * p.width),
         [&] { inner_.attention(p); });
  }
  template <class T>
  void attention_reverse(const backend::AttentionReverse<T>& p) const {
    const auto& f = p.forward;
    time([&] { return std::string("attention, reverse"); }, (p.out ? 12 : 10) * pairs(f),
         7 * size<T>(f.rows * f.heads * f.width), [&] { inner_.attention_reverse(p); });
  }
  template <class T>
  void segment_pool(const backend::SegmentPool<T>& p) const {
    time([&] { return std::string("label attention"); }, 2 * real(p.rows) * real(p.columns * p.width),
         size<T>((p.rows + p.segments * p.columns) * p.width), [&] { inner_.segment_pool(p); });
  }
  template <class T>
  void segment_pool_reverse(const backend::SegmentPoolReverse<T>& p) const {
    const auto& f = p.forward;
    time([&] { return std::string("label attention, reverse"); }, 4 * real(f.rows) * real(f.columns * f.width),
         size<T>((2 * f.rows + f.segments * f.columns) * f.width), [&] { inner_.segment_pool_reverse(p); });
  }
  template <class T>
  void contrastive(const backend::Contrastive<T>& p) const {
    const Index n = p.rows + p.queue_rows;
    // The similarities of two anchors are needed once.
    const double distinct = real(p.anchors()) * (real(n) - real(p.anchors()) / 2);
    time([&] { return std::string("contrastive loss"); }, 2 * distinct * real(p.width), size<T>(n * p.width),
         [&] { inner_.contrastive(p); });
  }
  template <class T>
  void contrastive_reverse(const backend::ContrastiveReverse<T>& q) const {
    const auto& p = q.forward;
    const Index n = p.rows + p.queue_rows;
    time([&] { return std::string("contrastive loss, reverse"); }, 4 * real(p.rows) * real(n) * real(p.width),
         size<T>((n + p.rows) * p.width), [&] { inner_.contrastive_reverse(q); });
  }

 private:
  static double real(Index n) { return static_cast<double>(n); }
  template <class T>
  static double size(Index n) {
    return real(n) * sizeof(T);
  }
  template <class T>
  static double product_bytes(const backend::Gemm<T>& g) {
    return size<T>(g.m * g.k + g.k * g.n + g.m * g.n);
  }
  /// Products of one query with one key, all heads and groups.
  template <class T>
  double pairs(const backend::Attention<T>& p) const {
    if (!profile_) return 0;
    const auto count = static_cast<std::size_t>(p.groups) + 1;
    std::vector<std::int32_t> rows(count), queries(count);
    inner_.to_host(p.offsets, p.groups + 1, rows.data());
    inner_.to_host(p.queries(), p.groups + 1, queries.data());
    double n = 0;
    for (std::size_t g = 0; g + 1 < count; ++g) n += real(queries[g + 1] - queries[g]) * real(rows[g + 1] - rows[g]);
    return n * real(p.heads * p.width);
  }
  template <class T>
  static std::string shape(const char* what, const backend::Gemm<T>& g) {
    char text[96];
    std::snprintf(text, sizeof text, "%s %lld x %lld x %lld %c%c", what, static_cast<long long>(g.m),
                  static_cast<long long>(g.n), static_cast<long long>(g.k), g.trans_a == backend::Transpose::Yes ? 'T' : 'N',
                  g.trans_b == backend::Transpose::Yes ? 'T' : 'N');
    return text;
  }
  /// "ActivationReverse<...>" without what is in front of it.
  template <class F>
  static std::string functor() {
    std::string_view text = __PRETTY_FUNCTION__;
    text.remove_prefix(text.find("F = ") + 4);
    text = text.substr(0, std::min(text.find(';'), text.find(']')));
    const std::size_t end = text.find('<');
    const std::size_t colon = text.rfind("::", end == std::string_view::npos ? text.size() : end);
    text = text.substr(0, end);
    return std::string(colon == std::string_view::npos ? text : text.substr(colon + 2));
  }
  /// `kernel` gives the name, and is called only where that is wanted.
  template <class Kernel, class F>
  void time(const Kernel& kernel, double flop, double bytes, const F& run) const {
    if (!profile_) return run();
    using Clock = std::chrono::steady_clock;
    if constexpr (kWaits) inner_.wait();
    const auto start = Clock::now();
    run();
    if constexpr (kWaits) inner_.wait();
    KernelCost& cost = (*profile_)[kernel()];
    cost.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    cost.flop += flop;
    cost.bytes += bytes;
    ++cost.calls;
  }

  Inner inner_;
  std::shared_ptr<Profile> profile_;
};

}  // namespace ramer::bench
