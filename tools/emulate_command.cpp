// attnjit emulate: runs one small case on the CPU, from the kernel's own source, and checks it against the reference.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/kernel_object.h"
#include "jit/target.h"
#include "jit/templates.h"
#include "runtime/sm_features.h"
#include "tools/command.h"
#include "tools/config_words.h"
#include "tools/emulate_case.h"
#include "tools/say.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

using Json = nlohmann::ordered_json;
using emulator::Completion;
using emulator_tests::Judged;

struct Arguments {
  std::vector<std::string> config;
  CaseWords words;
  std::string arch = "sm_90a";
  std::string completion = "all";
  bool race = false;
  int traced_block = -1;
  std::string objects;
  bool json = false;
};

std::vector<Completion> completions_of(const Arguments& arguments) {
  std::vector<Completion> wanted;
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    if (arguments.completion == "all" || arguments.completion == to_string(completion)) wanted.push_back(completion);
  }
  // A trace covers one run, and the race check gives the same result in every mode.
  if (arguments.traced_block >= 0 || arguments.race) wanted.resize(1);
  return wanted;
}

/// The library's own, or those in ATTNJIT_TEMPLATE_DIR.
jit::Templates templates_to_run() {
  const char* const directory = std::getenv("ATTNJIT_TEMPLATE_DIR");
  if (directory == nullptr || *directory == '\0') return jit::Templates::embedded();
  return jit::Templates::from_directory(directory);
}

// ---- output --------------------------------------------------------------------------------------------------------

std::string compiled_text(const emulator::KernelObject& object) {
  return object.compiled ? fmt::format("compiled in {}", seconds_text(object.seconds)) : "found compiled";
}

/// One line: what was checked and how large the error was, or what is wrong.
std::string judgement(const Judged& judged) {
  if (!judged.trouble.empty()) return judged.trouble;
  if (!judged.out) return "mask: every bit is that of the indices";
  std::string text = fmt::format("out: {}", judged.out->message());
  if (judged.lse) text += fmt::format("; lse: {:.3g} of what is allowed", judged.lse->error);
  return text;
}

Json to_json(const reference::Verdict& verdict) {
  return {{"error", verdict.error},
          {"allowed", verdict.allowed},
          {"yardstick_error", verdict.yardstick_error},
          {"elements", verdict.elements}};
}

Json to_json(const std::vector<emulator::KernelRun>& kernels) {
  Json runs = Json::array();
  for (const emulator::KernelRun& kernel : kernels) {
    runs.push_back(
        {{"kernel", kernel.object->name}, {"ctas", kernel.grid.ctas}, {"milliseconds", kernel.seconds * 1e3}});
  }
  return runs;
}

Json to_json(const std::vector<emulator::TraceEvent>& trace) {
  Json events = Json::array();
  for (const auto& event : trace) {
    events.push_back(
        {{"warp", event.warp}, {"what", event.what}, {"detail", event.detail}, {"at", to_string(event.site)}});
  }
  return events;
}

/// Consecutive events of one warp at one site are printed as one line.
void print_trace(const std::vector<emulator::TraceEvent>& trace) {
  for (std::size_t i = 0; i < trace.size();) {
    const auto& first = trace[i];
    std::size_t count = 1;
    const auto same = [&](const emulator::TraceEvent& other) {
      return other.warp == first.warp && other.what == first.what && other.site.line == first.site.line;
    };
    while (i + count < trace.size() && same(trace[i + count])) ++count;
    std::string what(first.what);
    if (count > 1) {
      what += fmt::format(" x {}", count);
    } else if (!first.detail.empty()) {
      what += fmt::format(" ({})", first.detail);
    }
    say("  warp {:<2} {:<44} {}\n", first.warp, what, first.what == "exit" ? "" : to_string(first.site));
    i += count;
  }
}

