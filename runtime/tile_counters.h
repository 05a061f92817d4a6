// Which of a loaded module's tile counters (templates/shared/tile_counters.h) a launch uses.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace attnjit::runtime {

/// Gives each stream a counter of its own: launches of one stream follow each other, so a counter never serves two that
/// run at once. Belongs to the module, as the counters do: operators of one config share both. Thread-safe.
///
/// Why not the next counter of a ring for each launch: a host may hold a stream behind an event for as long as it likes
/// while others launch, so no number of counters outlasts every launch that may still be under way.
///
/// A captured launch has no counter: its graph may be instantiated or replayed on several streams at once, each time
/// with the same parameters.
class TileCounters {
 public:
  /// Stands for the legacy default stream. The driver's numbers are counted up from 1.
  static constexpr std::uint64_t kLegacyDefaultStream = ~std::uint64_t{0};

  /// `on_full` is called once, when a stream gets no counter.
  explicit TileCounters(std::function<void()> on_full = {}) : on_full_(std::move(on_full)) {}

  /// The counter of a stream, by its unique number; kernel::kNoTileCounter once all belong to other streams.
  int of_stream(std::uint64_t stream_id);

 private:
  int look_up(std::uint64_t stream_id);

  const std::uint64_t instance_ = next_instance();  // never reused, unlike an address
  static std::uint64_t next_instance();
  std::function<void()> on_full_;
  std::mutex mutex_;  // guards what follows
  std::unordered_map<std::uint64_t, int> of_stream_;
  bool full_ = false;
};

}  // namespace attnjit::runtime
