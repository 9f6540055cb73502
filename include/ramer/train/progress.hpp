// Shows how a run goes on, on a stream of the caller's: a bar that moves on a terminal, plain lines elsewhere.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <ostream>
#include <string>

#include "ramer/train/callbacks.hpp"

namespace ramer::train {

/// How progress is shown.
struct ProgressOptions {
  bool terminal = false;  ///< redraw one line with a bar; only the caller knows whether the stream is a terminal
  int width = 24;         ///< of the bar, in characters
  double interval = 0.1;  ///< seconds between two redraws, at least
};

namespace detail {

inline std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class ProgressLine {
 public:
  ProgressLine(std::ostream& out, const ProgressOptions& options) : out_(out), options_(options) {}

  void step(const StepEvent& e) {
    if (!options_.terminal) return;
    const auto now = std::chrono::steady_clock::now();
    if (e.batch < e.batches && drawn_ && std::chrono::duration<double>(now - last_).count() < options_.interval) return;
    last_ = now;
    drawn_ = true;
    const auto full = static_cast<std::size_t>(e.batches > 0 ? options_.width * e.batch / e.batches : options_.width);
    const auto width = static_cast<std::size_t>(options_.width);
    draw("epoch " + std::to_string(e.epoch) + "/" + std::to_string(e.epochs) + " [" +
         std::string(std::min(full, width), '#') + std::string(width - std::min(full, width), '.') + "] " +
         std::to_string(e.batch) + "/" + std::to_string(e.batches) + "  loss " + number("%.4f", e.report.total));
  }
  void epoch(const EpochEvent& e) {
    const EpochRecord& r = e.record;
    std::string line = "epoch " + std::to_string(r.epoch) + "/" + std::to_string(e.epochs);
    if (r.loss) line += "  loss " + number("%.4f", *r.loss);
    if (r.validation) {
      line += "  validation micro-F1 " + number("%.4f", r.validation->micro_f1) + ", macro-F1 " +
              number("%.4f", r.validation->macro_f1);
      if (r.validation->auc) line += ", AUC " + number("%.4f", *r.validation->auc);
    }
    line += "  " + number("%.1f", e.seconds) + " s" + (r.validation && r.selected ? "  *" : "");
    finish(line);
  }
  void end(const TrainResult& r) {
    if (r.ending == Ending::Interrupted) finish("interrupted; the run can be resumed");
    if (r.ending == Ending::EarlyStopped)
      finish("stopped early: no better model since epoch " + std::to_string(r.selected_epoch));
  }

 private:
  void draw(const std::string& text) {
    out_ << '\r' << text << std::string(shown_ > text.size() ? shown_ - text.size() : 0, ' ') << std::flush;
    shown_ = text.size();
  }
  /// A line that stays.
  void finish(const std::string& text) {
    if (options_.terminal) {
      draw(text);
      shown_ = 0;
      out_ << '\n';
    } else {
      out_ << text << '\n';
    }
    out_ << std::flush;
    drawn_ = false;
  }

  std::ostream& out_;
  ProgressOptions options_;
  std::size_t shown_ = 0;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace detail

/// Callbacks that write to `out`, which must outlive them. An epoch whose model became the selected one ends with a star.
inline Callbacks show_progress(std::ostream& out, const ProgressOptions& options = {}) {
  const auto line = std::make_shared<detail::ProgressLine>(out, options);
  Callbacks callbacks;
  callbacks.on_step = [line](const StepEvent& e) { line->step(e); };
  callbacks.on_epoch = [line](const EpochEvent& e) { line->epoch(e); };
  callbacks.on_end = [line](const TrainResult& r) { line->end(r); };
  return callbacks;
}

}  // namespace ramer::train