Exit emulate(const Arguments& arguments) {
  const RunCase run_case = case_of(config_from_words(arguments.config), arguments.words);
  const std::uint64_t seed = arguments.words.seed;
  const runtime::SmFeatures features = runtime::sm_features(jit::Target::parse(arguments.arch));
  const jit::Templates templates = templates_to_run();
  emulator::KernelObjects objects(
      arguments.objects.empty() ? emulator::KernelObjects::beside_cache() : std::filesystem::path(arguments.objects),
      templates);
  bool ok = true;
  bool told = false;
  Json runs = Json::array();
  for (const Completion completion : completions_of(arguments)) {
    std::vector<emulator::TraceEvent> trace;
    emulator::LaunchOptions options{.completion = completion, .seed = seed, .race_check = arguments.race};
    if (arguments.traced_block >= 0) {
      options.trace = &trace;
      options.traced_block = static_cast<emulator::u32>(arguments.traced_block);
    }
    const Judged judged = run_case(objects, features, options);
    ok = ok && judged.trouble.empty();
    const auto& run = judged.run;
    if (arguments.json) {
      runs.push_back({{"completion", to_string(completion)},
                      {"seed", seed},
                      {"race_check", arguments.race},
                      {"ok", judged.trouble.empty()},
                      {"trouble", judged.trouble.empty() ? Json(nullptr) : Json(judged.trouble)},
                      {"kernels", to_json(run.kernels)},
                      {"milliseconds", run.seconds() * 1e3},
                      {"out", judged.out ? to_json(*judged.out) : Json(nullptr)},
                      {"lse", judged.lse ? to_json(*judged.lse) : Json(nullptr)}});
      if (arguments.traced_block >= 0) runs.back()["trace"] = to_json(trace);
      continue;
    }
    for (const emulator::KernelRun& kernel : told ? std::vector<emulator::KernelRun>() : run.kernels) {
      say("{}\n{} CTAs of {} threads with {} of shared memory, {}\n", kernel.object->name, kernel.grid.ctas,
          kernel.grid.threads, bytes_text(kernel.grid.smem_bytes), compiled_text(*kernel.object));
      told = true;
    }
    print_trace(trace);
    say("{}: copies land {}, seed {}{}{}: {:.0f} ms on the CPU; {}\n", judged.trouble.empty() ? "ok" : "WRONG",
        to_string(completion), seed, arguments.race ? ", race check" : "",
        run.kernels.empty() && judged.trouble.empty() ? " (nothing to launch)" : "", run.seconds() * 1e3,
        judgement(judged));
  }
  if (arguments.json) say_json(Json{{"ok", ok}, {"runs", runs}});
  return ok ? kExitOk : kExitFailure;
}

}  // namespace

void add_emulate(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand(
      "emulate",
      "Run a small case on the CPU, on the kernel's own text, and check it against float64. Needs a C++ "
      "compiler, neither GPU nor driver nor NVRTC");
  command
      ->add_option("--config", arguments->config,
                   "The operator as KEY=VALUE words: operator=mla_prefill head_dim_qk=192 head_dim_v=128 ...")
      ->type_name("KEY=VALUE")
      ->required();
  CaseWords& words = arguments->words;
  command->add_option("--batch", words.batch,
                      "Sequences: [count]q<len>[k][s<len>[k]][o<position>[k]], joined by _; of merge_states "
                      "[count]t<tokens>[k]. Default: a small one of the operator");
  command->add_option("--heads", words.heads, "Query heads")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("--kv-heads", words.kv_heads, "Key and value heads; default: as many as query heads")
      ->check(CLI::Range(1, 1024));
  command->add_option("--topk", words.topk, "Indices of each query, of masked_mha and mask_from_topk; default: 48")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--apart", words.apart,
                    "Give q_nope, q_pe, k_nope and k_pe instead of q and k; of mla_decode also latent and rope, of "
                    "merge_states out_a and out_b");
  command->add_option("--arch", arguments->arch, "Plan as for this target")->capture_default_str();
  command->add_option("--tiles", words.tiles, "Which tiles of the plan")
      ->check(CLI::IsMember({"planned", "large", "small"}))
      ->capture_default_str();
  command->add_option("--completion", arguments->completion, "When asynchronous copies land")
      ->check(CLI::IsMember({"all", "early", "late", "random"}))
      ->capture_default_str();
  command->add_option("--seed", words.seed, "Of the data, of the order of threads, of random completion")
      ->capture_default_str();
  command->add_flag("--race", arguments->race, "Check every access to shared memory for races; one run");
  command
      ->add_option(
          "--trace", arguments->traced_block,
          "Print copies, waits and barriers of this CTA, as the first lane of each warp comes to them; one run")
      ->check(CLI::Range(0, 1 << 30))
      ->type_name("CTA");
  command
      ->add_option("--objects", arguments->objects, "Folder of compiled kernels; default: emulator/ beside the cache")
      ->type_name("PATH");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &run] { run = [arguments] { return emulate(*arguments); }; });
}

}  // namespace attnjit::tools
