#include "emulator/launcher.h"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "templates/shared/tile_counters.h"

namespace attnjit::emulator {

int EmulatedLauncher::tile_counter(int plan) {
  return stream_ ? object(plan).tile_counters->of_stream(*stream_) : kernel::kNoTileCounter;
}

void* EmulatedLauncher::workspace(std::size_t bytes) {
  if (given_.data != nullptr) {
    if (given_.bytes >= bytes) return given_.data;
    throw std::invalid_argument(fmt::format("the workspace has {} bytes, the call needs {}", given_.bytes, bytes));
  }
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  workspace_.assign(bytes / sizeof(Chunk) + 1, Chunk{{kNan, kNan, kNan, kNan}});
  return workspace_.data();
}

void EmulatedLauncher::launch(const runtime::Step& step, const void* args) {
  run_.launch(plan_of(step.plan).spec.family, object(step.plan), grid(step), args, options_);
}

}  // namespace attnjit::emulator
