#include "cache/kernel_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "cache/key_lock.h"
#include "cache/per_process.h"
#include "cache/shared_compiles.h"
#include "cache/shown_text.h"
#include "cache/store_tier.h"

namespace attnjit::cache {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Newer compilers are greater; the store uses the same order.
auto rank(const CompilerId& compiler) { return std::tie(compiler.major, compiler.minor, compiler.name); }

/// The entries this process has seen, by key and compiler.
class Memory {
 public:
  EntryPointer find(const Key& key, const CompilerWish& wish) const {
    const auto rows = rows_.find(key.bytes);
    if (rows == rows_.end()) return nullptr;
    for (const EntryPointer& entry : rows->second) {
      if (wish.admits(entry->compiler)) return entry;
    }
    return nullptr;
  }

  void put(const Key& key, EntryPointer entry) {
    erase(key, entry->compiler);
    auto& rows = rows_[key.bytes];
    const auto place = std::find_if(rows.begin(), rows.end(), [&](const EntryPointer& other) {
      return rank(other->compiler) < rank(entry->compiler);
    });
    rows.insert(place, std::move(entry));
  }

  void erase(const Key& key, const CompilerId& compiler) {
    std::erase_if(rows_[key.bytes], [&](const EntryPointer& entry) { return entry->compiler == compiler; });
  }

 private:
  // Per key: newest compiler first.
  std::map<std::array<std::uint8_t, 32>, std::vector<EntryPointer>> rows_;
};

FlightId flight_of(const KernelCache::Request& request, const Key& key) {
  return {key.bytes, request.wish.exactly, request.recompile};
}
using Flight = std::shared_future<EntryPointer>;

/// Per-process state. A forked child starts empty: the compiles it would see in flight belong to threads it does not
/// have.
struct Tables {
  std::mutex mutex;
  Memory memory;
  std::map<FlightId, Flight> flights;
  std::set<std::string> warned;  // kinds of trouble already reported
};

}  // namespace

const char* to_string(Tier tier) {
  switch (tier) {
    case Tier::kMemory: return "memory";
    case Tier::kStore: return "store";
    case Tier::kWaited: return "waited";
    case Tier::kCompiled: return "compiled";
  }
  return "unknown";
}

struct KernelCache::Impl {
  explicit Impl(KernelCacheOptions given);

  KernelCacheOptions options;
  Counters counters;
  PerProcess<Tables> tables{[] { return std::make_unique<Tables>(); }};
  StoreTier store_tier;

  Found get(const Request& request, const Compile& compile);
  Found get_alone(const Request& request, const Compile& compile);
  EntryPointer find(const Request& request);
  void evict(const KeyFields& fields, const CompilerId& compiler);

 private:
  EntryPointer find_in_memory(const Request& request, const Key& key);
  Found lead(const Request& request, const Key& key, const Compile& compile);
  EntryPointer wait_for(const Flight& flight);
  EntryPointer compile_now(const Request& request, const Compile& compile);
  std::unique_ptr<KeyLock> lock_key(const Key& key, WaitBudget& budget);
  void warn_once(const char* kind, const std::string& message);
};

KernelCache::Impl::Impl(KernelCacheOptions given)
    : options(std::move(given)), store_tier(options, counters, [this](const char* kind, const std::string& message) {
        warn_once(kind, message);
      }) {
  (void)store_tier.get();
}

