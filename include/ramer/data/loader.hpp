// Batches built ahead of their use by one thread, in order, into a fixed ring of buffers.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "ramer/core/batch.hpp"
#include "ramer/core/error.hpp"
#include "ramer/data/batch_builder.hpp"

namespace ramer::data {

/// How an epoch is cut into batches, and how far ahead they are made.
struct LoaderOptions {
  Index batch_size = 64;   ///< samples
  bool drop_last = false;  ///< leave out a last batch that is smaller than the others
  Index ahead = 2;         ///< batches that may be ready before they are asked for
  /// Applied to each batch, on the loader's thread, with the epoch's number: drop modalities, add noise, ...
  std::function<void(Batch&, std::uint64_t epoch)> transform;
};

/// Prefetches. Buffers are reused from batch to batch and from epoch to epoch, so that once warm it allocates nothing.
/// One consumer; the destructor stops the thread, whatever it is doing, after the batch at hand.
class Loader {
 public:
  /// @throws ConfigError for a batch size or a number of batches ahead below 1
  Loader(BatchBuilder builder, LoaderOptions options) : builder_(std::move(builder)), options_(std::move(options)) {
    require<ConfigError>(options_.batch_size >= 1, "batch size = ", options_.batch_size, "; expected at least 1");
    require<ConfigError>(options_.ahead >= 1, "batches ahead = ", options_.ahead, "; expected at least 1");
    ring_.resize(static_cast<std::size_t>(options_.ahead) + 1);  // one more: the batch that the consumer holds
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Batches that this many samples make.
  Index batches(Index samples) const {
    return options_.drop_last ? samples / options_.batch_size : (samples + options_.batch_size - 1) / options_.batch_size;
  }

  /// Begins an epoch over these samples, in this order. What was left of the epoch before is given up.
  void start(std::span<const std::int32_t> order, std::uint64_t epoch = 0) {
    std::unique_lock lock(mutex_);
    total_ = 0;  // the thread begins no further batch; wait for the one that it may be building
    idle_.wait(lock, [&] { return !building_; });
    order_.assign(order.begin(), order.end());
    epoch_ = epoch;
    built_ = taken_ = 0;
    error_ = nullptr;
    report_ = {};
    total_ = static_cast<std::size_t>(batches(static_cast<Index>(order.size())));
    lock.unlock();
    space_.notify_one();
  }

  /// The next batch, or null at the end of the epoch. It is the caller's to change until the next call of `next` or `start`.
  /// Whatever building it threw is thrown here, in its turn; the epoch is then over.
  Batch* next() {
    std::unique_lock lock(mutex_);
    if (taken_ == total_) return nullptr;
    if (taken_ > 0) space_.notify_one();
    ++taken_;  // gives the buffer of the batch before back
    ready_.wait(lock, [&] { return built_ >= taken_ || error_; });
    if (built_ >= taken_) return &ring_[(taken_ - 1) % ring_.size()];
    total_ = taken_ = built_ = 0;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }

  /// What building the batches of this epoch had to settle, so far.
  BatchReport report() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (true) {
      // A buffer is free while fewer than ring_.size() batches are built and not given back.
      const auto free = [&] { return built_ < total_ && !error_ && built_ + 1 < taken_ + ring_.size() + (taken_ == 0); };
      if (!space_.wait(lock, stop, free) || stop.stop_requested()) return;
      const std::size_t k = built_, size = static_cast<std::size_t>(options_.batch_size);
      building_ = true;
      lock.unlock();
      std::exception_ptr error;
      BatchReport report;
      try {
        const std::size_t first = k * size, count = std::min(size, order_.size() - first);
        Batch& batch = ring_[k % ring_.size()];
        report = builder_.build(std::span(order_).subspan(first, count), batch);
        if (options_.transform) options_.transform(batch, epoch_);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      building_ = false;
      if (total_ > 0) {  // else the epoch was given up meanwhile
        if (error)
          error_ = error;
        else
          ++built_;
        report_ += report;
        ready_.notify_one();
      }
      idle_.notify_all();
    }
  }

  BatchBuilder builder_;
  LoaderOptions options_;
  std::vector<Batch> ring_;
  std::vector<std::int32_t> order_;
  std::uint64_t epoch_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable_any space_;     // a buffer has become free, or an epoch has begun
  std::condition_variable ready_, idle_;  // a batch is ready; the thread is not building
  std::size_t total_ = 0, built_ = 0, taken_ = 0;
  bool building_ = false;
  std::exception_ptr error_;
  BatchReport report_;
  std::jthread thread_;  // last: it stops before the rest goes
};

}  // namespace ramer::data
