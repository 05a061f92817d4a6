// Compiles of all the caches of this process, for those that cannot meet at a store: eight GPUs of one process on a
// read-only disk want the same kernel eight times at once. Internal to cache/.
//
// Nothing is owned here: a kernel is shared as long as one of the caches that have it lives.
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

/// What makes two requests one: key, compiler, whether compiling is insisted on. Who asks for another compiler, or
/// insists, must not be given (nor be failed by) the work of another.
using FlightId = std::tuple<std::array<std::uint8_t, 32>, std::optional<CompilerId>, bool>;

namespace shared_compiles {

/// A kernel that some cache of this process has from get(), if the wish admits it.
EntryPointer find(const FlightId& id, const CompilerWish& wish);

/// find(), else what `compile` makes, or what it makes in another thread that is at it: `*waited` tells which.
/// Another's failure is not told: that cache may have a compiler of its own, so this one tries, too. A kernel of
/// templates that were given in place of the library's own (Entry::local) is not shared.
EntryPointer get(const FlightId& id, const CompilerWish& wish, const std::function<EntryPointer()>& compile,
                 bool* waited, Count& wait_nanoseconds);

}  // namespace shared_compiles
}  // namespace attnjit::cache