Found KernelCache::Impl::get(const Request& request, const Compile& compile) {
  const auto start = Clock::now();
  const Key key = request.fields.key();
  const FlightId id = flight_of(request, key);
  Tables& mine = tables.get();
  bool waited = false;
  for (;;) {
    std::promise<EntryPointer> promise;
    Flight running;
    {
      const std::lock_guard guard(mine.mutex);
      if (!request.recompile) {
        if (EntryPointer entry = mine.memory.find(key, request.wish)) {
          ++counters.memory_hits;
          return {std::move(entry), Tier::kMemory, seconds_since(start)};
        }
      }
      const auto [place, first] = mine.flights.try_emplace(id);
      if (first) {
        place->second = promise.get_future().share();
      } else {
        running = place->second;
      }
    }
    if (running.valid()) {
      if (!std::exchange(waited, true)) ++counters.waits;
      EntryPointer entry = wait_for(running);
      if (!entry || request.recompile || request.wish.admits(entry->compiler)) {
        return {std::move(entry), Tier::kWaited, seconds_since(start)};
      }
      continue;  // the other thread accepts compilers that this one does not
    }

    // The flight ends in the same critical section that adds the entry to memory, so a later caller finds one or the
    // other.
    try {
      Found found = lead(request, key, compile);
      {
        const std::lock_guard guard(mine.mutex);
        if (found.entry) mine.memory.put(key, found.entry);
        mine.flights.erase(id);
      }
      promise.set_value(found.entry);
      found.seconds = seconds_since(start);
      return found;
    } catch (...) {
      {
        const std::lock_guard guard(mine.mutex);
        mine.flights.erase(id);
      }
      promise.set_exception(std::current_exception());
      throw;
    }
  }
}

/// Registers no flight, so nobody waits for this thread either.
Found KernelCache::Impl::get_alone(const Request& request, const Compile& compile) {
  const auto start = Clock::now();
  const Key key = request.fields.key();
  Found found;
  if (!request.recompile && (found.entry = find_in_memory(request, key))) {
    found.tier = Tier::kMemory;
  } else {
    found = lead(request, key, compile);
    Tables& mine = tables.get();
    const std::lock_guard guard(mine.mutex);
    if (found.entry) mine.memory.put(key, found.entry);
  }
  found.seconds = seconds_since(start);
  return found;
}

/// Runs on the process's one thread in charge of the key: store, key lock, store again, compiler.
Found KernelCache::Impl::lead(const Request& request, const Key& key, const Compile& compile) {
  WaitBudget budget(options.lock_timeout);
  if (!request.recompile) {
    std::string trouble;
    if (EntryPointer entry = store_tier.read(request.fields, request.wish, budget, &trouble)) {
      ++counters.store_hits;
      return {std::move(entry), Tier::kStore};
    }
    if (EntryPointer entry = shared_compiles::find(flight_of(request, key), request.wish)) {
      ++counters.memory_hits;
      return {std::move(entry), Tier::kMemory};
    }
    ++counters.misses;
    if (request.on_miss) {
      const MissDecision decision = request.on_miss(trouble);
      // The callback may have compiled the kernel itself.
      if (EntryPointer entry = find_in_memory(request, key)) return {std::move(entry), Tier::kMemory};
      if (decision == MissDecision::kGiveUp) return {};
    }
  }
  const std::unique_ptr<KeyLock> lock = request.alone ? nullptr : lock_key(key, budget);
  if (!request.recompile) {
    // Even if the lock was free at once: its last holder may have finished between our lookup and our lock.
    if (lock) lock->note_waiting(true);
    EntryPointer entry = store_tier.read(request.fields, request.wish, budget);
    if (lock) lock->note_waiting(false);
    if (entry) {
      const bool waited = lock && lock->waited();
      ++(waited ? counters.waits : counters.store_hits);
      return {std::move(entry), waited ? Tier::kWaited : Tier::kStore};
    }
  }
  // Without the key's lock we neither wait for other Contexts of this process nor meet them at a store, so share the
  // compile with them.
  const bool compiles_apart =
      request.alone || request.recompile || (lock && lock->outcome() == KeyLock::Outcome::kHeld);
  bool waited = false;
  const auto compile_here = [&] { return compile_now(request, compile); };
  EntryPointer entry = compiles_apart ? compile_here()
                                      : shared_compiles::get(flight_of(request, key), request.wish, compile_here,
                                                             &waited, counters.wait_nanoseconds);
  // Before releasing the lock, for those who wait for it. Our own bytes are used whatever the outcome: on a network
  // file system, a read after the write may find nothing.
  if (lock) lock->note_waiting(true);
  store_tier.write(*entry, budget);
  if (waited) ++counters.waits;
  return {std::move(entry), waited ? Tier::kWaited : Tier::kCompiled};
}

EntryPointer KernelCache::Impl::find_in_memory(const Request& request, const Key& key) {
  Tables& mine = tables.get();
  const std::lock_guard guard(mine.mutex);
  EntryPointer entry = mine.memory.find(key, request.wish);
  if (entry) ++counters.memory_hits;
  return entry;
}

