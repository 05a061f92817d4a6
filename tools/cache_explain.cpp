// attnjit cache explain: whether an operator's kernels are cached, and if not, what differs from the cached ones.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "operators/fallback.h"
#include "operators/presets.h"
#include "runtime/context_impl.h"
#include "tools/cache_view.h"
#include "tools/command.h"
#include "tools/config_words.h"
#include "tools/devices.h"
#include "tools/say.h"

namespace attnjit::tools {
namespace {

struct ExplainArguments : CacheArguments {
  std::vector<std::string> archs;
  std::vector<std::string> presets;
  std::vector<std::vector<std::string>> configs;
};

/// One key field: what the lookup wants and what an entry has; null where one of them lacks the field.
struct Difference {
  std::string field;  // "target", "config.causal"
  Json wanted;
  Json found;
};

Json value_or_null(const Json& object, const std::string& name) {
  return object.contains(name) ? object[name] : Json(nullptr);
}

std::vector<Difference> compare(const cache::KeyFields& wanted, const cache::KeyFields& found) {
  std::vector<Difference> differences;
  const auto add = [&](const std::string& field, const Json& a, const Json& b) {
    if (a != b) differences.push_back({field, a, b});
  };
  add("family", wanted.family, found.family);
  const Json wanted_config = Json::parse(wanted.config);
  Json found_config = Json::parse(found.config, nullptr, /*allow_exceptions=*/false);
  if (!found_config.is_object()) found_config = Json::object();
  for (const auto& [name, value] : wanted_config.items()) {
    add("config." + name, value, value_or_null(found_config, name));
  }
  for (const auto& [name, value] : found_config.items()) {
    if (!wanted_config.contains(name)) add("config." + name, nullptr, value);
  }
  add("target", wanted.target, found.target);
  add("options", wanted.options, found.options);
  add("source_digest", wanted.source_digest, found.source_digest);
  add("schema", wanted.schema, found.schema);
  return differences;
}

/// What is known about one kernel of the operator.
struct Explanation {
  std::string operator_config;
  cache::KeyFields wanted;
  std::vector<const cache::Entry*> rows;  // with this key, one per compiler
  const cache::Entry* nearest = nullptr;  // if there are none: the entry with the fewest differences, newest first
  std::vector<Difference> differences;    // to the nearest
  std::string in_place_of{};              // the family whose kernels it replaces
  bool replaced = false;                  // such replacements are cached, so it is not missed

