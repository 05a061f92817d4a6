// Shared by the cache subcommands: opening the cache file without creating it, and entries as text and JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cache/store.h"

namespace CLI {
class App;
}

namespace attnjit::tools {

using Json = nlohmann::ordered_json;

/// Options of all cache subcommands.
struct CacheArguments {
  std::string cache_path;
  bool json = false;
};
void add_cache_options(CLI::App& command, CacheArguments& arguments);

/// The cache file. A missing file is an empty cache, not an error.
class OpenCache {
 public:
  explicit OpenCache(const CacheArguments& arguments);
  OpenCache(const OpenCache&) = delete;  // the store's callback holds a reference to it
  OpenCache& operator=(const OpenCache&) = delete;

  const std::filesystem::path& path() const { return path_; }
  cache::Store* store() { return store_ ? &*store_ : nullptr; }
  /// Newest first, without images; empty if there is no file.
  std::vector<cache::Entry> entries();
  /// What opening and reading had to repair.
  const std::vector<std::string>& repairs() const { return repairs_; }
  /// Reports repaired damage on stderr, so that it never goes unnoticed.
  void print_repairs() const;

 private:
  std::filesystem::path path_;
  std::vector<std::string> repairs_;
  std::optional<cache::Store> store_;
};

std::string compiler_text(const cache::CompilerId& id);  // "nvrtc 13.0"
std::string time_text(std::int64_t unix_seconds);        // "2026-11-20T21:36:59Z"
/// Everything known about an entry except its log and image.
Json to_json(const cache::Entry& entry);

}  // namespace attnjit::tools
