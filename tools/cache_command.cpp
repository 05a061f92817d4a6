// attnjit cache ls|stat|verify|clear|gc: manages the cache file without compiling anything.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/size_limit.h"
#include "cache/store.h"
#include "tools/cache_view.h"
#include "tools/command.h"
#include "tools/say.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

Exit list(const CacheArguments& arguments) {
  OpenCache cache(arguments);
  const std::vector<cache::Entry> entries = cache.entries();
  cache.print_repairs();
  if (arguments.json) {
    Json rows = Json::array();
    for (const cache::Entry& entry : entries) rows.push_back(to_json(entry));
    say_json(Json{{"path", cache.path().string()}, {"entries", std::move(rows)}});
    return kExitOk;
  }
  if (entries.empty()) {
    say("no kernels in {}\n", cache.path().string());
    return kExitOk;
  }
  constexpr const char* kRow = "{:<12}  {:<20}  {:<16}  {:<8}  {:<11}  {:>9}  {}\n";
  say(kRow, "KEY", "CREATED", "FAMILY", "TARGET", "COMPILER", "COMPILED", "CONFIG");
  for (const cache::Entry& entry : entries) {
    say(kRow, entry.fields.key().hex().substr(0, 12), time_text(entry.created_unix), shown_line(entry.fields.family),
        shown_line(entry.fields.target), shown_line(compiler_text(entry.compiler)), seconds_text(entry.compile_seconds),
        shown_line(entry.fields.config) + (entry.local ? "  (local templates)" : ""));
  }
  return kExitOk;
}

Exit stat(const CacheArguments& arguments) {
  OpenCache cache(arguments);
  cache::StoreStat stat;
  stat.schema = cache::Store::kSchema;
  const std::int64_t max_bytes = cache::max_bytes_of_environment();
  std::map<std::string, int> by_target;
  if (cache.store()) {
    stat = cache.store()->stat();
    for (const cache::Entry& entry : cache.entries()) ++by_target[entry.fields.target];
  }
  cache.print_repairs();
  if (arguments.json) {
    const Json json = {{"path", cache.path().string()},   {"exists", cache.store() != nullptr},
                       {"schema", stat.schema},           {"entries", stat.entries},
                       {"image_bytes", stat.image_bytes}, {"file_bytes", stat.file_bytes},
                       {"max_bytes", max_bytes},          {"entries_by_target", Json(by_target)}};
    say_json(json);
    return kExitOk;
  }
  say("path     {}{}\n", cache.path().string(), cache.store() ? "" : " (not there yet)");
  say("schema   {}\n", stat.schema);
  say("kernels  {}\n", stat.entries);
  for (const auto& [target, count] : by_target) say("  {:<8} {}\n", shown_line(target), count);
  say("cubins   {}\n", bytes_text(stat.image_bytes));
  say("file     {}, at most {}\n", bytes_text(stat.file_bytes), limit_text(max_bytes));
  return kExitOk;
}

Exit verify(const CacheArguments& arguments) {
  OpenCache cache(arguments);
  std::vector<std::string> faults, foreign;
  std::int64_t entries = 0;
  if (cache.store()) {
    entries = cache.store()->stat().entries;
    faults = cache.store()->verify();
    foreign = cache.store()->foreign_objects();
  }
  faults.insert(faults.end(), cache.repairs().begin(), cache.repairs().end());
  if (arguments.json) {
    say_json(Json{{"path", cache.path().string()}, {"entries", entries}, {"faults", faults}, {"foreign", foreign}});
  } else {
    for (const std::string& fault : faults) say("{}\n", fault);
    for (const std::string& object : foreign) say("not the library's, and never run: {}\n", shown_line(object));
    say("{}: {} kernels, {} faults\n", cache.path().string(), entries, faults.size());
  }
  return faults.empty() ? kExitOk : kExitFailure;
}

Exit clear(const CacheArguments& arguments) {
  OpenCache cache(arguments);
  const std::int64_t removed = cache.store() ? cache.store()->clear() : 0;
  cache.print_repairs();
  if (arguments.json) {
    say_json(Json{{"path", cache.path().string()}, {"removed", removed}});
  } else {
    say("{} kernels removed from {}\n", removed, cache.path().string());
  }
  return kExitOk;
}

struct GcArguments : CacheArguments {
  std::string max_size;
  std::optional<double> older_than_days;
};

/// Deletes by age, then by size. Without options it enforces the size cap, which a store that is only read does not.
Exit collect_garbage(const GcArguments& arguments) {
  const std::int64_t max_bytes = arguments.max_size.empty() ? cache::max_bytes_of_environment()
                                                            : cache::parse_size("--max-size", arguments.max_size);
  std::optional<std::int64_t> unused_since;
  if (arguments.older_than_days) {
    constexpr double kSecondsPerDay = 86'400;
    unused_since = std::time(nullptr) - static_cast<std::int64_t>(*arguments.older_than_days * kSecondsPerDay);
  }
  OpenCache cache(arguments);
  cache::GarbageReport report;
  if (cache.store()) report = cache.store()->collect_garbage(max_bytes, unused_since);
  cache.print_repairs();
  if (arguments.json) {
    const Json json = {{"path", cache.path().string()},           {"removed_unused", report.unused_rows},
                       {"removed_for_size", report.evicted_rows}, {"max_bytes", max_bytes},
                       {"bytes_before", report.bytes_before},     {"bytes_after", report.bytes_after}};
    say_json(json);
  } else {
    say("{} kernels removed from {}: {} not used for so long, {} for its size; {} now, {} before, at most {}\n",
        report.unused_rows + report.evicted_rows, cache.path().string(), report.unused_rows, report.evicted_rows,
        bytes_text(report.bytes_after), bytes_text(report.bytes_before), limit_text(max_bytes));
  }
  return kExitOk;
}

void add_gc(CLI::App& command, Run& run) {
  const auto arguments = std::make_shared<GcArguments>();
  CLI::App* const sub = command.add_subcommand(
      "gc", "Remove what is least recently used beyond a size, and what has not been used for long");
  add_cache_options(*sub, *arguments);
  sub->add_option("--max-size", arguments->max_size,
                  "Size that the file may keep, as 500M or 2G; 0: any. Default: ATTNJIT_CACHE_MAX_SIZE, else 2G")
      ->type_name("SIZE");
  sub->add_option("--older-than", arguments->older_than_days, "Remove also what was last used so many days ago or more")
      ->type_name("DAYS")
      ->check(CLI::Range(0.0, 36'500.0));
  sub->callback([arguments, &run] { run = [arguments] { return collect_garbage(*arguments); }; });
}

void add_action(CLI::App& command, Run& run, const char* name, const char* description,
                Exit (*action)(const CacheArguments&)) {
  const auto arguments = std::make_shared<CacheArguments>();
  CLI::App* const sub = command.add_subcommand(name, description);
  add_cache_options(*sub, *arguments);
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
  add_gc(*command, run);
  add_cache_export(*command, run);
  add_cache_explain(*command, run);
}

}  // namespace attnjit::tools
