#include "tests/gpu/recording.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tests/gpu/digests.h"

namespace attnjit::gpu_tests {

void write_recording(const std::string& path, const Recording& recording) {
  write_report(path, {{"families", recording.families}, {"sources", recording.sources}, {"calls", recording.calls}});
}

Recording read_recording(const std::string& path) {
  const Json json = read_report(path);
  Recording recording;
  try {
    json.at("calls").get_to(recording.calls);
    json.at("families").get_to(recording.families);
    json.at("sources").get_to(recording.sources);
  } catch (const Json::exception& error) {
    throw std::runtime_error(fmt::format("{} is no recording of launches: {}", path, error.what()));
  }
  if (recording.sources != host_digest()) {
    throw std::runtime_error(
        fmt::format("{} was recorded from other host sources than this program is built from: record it again with "
                    "attnjit_record_launches",
                    path));
  }
  return recording;
}

void add_recording(Json& report, const Recording& recording) {
  for (auto& [family, row] : report.at("families").items()) row["launch_digest"] = recording.families.at(family);
  report["launches"] = recording.calls;
}

}  // namespace attnjit::gpu_tests
