#include "tools/cache_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>

#include "tools/cache_place.h"
#include "tools/say.h"

namespace attnjit::tools {

void add_cache_options(CLI::App& command, CacheArguments& arguments) {
  command.add_option("--cache", arguments.cache_path, "Folder of the cache; default as attnjit doctor shows")
      ->type_name("PATH");
  command.add_flag("--json", arguments.json, "Print one JSON object");
}

OpenCache::OpenCache(const CacheArguments& arguments) {
  const std::filesystem::path directory = cache_directory(arguments.cache_path);
  path_ = directory / cache::Store::file_name();
  if (!std::filesystem::exists(path_)) return;
  store_.emplace(directory, [this](const std::string& repair) { repairs_.push_back(repair); });
}

std::vector<cache::Entry> OpenCache::entries() { return store_ ? store_->list() : std::vector<cache::Entry>{}; }

void OpenCache::print_repairs() const {
  for (const std::string& repair : repairs_) say(stderr, "attnjit: warning: {}\n", repair);
}

std::string compiler_text(const cache::CompilerId& id) { return fmt::format("{} {}.{}", id.name, id.major, id.minor); }

std::string time_text(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm calendar{};
  // An unchecked row may contain any number.
  if (::gmtime_r(&time, &calendar) == nullptr) return fmt::format("second {}", unix_seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", calendar);
}

Json to_json(const cache::Entry& entry) {
  // Listing does not check rows: damaged text is shown as it is.
  const Json config = Json::parse(entry.fields.config, nullptr, /*allow_exceptions=*/false);
  return {{"key", entry.fields.key().hex()},
          {"family", entry.fields.family},
          {"config", config.is_discarded() ? Json(entry.fields.config) : config},
          {"target", entry.fields.target},
          {"options", entry.fields.options},
          {"source_digest", entry.fields.source_digest},
          {"schema", entry.fields.schema},
          {"compiler", compiler_text(entry.compiler)},
          {"entry_point", entry.entry_point},
          {"resources", entry.resources},
          {"compile_seconds", entry.compile_seconds},
          {"created", time_text(entry.created_unix)},
          {"last_used", time_text(entry.last_used_unix)},
          {"local", entry.local}};
}

}  // namespace attnjit::tools
