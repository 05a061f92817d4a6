// attnjit cache ls|stat|verify|clear: looks after the cache file without compiling anything.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/store.h"
#include "tools/cache_place.h"
#include "tools/command.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string cache_path;
  bool json = false;
};

/// The cache file, or that there is none yet, which is an empty cache and no error.
struct OpenCache {
  std::filesystem::path path;
  std::optional<cache::Store> store;
  std::vector<std::string> repairs;  // what opening and reading had to mend
};

/// Filled in place: the store's callback refers to it.
void open(const Arguments& arguments, OpenCache& cache) {
  const std::filesystem::path directory = cache_directory(arguments.cache_path);
  cache.path = directory / cache::Store::file_name();
  if (!std::filesystem::exists(cache.path)) return;
  cache.store.emplace(directory, [&cache](const std::string& repair) { cache.repairs.push_back(repair); });
}

/// Damage that was met and mended on the way is told on stderr, so that it never passes in silence.
void print_repairs(const OpenCache& cache) {
  for (const std::string& repair : cache.repairs) fmt::print(stderr, "attnjit: warning: {}\n", repair);
}

std::string compiler_text(const cache::CompilerId& id) { return fmt::format("{} {}.{}", id.name, id.major, id.minor); }

std::string time_text(std::int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

Json to_json(const cache::Entry& entry) {
  return {{"key", entry.fields.key().hex()},
          {"family", entry.fields.family},
          {"config", Json::parse(entry.fields.config)},
          {"target", entry.fields.target},
          {"options", entry.fields.options},
          {"source_digest", entry.fields.source_digest},
          {"schema", entry.fields.schema},
          {"compiler", compiler_text(entry.compiler)},
          {"entry_point", entry.entry_point},
          {"resources", entry.resources},
          {"compile_seconds", entry.compile_seconds},
          {"created", time_text(entry.created_unix)},
          {"local", entry.local}};
}

Exit list(const Arguments& arguments) {
  OpenCache cache;
  open(arguments, cache);
  const std::vector<cache::Entry> entries = cache.store ? cache.store->list() : std::vector<cache::Entry>{};
  print_repairs(cache);
  if (arguments.json) {
    Json rows = Json::array();
    for (const cache::Entry& entry : entries) rows.push_back(to_json(entry));
    fmt::print("{}\n", Json{{"path", cache.path.string()}, {"entries", std::move(rows)}}.dump(2));
    return kExitOk;
  }
  if (entries.empty()) {
    fmt::print("no kernels in {}\n", cache.path.string());
    return kExitOk;
  }
  constexpr const char* kRow = "{:<12}  {:<20}  {:<16}  {:<8}  {:<11}  {:>9}  {}\n";
  fmt::print(kRow, "KEY", "CREATED", "FAMILY", "TARGET", "COMPILER", "COMPILED", "CONFIG");
  for (const cache::Entry& entry : entries) {
    fmt::print(kRow, entry.fields.key().hex().substr(0, 12), time_text(entry.created_unix), entry.fields.family,
               entry.fields.target, compiler_text(entry.compiler), seconds_text(entry.compile_seconds),
               entry.fields.config + (entry.local ? "  (local templates)" : ""));
  }
  return kExitOk;
}

Exit stat(const Arguments& arguments) {
  OpenCache cache;
  open(arguments, cache);
  cache::StoreStat stat;
  stat.schema = cache::Store::kSchema;
  std::map<std::string, int> by_target;
  if (cache.store) {
    stat = cache.store->stat();
    for (const cache::Entry& entry : cache.store->list()) ++by_target[entry.fields.target];
  }
  print_repairs(cache);
  if (arguments.json) {
    const Json json = {{"path", cache.path.string()},
                       {"exists", cache.store.has_value()},
                       {"schema", stat.schema},
                       {"entries", stat.entries},
                       {"image_bytes", stat.image_bytes},
                       {"file_bytes", stat.file_bytes},
                       {"entries_by_target", Json(by_target)}};
    fmt::print("{}\n", json.dump(2));
    return kExitOk;
  }
  fmt::print("path     {}{}\n", cache.path.string(), cache.store ? "" : " (not there yet)");
  fmt::print("schema   {}\n", stat.schema);
  fmt::print("kernels  {}\n", stat.entries);
  for (const auto& [target, count] : by_target) fmt::print("  {:<8} {}\n", target, count);
  fmt::print("cubins   {}\n", bytes_text(stat.image_bytes));
  fmt::print("file     {}\n", bytes_text(stat.file_bytes));
  return kExitOk;
}

Exit verify(const Arguments& arguments) {
  OpenCache cache;
  open(arguments, cache);
  std::vector<std::string> faults;
  std::int64_t entries = 0;
  if (cache.store) {
    entries = cache.store->stat().entries;
    faults = cache.store->verify();
  }
  faults.insert(faults.end(), cache.repairs.begin(), cache.repairs.end());
  if (arguments.json) {
    fmt::print("{}\n", Json{{"path", cache.path.string()}, {"entries", entries}, {"faults", faults}}.dump(2));
  } else {
    for (const std::string& fault : faults) fmt::print("{}\n", fault);
    fmt::print("{}: {} kernels, {} faults\n", cache.path.string(), entries, faults.size());
  }
  return faults.empty() ? kExitOk : kExitFailure;
}

Exit clear(const Arguments& arguments) {
  OpenCache cache;
  open(arguments, cache);
  const std::int64_t removed = cache.store ? cache.store->clear() : 0;
  print_repairs(cache);
  if (arguments.json) {
    fmt::print("{}\n", Json{{"path", cache.path.string()}, {"removed", removed}}.dump(2));
  } else {
    fmt::print("{} kernels removed from {}\n", removed, cache.path.string());
  }
  return kExitOk;
}

void add_action(CLI::App& command, Run& run, const char* name, const char* description,
                Exit (*action)(const Arguments&)) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const sub = command.add_subcommand(name, description);
  sub->add_option("--cache", arguments->cache_path, "Folder of the cache; default as attnjit doctor shows")
      ->type_name("PATH");
  sub->add_flag("--json", arguments->json, "Print one JSON object");
  sub->callback([arguments, action, &run] { run = [arguments, action] { return action(*arguments); }; });
}

}  // namespace

void add_cache(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("cache", "Look after the cache of compiled kernels");
  command->require_subcommand(1);
  add_action(*command, run, "ls", "List the kernels, newest first", list);
  add_action(*command, run, "stat", "Count kernels and bytes", stat);
  add_action(*command, run, "verify", "Check every kernel's checksum and the file; exit status 1 on faults", verify);
  add_action(*command, run, "clear", "Remove all kernels", clear);
}

}  // namespace attnjit::tools