EntryPointer KernelCache::Impl::wait_for(const Flight& flight) {
  const Stopwatch stopwatch(counters.wait_nanoseconds);
  return flight.get();  // rethrows what the compile threw
}

EntryPointer KernelCache::Impl::compile_now(const Request& request, const Compile& compile) {
  const auto start = Clock::now();
  const Stopwatch stopwatch(counters.compile_nanoseconds);
  Entry made;
  try {
    made = compile();
  } catch (...) {
    ++counters.compile_failures;
    throw;
  }
  ++counters.compiles;
  made.fields = request.fields;
  if (made.created_unix == 0) made.created_unix = static_cast<std::int64_t>(std::time(nullptr));
  if (made.compile_seconds == 0) made.compile_seconds = seconds_since(start);
  return std::make_shared<const Entry>(std::move(made));
}

std::unique_ptr<KeyLock> KernelCache::Impl::lock_key(const Key& key, WaitBudget& budget) {
  // Only with a store: without one, waiting for another process does not get us its bytes.
  const Store* const store = store_tier.peek();
  if (!store) return nullptr;
  const std::filesystem::path path = store->path().parent_path() / "compile.lock";
  const Stopwatch stopwatch(counters.wait_nanoseconds);
  auto lock = std::make_unique<KeyLock>(path, key, budget.left_ms());
  switch (lock->outcome()) {
    case KeyLock::Outcome::kHeld: budget.spend(lock->idle()); break;  // not in vain if the holder made progress
    case KeyLock::Outcome::kTimedOut:
      budget.spend(budget.left());
      warn_once("lock timeout",
                fmt::format("{}: another process compiles the same kernel and has not got on for {} s (it may be "
                            "stopped); compiling it here as well",
                            path.string(), options.lock_timeout.count() / 1000.0));
      break;
    case KeyLock::Outcome::kUnavailable:
      warn_once("lock", fmt::format("{}: cannot be locked ({}); several processes may compile the same kernel",
                                    path.string(), lock->why_not()));
      break;
  }
  return lock;
}

EntryPointer KernelCache::Impl::find(const Request& request) {
  const Key key = request.fields.key();
  if (EntryPointer entry = find_in_memory(request, key)) return entry;
  WaitBudget budget(options.lock_timeout);
  EntryPointer entry = store_tier.read(request.fields, request.wish, budget);
  if (entry) {
    ++counters.store_hits;
    Tables& mine = tables.get();
    const std::lock_guard guard(mine.mutex);
    mine.memory.put(key, entry);
  }
  return entry;
}

void KernelCache::Impl::evict(const KeyFields& fields, const CompilerId& compiler) {
  const Key key = fields.key();
  Tables& mine = tables.get();
  {
    const std::lock_guard guard(mine.mutex);
    mine.memory.erase(key, compiler);
  }
  store_tier.erase(key, compiler);
}

void KernelCache::Impl::warn_once(const char* kind, const std::string& message) {
  Tables& mine = tables.get();
  {
    const std::lock_guard guard(mine.mutex);
    if (!mine.warned.insert(kind).second) return;
  }
  if (options.warn) options.warn(shown_lines(message));
}

KernelCache::KernelCache(KernelCacheOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
KernelCache::~KernelCache() = default;

Found KernelCache::get(const Request& request, const Compile& compile) {
  return request.alone ? impl_->get_alone(request, compile) : impl_->get(request, compile);
}
std::shared_ptr<const Entry> KernelCache::find(const Request& request) { return impl_->find(request); }
void KernelCache::evict(const KeyFields& fields, const CompilerId& compiler) { impl_->evict(fields, compiler); }
void KernelCache::flush_uses() {
  if (Store* const store = impl_->store_tier.peek()) store->flush_uses();
}
Store* KernelCache::store() { return impl_->store_tier.get(); }
const Store* KernelCache::store() const { return impl_->store_tier.peek(); }
std::string KernelCache::why_no_store() const { return impl_->store_tier.why_none(); }
const Location& KernelCache::location() const { return impl_->options.location; }
const Counters& KernelCache::counters() const { return impl_->counters; }

}  // namespace attnjit::cache
