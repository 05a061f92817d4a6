// attnjit doctor: what this machine has, what was chosen and why.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/command.h"
#include "tools/findings.h"
#include "tools/say.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

/// Strings without quotes, anything else as JSON.
std::string text(const Json& value) {
  return value.is_string() ? shown_line(value.get<std::string>()) : json_text(value);
}

void line(std::string_view title, const std::string& what) { say("{:<10} {}\n", title, what); }

void print_driver(const Json& driver) {
  line("driver", driver["error"].is_null() ? text(driver["name"]) : text(driver["error"]));
  for (const Json& device : driver["devices"]) {
    const bool served = device["problem"].is_null();
    line("", fmt::format("device {}: {}, SM {}, {} SMs: {}", text(device["ordinal"]), text(device["name"]),
                         text(device["compute_capability"]), text(device["sms"]),
                         served ? "compiled for " + text(device["target"]) : text(device["problem"])));
  }
  if (driver["error"].is_null() && driver["devices"].empty()) line("", "it shows no device");
}

void print_nvrtc(const Json& nvrtc) {
  line("nvrtc", nvrtc["error"].is_null() ? text(nvrtc["name"]) : "none that can be used");
  for (const Json& other : nvrtc["others"]) {
    line("", fmt::format("{} needs {}: {}", text(other["family"]), text(other["needs"]),
                         other["name"].is_null() ? "there is none, and slower kernels serve in its place"
                                                 : "it is compiled by " + text(other["name"])));
  }
  for (const Json& candidate : nvrtc["candidates"]) {
    line("", fmt::format("{} ({}): {}", text(candidate["path"]), text(candidate["how"]), text(candidate["verdict"])));
  }
  if (!nvrtc["targets"].empty()) {
    line("targets", fmt::format("{}", fmt::join(nvrtc["targets"].get<std::vector<std::string>>(), " ")));
  }
}

void print_cache(const Json& cache) {
  line("cache", cache["directory"].is_null() ? "in memory only" : text(cache["directory"]));
  line("", fmt::format("because: {}", text(cache["reason"])));
  for (const Json& rejected : cache["rejected"]) line("", "passed over: " + text(rejected));
  if (!cache["error"].is_null()) {
    line("", "cannot be used: " + text(cache["error"]));
  } else if (cache["exists"] == true) {
    line("", fmt::format("{} kernels, {}, {} faults", text(cache["entries"]),
                         bytes_text(cache["file_bytes"].get<std::int64_t>()), cache["faults"].size()));
  } else if (!cache["directory"].is_null()) {
    line("", "no kernels yet");
  }
  for (const Json& fault : cache["faults"]) line("", "fault: " + text(fault));
  for (const Json& remark : cache["remarks"]) line("", "note: " + text(remark));
}

void print_templates(const Json& templates) {
  line("templates", templates["error"].is_null()
                        ? fmt::format("{}, {} files", text(templates["source"]), text(templates["files"]))
                        : text(templates["error"]));
}

void print_kernels(const Json& kernels) {
  std::string_view title = "kernels";
  for (const Json& kernel : kernels) {
    const std::string status = text(kernel["status"]);
    std::string what = text(kernel["family"]) + ": ";
    if (status == "run") {
      what += fmt::format("run on {} ({}, NVRTC {}), {} tests, {} failed", text(kernel.value("device", Json("?"))),
                          text(kernel.value("driver", Json("?"))), text(kernel.value("nvrtc", Json("?"))),
                          text(kernel.value("tests", Json("?"))), text(kernel.value("failures", Json("?"))));
    } else {
      what += "not run on any GPU";
      const Json reason = kernel.value("reason", Json(nullptr));
      if (!reason.is_null() && reason != "") what += ": " + text(reason);
    }
    line(title, what);
    title = "";
  }
}

Exit doctor(bool as_json) {
  const Json findings = find_out();
  if (as_json) {
    say_json(findings);
    return kExitOk;
  }
  line("attnjit", text(findings["version"]));
  print_driver(findings["driver"]);
  print_nvrtc(findings["nvrtc"]);
  print_cache(findings["cache"]);
  print_templates(findings["templates"]);
  print_kernels(findings["kernels"]);
  return kExitOk;
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* const command =
      app.add_subcommand("doctor", "Tell which driver, compiler, targets, cache and kernels this machine has, and why");
  command->add_flag("--json", *json, "Print one JSON object");
  command->callback([json, &run] { run = [json] { return doctor(*json); }; });
}

}  // namespace attnjit::tools
