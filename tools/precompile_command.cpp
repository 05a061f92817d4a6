// attnjit precompile-cache: compiles the uncached kernels of a list of operators for a list of targets.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "cache/store.h"
#include "operators/precompile.h"
#include "operators/presets.h"
#include "tools/cache_place.h"
#include "tools/command.h"
#include "tools/config_words.h"
#include "tools/devices.h"
#include "tools/manifest.h"
#include "tools/progress.h"
#include "tools/say.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

using Json = nlohmann::ordered_json;
using runtime::KernelReport;
using runtime::OperatorConfig;

struct Arguments {
  std::vector<std::string> archs;
  std::vector<std::string> presets;
  std::vector<std::vector<std::string>> configs;  // one list of words per --config
  std::vector<std::string> manifests;
  int jobs = 0;
  std::string cache_path;
  bool recompile = false;
  bool json = false;
};

struct Summary {
  int hits = 0;
  int compiled = 0;
  int waited = 0;
  int failed = 0;
  double seconds = 0;
};

std::vector<OperatorConfig> wanted_operators(const Arguments& arguments) {
  std::vector<OperatorConfig> operators;
  const auto add = [&](const std::vector<OperatorConfig>& more) {
    operators.insert(operators.end(), more.begin(), more.end());
  };
  for (const std::string& name : arguments.presets) add(runtime::preset(name).operators);
  for (const auto& words : arguments.configs) operators.push_back(config_from_words(words));
  for (const std::string& path : arguments.manifests) add(read_manifest(path));
  if (operators.empty()) {
    throw Error(Status::kInvalidArgument,
                "nothing to compile: name operators by --preset, --config or a --manifest that is not empty");
  }
  return operators;
}

Summary summarise(const std::vector<KernelReport>& reports) {
  Summary summary;
  for (const KernelReport& report : reports) {
    if (!report.ok) {
      ++summary.failed;
    } else if (report.tier == cache::Tier::kCompiled) {
      ++summary.compiled;
    } else if (report.tier == cache::Tier::kWaited) {
      ++summary.waited;
    } else {
      ++summary.hits;
    }
  }
  return summary;
}

Json to_json(const KernelReport& report) {
  // A kernel that could not be planned has no family, config or key: null, like everything unknown.
  const auto object = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json::parse(text); };
  const auto known = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  Json json = {{"operator", object(report.operator_json)},
               {"family", known(report.family)},
               {"config", object(report.config_json)},
               {"target", report.target},
               {"key", known(report.key)},
               {"tier", report.ok ? Json(cache::to_string(report.tier)) : Json(nullptr)},
               {"seconds", report.seconds},
               {"registers", report.registers},
               {"spill_bytes", report.spill_bytes},
               {"shared_bytes", report.smem_bytes},
               {"cubin_bytes", report.cubin_bytes},
               {"compiler", known(report.compiler)},
               {"error", known(report.error)}};
  return json;
}

void print_json(const Summary& summary, const std::vector<KernelReport>& reports, const CacheCounters& counters) {
  Json kernels = Json::array();
  for (const KernelReport& report : reports) kernels.push_back(to_json(report));
  const Json json = {{"summary",
                      {{"hits", summary.hits},
                       {"compiled", summary.compiled},
                       {"waited", summary.waited},
                       {"failed", summary.failed},
                       {"seconds", summary.seconds},
                       {"counters", Json::parse(attnjit::to_json(counters))}}},
                     {"kernels", std::move(kernels)}};
  say_json(json);
}

Exit precompile_cache(const Arguments& arguments) {
  const std::filesystem::path directory = cache_directory(arguments.cache_path);
  Progress progress(stderr);
  runtime::PrecompileOptions options;
  options.operators = wanted_operators(arguments);
  options.archs = wanted_targets(arguments.archs);
  options.jobs = arguments.jobs;
  options.recompile = arguments.recompile;
  options.context.cache_path = directory;
  options.context.log = [&](LogLevel level, const std::string& message) {
    if (level == LogLevel::kWarning) progress.note("attnjit: warning: " + message);
  };

  const auto start = std::chrono::steady_clock::now();
  CacheCounters counters;
  const std::vector<KernelReport> reports = runtime::precompile(
      options, [&](const runtime::PrecompileProgress& state) { progress.show(state); }, &counters);
  progress.finish();
  Summary summary = summarise(reports);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (arguments.json) {
    print_json(summary, reports, counters);
  } else {
    say("kernels for {}: {} in the cache, {} compiled, {} waited for, {} failed, in {}; cache {}\n",
        fmt::join(options.archs, ", "), summary.hits, summary.compiled, summary.waited, summary.failed,
        seconds_text(summary.seconds), (directory / cache::Store::file_name()).string());
  }
  return summary.failed == 0 ? kExitOk : kExitFailure;
}

}  // namespace

void add_precompile_cache(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand(
      "precompile-cache", "Compile what is not cached yet, in parallel. Needs neither GPU nor driver");
  std::vector<std::string> names;
  for (const runtime::Preset& preset : runtime::presets()) names.push_back(preset.name);

  command->add_option("--arch", arguments->archs, "Targets such as sm_90a,sm_80; default: those of this machine's GPUs")
      ->delimiter(',');
  command
      ->add_option("--preset", arguments->presets,
                   fmt::format("Models, whose operators are compiled: {}", fmt::join(names, ", ")))
      ->delimiter(',');
  command
      ->add_option("--config", arguments->configs,
                   "One operator as KEY=VALUE words: operator=mla_prefill head_dim_qk=192 head_dim_v=128 ...; repeat "
                   "--config for more operators")
      ->type_name("KEY=VALUE");
  command->add_option("--manifest", arguments->manifests, "JSON file {\"operators\": [{\"operator\": ...}, ...]}")
      ->type_name("FILE");
  command->add_option("--jobs", arguments->jobs, "Kernels compiled at once; default: one per core")
      ->check(CLI::Range(1, 1024));
  command->add_option("--cache", arguments->cache_path, "Folder of the cache; default as attnjit doctor shows")
      ->type_name("PATH");
  command->add_flag("--recompile", arguments->recompile, "Compile also what is cached, and replace it");
  command->add_flag("--json", arguments->json, "Print one JSON object: summary and kernels");
  command->callback([arguments, &run] { run = [arguments] { return precompile_cache(*arguments); }; });
}

}  // namespace attnjit::tools
