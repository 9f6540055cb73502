// Timing of repeated work, peak memory of the process, and the JSON that both end up in.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "ramer/io/file.hpp"
#include "ramer/io/json.hpp"

namespace ramer::bench {

using io::Json;

/// Wall-clock seconds of each of `steps` calls, after `warmup` that are not counted.
template <class F>
std::vector<double> seconds_of(int warmup, int steps, const F& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (int i = 0; i < warmup; ++i) work();
  for (int i = 0; i < steps; ++i) {
    const auto start = Clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return seconds;
}

inline double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  const std::size_t n = x.size();
  return n == 0 ? 0 : n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/// Largest resident memory of the process so far. Linux says it twice; getrusage's also counts whoever started the process.
inline std::int64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

inline std::string instruction_set() {
#if defined(__AVX512F__)
  return "avx512";
#elif defined(__AVX2__)
  return "avx2";
#elif defined(__ARM_NEON)
  return "neon";
#else
  return "baseline";
#endif
}

/// What every measurement says of itself.
inline Json measured(const std::vector<double>& seconds, int threads, int warmup) {
  return {{"median_s", median(seconds)},
          {"min_s", *std::min_element(seconds.begin(), seconds.end())},
          {"max_s", *std::max_element(seconds.begin(), seconds.end())},
          {"seconds", seconds},
          {"steps", seconds.size()},
          {"warmup", warmup},
          {"threads", threads},
          {"processors", std::thread::hardware_concurrency()},
          {"peak_rss_bytes", peak_rss_bytes()},
          {"compiler", __VERSION__},
          {"instruction_set", instruction_set()}};
}

/// Prints a line, and writes the JSON where a file is named.
inline void report(const std::string& what, const Json& result, const std::string& file) {
  std::cout << what << ": " << result["median_s"].get<double>() * 1e3 << " ms (" << result["min_s"].get<double>() * 1e3
            << " to " << result["max_s"].get<double>() * 1e3 << ", " << result["steps"] << " times), " << result["threads"]
            << " threads, peak " << static_cast<double>(result["peak_rss_bytes"].get<std::int64_t>()) / 1048576.0
            << " MiB\n";
  if (file.empty()) return;
  io::write_file_atomically(file, [&](io::FileSink& sink) { sink.write(result.dump(2) + "\n"); });
}

}  // namespace ramer::bench
