// Everything that reads and writes files: data sets, checkpoints, training runs, JSON. Kept apart from ramer.hpp, because
// the JSON library comes with it.
#pragma once

#include "ramer/data/dataset_file.hpp"
#include "ramer/io/json.hpp"
#include "ramer/io/safetensors.hpp"
#include "ramer/train/checkpoint.hpp"
#include "ramer/train/evaluate.hpp"
#include "ramer/train/history.hpp"
#include "ramer/train/progress.hpp"
#include "ramer/train/trainer.hpp"
