// What a long list of runs shows of itself: which one is at work, and about how long the rest will take.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "ramer/app/table.hpp"
#include "ramer/train/callbacks.hpp"

namespace ramer::app {

/// "0.3 s", "45 s", "12 min", "3 h 05 min".
inline std::string duration_text(double seconds) {
  if (seconds < 9.95) return fixed(std::max(0.0, seconds), 1) + " s";
  if (seconds < 90) return fixed(seconds, 0) + " s";
  const auto minutes = static_cast<long long>(std::lround(seconds / 60));
  if (minutes < 90) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + (minutes % 60 < 10 ? "0" : "") + std::to_string(minutes % 60) + " min";
}

/// Seconds that are left, from what finished runs of each row took. A row of which none has finished is taken for an
/// average one.
class TimeLeft {
 public:
  void finished(std::size_t row, double seconds) {
    sums_[row].first += seconds;
    sums_[row].second += 1;
  }
  /// @param waiting rows of the runs that are not begun
  std::optional<double> estimate(const std::vector<std::size_t>& waiting) const {
    if (sums_.empty()) return std::nullopt;
    double mean = 0;
    for (const auto& [row, sum] : sums_) mean += sum.first / sum.second / static_cast<double>(sums_.size());
    double total = 0;
    for (const std::size_t row : waiting) {
      const auto at = sums_.find(row);
      total += at == sums_.end() ? mean : at->second.first / at->second.second;
    }
    return total;
  }
  /// Of one run of this row.
  std::optional<double> of(std::size_t row) const { return estimate({row}); }

 private:
  std::map<std::size_t, std::pair<double, double>> sums_;  // seconds, runs
};

/// One line for each run. On a terminal the line of the run at work is drawn again and again.
class RunProgress {
 public:
  RunProgress(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}

  /// @param left seconds of the runs that wait behind this one; `own`: of this one
  void begin(const std::string& title, std::optional<double> own, std::optional<double> left) {
    title_ = title;
    own_ = own;
    left_ = left;
    start_ = std::chrono::steady_clock::now();
    if (terminal_)
      draw(title_ + ": begins" + text_of(sum(own_, left_)));
    else
      out_ << title_ << " ..." << std::flush;
  }
  /// @param part of the run that is done, 0 to 1
  void step(const std::string& where, double part) {
    if (!terminal_) return;
    const auto now = std::chrono::steady_clock::now();
    if (std::chrono::duration<double>(now - drawn_).count() < 0.2) return;
    drawn_ = now;
    const double elapsed = seconds();
    std::optional<double> rest = part > 0.02 ? std::optional(elapsed * (1 - part) / part) : own_;
    draw(title_ + ": " + where + text_of(sum(rest, left_)));
  }
  /// `left` as for `begin`, now that this run's time is known.
  void end(const std::string& result, std::optional<double> left) {
    const std::string text = result + text_of(left);
    if (terminal_) {
      draw(title_ + ": " + text);
      out_ << '\n';
      shown_ = 0;
    } else {
      out_ << ' ' << text << '\n';
    }
    out_ << std::flush;
  }
  /// The run came to nothing.
  void abandon() {
    out_ << '\n' << std::flush;
    shown_ = 0;
  }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  static std::optional<double> sum(std::optional<double> a, std::optional<double> b) {
    return a && b ? std::optional(*a + *b) : std::nullopt;
  }
  static std::string text_of(std::optional<double> left) {
    if (!left) return "";
    return *left > 0 ? "; about " + duration_text(*left) + " left" : "; done";
  }
  void draw(const std::string& text) {
    out_ << '\r' << text << std::string(shown_ > text.size() ? shown_ - text.size() : 0, ' ') << std::flush;
    shown_ = text.size();
  }

  std::ostream& out_;
  bool terminal_;
  std::string title_;
  std::optional<double> own_, left_;
  std::size_t shown_ = 0;
  std::chrono::steady_clock::time_point start_{}, drawn_{};
};

}  // namespace ramer::app
