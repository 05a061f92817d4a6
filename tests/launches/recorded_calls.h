// The calls that are recorded: every case of the GPU suite's tables, and how calls meet streams, captures, reserved
// workspace and debug mode.
#pragma once

#include "tests/launches/recorder.h"

namespace attnjit::launches {

/// Records all of them, as they would run on an H200. use_stand_ins() must have been called.
Recorder record_all_calls();

}  // namespace attnjit::launches
