#include "runtime/tile_counters.h"

#include <atomic>

#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {

std::uint64_t TileCounters::next_instance() {
  static std::atomic<std::uint64_t> next{1};
  return next++;
}

int TileCounters::of_stream(std::uint64_t stream_id) {
  // A model's layers share a module and a stream, so the answer is usually that of the thread's last call; no lock
  // needed.
  struct Last {
    std::uint64_t instance = 0;
    std::uint64_t stream_id = 0;
    int counter = kernel::kNoTileCounter;
  };
  thread_local constinit Last last{};
  if (last.instance != instance_ || last.stream_id != stream_id) last = {instance_, stream_id, look_up(stream_id)};
  return last.counter;
}

int TileCounters::look_up(std::uint64_t stream_id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = of_stream_.find(stream_id); known != of_stream_.end()) return known->second;
    const int next = static_cast<int>(of_stream_.size());
    if (next < kernel::kTileCounters) return of_stream_.emplace(stream_id, next).first->second;
    if (full_) return kernel::kNoTileCounter;
    full_ = true;
  }
  if (on_full_) on_full_();
  return kernel::kNoTileCounter;
}

}  // namespace attnjit::runtime
