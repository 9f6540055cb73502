// Ctrl-C: the first asks a run to stop after the step at hand; a second one ends the program at once.
#pragma once

#include <csignal>
#include <initializer_list>

namespace ramer::app {

namespace detail {
// All that a signal handler may touch.
inline volatile std::sig_atomic_t caught_signal = 0;
extern "C" inline void ramer_app_catch(int number) { caught_signal = number; }
}  // namespace detail

/// While it lives, SIGINT and SIGTERM are noted instead of ending the program. One at a time.
class Interrupt {
 public:
  Interrupt() {
    detail::caught_signal = 0;
    struct sigaction action {};
    action.sa_handler = detail::ramer_app_catch;
    sigemptyset(&action.sa_mask);
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal has its usual effect
    sigaction(SIGINT, &action, &old_[0]);
    sigaction(SIGTERM, &action, &old_[1]);
  }
  ~Interrupt() {
    sigaction(SIGINT, &old_[0], nullptr);
    sigaction(SIGTERM, &old_[1], nullptr);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const { return detail::caught_signal != 0; }
  /// What a shell calls the exit of a program that a signal ended: 130 for SIGINT.
  int exit_code() const { return 128 + static_cast<int>(detail::caught_signal); }

 private:
  struct sigaction old_[2]{};
};

}  // namespace ramer::app
