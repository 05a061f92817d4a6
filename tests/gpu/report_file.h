// tests/gpu/report.json: what ran on which GPU. Owns its format.
//
//   {"device", "driver", "nvrtc", "date", "seed",
//    "families": {NAME: {"status": "run", "tests", "failures", "source_digest", "launch_digest"}
//                     | {"status": "pending", "reason"}},
//    "launches": {CALL: digest of what it launches},
//    "kernels": [{"family", "target", "cubin_sha256", "config": {...}}],
//    "tests": [{"name", "status", and what the test recorded: "error", "allowed", ...}]}
//
// Before the first run the first five are null and both lists are empty. Lists are written with one entry per line, so
// that diffs are readable.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace attnjit::gpu_tests {

using Json = nlohmann::ordered_json;

std::string format_report(const Json& report);
/// Throws std::runtime_error that names the path.
void write_report(const std::string& path, const Json& report);
/// Throws std::runtime_error that names the path and the fault.
Json read_report(const std::string& path);

}  // namespace attnjit::gpu_tests
