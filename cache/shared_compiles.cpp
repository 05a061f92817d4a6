#include "cache/shared_compiles.h"

#include <future>
#include <map>
#include <mutex>

#include "cache/per_process.h"
#include "process/made_once.h"

namespace attnjit::cache::shared_compiles {
namespace {

/// A forked child has none of the compiling threads, so it starts with empty tables.
struct Tables {
  std::mutex mutex;
  std::map<FlightId, std::weak_ptr<const Entry>> made;
  std::map<FlightId, std::shared_future<EntryPointer>> flights;  // null if it failed

  EntryPointer find(const FlightId& id, const CompilerWish& wish) const {
    const auto found = made.find(id);
    EntryPointer entry = found == made.end() ? nullptr : found->second.lock();
    return entry && wish.admits(entry->compiler) ? entry : nullptr;
  }
};

Tables& tables() {
  static constinit process::MadeOnce<std::unique_ptr<PerProcess<Tables>>> of_process;
  return of_process.get([] { return std::make_unique<PerProcess<Tables>>([] { return std::make_unique<Tables>(); }); })
      ->get();
}

/// Registers the flight, compiles, and removes it when done.
EntryPointer lead(Tables& mine, const FlightId& id, std::promise<EntryPointer>& promise,
                  const std::function<EntryPointer()>& compile) {
  EntryPointer entry;
  const auto land = [&](const EntryPointer& shared) {
    {
      const std::lock_guard guard(mine.mutex);
      std::erase_if(mine.made, [](const auto& row) { return row.second.expired(); });
      if (shared) mine.made.insert_or_assign(id, shared);
      mine.flights.erase(id);
    }
    promise.set_value(shared);
  };
  try {
    entry = compile();
  } catch (...) {
    land(nullptr);
    throw;
  }
  land(entry->local ? nullptr : entry);
  return entry;
}

}  // namespace

EntryPointer find(const FlightId& id, const CompilerWish& wish) {
  Tables& mine = tables();
  const std::lock_guard guard(mine.mutex);
  return mine.find(id, wish);
}

EntryPointer get(const FlightId& id, const CompilerWish& wish, const std::function<EntryPointer()>& compile,
                 bool* waited, Count& wait_nanoseconds) {
  Tables& mine = tables();
  *waited = false;
  for (;;) {
    std::promise<EntryPointer> promise;
    std::shared_future<EntryPointer> running;
    {
      const std::lock_guard guard(mine.mutex);
      if (EntryPointer entry = mine.find(id, wish)) {
        *waited = true;  // it was made after the caller looked
        return entry;
      }
      const auto [place, first] = mine.flights.try_emplace(id);
      if (first) {
        place->second = promise.get_future().share();
      } else {
        running = place->second;
      }
    }
    if (!running.valid()) return lead(mine, id, promise, compile);
    EntryPointer entry;
    {
      const Stopwatch stopwatch(wait_nanoseconds);
      entry = running.get();
    }
    if (!entry) continue;
    if (!wish.admits(entry->compiler)) return compile();
    *waited = true;
    return entry;
  }
}

}  // namespace attnjit::cache::shared_compiles
