// The last look for a row: without any lock, when the locks cannot be had or the store cannot be used. Internal to
// cache/.
//
// A process that is stopped in its transaction (a frozen container, a debugger) keeps its locks for as long as it is
// stopped, and the rows that it does not write are as good as before. A row proves itself: key, fields and the checksum
// over all its bytes. So one that passes may be used wherever it came from, and anything else that is met here says
// nothing against the file, because pages may be half written: it is a miss, and nothing is repaired for it.
#pragma once

#include <filesystem>
#include <optional>

#include "cache/store.h"

namespace attnjit::cache {

/// The wanted row, or nothing, whatever is in the way. Takes no lock and waits for nobody. Thread-safe.
std::optional<Entry> read_without_locks(const std::filesystem::path& file, const KeyFields& fields,
                                        const CompilerWish& wish) noexcept;

}  // namespace attnjit::cache
