// What a run tells its caller while it goes on. The library itself prints nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "ramer/train/history.hpp"
#include "ramer/train/step.hpp"

namespace ramer::train {

/// After a step.
struct StepEvent {
  Index epoch = 0, epochs = 0;   ///< counted from 1
  Index batch = 0, batches = 0;  ///< of this epoch, counted from 1
  std::uint64_t step = 0;        ///< of the run, counted from 1
  const StepReport& report;      ///< its terms
};

/// After an epoch: its model was validated and the run's files are written.
struct EpochEvent {
  Index epochs = 0;           ///< of the run
  const EpochRecord& record;  ///< its losses and validation
  double seconds = 0;         ///< that this epoch took in this process
};

/// Why a run came to its end.
enum class Ending {
  Finished,      ///< all epochs
  EarlyStopped,  ///< no better model for `patience` epochs
  Interrupted    ///< the caller asked for it; the run can be resumed
};

/// What a run leaves.
struct TrainResult {
  Ending ending = Ending::Finished;       ///< why it ended
  std::vector<EpochRecord> history;       ///< every epoch so far
  Index selected_epoch = 0;               ///< counted from 1; 0: none yet
  std::optional<double> selected_metric;  ///< its validation metric
  double threshold = 0.5;                 ///< of the selected model
  std::filesystem::path model;            ///< its file; empty where nothing is written
};

/// All of them may be empty. They run on the thread that trains; what they throw ends the run.
struct Callbacks {
  std::function<void(const StepEvent&)> on_step;    ///< after each step; on a device a step later
  std::function<void(const EpochEvent&)> on_epoch;  ///< after each epoch
  std::function<void(const TrainResult&)> on_end;   ///< when the run ends without an error
  /// Asked before every step and every validation. Once it says yes, steps under way are reported, the run is saved and ends as
  /// `Interrupted`.
  std::function<bool()> stop_requested;
};

}  // namespace ramer::train
