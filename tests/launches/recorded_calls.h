// The recorded calls: every case of the GPU suite's tables, and calls with streams, captures, reserved workspace and
// debug mode.
#pragma once

#include "tests/launches/recorder.h"

namespace attnjit::launches {

/// Records all of them as they would run on an H200. Call use_stand_ins() first.
Recorder record_all_calls();

}  // namespace attnjit::launches
