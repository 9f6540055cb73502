// A training process that is killed, at random moments or within any of its writes, leaves a state that goes on to the same bytes; so
// does one whose disk fails. One that runs for long takes no more memory than at first.
// RAMER_KILLS: how many kills of each kind at most (a full check asks for more); RAMER_SOAK_EPOCHS: how long is long.
#include <doctest/doctest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "child.hpp"
#include "train/support.hpp"

using namespace ramer;
using namespace ramer::testing;
using test::in_child;
using test::killed;
using test::killed_after;

namespace {

/// What happens to the calls with which files are changed.
struct Disk {
  enum class Trouble { None, Death, Error };
  Trouble trouble = Trouble::None;
  long calls = 0, at = -1;       ///< so far; the one that trouble comes at
  std::string* kinds = nullptr;  ///< receives a letter for each call

  /// Whether the call at hand is to fail; a death does not return. `before` is done of it in either case.
  template <class Before>
  bool fails(char kind, Before before) {
    if (kinds) kinds->push_back(kind);
    if (trouble == Trouble::None || calls++ != at) return false;
    before();
    if (trouble == Trouble::Death) ::kill(::getpid(), SIGKILL);
    return true;
  }
} disk;

int failed(int error) {
  errno = error;
  return -1;
}

}  // namespace

// A program's own symbols come before the C library's.
extern "C" {
ssize_t write(int file, const void* data, size_t size) {
  const auto half = [&] { ::syscall(SYS_write, file, data, size / 2); };
  return disk.fails('w', half) ? failed(ENOSPC) : ::syscall(SYS_write, file, data, size);
}
int fsync(int file) {
  return disk.fails('s', [] {}) ? failed(EIO) : static_cast<int>(::syscall(SYS_fsync, file));
}
int rename(const char* from, const char* to) noexcept {
  return disk.fails('r', [] {}) ? failed(EROFS) : static_cast<int>(::syscall(SYS_rename, from, to));
}
}

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

/// In a process that dies at a call that changes files. Whether it did.
bool killed_at(long call, const std::filesystem::path& folder, const data::Dataset& data) {
  return killed(in_child([&] {
    disk.trouble = Disk::Trouble::Death;
    disk.at = call;
    train_or_resume(folder, data);
    return 0;
  }));
}

/// Whatever is there under a final name is whole. How many of the files have what a run needs to go on.
int check_files(const std::filesystem::path& folder) {
  int resumable = 0;
  for (const char* name : {"model.safetensors", "resume/state.safetensors"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    const auto checkpoint = train::open_checkpoint(folder / name);
    CHECK_NOTHROW((train::load_model<recipe::Ramer, backend::Cpu>(checkpoint, backend::Cpu(1))));
    resumable += checkpoint.resumable();
  }
  if (std::filesystem::exists(folder / "history.jsonl")) CHECK_NOTHROW(train::read_history(folder / "history.jsonl"));
  return resumable;
}
/// Half-written files of the dead are gone.
void check_nothing_left(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) CHECK(entry.path().extension() != ".tmp");
}

std::size_t number_from(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? static_cast<std::size_t>(std::atol(text)) : otherwise;
}
std::size_t most_kills() { return number_from("RAMER_KILLS", 16); }

/// The calls at which something can go wrong in its own way: of every file that is replaced the first write, the middle one, the
/// last one, the synchronisation, the renaming, the synchronisation of the folder. At most `most` of them, evenly spread.
std::vector<long> moments(const std::string& kinds, std::size_t most) {
  std::vector<long> all;
  for (std::size_t begin = 0; begin < kinds.size();) {
    const std::size_t end = kinds.find('s', begin);  // "wwwwsrs"
    REQUIRE(end != std::string::npos);
    REQUIRE(kinds.substr(end, 3) == "srs");
    if (end > begin) {
      all.push_back(static_cast<long>(begin));
      all.push_back(static_cast<long>((begin + end) / 2));
      all.push_back(static_cast<long>(end) - 1);
    }
    for (std::size_t k = 0; k < 3; ++k) all.push_back(static_cast<long>(end + k));
    begin = end + 3;
  }
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::vector<long> some;
  for (std::size_t k = 0; k < std::min(most, all.size()); ++k)
    some.push_back(all[k * all.size() / std::min(most, all.size())]);
  return some;
}

/// A run that nothing happens to: its bytes, its calls, and how long it took.
struct Whole {
  data::Dataset data = small_data();
  Folder folder{"kill_whole"};
  std::string kinds;
  std::int64_t nanoseconds = 0;
  std::optional<RunBytes> bytes;

  Whole() {
    const auto start = std::chrono::steady_clock::now();
    disk.kinds = &kinds;
    train_or_resume(folder, data);
    disk.kinds = nullptr;
    nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
    bytes.emplace(folder);
    REQUIRE(bytes->whole());
  }
};

}  // namespace

