// A training process that is killed at random moments leaves a state that goes on to the same bytes.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;

namespace {

/// Trains, or goes on where a run can. One thread, no arena: safe in a forked process.
void train_or_resume(const std::filesystem::path& folder, const data::Dataset& data) {
  train::TrainerConfig config = small_training(3);
  config.checkpoint_every = 1;
  const bool resume = train::Trainer<Small>::can_resume(folder);
  Small model = small_model(data, 1, resume ? 55 : 3);
  train::Trainer<Small> trainer(model, data, data::split_samples(data), config);
  resume ? trainer.resume(folder) : trainer.run(folder);
}

/// The same in a child process that the kernel kills with SIGKILL after so many nanoseconds. Whether it was killed.
bool killed_after(std::int64_t nanoseconds, const std::filesystem::path& folder, const data::Dataset& data) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    timer_t timer{};
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || ::timer_settime(timer, 0, &when, nullptr) != 0) ::_exit(3);
    try {
      train_or_resume(folder, data);
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) {
    CHECK(WTERMSIG(status) == SIGKILL);
    return true;
  }
  CHECK(WEXITSTATUS(status) == 0);
  return false;
}

}  // namespace

TEST_CASE("Killed at 20 random moments") {
  const auto data = small_data();
  Folder whole("kill_whole");
  const auto start = std::chrono::steady_clock::now();
  train_or_resume(whole, data);
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  const RunBytes reference(whole);
  REQUIRE(reference.whole());

  const RandomStream stream(2024, name_hash("kill"));
  int kills = 0, with_state = 0;
  for (std::uint64_t round = 0; round < 20; ++round) {
    CAPTURE(round);
    Folder folder("kill");
    // Up to three deaths in one run, each somewhere in its first part.
    for (std::uint64_t death = 0; death <= round % 3; ++death) {
      const auto delay = 1 + static_cast<std::int64_t>(stream.below(round * 8 + death, static_cast<std::uint64_t>(took)));
      if (!killed_after(delay, folder, data)) break;
      ++kills;
      // Whatever is there under a final name is whole.
      for (const char* name : {"model.safetensors", "resume/state.safetensors"}) {
        if (!std::filesystem::exists(folder.path() / name)) continue;
        const auto checkpoint = train::open_checkpoint(folder.path() / name);
        CHECK_NOTHROW((train::load_model<recipe::Ramer, backend::Cpu>(checkpoint, backend::Cpu(1))));
        with_state += checkpoint.resumable();
      }
      if (std::filesystem::exists(folder.path() / "history.jsonl"))
        CHECK_NOTHROW(train::read_history(folder.path() / "history.jsonl"));
    }
    train_or_resume(folder, data);
    CHECK((RunBytes(folder) == reference));
    // Half-written files of the dead are gone.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
      CHECK(entry.path().extension() != ".tmp");
  }
  CHECK(kills >= 10);
  CHECK(with_state >= 5);
}
