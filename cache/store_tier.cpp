#include "cache/store_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cache/unlocked_read.h"

namespace attnjit::cache {

StoreTier::StoreTier(const KernelCacheOptions& options, Counters& counters, Warn warn)
    : options_(options),
      counters_(counters),
      warn_(std::move(warn)),
      late_([this] { return open(); }, options.open_pause) {}

std::unique_ptr<Store> StoreTier::open() {
  const char* kind = "open";
  std::string why;
  try {
    const bool again = !std::exchange(first_try_, false);
    const Location location =
        again && !options_.location.directory && !options_.location.rejected.empty() && options_.locate
            ? options_.locate()
            : options_.location;
    if (location.directory) {
      auto store = std::make_unique<Store>(
          *location.directory,
          [this](const std::string& report) {
            ++counters_.repairs;
            warn_("repair", report);
          },
          options_.max_bytes, Patience{.request = options_.lock_timeout, .read = options_.read_patience});
      tell_foreign_objects(*store);
      return store;
    }
    if (location.rejected.empty()) return nullptr;  // memory only was requested
    // No place on disk is usable. That is as much a failure as a file that cannot be opened, and nobody reads
    // `rejected` before noticing that the second start is as slow as the first.
    kind = "location";
    why = location.reason;
    for (const std::string& rejected : location.rejected) why += "; " + rejected;
  } catch (const std::exception& error) {
    why = error.what();
  }
  {
    WhyNot& why_not = why_not_.get();
    const std::lock_guard guard(why_not.mutex);
    why_not.text = why;
  }
  failed(kind, "kernels are kept in memory only", why);
  return nullptr;
}

std::string StoreTier::why_none() {
  WhyNot& why_not = why_not_.get();
  const std::lock_guard guard(why_not.mutex);
  return why_not.text;
}

void StoreTier::tell_foreign_objects(const Store& store) {
  const std::vector<std::string> foreign = store.foreign_objects();
  if (foreign.empty()) return;
  warn_("foreign", fmt::format("kernel cache: {}: holds {}{}, which this library did not make; nothing of it is run",
                               store.path().string(), foreign.front(), foreign.size() > 1 ? " and more" : ""));
}

std::shared_ptr<const Entry> StoreTier::read(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget,
                                             std::string* trouble) {
  const Stopwatch stopwatch(counters_.store_read_nanoseconds);
  try {
    Lookup found = look_up(fields, wish, budget);
    if (trouble) *trouble = std::move(found.trouble);
    return found.entry ? std::make_shared<const Entry>(std::move(*found.entry)) : nullptr;
  } catch (const std::exception& error) {
    failed("read", "kernels that it holds may be compiled again", error.what());
    if (trouble) *trouble = error.what();
    return nullptr;
  }
}

Lookup StoreTier::look_up(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget) {
  Store* const store = late_.get();
  if (!store) return look_beside(fields, wish);
  Lookup found = store->look_up(fields, wish, budget);
  if (found.trouble.empty()) {
    if (found.entry) store->note_use(*found.entry);
  } else if (found.entry) {
    failed("read without locks", "kernels are read from it without locks", found.trouble);
  } else {
    failed("read", "kernels that it holds may be compiled again", found.trouble);
  }
  return found;
}

/// There is no store; the reason was reported when opening failed. Its file may exist all the same and be good.
Lookup StoreTier::look_beside(const KeyFields& fields, const CompilerWish& wish) {
  Lookup found;
  if (options_.location.directory) {
    try {
      found.entry = read_without_locks(Store::file_in(*options_.location.directory), fields, wish);
    } catch (const StoreError&) {  // not even a directory
    }
  }
  found.trouble = why_none();
  return found;
}

void StoreTier::write(const Entry& entry, WaitBudget& budget) {
  Store* const store = late_.get();
  if (!store) return;
  const Stopwatch stopwatch(counters_.store_write_nanoseconds);
  try {
    // An earlier wait does not keep the kernel out of the store if that is free by now.
    WaitBudget writing(std::max<WaitBudget::Clock::duration>(budget.left(), options_.read_patience));
    store->put(entry, writing);
  } catch (const std::exception& error) {
    failed("write", "kernels compiled here are not kept", error.what());
  }
}

void StoreTier::erase(const Key& key, const CompilerId& compiler) {
  Store* const store = late_.get();
  if (!store) return;
  try {
    store->erase(key, compiler);
  } catch (const std::exception& error) {
    failed("evict", "a kernel that cannot be used stays in the store", error.what());
  }
}

void StoreTier::failed(const char* kind, const char* consequence, const std::string& why) {
  ++counters_.store_failures;
  warn_(kind, fmt::format("kernel cache: {}; {}", why, consequence));
}

}  // namespace attnjit::cache
