// attnjit_record_launches: writes what the library's host code launches, for the report of a GPU run by the same build
// (tests/gpu/run_on_gpu), or prints it, to show the effect of a change.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "tests/gpu/recording.h"
#include "tests/launches/recorded_calls.h"

namespace {

constexpr const char* kUsage =
    "attnjit_record_launches FILE      write the digests of all recorded calls to FILE\n"
    "attnjit_record_launches --print   print every launch of every call\n";

int run(int argc, char** argv) {
  using namespace attnjit::launches;
  if (argc != 2 || std::string_view(argv[1]) == "--help") {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  use_stand_ins(FAKE_CUDA_PATH, STAND_IN_NVRTC_PATH);
  const Recorder recorder = record_all_calls();
  if (std::string_view(argv[1]) == "--print") {
    for (const auto& [name, text] : recorder.texts()) fmt::print("== {}\n{}", name, text);
  } else {
    attnjit::gpu_tests::write_recording(argv[1], recorder.recording());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "attnjit_record_launches: {}\n", error.what());
    return 1;
  }
}
