// The last resort for finding a row: reads without any lock, if the locks are unavailable or the store is unusable.
// Internal to cache/.
//
// A process stopped in its transaction (a frozen container, a debugger) keeps its locks while it is stopped, and the
// rows it is not writing are as good as before. A row verifies itself by key, fields and a checksum over all its bytes,
// so one that passes may be used wherever it came from. Anything else found here says nothing against the file, because
// pages may be half written: it is a miss, and triggers no repair.
#pragma once

#include <filesystem>
#include <optional>

#include "cache/store.h"

namespace attnjit::cache {

/// The wanted row, or nothing if anything prevents reading it. Takes no lock and never waits. Thread-safe.
std::optional<Entry> read_without_locks(const std::filesystem::path& file, const KeyFields& fields,
                                        const CompilerWish& wish) noexcept;

}  // namespace attnjit::cache
