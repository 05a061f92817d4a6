// Compiles shared by all caches of this process, for those that have no store in common: eight GPUs of one process on a
// read-only disk want the same kernel eight times at once. Internal to cache/.
//
// Owns nothing: a kernel is shared as long as one of the caches that have it lives.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>

#include "cache/counters.h"
#include "cache/entry.h"
#include "cache/store.h"

namespace attnjit::cache {

using EntryPointer = std::shared_ptr<const Entry>;

/// What makes two requests the same: key, compiler, and whether to force a compile. A request for another compiler, or
/// a forced one, must neither get nor fail with another's work.
using FlightId = std::tuple<std::array<std::uint8_t, 32>, std::optional<CompilerId>, bool>;

namespace shared_compiles {

/// A kernel that some cache of this process got from get(), if the wish accepts it.
EntryPointer find(const FlightId& id, const CompilerWish& wish);

/// find(), else the result of `compile`, or of another thread already compiling it; `*waited` says which. Another
/// thread's failure is not passed on: its cache may have a different compiler, so this one tries too. Kernels from
/// overridden templates (Entry::local) are not shared.
EntryPointer get(const FlightId& id, const CompilerWish& wish, const std::function<EntryPointer()>& compile,
                 bool* waited, Count& wait_nanoseconds);

}  // namespace shared_compiles
}  // namespace attnjit::cache
