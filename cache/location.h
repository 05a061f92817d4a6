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
  std::string reason;                              // why this one was chosen, for `attnjit doctor`
  std::vector<std::string> rejected;               // "PLACE: why not", in the order tried
};

/// Reads an environment variable; empty if unset. A parameter so that tests need no setenv.
using Getenv = std::function<std::optional<std::string>(const char*)>;
Getenv process_environment();

/// `wanted` (from ContextOptions or --cache) takes precedence over the environment; ":memory:" asks for no file.
/// Creates directories with mode 0700. Refuses one that others may write to or that belongs to another user, unless
/// `allow_group` (ATTNJIT_CACHE_GROUP=1) accepts group write. Root's directories are accepted for everybody if nobody
/// else may write to them. An unwritable place is used, for reading, if it holds a store. Follows symbolic links of
/// this user or root, except in a temporary folder.
/// If a place named explicitly (wanted or ATTNJIT_CACHE) is unusable, no other is tried: the result is memory only,
/// with the reason.
Location choose_location(const std::string& wanted, const Getenv& getenv = process_environment());

}  // namespace attnjit::cache
