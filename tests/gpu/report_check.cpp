#include "tests/gpu/report_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "cache/key.h"
#include "tests/gpu/digests.h"

namespace attnjit::gpu_tests {

const char* const kRunTheSuite = "run the GPU suite: tests/gpu/run_on_gpu, see docs/testing.md";

namespace {

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_run(const Json& report, const std::string& family) {
  const auto found = report.at("families").find(family);
  return found != report.at("families").end() && text_at(*found, "status") == "run";
}

/// Family and config: the name of a kernel in the report and in the suite.
std::string name_of(const runtime::KernelPlan& plan) { return plan.spec.family + " " + plan.spec.config_json(); }
std::string name_of(const Json& kernel) { return text_at(kernel, "family") + " " + kernel.at("config").dump(); }

void check_run_family(const std::string& name, const Json& family, bool by_text, std::vector<std::string>& faults) {
  if (family.value("tests", 0) <= 0) faults.push_back(fmt::format("{}: no test ran; {}", name, kRunTheSuite));
  if (family.value("failures", -1) != 0) {
    faults.push_back(fmt::format("{}: the report has failures; mend them and {}", name, kRunTheSuite));
  }
  if (by_text && text_at(family, "source_digest") != source_digest(name)) {
    faults.push_back(fmt::format("{}: its templates changed since they ran on a GPU; {}", name, kRunTheSuite));
  }
}

}  // namespace

std::vector<std::string> pending_families(const Json& report) {
  std::vector<std::string> pending;
  for (const auto& [name, family] : report.at("families").items()) {
    if (text_at(family, "status") != "pending") continue;
    pending.push_back(fmt::format("NOT RUN ON A GPU: {}, {}", name, text_at(family, "reason")));
  }
  return pending;
}

std::vector<std::string> check_families(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                        const std::string& nvrtc) {
  std::vector<std::string> faults;
  std::set<std::string> wanted;
  for (const runtime::KernelPlan& plan : kernels) wanted.insert(plan.spec.family);
  const Json& families = report.at("families");
  for (const std::string& name : wanted) {
    if (!families.contains(name)) faults.push_back(fmt::format("{}: is not in the report; {}", name, kRunTheSuite));
  }
  for (const auto& [name, family] : families.items()) {
    const std::string status = text_at(family, "status");
    if (!wanted.contains(name)) {
      faults.push_back(fmt::format("{}: is in the report, but the suite runs no kernel of it; {}", name, kRunTheSuite));
    } else if (status == "run") {
      check_run_family(name, family, nvrtc.empty() || nvrtc != text_at(report, "nvrtc"), faults);
    } else if (status != "pending" || text_at(family, "reason").empty()) {
      faults.push_back(fmt::format("{}: its status is \"{}\"; it must be run, or pending with a reason", name, status));
    }
  }
  return faults;
}

std::vector<std::string> check_launches(const Json& report, const Recording& recording) {
  constexpr std::size_t kNamed = 10;
  std::vector<std::string> faults;
  for (const auto& [family, digest] : recording.families) {
    if (!is_run(report, family) || text_at(report.at("families").at(family), "launch_digest") == digest) continue;
    faults.push_back(
        fmt::format("{}: the host code launches it otherwise than what ran on a GPU; {}", family, kRunTheSuite));
  }
  for (const auto& [name, family] : report.at("families").items()) {
    if (is_run(report, name) && !recording.families.contains(name)) {
      faults.push_back(fmt::format("{}: no recorded call launches it; add one to tests/launches", name));
    }
  }
  if (faults.empty()) return faults;
  const Json& launches = report.at("launches");
  std::vector<std::string> changed;
  for (const auto& [call, digest] : recording.calls) {
    if (text_at(launches, call.c_str()) != digest) changed.push_back(call);
  }
  faults.push_back(fmt::format(
      "{} calls differ; attnjit_record_launches --print of both builds shows how: {}{}", changed.size(),
      fmt::join(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, changed.size())), ", "),
      changed.size() > kNamed ? ", ..." : ""));
  return faults;
}

std::vector<std::string> check_kernels(const Json& report, const std::vector<runtime::KernelPlan>& kernels) {
  std::vector<std::string> faults;
  std::set<std::string> ran, wanted;
  for (const Json& kernel : report.at("kernels")) ran.insert(name_of(kernel));
  for (const runtime::KernelPlan& plan : kernels) {
    wanted.insert(name_of(plan));
    if (is_run(report, plan.spec.family) && !ran.contains(name_of(plan))) {
      faults.push_back(fmt::format("{}: this kernel has not run on a GPU; {}", name_of(plan), kRunTheSuite));
    }
  }
  for (const std::string& name : ran) {
    if (!wanted.contains(name)) {
      faults.push_back(fmt::format("{}: ran on a GPU, but the suite has it no more; {}", name, kRunTheSuite));
    }
  }
  return faults;
}

std::vector<std::string> check_tests(const Json& report) {
  std::vector<std::string> faults;
  bool any_run = false;
  for (const auto& [name, family] : report.at("families").items()) any_run |= text_at(family, "status") == "run";
  if (!any_run) return faults;

  std::map<std::string, std::string> status;
  for (const Json& test : report.at("tests")) {
    const std::string name = text_at(test, "name");
    status[name] = text_at(test, "status");
    if (status[name] != "passed") faults.push_back(fmt::format("test {}: {}", name, status[name]));
  }
  for (const char* outside : {"compute-sanitizer memcheck", "compute-sanitizer racecheck",
                              "compute-sanitizer synccheck", "compute-sanitizer initcheck", "torch_context"}) {
    if (!status.contains(outside)) faults.push_back(fmt::format("{}: is not in the report; {}", outside, kRunTheSuite));
  }
  return faults;
}

std::vector<std::string> check_cubins(const Json& report, const std::vector<runtime::KernelPlan>& kernels,
                                      runtime::KernelLoader& loader, Share share) {
  std::map<std::string, const runtime::KernelPlan*> plans;
  for (const runtime::KernelPlan& plan : kernels) plans[name_of(plan)] = &plan;
  const std::string target = loader.target().name();

  std::vector<std::string> faults;
  const Json& reported = report.at("kernels");
  for (std::size_t i = share.first; i < reported.size(); i += share.of) {
    const Json& kernel = reported[i];
    const auto plan = plans.find(name_of(kernel));
    if (plan == plans.end() || !is_run(report, text_at(kernel, "family"))) continue;  // the other checks cover these
    if (text_at(kernel, "target") != target) {
      faults.push_back(
          fmt::format("{}: ran as {}, this check is of {}", plan->first, text_at(kernel, "target"), target));
      continue;
    }
    try {
      const cache::Found found = loader.prepare(*plan->second);
      const auto& image = found.entry->image;
      const std::string digest = cache::sha256({reinterpret_cast<const char*>(image.data()), image.size()}).hex();
      if (digest != text_at(kernel, "cubin_sha256")) {
        faults.push_back(
            fmt::format("{}: compiles to other bits than those that ran on a GPU; {}", plan->first, kRunTheSuite));
      }
    } catch (const std::exception& error) {
      faults.push_back(fmt::format("{}: {}", plan->first, error.what()));
    }
  }
  return faults;
}

}  // namespace attnjit::gpu_tests