TEST_CASE("Killed at random moments") {
  const Whole whole;
  const RandomStream stream(2024, name_hash("kill"));
  std::size_t kills = 0;
  int with_state = 0;
  for (std::uint64_t round = 0; kills < most_kills(); ++round) {
    CAPTURE(round);
    REQUIRE(round < 10 * most_kills());
    Folder folder("kill");
    // Up to three deaths in one run, each somewhere in its first part.
    for (std::uint64_t death = 0; death <= round % 3; ++death) {
      const auto delay =
          1 + static_cast<std::int64_t>(stream.below(round * 8 + death, static_cast<std::uint64_t>(whole.nanoseconds)));
      const auto work = [&] {
        train_or_resume(folder, whole.data);
        return 0;
      };
      if (!killed_after(delay, work)) break;
      ++kills;
      if (std::filesystem::exists(folder.path())) with_state += check_files(folder);
    }
    train_or_resume(folder, whole.data);
    CHECK((RunBytes(folder) == *whole.bytes));
    check_nothing_left(folder);
  }
  CHECK(with_state >= 5);
}

TEST_CASE("Killed within every write") {
  const Whole whole;
  for (const long at : moments(whole.kinds, most_kills())) {
    CAPTURE(at);
    Folder folder("kill_write");
    REQUIRE(killed_at(at, folder, whole.data));
    check_files(folder);
    train_or_resume(folder, whole.data);
    CHECK((RunBytes(folder) == *whole.bytes));
    check_nothing_left(folder);
  }
}

TEST_CASE("A disk that is full or fails, at every write: one clear error, and nothing is lost") {
  const Whole whole;
  for (const long at : moments(whole.kinds, most_kills())) {
    CAPTURE(at);
    const char kind = whole.kinds[static_cast<std::size_t>(at)];
    const bool of_folder = kind == 's' && at > 0 && whole.kinds[static_cast<std::size_t>(at) - 1] == 'r';
    Folder folder("disk");
    disk = {Disk::Trouble::Error, 0, at, nullptr};
    const std::string message = message_of([&] { train_or_resume(folder, whole.data); });
    disk = {};
    CAPTURE(message);
    if (of_folder) {
      CHECK(message.empty());  // the file is whole; some file systems cannot synchronise folders
    } else {
      CHECK(has(message, folder.path().string()));
      CHECK(has(message, kind == 'w'   ? "cannot write: No space left on device"
                         : kind == 's' ? "cannot synchronise"
                                       : "cannot rename"));
      check_nothing_left(folder);
    }
    check_files(folder);
    train_or_resume(folder, whole.data);
    CHECK((RunBytes(folder) == *whole.bytes));
  }
}

TEST_CASE("A file that may not grow, and a folder that may not be written to") {
  const Whole whole;
  Folder folder("limits");
  REQUIRE(killed_at(static_cast<long>(whole.kinds.size() * 6 / 10), folder, whole.data));
  const RunBytes before(folder);
  REQUIRE(before.whole());
  const auto message_is = [&](const char* part) {
    const std::string message = message_of([&] { train_or_resume(folder, whole.data); });
    return has(message, part) && has(message, folder.path().string()) ? 0 : 4;
  };
  SUBCASE("as on a full disk") {
    CHECK(in_child([&] {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{before.state.size() / 2, before.state.size() / 2};
            return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 ? message_is("cannot write: File too large") : 3;
          }) == 0);
  }
  SUBCASE("read-only") {
    using std::filesystem::perms;
    const auto read_only = perms::owner_read | perms::owner_exec | perms::group_read | perms::group_exec |
                           perms::others_read | perms::others_exec;
    for (const auto& path : {folder.path(), folder.path() / "resume"}) std::filesystem::permissions(path, read_only);
    CHECK(in_child([&] {
            if (::geteuid() == 0 && ::setuid(65534) != 0) return 3;  // root may write anywhere
            return message_is("Permission denied");
          }) == 0);
    for (const auto& path : {folder.path(), folder.path() / "resume"}) std::filesystem::permissions(path, perms::owner_all);
  }
  CHECK((RunBytes(folder) == before));
  train_or_resume(folder, whole.data);
  CHECK((RunBytes(folder) == *whole.bytes));
}

TEST_CASE("Over many epochs memory grows by the history alone") {
  const auto used = [] {
    const auto info = ::mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  };
  const auto epochs = static_cast<Index>(number_from("RAMER_SOAK_EPOCHS", 150));
  const auto data = small_data(40);
  Small model = small_model(data, 2);
  Folder folder("soak");
  train::Trainer<Small> trainer(model, data, data::split_samples(data), small_training(epochs));
  std::int64_t early = 0, late = 0;
  trainer.callbacks.on_epoch = [&](const train::EpochEvent& e) { (e.record.epoch <= epochs / 10 ? early : late) = used(); };
  const train::TrainResult result = trainer.run(folder);
  const std::int64_t before = used();
  const auto copy = result.history;
  const std::int64_t history = used() - before;
  CHECK(copy.size() == static_cast<std::size_t>(epochs));
  CHECK(late - early <= history + 256 * 1024);
}
