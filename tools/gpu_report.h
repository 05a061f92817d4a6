// tests/gpu/report.json as of when this command was built, reduced to what `attnjit doctor` shows.
#pragma once

namespace attnjit::tools {

/// {"device", "driver", "nvrtc", "families": {NAME: {"status", "reason", "tests", "failures"}}}, or {} without a
/// report.
extern const char* const kGpuReport;

}  // namespace attnjit::tools