  bool is_cached() const { return !rows.empty(); }
};

Explanation explain(std::string operator_config, cache::KeyFields wanted, const std::vector<cache::Entry>& entries) {
  Explanation result{
      .operator_config = std::move(operator_config), .wanted = std::move(wanted), .rows = {}, .differences = {}};
  for (const cache::Entry& entry : entries) {
    std::vector<Difference> differences = compare(result.wanted, entry.fields);
    if (differences.empty()) {
      result.rows.push_back(&entry);
    } else if (result.nearest == nullptr || differences.size() < result.differences.size()) {
      result.nearest = &entry;
      result.differences = std::move(differences);
    }
  }
  return result;
}

std::string entry_text(const cache::Entry& entry) {
  return fmt::format("{}, made {}, last used {}{}", shown_line(compiler_text(entry.compiler)),
                     time_text(entry.created_unix), time_text(entry.last_used_unix),
                     entry.local ? ", from local templates" : "");
}

/// Why a field differs, if its values do not make that obvious.
const char* remark(const std::string& field) {
  if (field == "source_digest") return "  (other template text: another version of the library, or local templates)";
  if (field == "options" || field == "schema") return "  (another version of the library)";
  return "";
}

void print_text(const Explanation& explanation) {
  const cache::KeyFields& wanted = explanation.wanted;
  say("{} for {}, key {}: {}\n  {}\n", wanted.family, wanted.target, wanted.key().hex().substr(0, 12),
      explanation.rows.empty() ? "not cached" : "cached", wanted.config);
  for (const cache::Entry* row : explanation.rows) say("  by {}\n", entry_text(*row));
  if (!explanation.in_place_of.empty()) {
    say("  serves, slower, in place of {}, where no NVRTC builds that (miss policy and FallbackPolicy allowing)\n",
        explanation.in_place_of);
  }
  if (!explanation.rows.empty()) return;
  if (explanation.nearest == nullptr) {
    say("  the cache has no kernels\n");
    return;
  }
  const cache::Entry& nearest = *explanation.nearest;
  say("  nearest: {} ({}); it differs in\n", nearest.fields.key().hex().substr(0, 12), entry_text(nearest));
  for (const Difference& difference : explanation.differences) {
    say("    {:<20} wanted {}, found {}{}\n", shown_line(difference.field), json_text(difference.wanted),
        json_text(difference.found), remark(difference.field));
  }
}

Json explanation_json(const Explanation& explanation) {
  const cache::KeyFields& wanted = explanation.wanted;
  Json rows = Json::array();
  for (const cache::Entry* row : explanation.rows) rows.push_back(to_json(*row));
  Json json = {{"operator", Json::parse(explanation.operator_config)},
               {"key", wanted.key().hex()},
               {"family", wanted.family},
               {"config", Json::parse(wanted.config)},
               {"target", wanted.target},
               {"options", wanted.options},
               {"source_digest", wanted.source_digest},
               {"schema", wanted.schema},
               {"cached", !explanation.rows.empty()},
               {"in_place_of", explanation.in_place_of.empty() ? Json(nullptr) : Json(explanation.in_place_of)},
               {"rows", std::move(rows)},
               {"nearest", nullptr},
               {"differences", Json::array()}};
  if (explanation.rows.empty() && explanation.nearest != nullptr) {
    json["nearest"] = to_json(*explanation.nearest);
    for (const Difference& difference : explanation.differences) {
      json["differences"].push_back(
          {{"field", difference.field}, {"wanted", difference.wanted}, {"found", difference.found}});
    }
  }
  return json;
}

std::vector<runtime::OperatorConfig> wanted_operators(const ExplainArguments& arguments) {
  std::vector<runtime::OperatorConfig> operators;
  for (const std::string& name : arguments.presets) {
    const auto& more = runtime::preset(name).operators;
    operators.insert(operators.end(), more.begin(), more.end());
  }
  for (const auto& words : arguments.configs) operators.push_back(config_from_words(words));
  if (operators.empty()) {
    throw Error(Status::kInvalidArgument, "nothing to explain: name operators by --config or --preset");
  }
  return operators;
}

/// Explains all kernels of an operator, and the ones that replace them if those are cached and the operator's own are
/// not.
std::vector<Explanation> explain_operator(const runtime::OperatorConfig& config, const Context& context,
                                          const std::vector<cache::Entry>& entries) {
  const auto explain_all = [&](const std::vector<runtime::KernelPlan>& plans) {
    std::vector<Explanation> all;
    for (const runtime::KernelPlan& plan : plans) {
      all.push_back(
          explain(runtime::to_json(config), runtime::context_impl(context)->loader().key_fields(plan), entries));
    }
    return all;
  };
  const runtime::SmFeatures& features = runtime::context_impl(context)->features();
  std::vector<Explanation> fastest = explain_all(runtime::plans(config, features));
  if (std::ranges::all_of(fastest, &Explanation::is_cached)) return fastest;
  std::vector<Explanation> slower = explain_all(runtime::slower_plans(config, features));
  if (slower.empty() || !std::ranges::all_of(slower, &Explanation::is_cached)) return fastest;
  for (Explanation& other : slower) other.in_place_of = fastest.front().wanted.family;
  for (Explanation& explanation : fastest) explanation.replaced = !explanation.is_cached();
  std::ranges::move(slower, std::back_inserter(fastest));
  return fastest;
}

Exit explain_cache(const ExplainArguments& arguments) {
  const std::vector<runtime::OperatorConfig> operators = wanted_operators(arguments);
  const std::vector<std::string> targets = wanted_targets(arguments.archs);
  OpenCache cache(arguments);
  const std::vector<cache::Entry> entries = cache.entries();
  cache.print_repairs();

  std::vector<Explanation> explanations;
  for (const std::string& target : targets) {
    // This Context only provides key fields: it needs no cache and must not create one.
    ContextOptions options;
    options.device = ContextOptions::kNoDevice;
    options.arch = target;
    options.cache_path = ":memory:";
    const Context context(options);
    for (const runtime::OperatorConfig& config : operators) {
      std::ranges::move(explain_operator(config, context, entries), std::back_inserter(explanations));
    }
  }

  bool all_cached = true;
  Json kernels = Json::array();
  for (const Explanation& explanation : explanations) {
    all_cached = all_cached && (explanation.is_cached() || explanation.replaced);
    if (arguments.json) {
      kernels.push_back(explanation_json(explanation));
    } else {
      print_text(explanation);
    }
  }
  if (arguments.json) {
    say_json(Json{{"path", cache.path().string()}, {"cached", all_cached}, {"kernels", kernels}});
  }
  return all_cached ? kExitOk : kExitFailure;
}

}  // namespace

void add_cache_explain(CLI::App& cache, Run& run) {
  const auto arguments = std::make_shared<ExplainArguments>();
  CLI::App* const sub = cache.add_subcommand(
      "explain", "Say whether an operator's kernels are cached, and if not, how they differ from the nearest entry");
  add_cache_options(*sub, *arguments);
  sub->add_option("--arch", arguments->archs, "Targets such as sm_90a,sm_80; default: those of this machine's GPUs")
      ->delimiter(',');
  sub->add_option("--config", arguments->configs, "One operator as KEY=VALUE words; repeat --config for more")
      ->type_name("KEY=VALUE");
  sub->add_option("--preset", arguments->presets, "Models, whose operators are explained")->delimiter(',');
  sub->callback([arguments, &run] { run = [arguments] { return explain_cache(*arguments); }; });
}

}  // namespace attnjit::tools
