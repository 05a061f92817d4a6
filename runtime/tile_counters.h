// Which of a loaded module's tile counters (templates/shared/tile_counters.h) a launch uses.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace attnjit::runtime {

/// Gives each stream its own counter: launches on one stream are serialized, so no counter serves two concurrent
/// launches. Belongs to the module, like the counters themselves: operators with the same config share both.
/// Thread-safe.
///
/// Why not rotate through a ring of counters per launch? A host may hold a stream behind an event indefinitely while
/// others launch, so no ring is long enough to outlast every launch in flight.
///
/// A captured launch has no counter: its graph may be instantiated or replayed on several streams at once, each time
/// with the same parameters.
class TileCounters {
 public:
  /// Stands for the legacy default stream. The driver counts its ids up from 1.
  static constexpr std::uint64_t kLegacyDefaultStream = ~std::uint64_t{0};

  /// `on_full` is called once, when a stream first gets no counter.
  explicit TileCounters(std::function<void()> on_full = {}) : on_full_(std::move(on_full)) {}

  /// The counter of the stream with this unique id; kernel::kNoTileCounter once all are taken by other streams.
  int of_stream(std::uint64_t stream_id);

 private:
  int look_up(std::uint64_t stream_id);

  const std::uint64_t instance_ = next_instance();  // never reused, unlike an address
  static std::uint64_t next_instance();
  std::function<void()> on_full_;
  std::mutex mutex_;  // guards the members below
  std::unordered_map<std::uint64_t, int> of_stream_;
  bool full_ = false;
};

}  // namespace attnjit::runtime
