// Where the cache lives: ATTNJIT_CACHE, XDG_CACHE_HOME, HOME, a per-user temporary folder, else memory only.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace attnjit::cache {

struct Location {
  std::optional<std::filesystem::path> directory;  // empty: memory only
  std::string reason;                              // why this one, for `attnjit doctor`
  std::vector<std::string> rejected;               // "PLACE: why not", in the order tried
};

/// Reads an environment variable; empty result when unset. A parameter so that tests need no setenv.
using Getenv = std::function<std::optional<std::string>(const char*)>;
Getenv process_environment();

/// `wanted` (from ContextOptions or --cache) wins over the environment; ":memory:" asks for no file. A
/// directory is created with mode 0700; one that others may write, or that belongs to another user, is refused,
/// unless `allow_group` (ATTNJIT_CACHE_GROUP=1) accepts group write. Root's is taken by everybody where nobody
/// else may write to it. A place that cannot be written is taken if it holds a store, for reading. A symbolic
/// link is followed if it is this user's or root's, and not in a temporary folder.
/// A place named explicitly (wanted or ATTNJIT_CACHE) that cannot be used is not replaced by another: the
/// result is memory only, with the reason.
Location choose_location(const std::string& wanted, const Getenv& getenv = process_environment());

}  // namespace attnjit::cache
